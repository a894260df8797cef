package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/gitseal/gitseal/cmd/internal/doors"
	"github.com/gitseal/gitseal/cmd/internal/rules"
)

// openDoor refuses to serve where that is closed: when an AI agent runs the program,
// or the configuration above the current folder says so.
func openDoor(s std) error {
	d, _ := doors.ByName(doors.Keyservice)
	why, err := doors.ClosedToCaller(s.getenv)
	if err != nil {
		return &usageError{text: err.Error()}
	}
	if why == "" {
		if why, err = closedHere(); err != nil {
			return err
		}
	}
	if why == "" {
		return nil
	}
	return &refused{hinted{error: fmt.Errorf("serving is closed, which hands out %s: %s", d.Opens, why), hint: d.Twin}}
}

// closedHere says which configuration closes the door, "" if none does.
func closedHere() (string, error) {
	here, err := filepath.Abs(".sops.yaml")
	if err != nil {
		return "", err
	}
	path, err := rules.Find(here)
	if errors.Is(err, rules.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	c, err := rules.Load(path)
	if err != nil {
		return "", err
	}
	if slices.Contains(c.ClosedDoors, doors.Keyservice) {
		return path + " closes it (gitseal: doors)", nil
	}
	return "", nil
}
