package sopstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
)

// Key is an age key pair made for a test.
type Key struct {
	// Recipient is the public side, age1…
	Recipient string
	// Identity is the secret side, AGE-SECRET-KEY-1…, as SOPS_AGE_KEY takes it.
	Identity string
}

// NewKey makes a key pair.
func NewKey() (Key, error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return Key{}, fmt.Errorf("making an age key: %w", err)
	}
	return Key{Recipient: id.Recipient().String(), Identity: id.String()}, nil
}

// Sops is a sops binary with a key. All its methods run it in a fresh folder that
// holds nothing but the file in question.
type Sops struct {
	// Bin is the path of the binary.
	Bin string
	// Key is what Encrypt encrypts to and what every call may decrypt with.
	Key Key
	// Home is the folder that serves as home folder and holds the files.
	Home string
	// Env is added to the environment, which is otherwise nearly empty.
	Env []string
	// Config, if not nil, is what stands in .sops.yaml next to the file.
	Config []byte
}

// New returns sops in the given version, with a new key and a home folder that
// the test removes. See [Binary] for when it skips.
func New(tb testing.TB, version string) Sops {
	tb.Helper()
	bin := Binary(tb, version)
	key, err := NewKey()
	if err != nil {
		tb.Fatal(err)
	}
	return Sops{Bin: bin, Key: key, Home: tb.TempDir()}
}

// Result is what came of running sops.
type Result struct {
	Stdout, Stderr []byte
	// File is what the file held afterwards.
	File []byte
	// Exit is the exit code, or -1 if sops could not run or was killed; Stderr
	// says why then.
	Exit int
}

// Err returns nil if sops exited with 0, else an error with its exit code and
// what it wrote to stderr.
func (r Result) Err() error {
	if r.Exit == 0 {
		return nil
	}
	return fmt.Errorf("sops: exit code %d: %s", r.Exit, bytes.TrimSpace(r.Stderr))
}

// Encrypt encrypts src to the key. The format follows from the name's extension,
// as it does in every method. The result is in Stdout.
func (s Sops) Encrypt(ctx context.Context, name string, src []byte, flags ...string) Result {
	args := append([]string{"--encrypt", "--age", s.Key.Recipient}, flags...)
	return s.onFile(ctx, name, src, append(args, name)...)
}

// Decrypt decrypts src. The result is in Stdout.
func (s Sops) Decrypt(ctx context.Context, name string, src []byte, flags ...string) Result {
	args := append([]string{"--decrypt"}, flags...)
	return s.onFile(ctx, name, src, append(args, name)...)
}

// DecryptTo decrypts src and writes it in another format: yaml, json, dotenv, ini
// or binary. The result is in Stdout.
func (s Sops) DecryptTo(ctx context.Context, name string, src []byte, outputType string) Result {
	return s.Decrypt(ctx, name, src, "--output-type", outputType)
}

// Set sets the value at an index such as ["a"]["b"] to a value in JSON. The
// result is in File.
func (s Sops) Set(ctx context.Context, name string, src []byte, index, value string) Result {
	// The flag, unlike the sub-command, is known to every version.
	return s.onFile(ctx, name, src, "--set", index+" "+value, name)
}

// Rotate gives the file a new data key. The result is in Stdout.
func (s Sops) Rotate(ctx context.Context, name string, src []byte, flags ...string) Result {
	args := append([]string{"--rotate"}, flags...)
	return s.onFile(ctx, name, src, append(args, name)...)
}

// onFile runs sops in a fresh folder that holds the file.
func (s Sops) onFile(ctx context.Context, name string, src []byte, args ...string) Result {
	dir, err := os.MkdirTemp(s.Home, "sops-")
	if err != nil {
		return failure(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, src, 0o600); err != nil {
		return failure(err)
	}
	if s.Config != nil {
		if err := os.WriteFile(filepath.Join(dir, ".sops.yaml"), s.Config, 0o600); err != nil {
			return failure(err)
		}
	}
	r := s.Run(ctx, dir, args...)
	if r.File, err = os.ReadFile(path); err != nil && r.Exit == 0 {
		return failure(err)
	}
	return r
}

// Run runs sops with any arguments in a folder.
func (s Sops) Run(ctx context.Context, dir string, args ...string) Result {
	cmd := exec.CommandContext(ctx, s.Bin, args...)
	cmd.Dir = dir
	cmd.Env = s.Environ()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	r := Result{Stdout: stdout.Bytes(), Stderr: stderr.Bytes()}
	if err == nil {
		return r
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() > 0 {
		r.Exit = exit.ExitCode()
		return r
	}
	r.Exit, r.Stderr = -1, fmt.Appendf(r.Stderr, "%v", err)
	return r
}

// passed are the variables that sops gets as they are: what programs need to
// start at all. Everything else could be a key, an agent or a setting of the
// person who runs the tests.
var passed = []string{"PATH", "TMPDIR", "LANG", "SYSTEMROOT", "TEMP", "TMP"}

// Environ returns the environment that Run gives to sops.
func (s Sops) Environ() []string {
	env := []string{
		"HOME=" + s.Home,
		"USERPROFILE=" + s.Home,
		"APPDATA=" + s.Home,
		"XDG_CONFIG_HOME=" + filepath.Join(s.Home, "config"),
		"GNUPGHOME=" + filepath.Join(s.Home, "gnupg"),
		"SOPS_AGE_KEY=" + s.Key.Identity,
		"SOPS_DISABLE_VERSION_CHECK=1",
		"AWS_EC2_METADATA_DISABLED=true",
	}
	for _, kv := range os.Environ() {
		for _, name := range passed {
			if strings.HasPrefix(kv, name+"=") {
				env = append(env, kv)
			}
		}
	}
	return append(env, s.Env...)
}

func failure(err error) Result { return Result{Exit: -1, Stderr: []byte(err.Error())} }
