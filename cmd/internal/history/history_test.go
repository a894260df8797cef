package history_test

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitseal/gitseal/cmd/internal/history"
	"github.com/gitseal/gitseal/keysources/age"
)

func TestRenameOnOneBranchAndEditOnTheOther(t *testing.T) {
	r := newRepo(t)
	r.seal("a.yaml", "x: one\ny: one\nz: one\n")
	r.commit("first") // 0
	r.git("checkout", "-q", "-b", "side")
	r.seal("a.yaml", "x: one\ny: two\nz: one\n")
	r.commit("edit under the old name") // 1
	r.git("checkout", "-q", "main")
	r.git("mv", "a.yaml", "b.yaml")
	r.commit("rename") // 2
	r.seal("b.yaml", "x: two\ny: one\nz: one\n")
	r.commit("edit under the new name") // 3
	if err := exec.Command("git", "-C", r.dir, "merge", "-q", "side").Run(); err == nil {
		t.Log("git merged by itself")
	}
	r.join("b.yaml", "main", "b.yaml", "side", "a.yaml", "y")
	r.commit("merge") // 4
	r.write("a.yaml", string(r.read("b.yaml")))
	r.seal("a.yaml", "x: other\n")
	r.commit("another file of the old name") // 5
	want := []string{"x: 3", "y: 1", "z: 0"}
	check(t, "ages", r.ages(false, "b.yaml"), want)
	check(t, "ages with a key", r.ages(true, "b.yaml"), want)
	got := r.log(false, "b.yaml")
	slices.Sort(got)
	check(t, "log", got, []string{"+0-0", "from a.yaml, +0-0", "x added, y added, z added, +1-0", "x changed, +0-0", "y changed, +0-0"})
}

// join writes what a merge of two versions would give that takes the line of one key
// from the second.
func (r *repo) join(name, ours, ourName, theirs, theirName, key string) {
	r.t.Helper()
	show := func(rev, name string) []string {
		out, err := exec.Command("git", "-C", r.dir, "show", rev+":"+name).Output()
		if err != nil {
			r.t.Fatal(err)
		}
		return strings.Split(string(out), "\n")
	}
	lines := show(ours, ourName)
	other := show(theirs, theirName)
	of := func(l string) bool { return strings.HasPrefix(l, key+": ") }
	lines[slices.IndexFunc(lines, of)] = other[slices.IndexFunc(other, of)]
	r.write(name, strings.Join(lines, "\n"))
}

func TestItemsThatMoveKeepTheirAge(t *testing.T) {
	r := newRepo(t)
	r.seal("a.yaml", "l:\n  - one\n  - two\n")
	r.commit("first")
	r.seal("a.yaml", "l:\n  - two\n")
	r.commit("the first item goes")
	check(t, "ages", r.ages(false, "a.yaml"), []string{"l[0]: 0"})
}

func TestSealingIsFollowedUnderAnotherName(t *testing.T) {
	r := newRepo(t)
	plain := "db:\n  password: hunter2\n  user: app\nkey: k\n"
	r.write("secret.yaml", plain)
	r.write("secret.txt", "unrelated\n")
	r.commit("plain")
	r.git("rm", "-q", "secret.yaml", "secret.txt")
	r.seal("deploy/secret.enc.yaml", plain)
	r.commit("sealed")
	check(t, "log", r.log(true, "deploy/secret.enc.yaml"), []string{
		"from secret.yaml, db.password sealed yes, db.user sealed yes, key sealed yes, +1-0", "db.password added, db.user added, key added, +0-0",
	})
	check(t, "ages", r.ages(true, "deploy/secret.enc.yaml"), []string{"db.password: 0", "db.user: 0", "key: 0"})
	check(t, "ages without a key", r.ages(false, "deploy/secret.enc.yaml"), []string{"db.password: 1+was-plain", "db.user: 1+was-plain", "key: 1+was-plain"})
}

func TestFilesOfOtherKeysAreNoAncestors(t *testing.T) {
	r := newRepo(t)
	r.write("values.yaml", "replicas: 3\nimage: app\n")
	r.write("data.bin", "some")
	r.commit("plain")
	r.git("rm", "-q", "values.yaml", "data.bin")
	r.seal("secret.yaml", "token: hunter2\npassword: hunter3\n")
	r.seal("other.bin", "some")
	r.commit("sealed")
	check(t, "log", r.log(true, "secret.yaml"), []string{"token added, password added, +1-0"})
	check(t, "log of a binary file", r.log(true, "other.bin"), []string{"data added, +1-0"})
}

