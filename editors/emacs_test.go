package editors_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// emacsInit switches on all by which Emacs leaves text on the disk.
const emacsInit = `(setq state (concat (getenv "STATE") "/")
      user-emacs-directory state
      make-backup-files t backup-enable-predicate (lambda (_) t) backup-by-copying t vc-make-backup-files t version-control t
      backup-directory-alist (list (cons "." (concat state "backup")))
      auto-save-default t auto-save-interval 20 auto-save-timeout 1
      auto-save-file-name-transforms (list (list ".*" (concat state "swap/") t))
      delete-auto-save-files nil create-lockfiles t require-final-newline t
      inhibit-startup-screen t confirm-kill-emacs nil use-short-answers t
      print-length nil print-level nil)
(require 'savehist)
(setq savehist-file (concat state "history")
      savehist-additional-variables '(kill-ring search-ring regexp-search-ring))
(savehist-mode 1)
(require 'desktop)
(setq desktop-dirname state desktop-path (list state) desktop-save t desktop-load-locked-desktop t
      desktop-globals-to-save '(kill-ring search-ring register-alist))
(desktop-save-mode 1)
`

func (s *sandbox) emacs(path string, plugin bool, more string, args ...string) *exec.Cmd {
	s.t.Helper()
	init := emacsInit
	if plugin {
		here, err := filepath.Abs("emacs")
		if err != nil {
			s.t.Fatal(err)
		}
		init += fmt.Sprintf("(add-to-list 'load-path %q)\n(require 'gitseal)\n", here)
	}
	return s.command(path, append([]string{"-Q", "-nw", "-l", s.write("init.el", init+more)}, args...)...)
}

// lisp runs forms in an Emacs that visits a file. What they pass to say is returned;
// an error is said, too.
func (s *sandbox) lisp(emacs, file, forms string) []string {
	s.t.Helper()
	_ = os.Remove(s.path("probe")) // of the forms before
	script := `(require 'cl-lib)
(defvar said nil)
(defun say (format &rest args) (push (apply #'format-message format args) said))
(defmacro try (&rest forms) ` + "`(condition-case e (progn ,@forms (say \"done\")) (error (say \"%s\" (error-message-string e)))))" + `
(defun body ()
  (find-file "` + file + `")
` + forms + `)
(add-hook 'emacs-startup-hook
  (lambda ()
    (condition-case e (body) (error (say "error: %S" e)))
    (let ((coding-system-for-write 'utf-8))
      (write-region (mapconcat #'identity (reverse said) "\n") nil (getenv "PROBE") nil 'silent))
    (dolist (b (buffer-list)) (with-current-buffer b (set-buffer-modified-p nil)))
    (kill-emacs)))
`
	start(s.t, s.emacs(emacs, true, script)).ends()
	return strings.Split(s.read(s.path("probe")), "\n")
}

// editInEmacs types what a person would to change a value.
func (v *session) editInEmacs(s *sandbox) {
	v.sees("-before")
	v.keys("\x13" + canary + "\r") // search
	v.keys("\x01\x0b\x19")         // kill the line, and yank it again
	v.keys("\x1b<\x1b%canary-" + canary + "-before\rcanary-" + canary + "-after\r!")
	v.keys("\x1b:(do-auto-save t)\r")
	v.keys("\x1b:(write-region \"here\" nil (getenv \"PROBE\"))\r")
	v.wait("typed text is worked on", exists(s.path("probe")))
}

// TestEmacs: as TestVim.
func TestEmacs(t *testing.T) {
	emacs := need(t, "emacs")
	s := newSandbox(t)
	before := s.read(s.file)
	cmd, trace := traced(t, s.emacs(emacs, true, "", s.file))
	v := start(t, cmd)
	v.editInEmacs(s)
	if found := leaks(t, s.root); len(found) > 0 {
		t.Errorf("while it is edited, plaintext is in %q", found)
	}
	v.keys("\x18\x13") // save
	v.wait("the file is written", changes(s.file, before))
	v.keys("\x18\x03") // quit
	v.ends()
	checkDiff(t, before, s.read(s.file), "password")
	if got, want := s.unsealed(s.file), strings.Replace(plainYAML, "-before", "-after", 1); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	checkTrace(t, trace)
	if found := leaks(t, s.root); len(found) > 0 {
		t.Errorf("plaintext is left in %q", found)
	}
}

