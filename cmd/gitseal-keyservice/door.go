package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/gitseal/gitseal/cmd/internal/doors"
	"github.com/gitseal/gitseal/cmd/internal/rules"
)

// openDoor refuses to serve where that is closed: when an AI agent runs the program,
// or the configuration above the current folder says so.
func openDoor(ctx context.Context, s std) error {
	d, _ := doors.ByName(doors.Keyservice)
	why, err := doors.ClosedToCaller(s.getenv)
	if err != nil {
		return &usageError{text: err.Error()}
	}
	if why == "" {
		if why, err = closedHere(ctx); err != nil {
			return err
		}
	}
	if why == "" {
		return nil
	}
	return &refused{hinted{error: fmt.Errorf("serving is closed, which hands out %s: %s", d.Opens, why), hint: d.Twin}}
}

// closedHere says which configuration closes the door, "" if none does.
func closedHere(ctx context.Context) (string, error) {
	c, err := configHere(ctx)
	if err != nil || c == nil || !slices.Contains(c.ClosedDoors, doors.Keyservice) {
		return "", err
	}
	return c.Path + " closes it (gitseal: doors)", nil
}

// configHere returns the configuration for the current folder, also if a sparse checkout
// leaves it out; nil if there is none.
func configHere(ctx context.Context) (*rules.Config, error) {
	here, err := filepath.Abs(".sops.yaml")
	if err != nil {
		return nil, err
	}
	path, err := rules.Find(here)
	if err != nil && !errors.Is(err, rules.ErrNotFound) {
		return nil, err
	}
	leftOut, root, err := new(rules.LeftOut).Nearer(ctx, here, path)
	switch {
	case err != nil:
		return nil, err
	case leftOut != "":
		return rules.LoadIndexed(ctx, leftOut, root)
	case path == "":
		return nil, nil
	}
	return rules.Load(path)
}
