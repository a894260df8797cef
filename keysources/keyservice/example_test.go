package keyservice_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
	"github.com/gitseal/gitseal/keysources/keyservice"
)

// A program that has an age identity unwraps data keys for others of the same
// user, which do not get to see the identity.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	// Usually this is os.Getenv.
	env := func(name string) string {
		return map[string]string{"SOPS_AGE_KEY": "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"}[name]
	}

	listener, err := keyservice.Listen(ctx, "unix://"+filepath.Join(dir, "socket"), keyservice.ListenOptions{})
	if err != nil {
		panic(err)
	}
	sources := map[string]keysources.Source{keysources.TypeAge: age.NewKeyring(env)}
	server := keyservice.NewServer(sources, keysources.Policy{}, keyservice.ServerOptions{
		Log: func(e keyservice.Event) { fmt.Println(e.Method, "for", e.Reader, "ended with", e.Err) },
	})
	ended := make(chan error)
	go func() { ended <- server.Serve(ctx, listener) }()

	client, err := keyservice.Dial(os.Getenv, listener.Address())
	if err != nil {
		panic(err)
	}
	recipient, err := client.Recipient(keysources.Stanza{Type: keysources.TypeAge, Fields: []keysources.Field{
		{Name: "recipient", Value: "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"},
	}})
	if err != nil {
		panic(err)
	}
	stanza, err := recipient.Wrap(ctx, make([]byte, 32))
	if err != nil {
		panic(err)
	}
	key, err := client.Unwrap(ctx, stanza)
	fmt.Println(len(key), "bytes", err)
	client.Close()
	cancel()
	fmt.Println(<-ended)
	// Output:
	// Encrypt for age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj ended with <nil>
	// Decrypt for age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj ended with <nil>
	// 32 bytes <nil>
	// <nil>
}
