package gcpkms

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"golang.org/x/oauth2"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/internal/retry"
)

// failure is why an attempt failed, before it is known for whom.
type failure struct {
	reason keysources.Reason
	detail string
	// invalid is set if the service did not like what it was sent.
	invalid bool
	// again is set if another attempt may succeed, after at the earliest.
	again bool
	after time.Duration
}

func (f *failure) error(r request) error {
	reason := f.reason
	if f.invalid {
		reason = r.rejected
	}
	return &keysources.Error{Reader: r.id, Reason: reason, Detail: f.detail}
}

// givenUp is the error when there are no more attempts. Who cancelled knows why;
// if the deadline has passed, an attempt that failed before tells more than that.
func givenUp(r request, err error, last *failure) error {
	switch {
	case errors.Is(err, context.Canceled):
		return readerError{r.id, err}
	case last != nil:
		return last.error(r)
	}
	return &keysources.Error{Reader: r.id, Reason: keysources.Timeout}
}

// readerError says for whom something was cancelled.
type readerError struct {
	reader string
	err    error
}

func (e readerError) Error() string { return e.reader + ": " + e.err.Error() }
func (e readerError) Unwrap() error { return e.err }

// code is the form of the codes that may be shown: no other text of an answer is.
var code = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,63}$`)

// serviceFailure reads an answer that is not 200.
func serviceFailure(res *http.Response, data []byte) *failure {
	var body struct {
		Error struct {
			Status  string `json:"status"`
			Details []struct {
				Reason string `json:"reason"`
			} `json:"details"`
		} `json:"error"`
	}
	// An answer from something else than Cloud KMS leaves this empty.
	_ = json.Unmarshal(data, &body)
	f := &failure{detail: strconv.Itoa(res.StatusCode), after: retry.After(res.Header)}
	if code.MatchString(body.Error.Status) {
		f.detail += " " + body.Error.Status
	}
	for _, d := range body.Error.Details {
		if code.MatchString(d.Reason) {
			f.detail += " " + d.Reason
			break
		}
	}
	switch {
	case res.StatusCode == http.StatusTooManyRequests:
		f.reason, f.again = keysources.Throttled, true
	case res.StatusCode >= http.StatusInternalServerError || res.StatusCode == http.StatusRequestTimeout:
		f.reason, f.again = keysources.Unreachable, true
	case res.StatusCode == http.StatusUnauthorized:
		f.reason = keysources.Unauthenticated
	case res.StatusCode == http.StatusForbidden:
		f.reason = keysources.Denied
	case res.StatusCode == http.StatusNotFound:
		f.reason = keysources.NotFound
	case body.Error.Status == "FAILED_PRECONDITION":
		// The key, or the version that is needed, is disabled or destroyed.
		f.reason = keysources.Disabled
	case body.Error.Status == "INVALID_ARGUMENT":
		f.invalid = true
	default:
		f.reason = keysources.Unreachable
	}
	return f
}

// transportFailure says in fixed words what went wrong below HTTP.
func transportFailure(err error) *failure {
	f := retry.Transport(err)
	return &failure{reason: f.Reason, detail: f.Detail, again: f.Again}
}

// tokenFailure says why there is no access token. The texts of the errors may
// hold what an authorization server said, and are not shown.
func tokenFailure(err error) *failure {
	var answer *oauth2.RetrieveError
	if !errors.As(err, &answer) {
		var network net.Error
		if errors.As(err, &network) {
			f := transportFailure(err)
			f.detail = joinDetail("getting an access token", f.detail)
			return f
		}
		return &failure{reason: keysources.Unauthenticated, detail: "no access token for these credentials"}
	}
	f := &failure{reason: keysources.Unauthenticated, detail: "getting an access token"}
	if code.MatchString(answer.ErrorCode) {
		f.detail = joinDetail(f.detail, answer.ErrorCode)
	}
	if answer.Response == nil {
		return f
	}
	switch status := answer.Response.StatusCode; {
	case status == http.StatusTooManyRequests:
		f.reason, f.again = keysources.Throttled, true
	case status >= http.StatusInternalServerError:
		f.reason, f.again = keysources.Unreachable, true
		f.detail = joinDetail(f.detail, strconv.Itoa(status))
	}
	return f
}

func joinDetail(a, b string) string {
	if b == "" {
		return a
	}
	return a + ": " + b
}
