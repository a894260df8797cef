package atomicfile_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cmd/internal/atomicfile"
)

// put makes a file and returns its resolved path.
func put(t *testing.T, path, content string, perm os.FileMode) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, perm); err != nil {
		t.Fatal(err)
	}
	return path
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// resolvedTemp is a temporary folder without links in its path (macOS has some).
func resolvedTemp(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestReplaceKeepsMode(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no permission bits")
	}
	for _, perm := range []os.FileMode{0o600, 0o640, 0o644, 0o664, 0o755, 0o444, 0o400, 0o666} {
		dir := resolvedTemp(t)
		target := put(t, filepath.Join(dir, "f"), "old", perm)
		got, err := atomicfile.Write(target, []byte("new"), atomicfile.Options{Expect: atomicfile.Holding([]byte("old")), Perm: 0o777})
		if err != nil {
			t.Fatalf("mode %o: %v", perm, err)
		}
		if diff := cmp.Diff(atomicfile.Result{Path: target}, got); diff != "" {
			t.Errorf("mode %o: result (-want +got):\n%s", perm, diff)
		}
		info, err := os.Stat(target)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != perm || content(t, target) != "new" {
			t.Errorf("mode %o: got mode %o, content %q", perm, info.Mode(), content(t, target))
		}
		if diff := cmp.Diff([]string{"f"}, names(t, dir)); diff != "" {
			t.Errorf("mode %o: litter (-want +got):\n%s", perm, diff)
		}
	}
}

func TestNewFileHasTheModeAskedFor(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no permission bits")
	}
	for ask, want := range map[os.FileMode]os.FileMode{0: 0o600, 0o600: 0o600, 0o644: 0o644, 0o440: 0o440} {
		target := filepath.Join(resolvedTemp(t), "f")
		got, err := atomicfile.Write(target, nil, atomicfile.Options{Perm: ask})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(atomicfile.Result{Path: target, Created: true}, got); diff != "" {
			t.Errorf("perm %o: result (-want +got):\n%s", ask, diff)
		}
		info, err := os.Stat(target)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("perm %o: got %o, want %o", ask, info.Mode(), want)
		}
	}
}

func TestUnexpectedContentIsNotReplaced(t *testing.T) {
	for _, tt := range []struct {
		name   string
		exists bool
		expect atomicfile.Expect
		want   error
	}{
		{"absent is absent", false, atomicfile.Absent(), nil},
		{"zero value is absent", false, atomicfile.Expect{}, nil},
		{"absent is there", true, atomicfile.Absent(), atomicfile.ErrChanged},
		{"held is there", true, atomicfile.Holding([]byte("old")), nil},
		{"held is another", true, atomicfile.Holding([]byte("older")), atomicfile.ErrChanged},
		{"held is empty", true, atomicfile.Holding(nil), atomicfile.ErrChanged},
		{"held is gone", false, atomicfile.Holding([]byte("old")), atomicfile.ErrChanged},
		{"held nothing is gone", false, atomicfile.Holding(nil), atomicfile.ErrChanged},
		{"anything is absent", false, atomicfile.Anything(), nil},
		{"anything is there", true, atomicfile.Anything(), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := resolvedTemp(t)
			target := filepath.Join(dir, "f")
			var before []string
			if tt.exists {
				put(t, target, "old", 0o600)
				before = []string{"f"}
			}
			_, err := atomicfile.Write(target, []byte("new"), atomicfile.Options{Expect: tt.expect})
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if err == nil {
				if got := content(t, target); got != "new" {
					t.Errorf("got %q", got)
				}
				return
			}
			if diff := cmp.Diff(before, names(t, dir)); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			if tt.exists && content(t, target) != "old" {
				t.Errorf("the file was changed to %q", content(t, target))
			}
		})
	}
}

// A change between the caller's read and the rename is found even if it comes as
// late as during verification.
func TestChangeDuringTheWriteIsFound(t *testing.T) {
	for name, change := range map[string]func(string) error{
		"content": func(f string) error { return os.WriteFile(f, []byte("theirs"), 0o600) },
		"removed": os.Remove,
		"mode":    func(f string) error { return os.Chmod(f, 0o640) },
		"folder": func(f string) error {
			return errors.Join(os.Remove(f), os.Mkdir(f, 0o700))
		},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "mode" && runtime.GOOS == "windows" {
				t.Skip("no permission bits")
			}
			target := put(t, filepath.Join(resolvedTemp(t), "f"), "old", 0o600)
			_, err := atomicfile.Write(target, []byte("new"), atomicfile.Options{
				Expect: atomicfile.Holding([]byte("old")),
				Verify: func([]byte) error { return change(target) },
			})
			if !errors.Is(err, atomicfile.ErrChanged) {
				t.Fatalf("got %v, want ErrChanged", err)
			}
			if b, err := os.ReadFile(target); err == nil && string(b) == "new" {
				t.Error("their change was overwritten")
			}
		})
	}
	t.Run("appeared", func(t *testing.T) {
		target := filepath.Join(resolvedTemp(t), "f")
		_, err := atomicfile.Write(target, []byte("new"), atomicfile.Options{
			Verify: func([]byte) error { return os.WriteFile(target, []byte("theirs"), 0o600) },
		})
		if !errors.Is(err, atomicfile.ErrChanged) || content(t, target) != "theirs" {
			t.Errorf("got %v, content %q", err, content(t, target))
		}
	})
}

