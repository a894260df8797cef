package age_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
)

// TestMain makes this binary a key command for the tests of SOPS_AGE_KEY_CMD: it
// notes for which recipient it was asked, and prints a text or fails; and under
// the name age-plugin-…, an age plugin.
func TestMain(m *testing.M) {
	if name, ok := strings.CutPrefix(filepath.Base(os.Args[0]), "age-plugin-"); ok {
		os.Exit(pluginMain(strings.TrimSuffix(name, ".exe")))
	}
	log := os.Getenv("KEYRING_TEST_LOG")
	if log == "" {
		os.Exit(m.Run())
	}
	f, err := os.OpenFile(log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		fmt.Fprintln(f, os.Getenv("SOPS_AGE_RECIPIENT"))
		err = f.Close()
	}
	if err != nil || len(os.Args) != 3 || os.Args[1] != "print" {
		os.Exit(7)
	}
	fmt.Println(os.Args[2])
}

// environment is what a keyring looks into.
type environment map[string]string

func (e environment) get(name string) string { return e[name] }

// keyCommand returns a command line that prints a text and the file in which it
// notes its calls.
func keyCommand(t *testing.T, args string) (line, log string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	log = filepath.Join(t.TempDir(), "calls")
	t.Setenv("KEYRING_TEST_LOG", log)
	return "'" + self + "' " + args, log
}

func calls(t *testing.T, log string) []string {
	t.Helper()
	text, err := os.ReadFile(log)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.Fields(string(text))
}

func write(t *testing.T, text string, path ...string) string {
	t.Helper()
	name := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

var dataKey = bytes.Repeat([]byte{0xa7}, 32)

func stanzaFor(t *testing.T, identityText string) keysources.Stanza {
	t.Helper()
	s, err := identity(t, identityText).Recipient().Wrap(t.Context(), dataKey)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestKeyringReadsAllPlacesInOrder(t *testing.T) {
	dir := t.TempDir()
	var want []string
	place := func() string {
		id, err := age.Generate(false)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, id.Recipient().String())
		return id.SecretText()
	}
	first, second := place(), place()
	named := write(t, place()+"\n", dir, "named")
	env := environment{
		"SOPS_AGE_KEY":      "# both\n " + first + " \t" + second + "\n",
		"SOPS_AGE_KEY_FILE": write(t, "# x\n"+place(), dir, "file"),
		"XDG_CONFIG_HOME":   dir,
	}
	write(t, place(), age.DefaultFile(env.get))
	ids, err := age.NewKeyring(env.get, named).Identities()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, id := range ids {
		got = append(got, id.Recipient().String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("recipients of the identities (-want +got):\n%s", diff)
	}
}

func TestDefaultFileIsTheOneOfSops(t *testing.T) {
	home := filepath.FromSlash("/home/me")
	tests := []struct {
		os   string
		env  environment
		want string
	}{
		{"linux", environment{"XDG_CONFIG_HOME": filepath.FromSlash("/x"), "HOME": home}, "/x/sops/age/keys.txt"},
		{"darwin", environment{"XDG_CONFIG_HOME": filepath.FromSlash("/x"), "HOME": home}, "/x/sops/age/keys.txt"},
		{"windows", environment{"XDG_CONFIG_HOME": filepath.FromSlash("/x"), "AppData": filepath.FromSlash("/ad")}, "/ad/sops/age/keys.txt"},
		{"linux", environment{"HOME": home}, "/home/me/.config/sops/age/keys.txt"},
		{"darwin", environment{"HOME": home}, "/home/me/Library/Application Support/sops/age/keys.txt"},
		{"windows", environment{"AppData": filepath.FromSlash("/ad")}, "/ad/sops/age/keys.txt"},
		{"", environment{}, ""},
	}
	for _, tt := range tests {
		if tt.os != "" && tt.os != runtime.GOOS {
			continue
		}
		if got := age.DefaultFile(tt.env.get); got != filepath.FromSlash(tt.want) {
			t.Errorf("with %v: got %q, want %q", tt.env, got, tt.want)
		}
	}
}

func TestBrokenPlaceDoesNotHideTheOthers(t *testing.T) {
	s := stanzaFor(t, key1)
	for _, tt := range []struct {
		name   string
		broken func(t *testing.T, env environment)
		says   string
	}{
		{"variable", func(_ *testing.T, env environment) { env["SOPS_AGE_KEY"] = "hunter2-hunter2" }, "SOPS_AGE_KEY: line 1"},
		{"missing file", func(t *testing.T, env environment) { env["SOPS_AGE_KEY_FILE"] = filepath.Join(t.TempDir(), "gone") }, "gone"},
		{"file with other things", func(t *testing.T, env environment) {
			env["SOPS_AGE_KEY_FILE"] = write(t, "\nhunter2-hunter2\n", t.TempDir(), "bad")
		}, "bad: line 2"},
		{"folder", func(t *testing.T, env environment) { env["SOPS_AGE_KEY_FILE"] = t.TempDir() }, "cannot be read"},
		{"command that fails", func(t *testing.T, env environment) { env["SOPS_AGE_KEY_CMD"], _ = keyCommand(t, "fail") }, "SOPS_AGE_KEY_CMD: exit status 7"},
		{"command that is missing", func(_ *testing.T, env environment) { env["SOPS_AGE_KEY_CMD"] = "/nonexistent/command" }, "SOPS_AGE_KEY_CMD"},
		{"command line that is none", func(_ *testing.T, env environment) { env["SOPS_AGE_KEY_CMD"] = "'open" }, "not a command line"},
		{"command that prints other things", func(t *testing.T, env environment) {
			env["SOPS_AGE_KEY_CMD"], _ = keyCommand(t, "print hunter2-hunter2")
		}, "the output of SOPS_AGE_KEY_CMD: line 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			env := environment{}
			tt.broken(t, env)
			// With the right key elsewhere it does not matter.
			good := write(t, key1, t.TempDir(), "good")
			key, err := age.NewKeyring(env.get, good).Unwrap(t.Context(), s)
			if err != nil || !bytes.Equal(key, dataKey) {
				t.Errorf("with a good file: got %d bytes, error %v", len(key), err)
			}
			// Without it, the message says what is wrong, and nothing of the content.
			other := write(t, key2, t.TempDir(), "other")
			_, err = age.NewKeyring(env.get, other).Unwrap(t.Context(), s)
			if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("with another's file: got error %v, want one that says %q", err, tt.says)
			}
		})
	}
}

