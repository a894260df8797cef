package azurekv

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/gitseal/gitseal/keysources"
)

const noSense = "the answer is not one of Azure Key Vault"

var errSenseless = errors.New(noSense)

// givenUp is the error for a context that ended. Who cancelled knows why; if the
// deadline has passed while the vault wanted another attempt, that tells more.
func givenUp(reader string, err error, status int) error {
	switch {
	case errors.Is(err, context.Canceled):
		return readerError{reader, err}
	case status == http.StatusTooManyRequests:
		return &keysources.Error{Reader: reader, Reason: keysources.Throttled, Detail: strconv.Itoa(status)}
	case status >= http.StatusInternalServerError:
		return &keysources.Error{Reader: reader, Reason: keysources.Unreachable, Detail: strconv.Itoa(status)}
	}
	return &keysources.Error{Reader: reader, Reason: keysources.Timeout}
}

// readerError says for whom something was cancelled.
type readerError struct {
	reader string
	err    error
}

func (e readerError) Error() string { return e.reader + ": " + e.err.Error() }
func (e readerError) Unwrap() error { return e.err }

// mayPass reports whether another attempt may succeed.
func mayPass(res *http.Response, err error) bool {
	if err != nil {
		return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	}
	switch res.StatusCode {
	case http.StatusTooManyRequests, http.StatusRequestTimeout:
		return true
	}
	return res.StatusCode >= http.StatusInternalServerError
}

// code is the form of the codes that may be shown: no other text of an answer is.
var code = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,63}$`)

// errorOf says what an error of the SDK means. The caller adds the reader.
func errorOf(err error, rejected keysources.Reason) *keysources.Error {
	var sign signInError
	if errors.As(err, &sign) {
		return signInFailure(sign.err)
	}
	var answer *azcore.ResponseError
	if errors.As(err, &answer) {
		return serviceFailure(answer, rejected)
	}
	return transportFailure(err)
}

// serviceFailure reads an answer of the vault.
func serviceFailure(answer *azcore.ResponseError, rejected keysources.Reason) *keysources.Error {
	e := &keysources.Error{Detail: strconv.Itoa(answer.StatusCode)}
	for _, c := range []string{answer.ErrorCode, innerCode(answer.RawResponse)} {
		if code.MatchString(c) {
			e.Detail += " " + c
		}
	}
	switch {
	case answer.StatusCode == http.StatusTooManyRequests:
		e.Reason = keysources.Throttled
	case answer.StatusCode == http.StatusUnauthorized:
		e.Reason = keysources.Unauthenticated
	case strings.HasSuffix(e.Detail, "Disabled"), strings.HasSuffix(e.Detail, "KeyNotYetValid"), strings.HasSuffix(e.Detail, "KeyExpired"):
		// A disabled key is forbidden, too; only the inner code tells.
		e.Reason = keysources.Disabled
	case answer.StatusCode == http.StatusForbidden:
		e.Reason = keysources.Denied
	case answer.StatusCode == http.StatusNotFound:
		e.Reason = keysources.NotFound
	case answer.StatusCode == http.StatusConflict:
		// The key is being deleted or recovered.
		e.Reason = keysources.Disabled
	case answer.StatusCode == http.StatusBadRequest:
		e.Reason = rejected
	default:
		e.Reason = keysources.Unreachable
	}
	return e
}

// innerCode returns the code of the inner error of an answer.
func innerCode(res *http.Response) string {
	var body struct {
		Error struct {
			Inner struct {
				Code string `json:"code"`
			} `json:"innererror"`
		} `json:"error"`
	}
	if res == nil {
		return ""
	}
	// The SDK has read the body already and keeps it.
	data, err := runtime.Payload(res)
	if err != nil || json.Unmarshal(data, &body) != nil {
		return ""
	}
	return body.Error.Inner.Code
}

// aadCode is the form of the codes of Microsoft's authorization server.
var aadCode = regexp.MustCompile(`\bAADSTS[0-9]{4,9}\b`)

// signInFailure says why there is no token.
func signInFailure(err error) *keysources.Error {
	e := &keysources.Error{Reason: keysources.Unauthenticated, Detail: "no Azure credential works here, sign in with az login or set AZURE_TENANT_ID, AZURE_CLIENT_ID and a secret"}
	var answer *azidentity.AuthenticationFailedError
	if !errors.As(err, &answer) {
		return e
	}
	e.Detail = "signing in to Azure failed"
	if c := aadCode.FindString(err.Error()); c != "" {
		e.Detail += ": " + c
	}
	if answer.RawResponse == nil {
		return e
	}
	switch status := answer.RawResponse.StatusCode; {
	case status == http.StatusTooManyRequests:
		e.Reason = keysources.Throttled
	case status >= http.StatusInternalServerError:
		e.Reason, e.Detail = keysources.Unreachable, e.Detail+": "+strconv.Itoa(status)
	}
	return e
}

// transportFailure says in fixed words what went wrong below the vault's answers.
func transportFailure(err error) *keysources.Error {
	e := &keysources.Error{Reason: keysources.Unreachable, Detail: "connection failed"}
	var (
		dns  *net.DNSError
		cert *tls.CertificateVerificationError
		head tls.RecordHeaderError
		to   interface{ Timeout() bool }
	)
	switch {
	case errors.As(err, &cert):
		e.Detail = "the server's certificate is not valid for it"
	case errors.As(err, &head):
		e.Detail = "the server does not speak TLS"
	case errors.As(err, &dns):
		e.Detail = "no such host"
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Detail = "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		e.Detail = "connection closed"
	case errors.As(err, &to) && to.Timeout():
		e.Reason, e.Detail = keysources.Timeout, ""
	case !errors.As(err, new(net.Error)):
		// Not the network: the SDK could make no sense of an answer or a challenge.
		e.Detail = noSense
	}
	return e
}
