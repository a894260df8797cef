//go:build unix

package main_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gitseal/gitseal/keysources/age"
)

// strangersAtTheKeyService: a key service of somebody's opens files for them, and for
// no other user of the machine, and does not listen where anybody could connect.
// More of this is tested in keysources/keyservice: clients without and with wrong
// certificates, other users, and permission to name what is not the server's own.
func strangersAtTheKeyService(t *testing.T, h *house) {
	h.rules([]age.Identity{h.alice})
	sealed := h.sealed("a.yaml", selectorFile)
	r := h.run("keyservice", "--listen", "tcp://127.0.0.1:0")
	h.refused(r, "a.yaml", sealed, 1)
	if !strings.Contains(r.stderr, "--tls-cert") {
		t.Errorf("it does not say what plain TCP lacks: %s", r.stderr)
	}
	socket := h.serve()
	args := []string{"unseal", "--enable-local-keyservice=false", "--keyservice", "unix://" + socket, h.path("a.yaml")}
	// The control: without a key of one's own, the service opens the file.
	if r := h.as("", args...); r.code != 0 || r.stdout != selectorFile {
		t.Fatalf("control: exit code %d: %s", r.code, r.stderr)
	}
	if os.Getuid() != 0 {
		t.Skip("only root can be another user")
	}
	if err := os.Remove(h.path(".sops.yaml")); err != nil {
		t.Fatal(err)
	}
	// Permissions are to be no obstacle: it is the service that refuses.
	paths := []string{socket, filepath.Dir(socket), filepath.Dir(filepath.Dir(socket)), h.path("a.yaml")}
	for _, path := range append(paths, h.repo, filepath.Dir(h.repo), filepath.Dir(filepath.Dir(h.repo))) {
		if err := os.Chmod(path, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	const nobody = 65534
	cmd := exec.Command(h.bin, args...)
	cmd.Dir, cmd.Env = "/", []string{"HOME=/nonexistent", "PATH=" + os.Getenv("PATH"), "GITSEAL_DOORS=open"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	if code := cmd.ProcessState.ExitCode(); code != 4 || stdout.Len() > 0 || !strings.Contains(stderr.String(), "cannot be reached") {
		t.Errorf("another user: exit code %d, %d bytes: %s", code, stdout.Len(), stderr.String())
	}
}

// serve starts a key service with alice's keys and returns the path of its socket.
func (h *house) serve() string {
	h.t.Helper()
	// The path of a socket is short.
	dir, err := os.MkdirTemp("", "ks")
	if err != nil {
		h.t.Fatal(err)
	}
	socket := filepath.Join(dir, "s", "s")
	if err := os.Mkdir(filepath.Dir(socket), 0o700); err != nil {
		h.t.Fatal(err)
	}
	cmd := exec.Command(h.bin, "keyservice", "--listen", "unix://"+socket)
	cmd.Dir, cmd.Env = h.repo, h.environ("alice")
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		os.RemoveAll(dir)
	})
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(socket); err == nil {
			return socket
		}
		if time.Now().After(deadline) {
			h.t.Fatal("the key service does not listen")
		}
	}
}
