package main_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats/yaml"
	"github.com/gitseal/gitseal/keysources"
)

const (
	// roundsEnv is how often people write one file at the same time.
	roundsEnv     = "GITSEAL_TEST_ROUNDS"
	defaultRounds = 30
	shortRounds   = 5
)

func rounds(t *testing.T) int {
	t.Helper()
	n := defaultRounds
	if testing.Short() {
		n = shortRounds
	}
	if text := os.Getenv(roundsEnv); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// writer is one of several who change one value of a file at the same time.
type writer struct {
	// edits: in an editor, which has shown the value as seen. Who does not edit calls
	// gitseal set.
	edits      bool
	key, value string
	seen       string
	code       int
	stderr     string
	// kept: what a failing edit would have written can be taken up again.
	kept bool
}

// judge returns what is wrong with the outcome of a round, "" if nobody's change was
// lost without a word: the last values must be those that come of the successful
// calls one after the other, where an edit follows what its editor has shown.
func judge(before, after map[string]string, writers []writer) string {
	byKey := map[string][]writer{}
	for _, w := range writers {
		switch {
		case w.code == 0:
			byKey[w.key] = append(byKey[w.key], w)
		case !w.edits:
			return fmt.Sprintf("set failed with exit code %d: %s", w.code, w.stderr)
		case w.code != 1 || !strings.Contains(w.stderr, "somebody else has changed the file meanwhile"):
			return fmt.Sprintf("an edit failed with exit code %d: %s", w.code, w.stderr)
		case !w.kept:
			return "an edit failed and was not kept: " + w.stderr
		}
	}
	if len(before) != len(after) {
		return fmt.Sprintf("%d values, before %d", len(after), len(before))
	}
	for key, value := range before {
		if !follows(value, after[key], byKey[key]) {
			return fmt.Sprintf("%s was %q and is %q after %+v", key, value, after[key], byKey[key])
		}
	}
	return ""
}

// follows reports whether there is an order of the writers that leads from one
// value to the other.
func follows(from, to string, writers []writer) bool {
	if len(writers) == 0 {
		return from == to
	}
	for i, w := range writers {
		if w.edits && w.seen != from {
			continue
		}
		others := append(append([]writer{}, writers[:i]...), writers[i+1:]...)
		if follows(w.value, to, others) {
			return true
		}
	}
	return false
}

// TestJudgeCatches is the control: each kind of loss is found.
func TestJudgeCatches(t *testing.T) {
	const told = "gitseal: error: app.yaml: somebody else has changed the file meanwhile, and …"
	base := map[string]string{"a": "0", "b": "0"}
	after := func(a, b string) map[string]string { return map[string]string{"a": a, "b": b} }
	for _, tt := range []struct {
		name    string
		after   map[string]string
		writers []writer
		fine    bool
	}{
		{"different keys", after("1", "2"), []writer{{true, "a", "1", "0", 0, "", false}, {true, "b", "2", "0", 0, "", false}}, true},
		{"one after the other", after("2", "0"), []writer{{true, "a", "1", "0", 0, "", false}, {true, "a", "2", "1", 0, "", false}}, true},
		{"set after an edit", after("2", "0"), []writer{{true, "a", "1", "0", 0, "", false}, {false, "a", "2", "", 0, "", false}}, true},
		{"told, and kept", after("1", "0"), []writer{{true, "a", "1", "0", 0, "", false}, {true, "a", "2", "0", 1, told, true}}, true},
		{"told, and not kept", after("1", "0"), []writer{{true, "a", "1", "0", 0, "", false}, {true, "a", "2", "0", 1, told, false}}, false},
		{"both won", after("1", "0"), []writer{{true, "a", "1", "0", 0, "", false}, {true, "a", "2", "0", 0, "", false}}, false},
		{"an edit undid what set did", after("1", "0"), []writer{{true, "a", "1", "0", 0, "", false}, {false, "a", "2", "", 0, "", false}}, false},
		{"an edit undid another key", after("1", "0"), []writer{{true, "a", "1", "0", 0, "", false}, {false, "b", "2", "", 0, "", false}}, false},
		{"who failed has written", after("1", "0"), []writer{{true, "a", "1", "0", 1, told, true}}, false},
		{"a key is gone", map[string]string{"a": "0"}, nil, false},
		{"set failed", base, []writer{{false, "a", "1", "", 1, told, false}}, false},
		{"another failure", base, []writer{{true, "a", "1", "0", 1, "gitseal: error: no space", true}}, false},
	} {
		if got := judge(base, tt.after, tt.writers); (got == "") != tt.fine {
			t.Errorf("%s: got %q", tt.name, got)
		}
	}
}

// TestEditorsRace: two people edit a file and a third sets values of it, all at the
// same time, again and again; each change is in the file, or who made it is told
// and has it kept.
func TestEditorsRace(t *testing.T) {
	w := newWorkbench(t, buildProgram(t), "unseal")
	w.reset()
	w.memory()
	// It shows what the value was, and takes its time.
	script := w.editorScript("editor", `sed -n "s/^$1: //p" "$4" > "$3"; sleep 0.0$((RANDOM_DIGIT)); sed -i "s/^$1: .*/$1: $2/" "$4"`)
	seen := map[string]int{}
	before := w.values()
	for n := range rounds(t) {
		writers := w.race(n, script)
		after := w.values()
		if bad := judge(before, after, writers); bad != "" {
			t.Fatalf("round %d: %s", n, bad)
		}
		before = after
		for _, one := range writers {
			if one.code == 0 {
				seen["written"]++
			} else {
				seen["told"]++
			}
		}
	}
	t.Logf("writes: %v", seen)
	if p := w.litter(0); p != "" {
		t.Error(p)
	}
}

// race has two edits and one or two calls of set run at the same time.
func (w *workbench) race(round int, script string) []writer {
	w.t.Helper()
	base := filepath.Dir(w.dir)
	rescues := filepath.Join(base, ".local/state/gitseal/rescue")
	if err := os.RemoveAll(rescues); err != nil {
		w.t.Fatal(err)
	}
	const keys = 4 // few enough to meet at one of them
	writers := make([]writer, 3+rand.N(2))
	var wg sync.WaitGroup
	for i := range writers {
		one := &writers[i]
		*one = writer{edits: i < 2, key: fmt.Sprint("key", rand.N(keys)), value: fmt.Sprintf("canary-race-%d-%d", round, i)}
		shown := filepath.Join(base, fmt.Sprint("shown", i))
		cmd, stderr := w.command(w.bin, "set", "-q", w.target, one.key)
		if one.edits {
			cmd, stderr = w.command(w.bin, "edit", "--editor", fmt.Sprintf("%s %s %s %s", script, one.key, one.value, shown), w.target)
			cmd.Env = append(slices.Clone(cmd.Env), "RANDOM_DIGIT="+strconv.Itoa(rand.N(9)))
		} else {
			cmd.Stdin = strings.NewReader(one.value)
		}
		wg.Go(func() {
			if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
				w.t.Error(err)
			}
			one.code, one.stderr = cmd.ProcessState.ExitCode(), stderr.String()
			if data, err := os.ReadFile(shown); err == nil && one.edits {
				one.seen = strings.TrimSpace(string(data))
			}
		})
	}
	wg.Wait()
	kept, err := os.ReadDir(rescues)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.t.Fatal(err)
	}
	texts := w.keptTexts(kept)
	for i, one := range writers {
		writers[i].kept = strings.Contains(texts, one.key+": "+one.value+"\n")
	}
	return writers
}

