package atomicfile_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gitseal/gitseal/cmd/internal/atomicfile"
)

const (
	accessACL  = "system.posix_acl_access"
	defaultACL = "system.posix_acl_default"
)

// acl is user::rw- user:12345:rw- group::--- mask::rw- other::--- in the form of
// the attribute (version 2; entries of tag, permissions and id, little endian).
func acl() []byte {
	return []byte{
		2, 0, 0, 0,
		0x01, 0, 6, 0, 0xff, 0xff, 0xff, 0xff,
		0x02, 0, 6, 0, 0x39, 0x30, 0, 0,
		0x04, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
		0x10, 0, 6, 0, 0xff, 0xff, 0xff, 0xff,
		0x20, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
	}
}

func setAttr(t *testing.T, path, name string, value []byte) {
	t.Helper()
	if err := unix.Setxattr(path, name, value, 0); err != nil {
		t.Skipf("setting %s: %v", name, err)
	}
}

func attr(path, name string) ([]byte, error) {
	buf := make([]byte, 256)
	n, err := unix.Getxattr(path, name, buf)
	return buf[:max(n, 0)], err
}

func replace(t *testing.T, target string) {
	t.Helper()
	if _, err := atomicfile.Write(target, []byte("new"), atomicfile.Options{Expect: atomicfile.Anything()}); err != nil {
		t.Fatal(err)
	}
}

func TestAttributesAndACLAreKept(t *testing.T) {
	target := put(t, filepath.Join(resolvedTemp(t), "f"), "old", 0o600)
	setAttr(t, target, "user.note", []byte("keep me"))
	setAttr(t, target, accessACL, acl())
	before, err := os.Stat(target)
	if err != nil {
		t.Fatal(err)
	}
	replace(t, target)
	for name, want := range map[string][]byte{"user.note": []byte("keep me"), accessACL: acl()} {
		if got, err := attr(target, name); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: got %x, %v, want %x", name, got, err, want)
		}
	}
	if after, err := os.Stat(target); err != nil || after.Mode() != before.Mode() {
		t.Errorf("mode %v, %v, want %v", after.Mode(), err, before.Mode())
	}
}

// A folder's default ACL gives new files an ACL. The file that is replaced has
// none, so the user whom the default names must not gain access.
func TestDefaultACLIsNotTakenOn(t *testing.T) {
	dir := resolvedTemp(t)
	target := put(t, filepath.Join(dir, "f"), "old", 0o660)
	setAttr(t, dir, defaultACL, acl())
	replace(t, target)
	if got, err := attr(target, accessACL); !errors.Is(err, unix.ENODATA) {
		t.Errorf("the file got an ACL: %x, %v", got, err)
	}
}

// asUser runs the writer of the fault harness, without faults, as a user who owns
// nothing of it.
func asUser(t *testing.T, target string) int {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("becoming another user needs root")
	}
	dir := filepath.Dir(target)
	for d := dir; d != filepath.Dir(os.TempDir()) && d != "/"; d = filepath.Dir(d) {
		info, err := os.Stat(d)
		if err == nil && info.Mode()&0o001 == 0 {
			err = os.Chmod(d, info.Mode()|0o001)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	self, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(t.TempDir(), "writer")
	for d := filepath.Dir(binary); d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(binary, self, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), childEnv+"=replace", targetEnv+"="+target)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: foreignID, Gid: foreignID}}
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}

// Whoever is not root cannot keep owner and group. That is fine as long as the
// group that the file gets instead could read and write it anyway.
func TestLostOwnerNeverWidensAccess(t *testing.T) {
	for _, tt := range []struct {
		perm os.FileMode
		want int
	}{
		{0o644, 0}, {0o604, 0}, {0o646, 0},
		{0o664, exitUntouched}, {0o674, exitUntouched},
	} {
		target := put(t, filepath.Join(resolvedTemp(t), "f"), string(oldBytes()), tt.perm)
		code := asUser(t, target)
		want := oldBytes()
		if tt.want == 0 {
			want = newBytes()
		}
		if code != tt.want || content(t, target) != string(want) {
			t.Errorf("mode %o: exit code %d, want %d", tt.perm, code, tt.want)
		}
		if info, err := os.Stat(target); err != nil || info.Mode() != tt.perm {
			t.Errorf("mode %o: now %v, %v", tt.perm, info.Mode(), err)
		}
		if all := names(t, filepath.Dir(target)); len(all) != 1 {
			t.Errorf("mode %o: litter: %q", tt.perm, all)
		}
	}
}
