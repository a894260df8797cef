package awskms

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/gitseal/gitseal/keysources"
)

// errNoKeys means that where credentials should come from gave empty ones.
var errNoKeys = errors.New("empty credentials")

// configError is a failure to read the AWS configuration, credentialsError one to
// get credentials as it says.
type (
	configError      struct{ error }
	credentialsError struct {
		error
		sso bool // they come from an SSO session
	}
)

func (e *configError) Unwrap() error      { return e.error }
func (e *credentialsError) Unwrap() error { return e.error }

// reasons says what the error codes of KMS, STS and SSO mean to us. Those that
// stand for throttling are known to the SDK.
var reasons = map[string]keysources.Reason{
	"NotFoundException":       keysources.NotFound,
	"XksKeyNotFoundException": keysources.NotFound,

	"AccessDenied":            keysources.Denied,
	"AccessDeniedException":   keysources.Denied,
	"ForbiddenException":      keysources.Denied,
	"OptInRequired":           keysources.Denied, // a region that the account has not enabled
	"RegionDisabledException": keysources.Denied,

	"DisabledException":        keysources.Disabled,
	"KMSInvalidStateException": keysources.Disabled, // to be deleted, or without its material

	"InvalidCiphertextException": keysources.Damaged, // also: another encryption context
	"IncorrectKeyException":      keysources.Damaged,

	"InvalidArnException":           keysources.Malformed,
	"InvalidAliasNameException":     keysources.Malformed,
	"InvalidKeyUsageException":      keysources.Malformed,
	"UnsupportedOperationException": keysources.Malformed,
	"ValidationError":               keysources.Malformed,
	"ValidationException":           keysources.Malformed,

	"ExpiredToken":                        keysources.Unauthenticated,
	"ExpiredTokenException":               keysources.Unauthenticated,
	"IDPRejectedClaim":                    keysources.Unauthenticated,
	"IncompleteSignature":                 keysources.Unauthenticated,
	"InvalidAccessKeyId":                  keysources.Unauthenticated,
	"InvalidClientTokenId":                keysources.Unauthenticated,
	"InvalidGrantException":               keysources.Unauthenticated,
	"InvalidIdentityToken":                keysources.Unauthenticated,
	"InvalidSignatureException":           keysources.Unauthenticated,
	"MissingAuthenticationToken":          keysources.Unauthenticated,
	"MissingAuthenticationTokenException": keysources.Unauthenticated,
	"RequestExpired":                      keysources.Unauthenticated,
	"SignatureDoesNotMatch":               keysources.Unauthenticated,
	"UnauthorizedException":               keysources.Unauthenticated,
	"UnrecognizedClientException":         keysources.Unauthenticated,
}

// hints are what a code alone does not tell.
var hints = map[string]string{
	"IncorrectKeyException":      "was it an alias that points to another key now?",
	"InvalidCiphertextException": "or the encryption context is another",
	"InvalidSignatureException":  "a wrong secret key, or a wrong clock",
	"KMSInvalidStateException":   "it is to be deleted, or has no key material",
	"SignatureDoesNotMatch":      "a wrong secret key, or a wrong clock",
	"UnauthorizedException":      "the SSO session has ended; log in again",
}

// explain turns what the SDK says into an error that shows no more than a code,
// the name of an operation, a region and a host: the SDK's texts repeat what
// services and files say.
func explain(ctx context.Context, k key, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return &cancelled{reader: k.arn}
	}
	e := &keysources.Error{Reader: k.arn}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		e.Reason, e.Detail = keysources.Timeout, "in region "+k.region
		return e
	}
	e.Reason, e.Detail = diagnose(k, err)
	return e
}

func diagnose(k key, err error) (keysources.Reason, string) {
	var profile config.SharedConfigProfileNotExistError
	var session *ssocreds.InvalidTokenError
	var noMFA config.AssumeRoleTokenProviderNotSetError
	var badConfig *configError
	var noCredentials *credentialsError
	switch {
	case errors.As(err, &profile):
		return keysources.Unauthenticated, "the AWS configuration has no such profile"
	case errors.As(err, &noMFA):
		return keysources.Unauthenticated, "the profile asks for an MFA code; get a session first"
	case errors.As(err, &badConfig):
		return keysources.Unauthenticated, "the AWS configuration cannot be used"
	}
	op := innermost(err)
	if errors.As(err, &session) || errors.As(err, &noCredentials) && noCredentials.sso && op == nil {
		return keysources.Unauthenticated, "there is no SSO session, or it has ended; log in again"
	}
	if errors.As(err, &noCredentials) && (op == nil || op.ServiceID == "ec2imds") {
		return keysources.Unauthenticated, "no AWS credentials in the environment, the configuration, the container or the instance"
	}
	where := "in region " + k.region
	if op != nil && op.ServiceID != "KMS" {
		where = op.ServiceID + " " + op.OperationName + " " + where
	}
	reason, what := diagnoseCall(err)
	return reason, strings.TrimSpace(what + " " + where)
}

// diagnoseCall says why a call failed, and with which code or at which host.
func diagnoseCall(err error) (keysources.Reason, string) {
	var api smithy.APIError
	if errors.As(err, &api) && codeForm.MatchString(api.ErrorCode()) {
		code := api.ErrorCode()
		what := code
		if hint, ok := hints[code]; ok {
			what += ": " + hint + ","
		}
		if reason, ok := reasons[code]; ok {
			return reason, what
		}
		if _, ok := retry.DefaultThrottleErrorCodes[code]; ok {
			return keysources.Throttled, what
		}
		return byStatus(err), what
	}
	// The SDK makes a ResponseError of everything, also where there was no response.
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) && response.HTTPStatusCode() != 0 {
		return byStatus(err), "HTTP " + strconv.Itoa(response.HTTPStatusCode())
	}
	return diagnoseNetwork(err)
}

// byStatus is for answers without a code that we know.
func byStatus(err error) keysources.Reason {
	var response *smithyhttp.ResponseError
	if !errors.As(err, &response) {
		return keysources.Unreachable
	}
	switch response.HTTPStatusCode() {
	case http.StatusUnauthorized:
		return keysources.Unauthenticated
	case http.StatusForbidden:
		return keysources.Denied
	case http.StatusTooManyRequests:
		return keysources.Throttled
	}
	return keysources.Unreachable
}

func diagnoseNetwork(err error) (keysources.Reason, string) {
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var op *net.OpError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, errIncomplete):
		return keysources.Unreachable, "an incomplete answer"
	case errors.As(err, &dns):
		return keysources.Unreachable, "no host " + dns.Name
	case errors.As(err, &cert):
		return keysources.Unreachable, "the server's certificate is not trusted"
	case errors.As(err, &timeout) && timeout.Timeout():
		return keysources.Timeout, ""
	case errors.As(err, &op) && op.Addr != nil:
		return keysources.Unreachable, "no connection to " + op.Addr.String()
	}
	return keysources.Unreachable, ""
}

// innermost returns the last operation in a chain of errors: the one that failed
// of those that each other call needs.
func innermost(err error) *smithy.OperationError {
	var last *smithy.OperationError
	for {
		var op *smithy.OperationError
		if !errors.As(err, &op) {
			return last
		}
		last, err = op, op.Err
	}
}

// codeForm is what error codes look like. Anything else is not repeated.
var codeForm = regexp.MustCompile(`^[A-Z][A-Za-z0-9]{2,63}$`)

// cancelled is context.Canceled with the name of the key.
type cancelled struct{ reader string }

func (c *cancelled) Error() string { return c.reader + ": " + context.Canceled.Error() }
func (c *cancelled) Unwrap() error { return context.Canceled }