func TestVerifyGetsTheBytesAndStopsTheWrite(t *testing.T) {
	dir := resolvedTemp(t)
	target := put(t, filepath.Join(dir, "f"), "old", 0o600)
	bad := errors.New("does not open")
	var got []byte
	_, err := atomicfile.Write(target, []byte("new"), atomicfile.Options{
		Expect: atomicfile.Anything(),
		Verify: func(b []byte) error { got = bytes.Clone(b); return bad },
	})
	if !errors.Is(err, bad) || string(got) != "new" {
		t.Errorf("got error %v, bytes %q", err, got)
	}
	if want := "writing " + target + ": verifying: does not open"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	if content(t, target) != "old" || len(names(t, dir)) != 1 {
		t.Errorf("target %q, files %q", content(t, target), names(t, dir))
	}
}

func TestNotRegular(t *testing.T) {
	for _, target := range []string{t.TempDir(), os.DevNull} {
		_, err := atomicfile.Write(target, []byte("x"), atomicfile.Options{Expect: atomicfile.Anything()})
		if !errors.Is(err, atomicfile.ErrNotRegular) {
			t.Errorf("%s: got %v, want ErrNotRegular", target, err)
		}
	}
}

func TestHardLinksAreCounted(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links are not counted there")
	}
	dir := resolvedTemp(t)
	target := put(t, filepath.Join(dir, "f"), "old", 0o600)
	for i := range 2 {
		if err := os.Link(target, filepath.Join(dir, fmt.Sprint("l", i))); err != nil {
			t.Fatal(err)
		}
	}
	got, err := atomicfile.Write(target, []byte("new"), atomicfile.Options{Expect: atomicfile.Anything()})
	if err != nil || got.OtherLinks != 2 {
		t.Errorf("got %+v, %v, want 2 other links", got, err)
	}
}

func TestMissingFolderIsNamed(t *testing.T) {
	target := filepath.Join(resolvedTemp(t), "no", "f")
	_, err := atomicfile.Write(target, nil, atomicfile.Options{})
	var e *atomicfile.Error
	if !errors.As(err, &e) || e.Target != target || !errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), "gitseal-tmp") {
		t.Errorf("got %v", err)
	}
}

func TestSweepTakesOnlyStaleTemporaries(t *testing.T) {
	dir := resolvedTemp(t)
	for name, age := range map[string]time.Duration{
		".stale.gitseal-tmp": 2 * time.Hour, ".fresh.gitseal-tmp": 0, "nodot.gitseal-tmp": 2 * time.Hour, ".other": 2 * time.Hour,
	} {
		path := put(t, filepath.Join(dir, name), "x", 0o600)
		if err := os.Chtimes(path, time.Now().Add(-age), time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := atomicfile.Write(filepath.Join(dir, "f"), nil, atomicfile.Options{}); err != nil {
		t.Fatal(err)
	}
	want := []string{".fresh.gitseal-tmp", ".other", "f", "nodot.gitseal-tmp"}
	if diff := cmp.Diff(want, names(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// 100 writers each add one line to one file. Whoever lost the race reads again;
// at the end no line may be missing.
func TestConcurrentWritersLoseNothing(t *testing.T) {
	const writers = 100
	target := put(t, filepath.Join(resolvedTemp(t), "f"), "", 0o600)
	var wg sync.WaitGroup
	errs := make([]error, writers)
	for i := range writers {
		wg.Go(func() { errs[i] = addLine(target, fmt.Sprintf("line %d\n", i)) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	got := content(t, target)
	for i := range writers {
		if n := strings.Count(got, fmt.Sprintf("line %d\n", i)); n != 1 {
			t.Errorf("line %d is there %d times", i, n)
		}
	}
	if all := names(t, filepath.Dir(target)); len(all) != 1 {
		t.Errorf("litter: %q", all)
	}
}

func addLine(target, line string) error {
	for {
		old, err := os.ReadFile(target)
		if err != nil {
			return err
		}
		_, err = atomicfile.Write(target, append(bytes.Clone(old), line...), atomicfile.Options{Expect: atomicfile.Holding(old)})
		if !errors.Is(err, atomicfile.ErrChanged) {
			return err
		}
	}
}

func TestUmasked(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no umask")
	}
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := atomicfile.Umasked(0o666); got != info.Mode() {
		t.Errorf("got %o, want %o as the system does it", got, info.Mode())
	}
}

// Plaintext must not inherit that everybody could read the sealed file.
func TestPrivateNarrowsAccess(t *testing.T) {
	for have, want := range map[os.FileMode]os.FileMode{0o644: 0o600, 0o755: 0o700, 0o600: 0o600, 0o440: 0o400} {
		target := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(target, []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(target, have); err != nil {
			t.Fatal(err)
		}
		opts := atomicfile.Options{Expect: atomicfile.Anything(), Private: true}
		if _, err := atomicfile.Write(target, []byte("new"), opts); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(target)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("mode %o became %o, want %o", have, got, want)
		}
	}
}
