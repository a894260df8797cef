package gitrepo_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
)

func BenchmarkIndex1000(b *testing.B)    { bench(b, true) }
func BenchmarkVersions1000(b *testing.B) { bench(b, false) }

// bench reads 1,000 files of one folder, the index only or HEAD too.
func bench(b *testing.B, first bool) {
	root := b.TempDir()
	for i := range 1000 {
		if err := os.WriteFile(filepath.Join(root, fmt.Sprint("f", i)), []byte(strings.Repeat(fmt.Sprint("line ", i), 200)), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	for _, args := range [][]string{{"init", "-q"}, {"add", "."}, {"-c", "user.name=t", "-c", "user.email=t@e", "commit", "-qm", "x"}} {
		if out, err := exec.Command("git", append([]string{"-C", root}, args...)...).CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
	}
	for b.Loop() {
		if err := readAll(b.Context(), root, first); err != nil {
			b.Fatal(err)
		}
	}
}

func readAll(ctx context.Context, root string, first bool) error {
	repo, err := gitrepo.Open(ctx, root, limit)
	if err != nil {
		return err
	}
	for i := range 1000 {
		for _, err := range repo.Versions(filepath.Join(root, fmt.Sprint("f", i))) {
			if err != nil {
				return err
			}
			if first {
				break
			}
		}
	}
	return repo.Close()
}