func TestVersionsThatCannotBeReadArePassedOver(t *testing.T) {
	r := newRepo(t)
	r.seal("a.yaml", "x: one\ny: one\n")
	r.commit("first")
	good := string(r.read("a.yaml"))
	r.write("a.yaml", "<<<<<<< ours\n"+good)
	r.commit("broken")
	r.write("a.yaml", "]\n"+good)
	r.commit("still broken")
	r.write("a.yaml", good)
	r.seal("a.yaml", "x: one\ny: two\n")
	r.commit("mended")
	check(t, "ages", r.ages(false, "a.yaml"), []string{"x: 0", "y: 3"})
	check(t, "log", r.log(false, "a.yaml"), []string{"y changed, +0-0", "unreadable, +0-0", "unreadable, +0-0", "x added, y added, +1-0"})
}

func TestValuesThatComeBackAreAsOldAsTheyWere(t *testing.T) {
	r := newRepo(t)
	r.seal("a.yaml", "x: one\n")
	r.commit("first")
	old := string(r.read("a.yaml"))
	r.seal("a.yaml", "x: two\n")
	r.commit("second")
	r.git("rm", "-q", "a.yaml")
	r.commit("gone")
	r.write("a.yaml", old)
	r.commit("back")
	check(t, "ages", r.ages(false, "a.yaml"), []string{"x: 0"})
	check(t, "log", r.log(false, "a.yaml"), []string{"x added, +1-0", "x removed, +0-1", "x changed, +0-0", "x added, +1-0"})
}

// What a merge took from one side is what the file is, whichever commit comes first in
// the log.
func TestSideThatWasNotTakenDoesNotCount(t *testing.T) {
	r := newRepo(t)
	r.seal("a.yaml", "x: one\ny: one\n")
	r.commit("first")
	r.git("checkout", "-q", "-b", "side")
	r.seal("a.yaml", "x: side\ny: one\n")
	r.commit("side")
	r.git("checkout", "-q", "main")
	r.seal("a.yaml", "x: one\ny: main\n")
	r.commit("main")
	r.git("merge", "-q", "-s", "ours", "--no-edit", "side")
	check(t, "ages", r.ages(false, "a.yaml"), []string{"x: 0", "y: 2"})
	h := r.open(false)
	f := r.file(h, "a.yaml")
	if f.Steps[0].Commit == nil {
		t.Error("what is in HEAD is not uncommitted")
	}
}

func TestReadersWhoAreGone(t *testing.T) {
	r := newRepo(t)
	bob, err := age.Generate(false)
	if err != nil {
		t.Fatal(err)
	}
	r.seal("a.yaml", "x: one\ny: one\n", bob.Recipient())
	r.commit("both")
	r.seal("a.yaml", "x: one\ny: one\nz: one\n", bob.Recipient())
	r.commit("more")
	r.seal("a.yaml", "x: one\ny: one\nz: one\n")
	r.commit("bob leaves")
	r.seal("a.yaml", "x: one\ny: two\nz: one\nlater: one\n")
	r.commit("changed")
	for _, withKey := range []bool{false, true} {
		h := r.open(withKey)
		tr, err := h.Trace(r.file(h, "a.yaml"), nil)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(tr.Readers, func(x *history.Reader) bool { return !x.Current })
		if i < 0 || len(tr.Readers) != 2 {
			t.Fatalf("got %v", tr.Readers)
		}
		gone := tr.Readers[i]
		var seen []string
		for _, s := range gone.Seen {
			seen = append(seen, fmt.Sprintf("%s %s", s.Value.Path, s.Still))
		}
		want := []string{"x unknown", "z unknown"}
		if withKey {
			want = []string{"x yes", "z yes"}
		}
		check(t, fmt.Sprintf("seen, with key %v", withKey), seen, want)
		if gone.KeyKept || !gone.Alone || gone.Key.Reader() != bob.Recipient().String() || gone.Left.Commit.Time.Sub(began) != 48*time.Hour {
			t.Errorf("got %+v", gone)
		}
	}
}

func TestEachValueHasItsOwnAge(t *testing.T) {
	r := newRepo(t)
	plain := func(n int) string {
		text := ""
		for i := range 20 {
			text += fmt.Sprintf("v%d: value-%d\n", i, max(0, n-i))
		}
		return text
	}
	for n := range 12 {
		r.seal("a.yaml", plain(n))
		r.commit("next")
	}
	got := r.ages(false, "a.yaml")
	if len(got) != 20 || got[0] != "v0: 11" || got[5] != "v5: 11" || got[19] != "v19: 0" {
		t.Errorf("got %q", got)
	}
}
