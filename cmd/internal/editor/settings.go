package editor

import (
	"path/filepath"
	"strconv"
	"strings"
)

// vimQuiet are the options that keep vim from writing anything but the file. Each
// stands alone, since small builds do not know all of them; and the last line break
// is left as it is. What comes back in spite of that goes to the folder state.
func vimQuiet(state string) string {
	out := "silent! set nobackup nowritebackup | silent! set noswapfile | silent! set noundofile | " +
		"silent! set viminfo= | silent! set nomodeline | silent! set nofixendofline"
	if isSimple(state) {
		out += " | silent! set backupdir=" + state + " directory=" + state + " | silent! set undodir=" + state
	}
	return out
}

// isSimple reports whether a path means itself wherever it stands.
func isSimple(path string) bool {
	return strings.Trim(path, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/_.-") == ""
}

// vimFlags: -n and -i NONE are stronger than what a vimrc says of swap files and
// viminfo (shada). Everything else could be switched on again there, so it is
// switched off before (for files that are read meanwhile), behind, and, after all
// that others want done then, at each read and write.
func vimFlags(state string) []flag {
	// Small builds skip what is between if and endif.
	hooks := "if 1 | exe 'augroup gitseal' | exe 'au!' | " +
		"exe 'au BufReadPre,BufNewFile,BufReadPost,BufWritePre,FileWritePre,VimLeavePre * " + vimQuiet(state) + "' | exe 'augroup END' | endif"
	return []flag{
		once([]string{"-n"}),
		once([]string{"-i", "NONE"}),
		always("--cmd", "silent! set nomodeline"),
		always("--cmd", "if 1 | let g:loaded_copilot=1 | let g:loaded_codeium=1 | let g:codeium_enabled=0 | let g:loaded_tabnine=1 | endif"),
		always("--cmd", hooks),
		always("-c", vimQuiet(state)),
		always("-c", hooks),
	}
}

// emacsSettings are for an emacs that edits nothing else. What a user's files
// switch on when emacs has started is switched off then, and what is saved at that
// occasion goes to the folder state.
func emacsSettings(state string) string {
	return `(progn
 (defun gitseal-keep-nothing (&rest _)
  (let ((state (file-name-as-directory ` + strconv.Quote(filepath.ToSlash(state)) + `)))
   (setq savehist-file (concat state "savehist") recentf-save-file (concat state "recentf")
    save-place-file (concat state "places") desktop-dirname state desktop-path (list state)
    auto-save-file-name-transforms (list (list ".*" state t)) backup-directory-alist (list (cons "." state))))
  (setq make-backup-files nil backup-inhibited t auto-save-default nil auto-save-list-file-prefix nil
   create-lockfiles nil require-final-newline nil mode-require-final-newline nil
   undo-tree-auto-save-history nil enable-local-variables nil kill-buffer-delete-auto-save-files t
   history-length 0)
  (setq-default backup-inhibited t)
  (when (boundp 'auto-save-visited-mode) (ignore-errors (auto-save-visited-mode -1)))
  (dolist (mode '(savehist-mode desktop-save-mode recentf-mode save-place-mode undo-fu-session-global-mode undohist-mode session-mode super-save-mode global-copilot-mode global-codeium-mode))
   (when (and (boundp mode) (symbol-value mode) (fboundp mode)) (ignore-errors (funcall mode -1))))
  (dolist (mode '(copilot-mode codeium-mode undo-tree-mode))
   (when (fboundp mode) (fset mode #'ignore)))
  (when buffer-file-name (auto-save-mode -1)))
 (gitseal-keep-nothing)
 (add-hook 'find-file-hook #'gitseal-keep-nothing t)
 (add-hook 'before-save-hook #'gitseal-keep-nothing)
 (add-hook 'emacs-startup-hook #'gitseal-keep-nothing t)
 (add-hook 'window-setup-hook #'gitseal-keep-nothing t))`
}

// emacsServer tells a server that runs already to keep nothing of files in
// workspaces.
func emacsServer(c *Command) []string {
	expr := `(progn
 (defun gitseal-keep-nothing-here ()
  (when (and buffer-file-name (string-match-p "/gitseal-edit-[^/]*/" buffer-file-name))
   (setq-local backup-inhibited t make-backup-files nil create-lockfiles nil require-final-newline nil)
   (auto-save-mode -1)))
 (add-hook 'find-file-hook #'gitseal-keep-nothing-here t)
 nil)`
	out := append([]string{}, c.words[:c.at+1]...)
	words := c.words[c.at+1:]
	for i := 0; i < len(words); i++ {
		switch w := words[i]; w {
		case "-s", "-f", "-a", "--socket-name", "--server-file", "--alternate-editor":
			if i+1 < len(words) {
				out = append(out, w, words[i+1])
			}
			i++
		default:
			if len(w) > 2 && (w[:2] == "-s" || w[:2] == "-f" || w[:2] == "-a") || hasName(w, "--socket-name", "--server-file", "--alternate-editor") {
				out = append(out, w)
			}
		}
	}
	return append(out, "--eval", expr)
}

func hasName(word string, names ...string) bool {
	return flag{names: names}.given([]string{word})
}
