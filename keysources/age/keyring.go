package age

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"filippo.io/age"
	"github.com/google/shlex"

	"github.com/gitseal/gitseal/keysources"
)

// Keyring is all age identities that the environment names. It reads them when
// the first stanza has to be opened, once, from the places that sops uses, all of
// which count:
//
//   - SOPS_AGE_KEY: identities, separated by white space or lines
//   - SOPS_AGE_KEY_FILE: a file of identities
//   - SOPS_AGE_KEY_CMD: a command that prints identities; it is run without a
//     shell, with SOPS_AGE_RECIPIENT set to the recipient that is asked for,
//     at most once for each recipient, and only if nothing else opened the stanza
//   - sops/age/keys.txt in the user's configuration folder, see [DefaultFile]
//
// A place that cannot be read does not hide the others: its error is part of the
// message if nothing opens the stanza.
type Keyring struct {
	env func(string) string
	// files are read besides those of the environment.
	files []string

	once sync.Once
	ids  []Identity
	keys []age.Identity
	errs []error

	mu sync.Mutex // guards commands
	// commands holds what SOPS_AGE_KEY_CMD gave. :: recipient → result
	commands map[string]commandResult
}

type commandResult struct {
	keys []age.Identity
	err  error
}

var _ keysources.Identity = (*Keyring)(nil)

// NewKeyring returns the keyring of an environment (os.Getenv, usually) and
// additional files of identities.
func NewKeyring(env func(string) string, files ...string) *Keyring {
	return &Keyring{env: env, files: files, commands: map[string]commandResult{}}
}

// DefaultFile returns where sops and we look for a user's identities:
// $XDG_CONFIG_HOME/sops/age/keys.txt, with the system's own configuration folder
// if that variable is not set. Empty if there is none.
func DefaultFile(env func(string) string) string {
	dir := env("XDG_CONFIG_HOME")
	if dir == "" {
		switch runtime.GOOS {
		case "windows":
			dir = env("AppData")
		case "darwin":
			dir = join(env("HOME"), "Library", "Application Support")
		default:
			dir = join(env("HOME"), ".config")
		}
	}
	return join(dir, "sops", "age", "keys.txt")
}

func join(dir string, names ...string) string {
	if dir == "" {
		return ""
	}
	return filepath.Join(append([]string{dir}, names...)...)
}

// Identities returns the identities that need no command, and what went wrong in
// reading them.
func (k *Keyring) Identities() ([]Identity, error) {
	k.once.Do(k.load)
	return k.ids, errors.Join(k.errs...)
}

func (k *Keyring) load() {
	if v := k.env("SOPS_AGE_KEY"); v != "" {
		k.add("SOPS_AGE_KEY", strings.Join(keyWords(v), "\n"))
	}
	files := slices.Clone(k.files)
	if f := k.env("SOPS_AGE_KEY_FILE"); f != "" {
		files = append(files, f)
	}
	for _, f := range files {
		k.addFile(f, true)
	}
	if f := DefaultFile(k.env); f != "" {
		k.addFile(f, false)
	}
	for _, id := range k.ids {
		k.keys = append(k.keys, id.key)
	}
}

// keyWords returns the identities of a variable: sops accepts them separated by
// any white space, and comment lines.
func keyWords(v string) []string {
	var words []string
	for _, line := range strings.Split(v, "\n") {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "#") {
			words = append(words, strings.Fields(line)...)
		}
	}
	return words
}

func (k *Keyring) add(where, text string) {
	ids, err := ParseIdentities(strings.NewReader(text))
	if err != nil {
		k.errs = append(k.errs, fmt.Errorf("%s: %w", where, err))
	}
	k.ids = append(k.ids, ids...)
}

func (k *Keyring) addFile(name string, required bool) {
	f, err := os.Open(name)
	if err != nil {
		if required || !errors.Is(err, os.ErrNotExist) {
			k.errs = append(k.errs, fmt.Errorf("reading identities: %w", err))
		}
		return
	}
	defer f.Close()
	ids, err := ParseIdentities(f)
	if err != nil {
		k.errs = append(k.errs, fmt.Errorf("%s: %w", name, err))
	}
	k.ids = append(k.ids, ids...)
}

// String says what the keyring is.
func (k *Keyring) String() string { return "age identities" }

// Unwrap tries all identities, then the key command.
func (k *Keyring) Unwrap(ctx context.Context, s keysources.Stanza) ([]byte, error) {
	if s.Type != keysources.TypeAge {
		return nil, keysources.ErrNotForMe
	}
	k.once.Do(k.load)
	err := error(keysources.ErrNotForMe)
	if len(k.keys) > 0 {
		key, openErr := open(s, k.keys...)
		if openErr == nil || !errors.Is(openErr, keysources.ErrNotForMe) {
			return key, openErr
		}
	}
	if c := k.env("SOPS_AGE_KEY_CMD"); c != "" {
		keys, cmdErr := k.command(ctx, c, s.Reader())
		if cmdErr != nil {
			return nil, errors.Join(slices.Concat(k.errs, []error{cmdErr})...)
		}
		key, openErr := open(s, keys...)
		if openErr == nil || !errors.Is(openErr, keysources.ErrNotForMe) {
			return key, openErr
		}
	}
	return nil, errors.Join(append([]error{err}, k.errs...)...)
}

func (k *Keyring) command(ctx context.Context, line, recipient string) ([]age.Identity, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if r, ok := k.commands[recipient]; ok {
		return r.keys, r.err
	}
	keys, err := runKeyCommand(ctx, line, recipient)
	if ctx.Err() != nil {
		// A call that was given up says nothing about the next one.
		return nil, fmt.Errorf("SOPS_AGE_KEY_CMD: %w", ctx.Err())
	}
	k.commands[recipient] = commandResult{keys: keys, err: err}
	return keys, err
}

func runKeyCommand(ctx context.Context, line, recipient string) ([]age.Identity, error) {
	words, err := shlex.Split(line)
	if err != nil || len(words) == 0 {
		return nil, errors.New("SOPS_AGE_KEY_CMD: not a command line")
	}
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Env = append(os.Environ(), "SOPS_AGE_RECIPIENT="+recipient)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("SOPS_AGE_KEY_CMD: %w", err)
	}
	ids, err := ParseIdentities(strings.NewReader(string(out)))
	if err != nil && len(ids) == 0 {
		return nil, fmt.Errorf("SOPS_AGE_KEY_CMD: its output: %w", err)
	}
	keys := make([]age.Identity, len(ids))
	for i, id := range ids {
		keys[i] = id.key
	}
	return keys, nil
}
