package hckms

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/sdkerr"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/internal/retry"
)

const noSense = "the answer is not one of Huawei Cloud KMS"

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

func (f *failure) error(id keyID, rejected keysources.Reason) error {
	reason := f.reason
	if f.invalid {
		reason = rejected
	}
	return &keysources.Error{Reader: id.text, Reason: reason, Detail: f.detail}
}

// givenUp is the error when there are no more attempts. Who cancelled knows why;
// if the deadline has passed, an attempt that failed before tells more than that.
func givenUp(id keyID, err error, last *failure, rejected keysources.Reason) error {
	switch {
	case errors.Is(err, context.Canceled):
		return readerError{id.text, err}
	case last != nil:
		return last.error(id, rejected)
	}
	return &keysources.Error{Reader: id.text, Reason: keysources.Timeout}
}

// readerError says for whom something was cancelled.
type readerError struct {
	reader string
	err    error
}

func (e readerError) Error() string { return e.reader + ": " + e.err.Error() }
func (e readerError) Unwrap() error { return e.err }

// code is the form of the codes that may be shown: no other text of an answer is.
var code = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,20}\.[0-9]{1,8}$`)

// The service has one code for each operation and way to fail, and status 400 for
// most; its messages say which of them are about the key's state.
var (
	saysDisabled = regexp.MustCompile(`(?i)disabled|not enabled|not in (the )?enabled|pending|scheduled`)
	saysMissing  = regexp.MustCompile(`(?i)not exist|not found`)
)

// failureOf says what an error of the SDK means, with what the transport saw.
func failureOf(err error, seen *contextTransport) *failure {
	if seen.err != nil {
		return transportFailure(seen.err)
	}
	if seen.status == 0 {
		return &failure{reason: keysources.Unauthenticated, detail: "the request could not be signed"}
	}
	answer := &sdkerr.ServiceResponseError{}
	// The SDK makes a text of what the identity service says; its status is known.
	if !errors.As(err, &answer) && seen.status < http.StatusBadRequest {
		return &failure{reason: keysources.Unreachable, detail: noSense}
	}
	f := &failure{detail: strconv.Itoa(seen.status), after: seen.retryAfter}
	if code.MatchString(answer.ErrorCode) {
		f.detail += " " + answer.ErrorCode
	}
	switch {
	case seen.status == http.StatusTooManyRequests:
		f.reason, f.again = keysources.Throttled, true
	case seen.status >= http.StatusInternalServerError || seen.status == http.StatusRequestTimeout:
		f.reason, f.again = keysources.Unreachable, true
	case seen.status == http.StatusUnauthorized:
		f.reason = keysources.Unauthenticated
	case saysDisabled.MatchString(answer.ErrorMessage):
		f.reason = keysources.Disabled
	case seen.status == http.StatusForbidden:
		f.reason = keysources.Denied
	case seen.status == http.StatusNotFound || saysMissing.MatchString(answer.ErrorMessage):
		f.reason = keysources.NotFound
	case seen.status == http.StatusBadRequest:
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

func joinDetail(a, b string) string {
	if b == "" {
		return a
	}
	return a + ": " + b
}
