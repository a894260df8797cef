package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/all"
	"github.com/gitseal/gitseal/keysources/keyservice"
	"github.com/gitseal/gitseal/keysources/remote"
)

// runChild serves the process that has the other ends of standard input and
// output.
func runChild(ctx context.Context, args []string, s std) error {
	if len(args) > 0 {
		return &usageError{text: "child takes no arguments"}
	}
	// Ctrl-C goes to parent and child; the parent ends the child when it is ready
	// to, by closing our input.
	signal.Ignore(os.Interrupt)
	// A library that prints, or asks, must not do so in the middle of a frame.
	os.Stdout = os.Stderr
	if null, err := os.Open(os.DevNull); err == nil {
		os.Stdin = null
	}
	l := &lookup{env: s.getenv, local: all.Sources(s.getenv), services: map[string]keysources.Source{}}
	if err := remote.Serve(ctx, s.in, s.out, l.source); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// lookup finds sources by name.
type lookup struct {
	env   func(string) string
	local map[string]keysources.Source

	mu       sync.Mutex // guards services
	services map[string]keysources.Source
}

// source returns the source of a stanza type, or a key service.
func (l *lookup) source(name string) (keysources.Source, error) {
	if s, ok := l.local[name]; ok {
		return s, nil
	}
	url, ok := strings.CutPrefix(name, remote.KeyServicePrefix)
	if !ok {
		return nil, fmt.Errorf("there is no key source %q", name)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if s, ok := l.services[url]; ok {
		return s, nil
	}
	s, err := keyservice.Dial(l.env, url)
	if err != nil {
		return nil, err
	}
	l.services[url] = s
	return s, nil
}
