package gitrepo_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
)

func commitAll(t *testing.T, dir, message string) string {
	t.Helper()
	git(t, dir, "add", "-A")
	git(t, dir, "commit", "-q", "-m", message)
	return outputOf(t, dir, "rev-parse", "HEAD")
}

func outputOf(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := exec.Command("git", append([]string{"-C", dir}, args...)...).Output()
	if err != nil {
		t.Fatalf("git %q: %v", args, err)
	}
	return strings.TrimSpace(string(out))
}

// subjects are the touches as "path: was…>is", by what the blobs hold.
func subjects(t *testing.T, r *gitrepo.Repo, list []gitrepo.Touch) []string {
	t.Helper()
	text := func(blob string) string {
		if blob == "" {
			return "-"
		}
		data, err := r.Blob(blob)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	out := []string{}
	for _, touch := range list {
		line := touch.Path + ": "
		for _, b := range touch.Was {
			line += text(b) + ","
		}
		out = append(out, line+">"+text(touch.Blob))
	}
	return out
}

func TestLogFollowsAllParents(t *testing.T) {
	dir := newRepo(t)
	file := filepath.Join(dir, "f")
	write(t, file, "a")
	commitAll(t, dir, "one")
	git(t, dir, "checkout", "-q", "-b", "side")
	write(t, file, "b")
	commitAll(t, dir, "two")
	git(t, dir, "checkout", "-q", "main")
	write(t, filepath.Join(dir, "other"), "x")
	commitAll(t, dir, "elsewhere")
	git(t, dir, "merge", "-q", "--no-edit", "side") // takes the file from one side
	git(t, dir, "checkout", "-q", "side")
	write(t, file, "c")
	commitAll(t, dir, "three")
	git(t, dir, "checkout", "-q", "main")
	write(t, file, "d")
	commitAll(t, dir, "four")
	if err := exec.Command("git", "-C", dir, "merge", "-q", "side").Run(); err == nil {
		t.Fatal("the merge should conflict")
	}
	write(t, file, "cd")
	commitAll(t, dir, "merged")
	git(t, dir, "rm", "-q", "f")
	commitAll(t, dir, "gone")
	r := open(t, dir)
	list, err := r.Log(gitrepo.LogOptions{Paths: []string{"f"}})
	if err != nil {
		t.Fatal(err)
	}
	got := subjects(t, r, list)
	if len(got) != 6 || got[0] != "f: cd,>-" || got[1] != "f: d,c,>cd" || got[5] != "f: >a" {
		t.Errorf("got %q", got)
	}
	slices.Sort(got)
	want := []string{"f: >a", "f: a,>b", "f: b,>c", "f: b,>d", "f: cd,>-", "f: d,c,>cd"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if c := list[0].Commit; c.Author != "Test" || c.Time.IsZero() || c.Hash != outputOf(t, dir, "rev-parse", "HEAD") {
		t.Errorf("got %+v", c)
	}
}

func TestLogTakesNamesLiterally(t *testing.T) {
	for _, name := range []string{"*", ":(glob)f", "--all", "a b", "ä", "line\nfeed", "-", "[f]"} {
		dir := newRepo(t)
		write(t, filepath.Join(dir, "f"), "no")
		write(t, filepath.Join(dir, name), "yes")
		commitAll(t, dir, "one")
		r := open(t, dir)
		list, err := r.Log(gitrepo.LogOptions{Paths: []string{name}})
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		if diff := cmp.Diff([]string{name + ": >yes"}, subjects(t, r, list)); diff != "" {
			t.Errorf("%q: %s", name, diff)
		}
	}
}

func TestLogIsNotLedAstrayByConfiguration(t *testing.T) {
	dir := newRepo(t)
	write(t, filepath.Join(dir, "f"), "a")
	commitAll(t, dir, "one")
	write(t, filepath.Join(dir, "f"), "b")
	commitAll(t, dir, "two")
	for _, kv := range []string{
		"color.ui=always", "log.showSignature=true", "log.decorate=full", "diff.renames=copies", "log.showRoot=false", "diff.noprefix=true",
		"log.follow=true", "format.pretty=oneline", "log.diffMerges=off", "diff.external=false", "core.abbrev=4", "core.pager=false", "diff.orderFile=nowhere",
	} {
		name, value, _ := strings.Cut(kv, "=")
		git(t, dir, "config", name, value)
	}
	git(t, dir, "config", "--unset", "diff.orderFile") // git itself fails over it
	r := open(t, dir)
	for _, all := range []bool{false, true} {
		list, err := r.Log(gitrepo.LogOptions{Paths: []string{"f"}, All: all})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"f: a,>b", "f: >a"}, subjects(t, r, list)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestLogWithoutCommits(t *testing.T) {
	dir := newRepo(t)
	r := open(t, dir)
	for _, all := range []bool{false, true} {
		list, err := r.Log(gitrepo.LogOptions{Paths: []string{"f"}, All: all})
		if err != nil || len(list) != 0 {
			t.Errorf("got %v, %v, want nothing", list, err)
		}
	}
}

func TestMovesAndDescendants(t *testing.T) {
	dir := newRepo(t)
	text := strings.Repeat("a line of some length\n", 30)
	write(t, filepath.Join(dir, "f"), text)
	write(t, filepath.Join(dir, "gone"), "other")
	if err := os.Symlink("f", filepath.Join(dir, "link")); err != nil {
		t.Skip(err)
	}
	first := commitAll(t, dir, "one")
	git(t, dir, "mv", "f", "new\nname")
	git(t, dir, "rm", "-q", "gone", "link")
	second := commitAll(t, dir, "two")
	write(t, filepath.Join(dir, "x"), "x")
	third := commitAll(t, dir, "three")
	r := open(t, dir)
	got, err := r.Moves([]string{second, third})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]gitrepo.Move{second: {
		{From: "gone", Blob: outputOf(t, dir, "rev-parse", first+":gone")},
		{From: "f", Blob: outputOf(t, dir, "rev-parse", first+":f"), To: "new\nname"},
	}}
	byName := func(m map[string][]gitrepo.Move) {
		for _, list := range m {
			slices.SortFunc(list, func(a, b gitrepo.Move) int { return strings.Compare(a.From, b.From) })
		}
	}
	byName(got)
	byName(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	later, err := r.Descendants(first, false)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]bool{second: true, third: true}, later); diff != "" {
		t.Error(diff)
	}
	for commit, want := range map[string]string{first: text, third: ""} {
		data, err := r.At(commit, "f")
		if string(data) != want || (err != nil) != (want == "") {
			t.Errorf("f in %s: got %d bytes, %v", commit, len(data), err)
		}
	}
	if data, err := r.At(third, "new\nname"); err != nil || string(data) != text {
		t.Errorf("a name with a line feed: %v", err)
	}
}

func TestShallow(t *testing.T) {
	dir := newRepo(t)
	for _, content := range []string{"a", "b", "c"} {
		write(t, filepath.Join(dir, "f"), content)
		commitAll(t, dir, content)
	}
	if got, err := gitrepo.Shallow(t.Context(), dir); err != nil || len(got) != 0 {
		t.Errorf("full: got %v, %v", got, err)
	}
	clone := filepath.Join(t.TempDir(), "clone")
	git(t, dir, "clone", "-q", "--depth", "2", "file://"+dir, clone)
	want := map[string]bool{outputOf(t, dir, "rev-parse", "HEAD~1"): true}
	got, err := gitrepo.Shallow(t.Context(), clone)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	r := open(t, clone)
	list, err := r.Log(gitrepo.LogOptions{Paths: []string{"f"}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"f: b,>c", "f: >b"}, subjects(t, r, list)); diff != "" {
		t.Error(diff)
	}
}
