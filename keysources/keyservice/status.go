package keyservice

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/gitseal/gitseal/keysources"
)

// reasonTrailer carries the reason between our own server and client; the code
// alone is for others.
const reasonTrailer = "gitseal-reason"

// notForMe is the value of reasonTrailer for keysources.ErrNotForMe.
const notForMe = "not-for-me"

// toStatus returns what a client is told: the reason and the reader, both of which
// its own request determines. Details stay in the server's log.
func toStatus(reader string, err error) (*status.Status, metadata.MD) {
	var known *keysources.Error
	switch {
	case errors.As(err, &known) && !errors.Is(err, keysources.ErrNotForMe):
		public := keysources.Error{Reader: reader, Reason: known.Reason}
		return status.New(codeOf(known.Reason), public.Error()), metadata.Pairs(reasonTrailer, string(known.Reason))
	case errors.Is(err, context.DeadlineExceeded):
		public := keysources.Error{Reader: reader, Reason: keysources.Timeout}
		return status.New(codes.DeadlineExceeded, public.Error()), metadata.Pairs(reasonTrailer, string(keysources.Timeout))
	case errors.Is(err, context.Canceled):
		return status.New(codes.Canceled, "cancelled"), nil
	case errors.Is(err, keysources.ErrNotForMe):
		return status.New(codes.NotFound, reader+": this key service has no identity for it"), metadata.Pairs(reasonTrailer, notForMe)
	}
	return status.New(codes.Unknown, reader+": failed"), nil
}

func codeOf(r keysources.Reason) codes.Code {
	switch r {
	case keysources.Unreachable, keysources.Unavailable:
		return codes.Unavailable
	case keysources.Timeout:
		return codes.DeadlineExceeded
	case keysources.Throttled:
		return codes.ResourceExhausted
	case keysources.Unauthenticated, keysources.Disabled:
		return codes.FailedPrecondition
	case keysources.Denied, keysources.Refused:
		return codes.PermissionDenied
	case keysources.NotFound:
		return codes.NotFound
	case keysources.Malformed:
		return codes.InvalidArgument
	case keysources.Damaged:
		return codes.DataLoss
	}
	return codes.Unknown
}

// fromStatus returns what a server's answer means for a reader. What the server
// wrote is not repeated: it may hold anything.
func (s *Source) fromStatus(ctx context.Context, reader string, err error, trailer metadata.MD) error {
	code := status.Code(err)
	if ctxErr := ctx.Err(); errors.Is(ctxErr, context.Canceled) {
		return &calledOff{reader: reader, cause: ctxErr}
	}
	out := &keysources.Error{Reader: reader, Reason: reasonOf(code), Detail: s.String() + " says " + code.String()}
	own := trailer.Get(reasonTrailer)
	switch {
	case len(own) == 1 && own[0] == notForMe:
		return &calledOff{reader: reader, cause: keysources.ErrNotForMe}
	case len(own) == 1 && codeOf(keysources.Reason(own[0])) == code:
		out.Reason = keysources.Reason(own[0])
		out.Detail = s.String() + " says so"
	case code == codes.Unavailable:
		out.Detail = s.String() + " does not answer, or refuses us"
	case code == codes.DeadlineExceeded:
		out.Detail = s.String() + " has not answered"
	}
	return out
}

// reasonOf reads the code of a server that gives no reason. sops answers Unknown
// whatever is wrong.
func reasonOf(c codes.Code) keysources.Reason {
	switch c {
	case codes.Unavailable, codes.Unimplemented, codes.Internal:
		return keysources.Unreachable
	case codes.DeadlineExceeded:
		return keysources.Timeout
	case codes.ResourceExhausted:
		return keysources.Throttled
	case codes.Unauthenticated, codes.FailedPrecondition:
		return keysources.Unauthenticated
	case codes.NotFound:
		return keysources.NotFound
	case codes.InvalidArgument:
		return keysources.Malformed
	case codes.DataLoss:
		return keysources.Damaged
	}
	return keysources.Denied
}

// calledOff is an error with a reader that is nothing but its cause.
type calledOff struct {
	reader string
	cause  error
}

func (e *calledOff) Error() string { return e.reader + ": " + e.cause.Error() }
func (e *calledOff) Unwrap() error { return e.cause }
