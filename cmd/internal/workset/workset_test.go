package workset_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cmd/internal/workset"
)

// tree makes empty files in a new folder and changes to it.
func tree(t *testing.T, files ...string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	return dir
}

func link(t *testing.T, to, name string) {
	t.Helper()
	if err := os.Symlink(to, name); err != nil {
		t.Skip("no symbolic links here:", err)
	}
}

func isYAML(path string) bool { return strings.HasSuffix(path, ".yaml") }

func rels(files []workset.File) []string {
	var out []string
	for _, f := range files {
		out = append(out, f.Arg+" "+f.Rel)
	}
	return out
}

func TestCollect(t *testing.T) {
	tree(t, ".git/HEAD", ".git/x.yaml", "b.yaml", "a.yaml", "a.txt", "d/z.yaml", "d/e/y.yaml", "d-e/x.yaml",
		"node_modules/m/x.yaml", "vendor/modules.txt", "vendor/x.yaml", "d/vendor/own.yaml",
		"php/vendor/autoload.php", "php/vendor/x.yaml", "php/p.yaml",
		"module/.git", "module/m.yaml", "inner/.git/HEAD", "inner/i.yaml", "d/.old.gitseal-tmp")
	link(t, "a.yaml", "link.yaml")
	link(t, "d", "linkdir")
	link(t, "../b.yaml", "d/tob.yaml")
	for _, tt := range []struct {
		name string
		args []string
		want []string
	}{
		{"nothing", nil, nil},
		{"a named file is taken whatever it is", []string{"a.txt"}, []string{"a.txt a.txt"}},
		{"in the order of the arguments", []string{"b.yaml", "a.yaml"}, []string{"b.yaml b.yaml", "a.yaml a.yaml"}},
		{"a folder", []string{"d"}, []string{"d d/e/y.yaml", "d d/vendor/own.yaml", "d d/z.yaml"}},
		{"all", []string{"."}, []string{
			". a.yaml", ". b.yaml", ". d/e/y.yaml", ". d/vendor/own.yaml", ". d/z.yaml", ". d-e/x.yaml", ". php/p.yaml",
		}},
		{"what is skipped can be named", []string{"node_modules", "vendor", "inner", "module/m.yaml"}, []string{
			"node_modules node_modules/m/x.yaml", "vendor vendor/x.yaml", "inner i.yaml", "module/m.yaml m.yaml",
		}},
		{"once", []string{"a.yaml", "./d/../a.yaml", "link.yaml", "d/e/y.yaml", "linkdir", "d"}, []string{
			"a.yaml a.yaml", "d/e/y.yaml d/e/y.yaml", "linkdir d/vendor/own.yaml", "linkdir d/z.yaml",
		}},
		{"a named link leads to its target", []string{"d/tob.yaml"}, []string{"d/tob.yaml b.yaml"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := workset.Collect(tt.args, workset.Options{Match: isYAML})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, rels(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, f := range got {
				if real, err := filepath.EvalSymlinks(f.Path); err != nil || real != f.Path {
					t.Errorf("%s is not resolved: %s, %v", f.Path, real, err)
				}
			}
		})
	}
}

func TestMatchGetsResolvedPaths(t *testing.T) {
	dir := tree(t, "real/x.yaml")
	link(t, "real", "link")
	var got []string
	_, err := workset.Collect([]string{"link"}, workset.Options{Match: func(path string) bool {
		got = append(got, path)
		return true
	}})
	if diff := cmp.Diff([]string{filepath.Join(dir, "real/x.yaml")}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestRelOutsideOfRepositories(t *testing.T) {
	dir := tree(t, "in/x", "out/y")
	t.Chdir("in")
	got, err := workset.Collect([]string{"x", "../out/y"}, workset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []workset.File{
		{Arg: "x", Path: filepath.Join(dir, "in/x"), Rel: "x"},
		{Arg: "../out/y", Path: filepath.Join(dir, "out/y"), Rel: filepath.ToSlash(filepath.Join(dir, "out/y"))},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestHardLinksAreDifferentFiles(t *testing.T) {
	tree(t, "a.yaml")
	if err := os.Link("a.yaml", "b.yaml"); err != nil {
		t.Skip(err)
	}
	got, err := workset.Collect([]string{".", "b.yaml"}, workset.Options{Match: isYAML})
	if diff := cmp.Diff([]string{". a.yaml", ". b.yaml"}, rels(got)); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestErrorsNameTheFile(t *testing.T) {
	tree(t, "empty/x.txt", "ok.yaml")
	link(t, "nowhere", "dangling")
	for arg, want := range map[string]error{"nope": fs.ErrNotExist, "dangling": fs.ErrNotExist, os.DevNull: workset.ErrNotRegular} {
		got, err := workset.Collect([]string{"ok.yaml", arg}, workset.Options{Match: isYAML})
		if !errors.Is(err, want) || !strings.Contains(err.Error(), arg) || got != nil {
			t.Errorf("%s: got %v, %v, want %v", arg, got, err, want)
		}
	}
	if _, err := workset.Collect([]string{""}, workset.Options{}); err == nil {
		t.Error("an empty name was taken")
	}
	for _, match := range []func(string) bool{isYAML, nil} {
		_, err := workset.Collect([]string{"empty"}, workset.Options{Match: match})
		var none *workset.NoMatchError
		if !errors.As(err, &none) || none.Folder != "empty" {
			t.Errorf("got %v, want a NoMatchError", err)
		}
	}
}

func TestUnreadableFolderIsAnError(t *testing.T) {
	if os.Geteuid() == 0 || runtime.GOOS == "windows" {
		t.Skip("everything can be read")
	}
	tree(t, "a.yaml", "d/locked/b.yaml")
	if err := os.Chmod("d/locked", 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod("d/locked", 0o700) })
	_, err := workset.Collect([]string{"."}, workset.Options{Match: isYAML})
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "locked") {
		t.Errorf("got %v", err)
	}
}

func BenchmarkCollect10000(b *testing.B) {
	dir := b.TempDir()
	for i := range 10000 {
		path := filepath.Join(dir, fmt.Sprint("d", i%100), fmt.Sprint("f", i, ".yaml"))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o644)); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		got, err := workset.Collect([]string{dir}, workset.Options{Match: isYAML})
		if err != nil || len(got) != 10000 {
			b.Fatal(len(got), err)
		}
	}
}