// TestEmacsControl: without the package the same is found in many places.
func TestEmacsControl(t *testing.T) {
	emacs := need(t, "emacs")
	s := newSandbox(t)
	plain := filepath.Join(s.work, "plain.yaml")
	if err := os.WriteFile(plain, []byte(plainYAML), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd, trace := traced(t, s.emacs(emacs, false, "", plain))
	v := start(t, cmd)
	v.editInEmacs(s)
	v.keys("\x18\x13")
	v.wait("the file is written", changes(plain, plainYAML))
	v.keys("\x1b:(call-process-region (point-min) (point-max) \"cat\")\r\x18\x03")
	v.ends()
	found := strings.Join(leaks(t, s.root), " ")
	for _, place := range []string{"/backup/", "/swap/", "/history", "/.emacs.desktop"} {
		if !strings.Contains(found, place) {
			t.Errorf("nothing is found in %s, only in %q", place, found)
		}
	}
	bad, _ := betrayals(t, trace)
	if !strings.Contains(strings.Join(bad, "\n"), "/tmp/emacs") {
		t.Errorf("the trace does not show the temporary file of call-process-region, only %q", bad)
	}
}

// TestEmacsModes: neither another major mode nor another name makes saving write the
// plain text, and nothing leads back to the sealed one.
func TestEmacsModes(t *testing.T) {
	emacs := need(t, "emacs")
	s := newSandbox(t)
	got := s.lisp(emacs, s.file, `
(say "%S" (list gitseal--state (buffer-modified-p) buffer-undo-list buffer-auto-save-file-name make-backup-files create-lockfiles))
(text-mode)
(goto-char (point-max)) (insert "more: 1")
(save-buffer)
(say "%S" (list gitseal-mode (buffer-modified-p) make-backup-files buffer-auto-save-file-name))
(insert "\nbroken: [") (goto-char (point-min))
(try (save-buffer))
(say "%S" (list (buffer-modified-p) (line-number-at-pos)))
(revert-buffer t t)
(say "%S" (list (buffer-modified-p) (point-max) gitseal--state))
(cl-letf (((symbol-function 'yes-or-no-p) (lambda (&rest _) nil)))
  (try (write-file (concat default-directory "other.yaml"))))
(say "%S" (list (equal buffer-file-name gitseal--file) gitseal-mode write-contents-functions write-file-functions buffer-auto-save-file-name))
(fundamental-mode)
(goto-char (point-max)) (insert "\n# end\n")
(save-buffer)
`)
	want := []string{"(plain nil nil nil nil nil)", "(t nil nil nil)", "", "(t 10)",
		fmt.Sprintf("(nil %d plain)", len(plainYAML)+len("more: 1")+1), "", "(t t (gitseal--write) (gitseal--write t) nil)"}
	if len(got) == len(want) && strings.Contains(got[2], "a bracket that is not closed") && strings.Contains(got[5], "would be plaintext") {
		got[2], got[5] = "", ""
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q, want %q", got, want)
	}
	if plain := s.unsealed(s.file); plain != plainYAML+"more: 1\n# end\n" {
		t.Errorf("got %q", plain)
	}
	if exists(filepath.Join(s.work, "other.yaml"))() {
		t.Error("the other file was written")
	}
	if found := leaks(t, s.root); len(found) > 0 {
		t.Errorf("plaintext is left in %q", found)
	}
}

// TestEmacsMeanwhile: as TestVimMeanwhile.
func TestEmacsMeanwhile(t *testing.T) {
	emacs := need(t, "emacs")
	s := newSandbox(t)
	got := s.lisp(emacs, s.file, `
(search-forward "db-1.internal") (replace-match "mine")
(say "%S" (call-process "`+program+`" nil nil nil "unset" "app.yaml" "list"))
(cl-letf (((symbol-function 'yes-or-no-p) (lambda (&rest _) t)))
  (try (save-buffer))
  (say "%S" (buffer-modified-p))
  (try (gitseal-save-over))
  (say "%S" (buffer-modified-p)))
`)
	if len(got) != 5 || got[0] != "0" || !strings.Contains(got[1], "changed meanwhile") || got[2] != "t" || got[3] != "done" || got[4] != "nil" {
		t.Errorf("got %q", got)
	}
	if plain := s.unsealed(s.file); !strings.Contains(plain, "host: mine") || !strings.Contains(plain, "list:") {
		t.Error("saving over did not take this text")
	}
}

// TestEmacsGone: as TestVimGone.
func TestEmacsGone(t *testing.T) {
	emacs := need(t, "emacs")
	s := newSandbox(t)
	got := s.lisp(emacs, s.file, `
(search-forward "db-1.internal") (replace-match "mine")
(delete-file "app.yaml")
(cl-letf (((symbol-function 'yes-or-no-p) (lambda (&rest _) t)))
  (try (save-buffer))
  (say "%S" (list (buffer-modified-p) (file-exists-p "app.yaml")))
  (try (gitseal-save-over))
  (say "%S" (buffer-modified-p))
  (insert " again")
  (try (save-buffer)))
`)
	if len(got) != 5 || !strings.Contains(got[0], "the file is gone") || !strings.Contains(got[0], "gitseal-save-over seals it anew") || got[1] != "(t nil)" ||
		got[2] != "done" || got[3] != "nil" || got[4] != "done" {
		t.Errorf("got %q", got)
	}
	if plain := s.unsealed(s.file); plain != strings.Replace(plainYAML, "db-1.internal", "mine again", 1) {
		t.Errorf("got %q", plain)
	}
}

// TestEmacsWithoutKey: as TestVimWithoutKey.
func TestEmacsWithoutKey(t *testing.T) {
	emacs := need(t, "emacs")
	s := newSandbox(t)
	s.forget()
	before := s.read(s.file)
	got := s.lisp(emacs, s.file, `
(say "%S" (list gitseal--state buffer-read-only (buffer-modified-p)))
(say "%S" (string-search "password: <sealed " (buffer-string)))
(say "%S" (with-current-buffer "*Warnings*" (string-search "no identity opens this file" (buffer-string))))
(set-buffer-modified-p t)
(try (save-buffer))
(set-buffer-modified-p nil)
(cl-letf (((symbol-function 'read-passwd) (lambda (&rest _) (concat "canary-`+canary+`" "-typed"))))
  (try (gitseal-set "db.password")))
`)
	if len(got) != 5 || got[0] != "(redacted t nil)" || got[1] == "nil" || got[2] == "nil" || !strings.Contains(got[3], "not saved") || got[4] != "done" {
		t.Errorf("got %q", got)
	}
	if s.read(s.file) == before {
		t.Error("there is no proposal")
	}
	// The value stands in the script that typed it.
	if err := os.Remove(s.path("init.el")); err != nil {
		t.Fatal(err)
	}
	if found := leaks(t, s.root); len(found) > 0 {
		t.Errorf("plaintext is left in %q", found)
	}
}

// TestEmacsKeepsBytes: see oddities.
func TestEmacsKeepsBytes(t *testing.T) {
	emacs := need(t, "emacs")
	s := newSandbox(t)
	var forms strings.Builder
	for _, odd := range oddities {
		s.seal(odd.name, odd.plain)
		fmt.Fprintf(&forms, `(find-file (concat (file-name-directory %q) %q))
(let ((start gitseal--digest))
  (set-buffer-modified-p t)
  (try (save-buffer))
  (say "%%s %%s %%S" %q gitseal--state (equal start gitseal--digest))
  (goto-char (point-max)) (insert "y")
  (try (save-buffer))
  (set-buffer-modified-p nil))
`, s.file, odd.name, odd.name)
	}
	got := s.lisp(emacs, s.file, forms.String())
	for i, odd := range oddities {
		if 3*i+2 >= len(got) {
			t.Fatalf("got %q", got)
		}
		if got[3*i] != "done" || got[3*i+1] != odd.name+" plain t" {
			t.Errorf("%s: got %q", odd.name, got[3*i:3*i+2])
		}
		if after := s.unsealed(filepath.Join(s.work, odd.name)); strings.HasSuffix(odd.name, ".bin") && after != odd.plain+"y" {
			t.Errorf("%s: got %q after a letter was added", odd.name, after)
		}
	}
}

// TestEmacsDoor: as TestVimDoor, and as TestVimSet.
func TestEmacsDoor(t *testing.T) {
	emacs := need(t, "emacs")
	s := newSandbox(t)
	got := s.lisp(emacs, s.file, `
(save-window-excursion (gitseal-redacted) (say "%S" (list buffer-read-only (< 0 (string-search "password: <sealed " (buffer-string))))))
(cl-letf (((symbol-function 'read-passwd) (lambda (&rest _) "set")))
  (gitseal-set "db.host"))
(say "%S" (list gitseal--state (< 0 (string-search "host: set" (buffer-string)))))
(kill-buffer)
(setenv "GITSEAL_DOORS" "closed")
(find-file "`+s.file+`")
(say "%S" (list gitseal--state (< 0 (string-search "password: <sealed " (buffer-string)))))
(say "%S" (< 0 (with-current-buffer "*Warnings*" (string-search "GITSEAL_DOORS is closed" (buffer-string)))))
`)
	if want := "(t t)|(plain t)|(redacted t)|t"; strings.Join(got, "|") != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := s.unsealed(s.file), strings.Replace(plainYAML, "db-1.internal", "set", 1); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
