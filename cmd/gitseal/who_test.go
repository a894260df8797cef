package main_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	main "github.com/gitseal/gitseal/cmd/gitseal"
	"github.com/gitseal/gitseal/cmd/internal/readers"
	"github.com/gitseal/gitseal/keysources"
)

func keyOf(typ string, nameValue ...string) keysources.Stanza {
	s := keysources.Stanza{Type: typ}
	for i := 0; i < len(nameValue); i += 2 {
		s.Fields = append(s.Fields, keysources.Field{Name: nameValue[i], Value: nameValue[i+1]})
	}
	return s
}

func inContext(s keysources.Stanza, nameValue ...string) keysources.Stanza {
	s.Context = keyOf("", nameValue...).Fields
	return s
}

// TestWhoMergesSpellings: two keys are one reader of a census if and only if they are
// the same reader for everybody else.
func TestWhoMergesSpellings(t *testing.T) {
	kms := func(more ...string) keysources.Stanza {
		return keyOf("kms", append([]string{"arn", "arn:aws:kms:r:1:key/k"}, more...)...)
	}
	azure := func(url, version string) keysources.Stanza {
		return keyOf("azure_kv", "vault_url", url, "name", "k", "version", version)
	}
	vault := func(address, engine string) keysources.Stanza {
		return keyOf("hc_vault", "vault_address", address, "engine_path", engine, "key_name", "k")
	}
	all := []keysources.Stanza{
		keyOf("age", "recipient", "age1a"), keyOf("age", "recipient", "age1b"), keyOf("age", "recipient", "age1a", "enc", "x"),
		keyOf("age", "recipient", "ssh-ed25519 AAAA me@here"), keyOf("age", "recipient", "ssh-ed25519 AAAA"), keyOf("age", "recipient", "ssh-ed25519 AAAB"),
		keyOf("pgp", "fp", "fbc7 b9e2"), keyOf("pgp", "fp", "FBC7B9E2"), keyOf("pgp", "fp", "FBC7B9E3"),
		kms(), kms("role", "r"), kms("role", "q"), kms("aws_profile", "r"), kms("role", ""), keyOf("kms", "arn", "arn:aws:kms:r:1:key/l"),
		inContext(kms(), "a", "1", "b", "2"), inContext(kms(), "b", "2", "a", "1"), inContext(kms(), "a", "1"), inContext(kms(), "a", "2"), inContext(kms("role", "r"), "a", "1"),
		keyOf("gcp_kms", "resource_id", "projects/p"), keyOf("gcp_kms", "resource_id", "projects/q"), keyOf("hckms", "key_id", "projects/p"),
		azure("https://v", "1"), azure("https://v/", "1"), azure("https://v", "2"), azure("https://v", ""), azure("https://w", "1"),
		vault("https://v", "e"), vault("https://v/", "e/"), vault("https://v", "f"), vault("https://v/v1/a", "b"), vault("https://v", "a/v1/b"),
	}
	dir := t.TempDir()
	for _, a := range all {
		for _, b := range all {
			want := 2
			if readers.Same(a, b) {
				want = 1
			}
			got, _, _, err := main.Census(t.Context(), dir, [][]keysources.Stanza{{a}, {b}})
			if err != nil || got != want {
				t.Errorf("%v %v and %v %v: %d readers, %v, want %d", a, a.Context, b, b.Context, got, err, want)
			}
		}
	}
	// Who needs no version goes with the one that came first; so do all versions then.
	for _, tt := range []struct {
		versions []string
		want     int
	}{{[]string{"", "1", "2"}, 1}, {[]string{"1", "2", ""}, 2}, {[]string{"1", "", "2"}, 2}} {
		var files [][]keysources.Stanza
		for _, v := range tt.versions {
			files = append(files, []keysources.Stanza{azure("https://v", v)})
		}
		if got, _, _, err := main.Census(t.Context(), dir, files); err != nil || got != tt.want {
			t.Errorf("versions %q: %d readers, %v, want %d", tt.versions, got, err, tt.want)
		}
	}
}

// TestWhoIsLinear: ten times the readers are not a hundred times the work. What is
// counted is what comparing readers allocates: that does not depend on the machine.
func TestWhoIsLinear(t *testing.T) {
	const few, many = 2_000, 20_000
	for name, sort := range map[string]func(i int) keysources.Stanza{
		"age": func(i int) keysources.Stanza { return keyOf("age", "recipient", fmt.Sprintf("age1q%d", i)) },
		"contexts of a key": func(i int) keysources.Stanza {
			return inContext(keyOf("kms", "arn", "arn:aws:kms:r:1:key/k"), "app", fmt.Sprint(i))
		},
		"versions of a key": func(i int) keysources.Stanza {
			return keyOf("azure_kv", "vault_url", "https://v", "name", "k", "version", fmt.Sprint(i+1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := ruledFolder(t, few/4)
			work := func(n int) float64 {
				var files [][]keysources.Stanza
				for i := range n {
					if i%500 == 0 {
						files = append(files, nil)
					}
					files[len(files)-1] = append(files[len(files)-1], sort(i))
				}
				return testing.AllocsPerRun(1, func() {
					got, _, _, err := main.Census(t.Context(), dir, files)
					if err != nil || got < n {
						t.Errorf("%d readers, %v, want %d", got, err, n)
					}
				})
			}
			small := work(few)
			if ratio := work(many) / small; ratio > 1.5*many/few {
				t.Errorf("%d readers cost %.0f times of what %d cost", many, ratio, few)
			}
		})
	}
}

// ruledFolder makes a folder whose rule names so many readers, of whom the first two
// have names.
func ruledFolder(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("age1q%d", i))
	}
	text := "gitseal: {names: {alice: age1q0, bob: age1q1}}\ncreation_rules:\n  - age: " + strings.Join(list, ",") + "\n"
	if err := os.WriteFile(filepath.Join(dir, ".sops.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestWhoMarks: who is missing and who is stale, of many.
func TestWhoMarks(t *testing.T) {
	var file []keysources.Stanza
	for i := 100; i < 1_100; i++ {
		file = append(file, keyOf("age", "recipient", fmt.Sprintf("age1q%d", i)))
	}
	got, named, drifted, err := main.Census(t.Context(), ruledFolder(t, 1_000), [][]keysources.Stanza{file})
	if err != nil || got != 1_100 || named != 2 || drifted != 200 {
		t.Errorf("%d readers, %d with names, %d stale or missing, %v; want 1100, 2, 200", got, named, drifted, err)
	}
}

// TestWhoStops: a call that was interrupted takes in no more files.
func TestWhoStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got, _, _, err := main.Census(ctx, t.TempDir(), [][]keysources.Stanza{{keyOf("age", "recipient", "age1a")}})
	if !errors.Is(err, context.Canceled) || got != 0 {
		t.Errorf("%d readers, %v", got, err)
	}
}
