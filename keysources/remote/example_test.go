package remote_test

import (
	"context"
	"fmt"
	"os"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/remote"
)

// A program that must start fast opens a file's KMS stanza, and starts the program
// that has AWS's libraries only then.
func Example() {
	service := remote.New(os.Getenv, remote.Options{})
	defer service.Close()
	// What only the file names (a role, a profile) is not used unless the user
	// allows it.
	kms := keysources.Policy{}.Guard(service.Source(keysources.TypeKMS))
	_, err := kms.Unwrap(context.Background(), keysources.Stanza{Type: keysources.TypeKMS, Fields: []keysources.Field{
		{Name: "arn", Value: "arn:aws:kms:eu-west-1:111122223333:key/1"},
		{Name: "role", Value: "arn:aws:iam::444455556666:role/evil"},
	}})
	fmt.Println(err)
	// Output:
	// arn:aws:kms:eu-west-1:111122223333:key/1: only the file names it (kms.role=arn:aws:iam::444455556666:role/evil)
}
