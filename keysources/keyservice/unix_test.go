//go:build linux || darwin || freebsd

package keyservice_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/keyservice"
)

// clientEnv makes the test binary a client of a key service, which prints what it
// is answered.
const clientEnv = "GITSEAL_TEST_KEYSERVICE_CLIENT"

func TestMain(m *testing.M) {
	if url := os.Getenv(clientEnv); url != "" {
		os.Exit(beClient(url))
	}
	os.Exit(m.Run())
}

func beClient(url string) int {
	c, err := keyservice.Dial(os.Getenv, url)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	_, err = c.Unwrap(ctx, stanzaFor(keysources.TypeAge, "age1x"))
	fmt.Println(keysources.ReasonOf(err))
	return 0
}

func TestASocketIsForItsOwnerOnly(t *testing.T) {
	l := listenUnix(t, keyservice.ListenOptions{})
	defer l.Close()
	path := strings.TrimPrefix(l.Address(), "unix://")
	for name, want := range map[string]os.FileMode{path: os.ModeSocket | 0o600, filepath.Dir(path): os.ModeDir | 0o700} {
		info, err := os.Lstat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s: mode %v, want %v", name, info.Mode(), want)
		}
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("the folder holds %v, error %v", entries, err)
	}
	l.Close()
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after Close: %v", err)
	}
}

func TestOnlyAStaleSocketIsReplaced(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	listen := func() (*keyservice.Listener, error) {
		return keyservice.Listen(t.Context(), "unix://"+path, keyservice.ListenOptions{})
	}
	stale, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	stale.Close()
	l, err := listen()
	if err != nil {
		t.Fatalf("a stale socket: %v", err)
	}
	if _, err := listen(); !errors.Is(err, keyservice.ErrInUse) {
		t.Errorf("one that answers: %v", err)
	}
	// What another has put in its place is not removed by the first one's end.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	second, err := listen()
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the second one's socket: %v", err)
	}
	second.Close()
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listen(); err == nil {
		t.Error("a file was replaced")
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "precious" {
		t.Errorf("the file: %q, %v", got, err)
	}
	long := "unix://" + filepath.Join(dir, strings.Repeat("x", 120), "s")
	if _, err := keyservice.Listen(t.Context(), long, keyservice.ListenOptions{}); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("a long path: %v", err)
	}
}

func TestStrangersAreRefusedBeforeTheySaySomething(t *testing.T) {
	src := newSource(t, keysources.TypeAge)
	var asked atomic.Int32
	src.Before = func(context.Context, string) error { asked.Add(1); return nil }
	l := listenUnix(t, keyservice.ListenOptions{})
	l.TakeOnly(uint32(os.Getuid()) + 1)
	events := &log{}
	start(t, l, keyservice.NewServer(map[string]keysources.Source{"age": src}, keysources.Policy{}, keyservice.ServerOptions{Log: events.add}))
	_, err := dial(t, noEnv, l.Address()).Unwrap(t.Context(), stanzaFor(keysources.TypeAge, "age1x"))
	if keysources.ReasonOf(err) != keysources.Unreachable || asked.Load() != 0 {
		t.Errorf("got %v, the source was asked %d times", err, asked.Load())
	}
	// Not a byte comes back, not even the server's greeting.
	conn, err := net.Dial("unix", strings.TrimPrefix(l.Address(), "unix://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got, _ := io.ReadAll(conn); len(got) > 0 {
		t.Errorf("a stranger was sent %d bytes", len(got))
	}
	want := fmt.Sprintf("uid %d", os.Getuid())
	if e := events.all(); len(e) == 0 || e[0].Method != "Connect" || e[0].Peer != want || e[0].Err == nil {
		t.Errorf("the log has %+v", e)
	}
}

// openFolder returns a temporary folder that others may enter.
func openFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestOtherUsersNeedPermission connects as another user, for real.
func TestOtherUsersNeedPermission(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can be another user")
	}
	const nobody = 65534
	// The test binary lies where only its owner may go.
	program := filepath.Join(openFolder(t), "client")
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, data, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		allowed []uint32
		want    string
	}{
		{"nobody else is allowed", nil, "unreachable"},
		{"another one is allowed", []uint32{nobody - 1}, "unreachable"},
		{"allowed", []uint32{nobody}, "damaged"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := listenUnix(t, keyservice.ListenOptions{AllowUIDs: tt.allowed})
			path := strings.TrimPrefix(l.Address(), "unix://")
			// Permissions are to be no obstacle: it is the server that refuses.
			dir := filepath.Dir(path)
			for _, p := range []string{path, dir, filepath.Dir(dir), filepath.Dir(filepath.Dir(dir))} {
				if err := os.Chmod(p, 0o777); err != nil {
					t.Fatal(err)
				}
			}
			events := &log{}
			start(t, l, keyservice.NewServer(map[string]keysources.Source{"age": newSource(t, "age")}, keysources.Policy{}, keyservice.ServerOptions{Log: events.add}))
			cmd := exec.Command(program)
			cmd.Dir = "/"
			cmd.Env = append(os.Environ(), clientEnv+"="+l.Address())
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
			out, err := cmd.CombinedOutput()
			if got := strings.TrimSpace(string(out)); got != tt.want || err != nil {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
			if e := events.all(); len(e) == 0 || e[0].Peer != fmt.Sprintf("uid %d", nobody) {
				t.Errorf("the log has %+v", e)
			}
		})
	}
}
