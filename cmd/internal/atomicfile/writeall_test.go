package atomicfile_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cmd/internal/atomicfile"
)

// folder makes n files that hold "old" and jobs that replace them, spread over
// three folders.
func folder(t *testing.T, n int) (dir string, jobs []atomicfile.Job) {
	t.Helper()
	dir = resolvedTemp(t)
	for i := range n {
		sub := filepath.Join(dir, fmt.Sprint("d", i%3))
		if err := os.MkdirAll(sub, 0o700); err != nil {
			t.Fatal(err)
		}
		target := put(t, filepath.Join(sub, fmt.Sprint("f", i)), "old", 0o600)
		jobs = append(jobs, atomicfile.Job{
			Target: target, Data: fmt.Append(nil, "new ", i),
			Options: atomicfile.Options{Expect: atomicfile.Holding([]byte("old"))},
		})
	}
	return dir, jobs
}

func noTemps(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if atomicfile.IsTemp(filepath.Base(path)) {
			t.Errorf("left behind: %s", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWriteAll(t *testing.T) {
	dir, jobs := folder(t, 50)
	got, err := atomicfile.WriteAll(jobs)
	if err != nil {
		t.Fatal(err)
	}
	for i, job := range jobs {
		if diff := cmp.Diff(atomicfile.Result{Path: job.Target}, got[i]); diff != "" {
			t.Errorf("result %d (-want +got):\n%s", i, diff)
		}
		if got := content(t, job.Target); got != string(job.Data) {
			t.Errorf("%s: got %q, want %q", job.Target, got, job.Data)
		}
	}
	noTemps(t, dir)
	if got, err := atomicfile.WriteAll(nil); err != nil || len(got) != 0 {
		t.Errorf("no jobs: got %v, %v", got, err)
	}
}

func TestWriteAllChangesNothingIfOneFails(t *testing.T) {
	bad := errors.New("bad")
	for name, breakJob := range map[string]func(t *testing.T, jobs []atomicfile.Job) error{
		"verification": func(_ *testing.T, jobs []atomicfile.Job) error {
			jobs[7].Verify = func([]byte) error { return bad }
			return bad
		},
		"comparison": func(t *testing.T, jobs []atomicfile.Job) error {
			put(t, jobs[9].Target, "theirs", 0o600)
			return atomicfile.ErrChanged
		},
		"late change": func(_ *testing.T, jobs []atomicfile.Job) error {
			jobs[0].Verify = func([]byte) error { return os.WriteFile(jobs[9].Target, []byte("theirs"), 0o600) }
			return atomicfile.ErrChanged
		},
		"same file twice": func(t *testing.T, jobs []atomicfile.Job) error {
			link := filepath.Join(filepath.Dir(jobs[3].Target), "link")
			if err := os.Symlink(jobs[3].Target, link); err != nil {
				t.Skip(err)
			}
			jobs[8].Target = link
			return atomicfile.ErrTwice
		},
		"link out of the root": func(_ *testing.T, jobs []atomicfile.Job) error {
			jobs[5].Root = filepath.Join(filepath.Dir(jobs[5].Target), "elsewhere")
			return atomicfile.ErrOutside
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, jobs := folder(t, 10)
			want := breakJob(t, jobs)
			got, err := atomicfile.WriteAll(jobs)
			var partial *atomicfile.PartialError
			if !errors.Is(err, want) || errors.As(err, &partial) || len(got) != 0 {
				t.Errorf("got %v, %v, want %v", got, err, want)
			}
			for i, job := range jobs {
				if got := content(t, job.Target); got != "old" && !(i == 9 && got == "theirs") {
					t.Errorf("file %d was changed to %q", i, got)
				}
			}
			noTemps(t, dir)
		})
	}
}

// A failure between the renames cannot be undone, so it must say what was done.
// It is brought about by taking away the last job's temporary file, once it has
// been written and, a moment later, read back.
func TestWriteAllReportsAFailureHalfWay(t *testing.T) {
	dir, jobs := folder(t, 6)
	folder := filepath.Dir(jobs[5].Target)
	jobs[5].Verify = func([]byte) error {
		for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			for _, name := range names(t, folder) {
				if atomicfile.IsTemp(name) && tempContent(folder, name) == "new 5" {
					time.Sleep(500 * time.Millisecond)
					return os.Remove(filepath.Join(folder, name))
				}
			}
		}
		return errors.New("no temporary file found")
	}
	got, err := atomicfile.WriteAll(jobs)
	var partial *atomicfile.PartialError
	if !errors.As(err, &partial) {
		t.Fatalf("got %v, want a PartialError", err)
	}
	if diff := cmp.Diff(partial.Done, got); diff != "" || len(got) != 5 {
		t.Errorf("%d results, not those of the error:\n%s", len(got), diff)
	}
	for i, job := range jobs {
		want := string(job.Data)
		if i == 5 {
			want = "old"
		}
		if got := content(t, job.Target); got != want {
			t.Errorf("file %d: got %q, want %q", i, got, want)
		}
	}
	noTemps(t, dir)
}

func tempContent(dir, name string) string {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	return string(b)
}

func BenchmarkWriteAll1000(b *testing.B) {
	dir := b.TempDir()
	jobs := make([]atomicfile.Job, 1000)
	for i := range jobs {
		jobs[i] = atomicfile.Job{
			Target: filepath.Join(dir, fmt.Sprint("f", i)), Data: make([]byte, 1500),
			Options: atomicfile.Options{Expect: atomicfile.Anything()},
		}
	}
	for b.Loop() {
		if _, err := atomicfile.WriteAll(jobs); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	target := filepath.Join(b.TempDir(), "f")
	for b.Loop() {
		if _, err := atomicfile.Write(target, make([]byte, 1500), atomicfile.Options{Expect: atomicfile.Anything()}); err != nil {
			b.Fatal(err)
		}
	}
}