func TestKeyringWithoutAnythingIsNotForMe(t *testing.T) {
	_, err := age.NewKeyring(environment{}.get).Unwrap(t.Context(), stanzaFor(t, key1))
	if !errors.Is(err, keysources.ErrNotForMe) {
		t.Errorf("got %v, want ErrNotForMe", err)
	}
}

func TestKeyCommandRunsOncePerRecipientAndOnlyIfNeeded(t *testing.T) {
	line, log := keyCommand(t, "print "+key2)
	ring := age.NewKeyring(environment{"SOPS_AGE_KEY": key1, "SOPS_AGE_KEY_CMD": line}.get)
	if _, err := ring.Unwrap(t.Context(), stanzaFor(t, key1)); err != nil {
		t.Fatal(err)
	}
	if got := calls(t, log); len(got) != 0 {
		t.Errorf("the command was run although an identity was there: %v", got)
	}
	for range 3 {
		if _, err := ring.Unwrap(t.Context(), stanzaFor(t, key2)); err != nil {
			t.Fatal(err)
		}
		if _, err := ring.Unwrap(t.Context(), stanzaFor(t, keyPQ)); !errors.Is(err, keysources.ErrNotForMe) {
			t.Errorf("for a third: got %v, want ErrNotForMe", err)
		}
	}
	want := []string{recipient2, identity(t, keyPQ).Recipient().String()}
	if diff := cmp.Diff(want, calls(t, log)); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if ids, err := ring.Identities(); len(ids) != 1 || err != nil {
		t.Errorf("identities without the command: got %d, error %v", len(ids), err)
	}
}

// TestCancelledKeyCommandIsAskedAgain: a call that was given up says nothing about
// the next one.
func TestCancelledKeyCommandIsAskedAgain(t *testing.T) {
	line, _ := keyCommand(t, "print "+key2)
	ring := age.NewKeyring(environment{"SOPS_AGE_KEY_CMD": line}.get)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ring.Unwrap(ctx, stanzaFor(t, key2)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v, want context.Canceled", err)
	}
	if _, err := ring.Unwrap(t.Context(), stanzaFor(t, key2)); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// TestConcurrentFailuresKeepTheirCauses: each message names the broken places
// and the command's own failure, however many calls there are at once.
func TestConcurrentFailuresKeepTheirCauses(t *testing.T) {
	bad := write(t, "x\ny\nz\n", t.TempDir(), "bad")
	ring := age.NewKeyring(environment{
		"SOPS_AGE_KEY": "x y z", "SOPS_AGE_KEY_FILE": bad, "SOPS_AGE_KEY_CMD": "/nonexistent/command",
	}.get, "/nonexistent/file")
	s := stanzaFor(t, key1)
	texts := make([]string, 8)
	var wg sync.WaitGroup
	for i := range texts {
		wg.Go(func() {
			_, err := ring.Unwrap(context.Background(), s)
			texts[i] = fmt.Sprint(err)
		})
	}
	wg.Wait()
	differs := slices.ContainsFunc(texts, func(s string) bool { return s != texts[0] })
	if differs || !strings.Contains(texts[0], "SOPS_AGE_KEY_CMD") || !strings.Contains(texts[0], "bad: line 1") {
		t.Errorf("got %q", texts)
	}
}
