//go:build unix

package main_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gitseal/gitseal/cipher/sopstest"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/remote"
)

// parentEnv makes the test binary a parent of the program, which waits to be
// killed.
const parentEnv = "GITSEAL_TEST_PARENT"

func TestMain(m *testing.M) {
	if os.Getenv(parentEnv) != "" {
		beParent()
	}
	code := m.Run()
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// beParent starts a child, says its process id, and waits.
func beParent() {
	cmd := make(chan *exec.Cmd, 1)
	s := remote.New(os.Getenv, remote.Options{Command: func() (*exec.Cmd, error) {
		c := exec.Command(os.Getenv(remote.ProgramEnv), "child")
		cmd <- c
		return c, nil
	}})
	_, err := s.Source(keysources.TypeAge).Unwrap(context.Background(), keysources.Stanza{Type: keysources.TypeAge})
	if err == nil {
		os.Exit(1)
	}
	fmt.Println((<-cmd).Process.Pid)
	time.Sleep(time.Hour)
}

// built is the program, built once for all tests.
var built struct {
	once sync.Once
	dir  string
	path string
	err  error
}

func program(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("building the program takes a while")
	}
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "keyservice"); built.err != nil {
			return
		}
		built.path = filepath.Join(built.dir, remote.Program)
		if out, err := exec.Command("go", "build", "-o", built.path, ".").CombinedOutput(); err != nil {
			built.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.path
}

func newKey(t *testing.T) sopstest.Key {
	t.Helper()
	key, err := sopstest.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// newService returns a service whose child is the program, with an age identity.
func newService(t *testing.T, key sopstest.Key) *remote.Service {
	t.Helper()
	path := program(t)
	s := remote.New(os.Getenv, remote.Options{Stderr: os.Stderr, Command: func() (*exec.Cmd, error) {
		cmd := exec.Command(path, "child")
		cmd.Env = environ(t, "SOPS_AGE_KEY="+key.Identity)
		return cmd, nil
	}})
	t.Cleanup(func() { s.Close() })
	return s
}

// environ is an environment without the keys of whoever runs the test.
func environ(t *testing.T, kv ...string) []string {
	home := t.TempDir()
	return append([]string{"HOME=" + home, "XDG_CONFIG_HOME=" + home, "PATH=" + os.Getenv("PATH"), "AWS_EC2_METADATA_DISABLED=true", "GITSEAL_DOORS=open"}, kv...)
}

func ageKey(recipient string) keysources.Stanza {
	return keysources.Stanza{Type: keysources.TypeAge, Fields: []keysources.Field{{Name: "recipient", Value: recipient}}}
}

// exchange wraps and unwraps a data key.
func exchange(t *testing.T, s keysources.Source, key keysources.Stanza) {
	t.Helper()
	want := bytes.Repeat([]byte{7}, 32)
	r, err := s.Recipient(key)
	if err != nil {
		t.Fatal(err)
	}
	st, err := r.Wrap(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Unwrap(t.Context(), st); err != nil || !bytes.Equal(got, want) {
		t.Errorf("another data key, error %v", err)
	}
}

func TestTheChildHasEverySource(t *testing.T) {
	key := newKey(t)
	s := newService(t, key)
	exchange(t, s.Source(keysources.TypeAge), ageKey(key.Recipient))
	for _, typ := range keysources.Types() {
		// A stanza that names nobody is refused without asking anyone, by the source
		// itself.
		_, err := s.Source(typ).Unwrap(t.Context(), keysources.Stanza{Type: typ})
		if err == nil || strings.Contains(err.Error(), "no key source") || keysources.ReasonOf(err) == keysources.Unreachable {
			t.Errorf("%s: got %v", typ, err)
		}
	}
}

// TestKeyServicesThroughTheChild: a chain of our client, our child, and sops's own
// key service.
func TestKeyServicesThroughTheChild(t *testing.T) {
	s := newService(t, newKey(t))
	peer := sopstest.New(t, sopstest.Versions[0])
	socket := filepath.Join(t.TempDir(), "s")
	cmd := exec.Command(peer.Bin, "keyservice", "--network", "unix", "--address", socket)
	cmd.Env = peer.Environ()
	startAndWait(t, cmd, socket)
	exchange(t, s.Source(remote.KeyServicePrefix+"unix://"+socket), ageKey(peer.Key.Recipient))

	for url, want := range map[string]keysources.Reason{
		"unix:///nonexistent/s": keysources.Unreachable, "tcp://keys.example:1": keysources.Malformed, "nonsense": keysources.Malformed,
	} {
		_, err := s.Source(remote.KeyServicePrefix+url).Unwrap(t.Context(), ageKey("age1x"))
		if keysources.ReasonOf(err) != want || !strings.Contains(err.Error(), url) {
			t.Errorf("%s: got %v", url, err)
		}
	}
}

// startAndWait starts a server and waits until it listens at a socket.
func startAndWait(t *testing.T, cmd *exec.Cmd, socket string) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for begin := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			conn.Close()
			return
		}
		if time.Since(begin) > 30*time.Second {
			t.Fatalf("%s does not listen: %v", cmd.Path, err)
		}
	}
}

