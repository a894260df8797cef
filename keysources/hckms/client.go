package hckms

import (
	"context"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/config"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/impl"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/sdkerr"
	sdkkms "github.com/huaweicloud/huaweicloud-sdk-go-v3/services/kms/v2"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/services/kms/v2/model"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/internal/retry"
)

// kms is what is used of the SDK's client.
type kms interface {
	EncryptData(*model.EncryptDataRequest) (*model.EncryptDataResponse, error)
	DecryptData(*model.DecryptDataRequest) (*model.DecryptDataResponse, error)
}

// maxAnswer bounds what is read of an answer. :: bytes
const maxAnswer = 1 << 20

// parallel is how many calls may be under way without new connections for each.
const parallel = 64

// client makes calls through the SDK, which knows no contexts: each attempt gets an
// SDK client of its own, whose transport knows the context. Those are cheap; the
// connections and the credentials are shared.
type client struct {
	transport http.RoundTripper

	mu       sync.Mutex // guards accounts
	accounts map[string]*account
}

func newClient(transport http.RoundTripper) *client {
	if transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConnsPerHost = parallel
		transport = t
	}
	return &client{transport: transport, accounts: map[string]*account{}}
}

// account returns the account for a region, the same one for all callers.
func (c *client) account(region string) *account {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.accounts[region]
	if a == nil {
		a = &account{region: region}
		c.accounts[region] = a
	}
	return a
}

// call makes a request with do, and tries again what may work the next time.
// rejected is what it means that the service calls the request invalid. When ctx
// ends, do may still be running, and its result must not be used.
func (c *client) call(ctx context.Context, id keyID, rejected keysources.Reason, do func(kms) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	var last *failure
	for attempt := 0; ; attempt++ {
		f := c.inBackground(ctx, id, do)
		if f == nil {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return givenUp(id, err, last, rejected)
		}
		if !f.again || !retry.Pause(ctx, attempt, f.after) {
			return givenUp(id, ctx.Err(), f, rejected)
		}
		last = f
	}
}

// inBackground makes one attempt, and does not wait for its end if ctx ends first:
// some of what the SDK does for credentials knows no context.
func (c *client) inBackground(ctx context.Context, id keyID, do func(kms) error) *failure {
	done := make(chan *failure, 1)
	go func() { done <- c.once(ctx, id, do) }()
	select {
	case f := <-done:
		return f
	case <-ctx.Done():
		return &failure{reason: keysources.Timeout}
	}
}

// once makes one attempt. The SDK panics where its files or an answer are not what
// it expects.
func (c *client) once(ctx context.Context, id keyID, do func(kms) error) (f *failure) {
	transport := &contextTransport{ctx: ctx, next: c.transport}
	step := &failure{reason: keysources.Unauthenticated, detail: "the SDK's credentials or regions file, or an answer of the identity service, is not well-formed"}
	defer func() {
		if recover() != nil {
			f = step
		}
	}()
	cfg := config.DefaultHttpConfig().WithHttpRoundTripper(transport).WithTimeout(callTime)
	httpClient := impl.NewDefaultHttpClient(cfg)
	a := c.account(id.region)
	endpoints, f := a.ready(httpClient, transport)
	if f != nil {
		return f
	}
	step = &failure{reason: keysources.Unreachable, detail: noSense}
	sdk := core.NewHcHttpClient(httpClient).WithEndpoints(slices.Clone(endpoints)).WithCredential(a).WithErrorHandler(sdkerr.DefaultErrorHandler{})
	if err := do(sdkkms.NewKmsClient(sdk)); err != nil {
		return failureOf(err, transport)
	}
	return nil
}

// contextTransport ends requests with a context, reads no endless answers, and
// remembers what came of the last request: the SDK turns most errors into texts.
type contextTransport struct {
	ctx  context.Context
	next http.RoundTripper

	status     int
	retryAfter time.Duration
	err        error
}

func (t *contextTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := t.next.RoundTrip(req.WithContext(t.ctx))
	t.err, t.status = err, 0
	if err != nil {
		return nil, err
	}
	t.status, t.retryAfter = res.StatusCode, retry.After(res.Header)
	res.Body = limitedBody{io.LimitReader(res.Body, maxAnswer), res.Body}
	return res, nil
}

type limitedBody struct {
	io.Reader
	io.Closer
}
