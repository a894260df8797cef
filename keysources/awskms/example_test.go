package awskms_test

import (
	"context"
	"fmt"
	"os"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/awskms"
)

func Example() {
	source := awskms.New(os.Getenv)
	recipient, err := source.Recipient(keysources.Stanza{
		Type: keysources.TypeKMS,
		Fields: []keysources.Field{
			{Name: "arn", Value: "arn:aws:kms:eu-west-1:111122223333:alias/app"},
		},
		Context: []keysources.Field{{Name: "app", Value: "shop"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	stanza, err := recipient.Wrap(context.Background(), []byte("the data key of a file, 32 bytes"))
	if err != nil {
		fmt.Println(err) // arn:aws:…: no valid credentials (…)
		return
	}
	fmt.Println(stanza.Reader())
}