// TestAKilledParentTakesItsChildAlong kills a parent in a way that lets it do
// nothing about it.
func TestAKilledParentTakesItsChildAlong(t *testing.T) {
	path := program(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.Command(exe)
	parent.Env = environ(t, parentEnv+"=1", remote.ProgramEnv+"="+path)
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscan(out, &pid); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); err != nil {
		t.Fatalf("the child does not run: %v", err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	for begin := time.Now(); gone(pid) == nil; time.Sleep(5 * time.Millisecond) {
		if time.Since(begin) > 20*time.Second {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			t.Fatal("the child outlives its parent")
		}
	}
}

// gone returns an error if a process has ended, even if nobody has taken note.
func gone(pid int) error {
	if err := syscall.Kill(pid, 0); err != nil {
		return err
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil // a system without /proc
	}
	if _, rest, ok := strings.Cut(string(stat), ") "); ok && strings.HasPrefix(rest, "Z") {
		return errors.New("a zombie")
	}
	return nil
}

func TestSopsUsesTheServer(t *testing.T) {
	path := program(t)
	peer := sopstest.New(t, sopstest.Versions[0])
	run := t.TempDir()
	socket := filepath.Join(run, "gitseal", "keyservice.sock")
	var stderr bytes.Buffer
	cmd := exec.Command(path, "serve")
	cmd.Env = environ(t, "XDG_RUNTIME_DIR="+run, "SOPS_AGE_KEY="+peer.Key.Identity)
	cmd.Stderr = &stderr
	startAndWait(t, cmd, socket)
	flags := []string{"--enable-local-keyservice=false", "--keyservice", "unix://" + socket}
	sealed := peer.Encrypt(t.Context(), "f.yaml", []byte("a: canary-value\n"), flags...)
	if err := sealed.Err(); err != nil {
		t.Fatal(err)
	}
	identity := peer.Key.Identity
	peer.Key.Identity = ""
	opened := peer.Decrypt(t.Context(), "f.yaml", sealed.Stdout, flags...)
	if opened.Err() != nil || string(opened.Stdout) != "a: canary-value\n" {
		t.Errorf("got %q, %v", opened.Stdout, opened.Err())
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	if _, err := os.Lstat(socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
	log := stderr.String()
	for _, want := range []string{"listening on unix://" + socket, "method=Encrypt", "method=Decrypt", "type=age", peer.Key.Recipient, fmt.Sprintf(`peer="uid %d"`, os.Getuid())} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
	if strings.Contains(log, "canary") || strings.Contains(log, identity) {
		t.Error("the log holds a secret")
	}
}

func TestWrongUseIsExplained(t *testing.T) {
	path := program(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		exit int
		out  string // on standard output
		err  string // on standard error
	}{
		{nil, 0, "gitseal-keyservice serve [FLAGS]", ""},
		{[]string{"--help"}, 0, "Exit codes", ""},
		{[]string{"serve", "--help"}, 0, "   --tls-cert FILE", ""},
		{[]string{"--version"}, 0, "gitseal-keyservice version", ""},
		{[]string{"sevre"}, 2, "", `error: there is no command "sevre"`},
		{[]string{"child", "x"}, 2, "", "takes no arguments"},
		{[]string{"serve", "x"}, 2, "", `no argument "x"`},
		{[]string{"serve", "--verbose"}, 2, "", "not defined"},
		{[]string{"serve", "--timeout", "-1s"}, 2, "", "--timeout"},
		{[]string{"serve", "--allow", "vault"}, 2, "", "KIND=VALUE"},
		{[]string{"serve", "--allow-uid", "me"}, 2, "", "allow-uid"},
		{[]string{"serve"}, 2, "", "XDG_RUNTIME_DIR is not set"},
		{[]string{"serve", "--listen", "tcp://127.0.0.1:0"}, 1, "", "only with mutual TLS"},
		{[]string{"serve", "--listen", "tcp://127.0.0.1:0"}, 1, "", "hint: add --tls-cert"},
		{[]string{"serve", "--listen", "tcp://127.0.0.1:0", "--tls-cert", file}, 1, "", "mutual TLS needs"},
		{[]string{"serve", "--listen", "unix://" + file}, 1, "", "is no socket"},
		{[]string{"serve", "--listen", "http://x"}, 1, "", "unix:///PATH or tcp://HOST:PORT"},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			cmd := exec.Command(path, tt.args...)
			cmd.Env = environ(t)
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			_ = cmd.Run()
			if got := cmd.ProcessState.ExitCode(); got != tt.exit {
				t.Errorf("exit code %d, want %d", got, tt.exit)
			}
			if !strings.Contains(stdout.String(), tt.out) || !strings.Contains(stderr.String(), tt.err) {
				t.Errorf("stdout %q, stderr %q", stdout.String(), stderr.String())
			}
			for line := range strings.Lines(stderr.String()) {
				if !strings.HasPrefix(line, "gitseal-keyservice: ") {
					t.Errorf("a line of another style: %q", line)
				}
			}
		})
	}
}
