package awskms

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sso"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go/middleware"
)

// errIncomplete means that a service answered with success and without what it was
// asked for. The SDK passes that on, and panics where it needs it itself: in a
// goroutine of its own, for credentials.
var errIncomplete = errors.New("an incomplete answer")

// checkComplete makes clients return errIncomplete instead.
func checkComplete(stack *middleware.Stack) error {
	check := func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleInitialize(ctx, in)
		if err == nil && !isComplete(out.Result) {
			err = errIncomplete
		}
		return out, metadata, err
	}
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("CheckComplete", check), middleware.Before)
}

// isComplete knows the operations that are used for data keys and credentials.
func isComplete(result any) bool {
	switch r := result.(type) {
	case *kms.EncryptOutput:
		return len(r.CiphertextBlob) > 0
	case *kms.DecryptOutput:
		return len(r.Plaintext) > 0
	case *sts.AssumeRoleOutput:
		return hasCredentials(r.Credentials)
	case *sts.AssumeRoleWithWebIdentityOutput:
		return hasCredentials(r.Credentials)
	case *sso.GetRoleCredentialsOutput:
		return r.RoleCredentials != nil
	}
	return true
}

func hasCredentials(c *ststypes.Credentials) bool {
	return c != nil && c.AccessKeyId != nil && c.SecretAccessKey != nil && c.SessionToken != nil && c.Expiration != nil
}
