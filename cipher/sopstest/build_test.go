package sopstest_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cipher/sopstest"
)

func TestEveryVersionIsWhatItSays(t *testing.T) {
	for _, version := range sopstest.Versions {
		t.Run(version, func(t *testing.T) {
			r := sopstest.New(t, version).Run(t.Context(), t.TempDir(), "--version")
			if err := r.Err(); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(r.Stdout), version) {
				t.Errorf("it calls itself %q, want %s", r.Stdout, version)
			}
		})
	}
}

// TestBuildGivesTheSameProgram: what the benchmark runs is what tests run.
func TestBuildGivesTheSameProgram(t *testing.T) {
	want := sopstest.Binary(t, sopstest.Versions[0])
	got, err := sopstest.Build(t.Context(), sopstest.Versions[0], io.Discard)
	if err != nil || got != want {
		t.Errorf("got %s, error %v, want %s", got, err, want)
	}
}

func TestUnknownVersion(t *testing.T) {
	for _, v := range []string{"", "3.0.0", "../sops-3.13.3"} {
		if _, err := sopstest.Build(t.Context(), v, io.Discard); !errors.Is(err, sopstest.ErrUnknownVersion) {
			t.Errorf("version %q: got error %v", v, err)
		}
	}
}
