package main_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEditRedacted runs the real program with editors on a file without its values.
func TestEditRedacted(t *testing.T) {
	bin := buildProgram(t)
	for name, test := range map[string]func(*testing.T, string){
		"in vim": redactedInVim, "given up": redactedGivenUp, "conflict": redactedConflict,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, bin)
		})
	}
}

// redactedBench is a workbench whose file has plain values next to sealed ones.
func redactedBench(t *testing.T, bin string) *workbench {
	t.Helper()
	w := newWorkbench(t, bin, "unseal")
	w.put([]byte("#~ gitseal: one of mine\npassword: canary-password\ntoken: canary-token\nport: 5432\n"))
	if code, stderr := w.run(w.bin, "seal", "--encrypted-regex", "^(password|token|more)$", w.target); code != 0 {
		t.Fatal(stderr)
	}
	return w
}

// holds checks the plain file.
func (w *workbench) holds(want string) {
	w.t.Helper()
	if c := w.call(w.bin, "unseal", w.target); c.stdout != want {
		w.t.Errorf("got %q, want %q; %s", c.stdout, want, c.stderr)
	}
}

// lineOf returns the line of a key in the sealed file.
func (w *workbench) lineOf(key string) string {
	w.t.Helper()
	for line := range strings.Lines(w.read("secret.yaml")) {
		if strings.HasPrefix(line, key+":") {
			return line
		}
	}
	w.t.Fatalf("there is no %s", key)
	return ""
}

// rescues are the files of the edits that were kept.
func (w *workbench) rescues() []string {
	w.t.Helper()
	kept, err := filepath.Glob(filepath.Join(filepath.Dir(w.dir), ".local/state/gitseal/rescue/*.json"))
	if err != nil {
		w.t.Fatal(err)
	}
	return kept
}

// redactedInVim: in a real vim, the token that stays keeps its ciphertext, a plain
// value changes, and what is new is sealed; no value is on the screen.
func redactedInVim(t *testing.T, bin string) {
	needProgram(t, "vim")
	w := redactedBench(t, bin)
	memory := w.memory()
	before := w.lineOf("token")
	s := onScreen(w, w.bin, "edit", "--redacted", "--editor", "vim", w.target)
	s.types("5432", []string{":%s/5432/6000/\r", ":/^password/s/: .*/: canary-in-vim/\r", "omore: canary-more\x1b", ":wq\r"})
	if code := s.end(); code != 0 || !strings.Contains(s.text(), "edited; new values: password, more") {
		t.Fatalf("exit code %d, shown: %q", code, s.text())
	}
	if strings.Contains(s.text(), "canary-password") || strings.Contains(s.text(), "canary-token") || !strings.Contains(s.text(), "sealed") {
		t.Errorf("shown: %q", s.text())
	}
	w.holds("#~ gitseal: one of mine\npassword: canary-in-vim\nmore: canary-more\ntoken: canary-token\nport: 6000\n")
	if after := w.lineOf("token"); after != before {
		t.Errorf("the value that was left alone was sealed anew: %q, %q", before, after)
	}
	if left := filesWithCanaries(t, filepath.Dir(w.dir), memory); len(left) > 0 {
		t.Errorf("the text was left in %q", left)
	}
}

// redactedGivenUp: on a terminal, a text that is not right is shown again with what is
// wrong, and kept if it is given up.
func redactedGivenUp(t *testing.T, bin string) {
	w := redactedBench(t, bin)
	before := w.read("secret.yaml")
	seen := w.dir + ".seen"
	script := w.editorScript("vim", `for file; do :; done
cp "$file" "`+seen+`"; grep -q canary-wrong "$file" || sed -i 's/^token: \(.*\)/token: "canary-wrong \1"/' "$file"
`)
	s := onOwnTerminal(w, w.bin, "edit", "--redacted", "--editor", script, w.target)
	if code := s.end(); code != 1 || !strings.Contains(s.text(), "token: a token is within other text here") || !strings.Contains(s.text(), "edit --resume") {
		t.Errorf("exit code %d, shown: %q", code, s.text())
	}
	got, err := os.ReadFile(seen)
	if err != nil {
		t.Fatal(err)
	}
	// The first is said again of the line of the user's own that looks like a note.
	if !bytes.Contains(got, []byte(": line 3: token: a token is within other text here")) || !bytes.Contains(got, []byte("\n#~ gitseal: one of mine\n")) {
		t.Errorf("shown the second time: %q", got)
	}
	if w.read("secret.yaml") != before || len(w.rescues()) != 1 {
		t.Errorf("the file was changed, or %d edits were kept", len(w.rescues()))
	}
	if left := filesWithCanaries(t, filepath.Join(filepath.Dir(w.dir), ".local")); len(left) > 0 {
		t.Errorf("plain in %q", left)
	}
}

// meanwhile is a script that stands for an editor: somebody else sets a value, before it
// does what do says.
func (w *workbench) meanwhile(key, do string) string {
	w.t.Helper()
	theirs := w.dir + ".theirs"
	if err := os.WriteFile(theirs, []byte("canary-theirs\n"), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return w.editorScript("vim", `for file; do :; done
SOPS_AGE_KEY_FILE="`+filepath.Join(filepath.Dir(w.dir), "key")+`" "`+w.bin+`" set --file "`+theirs+`" "`+w.target+`" `+key+` || exit 9
`+do+"\n")
}

// redactedConflict: somebody else sets the same key meanwhile. That is told apart from
// bad text, theirs stays, and ours is kept and can be taken up.
func redactedConflict(t *testing.T, bin string) {
	w := redactedBench(t, bin)
	script := w.meanwhile("password", `sed -i 's/^password: .*/password: canary-ours/' "$file"`)
	w.env = append(w.env, "TERM=xterm")
	code, stderr := w.run(w.bin, "edit", "--redacted", "--editor", "sh "+script, w.target)
	if code != 3 || !strings.Contains(stderr, "somebody has changed the same keys meanwhile: password") || strings.Count(stderr, "error: ") != 1 {
		t.Fatalf("exit code %d, %s", code, stderr)
	}
	w.holds("#~ gitseal: one of mine\npassword: canary-theirs\ntoken: canary-token\nport: 5432\n")
	kept := w.rescues()
	if len(kept) != 1 {
		t.Fatalf("%d edits were kept", len(kept))
	}
	id := strings.TrimSuffix(filepath.Base(kept[0]), ".json")
	script = w.editorScript("settle", `sed -i -e '/^<<<<<<</d' -e '/^=======/,/^>>>>>>>/d' "$1"`)
	if code, stderr := w.run(w.bin, "edit", "--editor", script, "--resume", id); code != 0 {
		t.Fatalf("exit code %d, %s", code, stderr)
	}
	w.holds("#~ gitseal: one of mine\npassword: canary-ours\ntoken: canary-token\nport: 5432\n")
	if kept := w.rescues(); len(kept) != 0 {
		t.Errorf("still kept: %q", kept)
	}
}