// keptTexts takes kept edits up again, and returns what the editor shows.
func (w *workbench) keptTexts(kept []fs.DirEntry) string {
	w.t.Helper()
	shown := filepath.Join(filepath.Dir(w.dir), "resumed")
	script := w.editorScript("looks", `cat "$1" >> "`+shown+`"; exit 1`)
	if err := os.RemoveAll(shown); err != nil {
		w.t.Fatal(err)
	}
	for _, file := range kept {
		id, ok := strings.CutSuffix(file.Name(), ".json")
		if !ok {
			continue
		}
		if c := w.call(w.bin, "edit", "--editor", script, "--resume", id); c.code != 1 {
			w.t.Errorf("resuming: exit code %d: %s", c.code, c.stderr)
		}
	}
	data, err := os.ReadFile(shown)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.t.Fatal(err)
	}
	return string(data)
}

// values returns what the target holds, which is one map.
func (w *workbench) values() map[string]string {
	w.t.Helper()
	data, err := os.ReadFile(w.target)
	if err != nil {
		w.t.Fatal(err)
	}
	o, err := cipher.Open(w.t.Context(), yaml.Format{}, data, cipher.OpenOptions{Identities: []keysources.Identity{w.id}})
	if err != nil {
		w.t.Fatal(err)
	}
	out := map[string]string{}
	for line := range strings.Lines(string(o.PlaintextBytes())) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok || out[key] != "" {
			w.t.Fatalf("a line is no key and value, or there twice: %q", line)
		}
		out[key] = value
	}
	return out
}
