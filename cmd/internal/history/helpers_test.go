package history_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/history"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
)

// repo is a git repository in which sealed files come into being, a day after
// another.
type repo struct {
	t    *testing.T
	dir  string
	id   age.Identity
	days int
}

var began = time.Date(2020, 1, 1, 12, 0, 0, 0, time.UTC)

func newRepo(t *testing.T) *repo {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		if os.Getenv("GITSEAL_TEST_NO_SKIP") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	for _, name := range []string{"GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"} {
		t.Setenv(name, "")
		os.Unsetenv(name)
	}
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	t.Setenv("GIT_CONFIG_SYSTEM", os.DevNull)
	for _, who := range []string{"AUTHOR", "COMMITTER"} {
		t.Setenv("GIT_"+who+"_NAME", "Test\x01er")
		t.Setenv("GIT_"+who+"_EMAIL", "test@example.com")
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	id, err := age.Generate(false)
	if err != nil {
		t.Fatal(err)
	}
	r := &repo{t: t, dir: dir, id: id}
	r.git("init", "-q", "-b", "main")
	return r
}

func (r *repo) git(args ...string) {
	r.t.Helper()
	if out, err := exec.Command("git", append([]string{"-C", r.dir}, args...)...).CombinedOutput(); err != nil {
		r.t.Fatalf("git %q: %v\n%s", args, err, out)
	}
}

// commit commits everything, a day after the last commit.
func (r *repo) commit(message string) {
	r.t.Helper()
	at := began.AddDate(0, 0, r.days).Format(time.RFC3339)
	r.days++
	r.t.Setenv("GIT_AUTHOR_DATE", at)
	r.t.Setenv("GIT_COMMITTER_DATE", at)
	r.git("add", "-A")
	r.git("commit", "-q", "--allow-empty", "-m", message)
}

func (r *repo) write(name, content string) {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *repo) read(name string) []byte {
	r.t.Helper()
	data, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		r.t.Fatal(err)
	}
	return data
}

// seal seals plain text into a file, keeping what it can of the file as it is.
func (r *repo) seal(name, plain string, readers ...keysources.Recipient) {
	r.t.Helper()
	f := formatOf(name)
	opts := cipher.SealOptions{Recipients: append([]keysources.Recipient{r.id.Recipient()}, readers...)}
	if data, err := os.ReadFile(filepath.Join(r.dir, name)); err == nil {
		if o, err := cipher.Open(r.t.Context(), f, data, r.openOptions()); err == nil {
			opts.Previous = o
		}
	}
	s, err := cipher.Seal(r.t.Context(), f, []byte(plain), opts)
	if err != nil {
		r.t.Fatal(err)
	}
	r.write(name, string(s.Bytes))
}

func (r *repo) openOptions() cipher.OpenOptions {
	return cipher.OpenOptions{Identities: []keysources.Identity{r.id}}
}

func formatOf(name string) formats.Format {
	f, _ := all.ByName(all.NameForFile(name))
	return f
}

// open opens the histories; with a key, or without.
func (r *repo) open(withKey bool) *history.Repo {
	r.t.Helper()
	o := history.Options{Root: r.dir, Format: formatOf}
	if withKey {
		o.Open = func(ctx context.Context, f formats.Format, sealed []byte) ([]byte, error) {
			o, err := cipher.Open(ctx, f, sealed, r.openOptions())
			if err != nil {
				return nil, err
			}
			return o.PlaintextBytes(), nil
		}
	}
	h, err := history.Open(context.Background(), o)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { h.Close() })
	return h
}

func (r *repo) file(h *history.Repo, name string) *history.File {
	r.t.Helper()
	files, err := h.Files([]string{name}, map[string][]byte{name: r.read(name)})
	if err != nil {
		r.t.Fatal(err)
	}
	return files[0]
}

// ages are the values as "path: day", with "+" if they may be older.
func (r *repo) ages(withKey bool, name string) []string {
	r.t.Helper()
	h := r.open(withKey)
	tr, err := h.Trace(r.file(h, name), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	var out []string
	for _, v := range tr.Values {
		day := "now"
		if v.Since.Commit != nil {
			day = fmt.Sprint(int(v.Since.Commit.Time.Sub(began).Hours() / 24))
		}
		if v.AtLeast {
			day += "+" + string(v.Why)
		}
		out = append(out, v.Path.String()+": "+day)
	}
	return out
}

// log is what each step did, the newest first, in a line each.
func (r *repo) log(withKey bool, name string) []string {
	r.t.Helper()
	h := r.open(withKey)
	f := r.file(h, name)
	var out []string
	for i := range f.Steps {
		e, err := h.Entry(f, i)
		if err != nil {
			r.t.Fatal(err)
		}
		var parts []string
		if e.RenamedFrom != "" {
			parts = append(parts, "from "+e.RenamedFrom)
		}
		if e.Err != nil {
			parts = append(parts, "unreadable")
		}
		for _, v := range e.Values {
			parts = append(parts, strings.TrimSpace(fmt.Sprintf("%s %s %s", v.Path, v.What, v.Same)))
		}
		if e.NewKey {
			parts = append(parts, "new key")
		}
		parts = append(parts, fmt.Sprintf("+%d-%d", len(e.Joined), len(e.Left)))
		out = append(out, strings.Join(parts, ", "))
	}
	return out
}

func check[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
