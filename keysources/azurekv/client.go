package azurekv

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/gitseal/gitseal/keysources"
)

// parallel is how many calls may be under way without new connections for each.
const parallel = 64

// What is tried again, how often, and after how long; the vault may ask for more.
const (
	maxRetries   = 5
	firstBackoff = 100 * time.Millisecond
	maxBackoff   = 10 * time.Second
)

// client holds one SDK client for each vault, and one credential for all.
type client struct {
	http direct

	mu         sync.Mutex // guards what follows
	credential azcore.TokenCredential
	vaults     map[string]*azkeys.Client
}

// direct makes requests without an http.Client, which would follow redirects. Vaults
// never redirect; whoever does would get the token. (Even a client that is told not to
// follow them rewinds the body that the SDK gave it, while it is still being sent.)
type direct struct{ transport http.RoundTripper }

// Do makes one request.
func (d direct) Do(r *http.Request) (*http.Response, error) { return d.transport.RoundTrip(r) }

func newClient(o Options) *client {
	transport := o.Transport
	if transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConnsPerHost = parallel
		transport = t
	}
	c := &client{vaults: map[string]*azkeys.Client{}, http: direct{watched{transport}}}
	if o.Credential != nil {
		c.credential = newSignIn(o.Credential)
	}
	return c
}

// vault returns the client for a vault. It verifies that the resource that a vault
// wants a token for is the vault's own domain: the SDK does so unless told otherwise.
func (c *client) vault(address string) (*azkeys.Client, error) {
	address = strings.TrimRight(address, "/")
	c.mu.Lock()
	defer c.mu.Unlock()
	if v := c.vaults[address]; v != nil {
		return v, nil
	}
	if c.credential == nil {
		found, err := azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{
			ClientOptions: policy.ClientOptions{Transport: c.http},
		})
		if err != nil {
			return nil, signInError{err}
		}
		c.credential = newSignIn(found)
	}
	v, err := azkeys.NewClient(address, c.credential, &azkeys.ClientOptions{ClientOptions: policy.ClientOptions{
		Transport: c.http,
		Retry: policy.RetryOptions{
			MaxRetries: maxRetries, RetryDelay: firstBackoff, MaxRetryDelay: maxBackoff, ShouldRetry: mayPass,
		},
		// Request ids are enough; names and versions of programs are nobody's business.
		Telemetry: policy.TelemetryOptions{Disabled: true},
	}})
	if err != nil {
		return nil, err
	}
	c.vaults[address] = v
	return v, nil
}

// call makes a request with do. rejected is what it means that the vault calls the
// request invalid.
func (c *client) call(ctx context.Context, k keyID, rejected keysources.Reason, do func(context.Context, *azkeys.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	var last atomic.Int64
	err := c.try(context.WithValue(ctx, statusKey{}, &last), k, do)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return givenUp(k.String(), ctx.Err(), int(last.Load()))
	}
	e := errorOf(err, rejected)
	e.Reader = k.String()
	return e
}

// try is call without the reasons. The SDK panics at some challenges that no vault
// sends.
func (c *client) try(ctx context.Context, k keyID, do func(context.Context, *azkeys.Client) error) (err error) {
	defer func() {
		if recover() != nil {
			err = errSenseless
		}
	}()
	v, err := c.vault(k.vault)
	if err != nil {
		return err
	}
	return do(ctx, v)
}

// resolve returns k with a version.
func (c *client) resolve(ctx context.Context, k keyID) (keyID, error) {
	if k.version != "" {
		return k, nil
	}
	var answer azkeys.GetKeyResponse
	err := c.call(ctx, k, keysources.Malformed, func(ctx context.Context, v *azkeys.Client) (err error) {
		answer, err = v.GetKey(ctx, k.name, "", nil)
		return err
	})
	if err != nil {
		return keyID{}, err
	}
	if answer.Key == nil || answer.Key.KID == nil || !versionForm.MatchString(answer.Key.KID.Version()) || answer.Key.KID.Name() != k.name {
		return keyID{}, senseless(k)
	}
	k.version = answer.Key.KID.Version()
	return k, nil
}

// statusKey is the context's key for where to note the status of the last answer.
type statusKey struct{}

// watched notes the status of each answer: when a deadline passes, the SDK does not
// say that it was busy retrying.
type watched struct{ next http.RoundTripper }

func (w watched) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := w.next.RoundTrip(req)
	if last, ok := req.Context().Value(statusKey{}).(*atomic.Int64); ok && err == nil {
		last.Store(int64(res.StatusCode))
	}
	return res, err
}

// failureTime is how long "there are no credentials" is remembered: finding that out
// takes seconds and starts programs, and many callers may be waiting.
const failureTime = 5 * time.Second

// signIn asks a credential, one caller at a time, and marks its errors as such.
type signIn struct {
	next azcore.TokenCredential
	// turn has room for the one whose turn it is; it guards what follows.
	turn  chan struct{}
	err   error
	until time.Time
}

func newSignIn(next azcore.TokenCredential) *signIn {
	return &signIn{next: next, turn: make(chan struct{}, 1)}
}

// GetToken implements azcore's interface.
func (s *signIn) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return azcore.AccessToken{}, signInError{ctx.Err()}
	}
	if time.Now().Before(s.until) {
		return azcore.AccessToken{}, s.err
	}
	t, err := s.next.GetToken(ctx, o)
	if err == nil {
		return t, nil
	}
	err = signInError{err}
	var answered *azidentity.AuthenticationFailedError
	if ctx.Err() == nil && (!errors.As(err, &answered) || answered.RawResponse == nil) {
		s.err, s.until = err, time.Now().Add(failureTime)
	}
	return azcore.AccessToken{}, err
}

// signInError is why there is no token. Its text may hold what an authorization
// server said, and is not shown.
type signInError struct{ err error }

func (e signInError) Error() string { return "signing in failed" }
func (e signInError) Unwrap() error { return e.err }

// NonRetriable tells the SDK not to try again: credentials do that themselves.
func (e signInError) NonRetriable() {}
