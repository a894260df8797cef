;;; gitseal.el --- Edit sealed files with plaintext in memory only  -*- lexical-binding: t; -*-

;; SPDX-License-Identifier: Apache-2.0
;; Version: 0.1
;; Package-Requires: ((emacs "28.1"))
;; Keywords: files, data

;;; Commentary:

;; (require 'gitseal) is all: a file that gitseal or sops has sealed shows its
;; plain text when it is visited, and is sealed again when it is saved.  The plain
;; text is in the buffer only: no backup, auto-save or temporary file ever holds
;; it.  Remote files (TRAMP) are shown as they are, sealed.
;;
;; `gitseal-redacted' shows a file without its values, which takes no key;
;; `gitseal-set' replaces one value; `gitseal-save-over' saves a file that
;; somebody else has changed or deleted meanwhile.
;;
;; Two traps shape this file.  `call-process-region' hands its region over in a
;; temporary file, so programs are run by `make-process', with pipes.  And a new
;; major mode drops `write-contents-functions', a new file name drops
;; `write-file-functions': the plain text would be written as it is.  Saving
;; goes through both, and they are put back after either.

;;; Code:

(require 'subr-x)

(defgroup gitseal nil
  "Sealed files."
  :group 'files)

(defcustom gitseal-command '("gitseal")
  "The program, and arguments that go before all others."
  :type '(repeat string))

(defcustom gitseal-open 'plain
  "How sealed files are shown when they are visited."
  :type '(choice (const :tag "Plain" plain)
                 (const :tag "Without their values" redacted)
                 (const :tag "As they are" sealed)))

(defvar-local gitseal--state nil
  "What the buffer shows of a sealed file: `plain', `redacted' or nil.")
(defvar-local gitseal--file nil
  "The sealed file.")
(defvar-local gitseal--digest nil
  "What the sealed file was when it was read.")
(dolist (var '(gitseal--state gitseal--file gitseal--digest))
  (put var 'permanent-local t))

;;;; Running gitseal

(defun gitseal--call (args &optional input)
  "Run gitseal with ARGS and the bytes INPUT.
Return a list of its exit code, its output in bytes, what it wrote to
standard error, and the report of the contract."
  (let* ((default-directory (if (file-remote-p default-directory) "/" default-directory))
         (out (generate-new-buffer " *gitseal-out*" t))
         (err (generate-new-buffer " *gitseal-err*" t))
         (pipe (make-pipe-process :name "gitseal-err" :buffer err :noquery t
                                  :coding 'no-conversion :sentinel #'ignore))
         process)
    (unwind-protect
        (progn
          (dolist (buffer (list out err))
            (with-current-buffer buffer (set-buffer-multibyte nil)))
          (setq process (make-process :name "gitseal" :buffer out :stderr pipe :noquery t
                                      :command (append gitseal-command args)
                                      :connection-type 'pipe :coding 'no-conversion
                                      :sentinel #'ignore))
          ;; If it has ended without reading, what it said is the better error.
          (ignore-errors
            (when input (process-send-string process input))
            (process-send-eof process))
          (while (or (accept-process-output process 0.05) (process-live-p process)))
          (while (or (accept-process-output pipe 0.05) (process-live-p pipe)))
          (let ((text (decode-coding-string (with-current-buffer err (buffer-string)) 'utf-8)))
            (list (process-exit-status process)
                  (with-current-buffer out (buffer-string))
                  text
                  (gitseal--report text (process-exit-status process)))))
      (when (and process (process-live-p process)) (delete-process process))
      (delete-process pipe)
      (gitseal--wipe out)
      (kill-buffer out)
      (kill-buffer err))))

(defun gitseal--report (text code)
  "Decode the report in TEXT, the standard error of a call that ended with CODE.
What is no JSON was said before gitseal knew that it talks to an editor."
  (let ((line (seq-find (lambda (l) (string-prefix-p "{" l))
                        (reverse (split-string text "\n")))))
    (or (and line (ignore-errors (json-parse-string line :object-type 'alist :array-type 'list)))
        (list (cons 'code code)
              (cons 'error (if (string-blank-p text)
                               (format "gitseal ended with exit code %s" code)
                             (string-trim text)))))))

(defun gitseal--message (report)
  "Return the error in REPORT, with its hint."
  (concat (alist-get 'error report)
          (when-let ((hint (alist-get 'hint report))) (concat "; hint: " hint))))

(defun gitseal--warn (report)
  "Show the warnings in REPORT."
  (dolist (text (alist-get 'warnings report))
    (display-warning 'gitseal text)))

(defun gitseal--wipe (buffer)
  "Overwrite the memory that the text of BUFFER takes."
  (with-current-buffer buffer
    (let ((inhibit-read-only t) (inhibit-modification-hooks t) (buffer-undo-list t))
      (widen)
      (let ((bytes (position-bytes (point-max))))
        (erase-buffer)
        (insert (make-string bytes ?\s)))
      (set-buffer-modified-p nil))))

;;;; Showing files

(defun gitseal--sealed-p ()
  "Whether the current buffer shows a sealed file as it is."
  (save-excursion
    (save-restriction
      (widen)
      (goto-char (point-min))
      (let ((case-fold-search nil))
        (and (search-forward "ENC[AES256_GCM,data:" nil t)
             (goto-char (point-min))
             (re-search-forward "^sops:\\|\"sops\"[ \t]*:\\|^sops_mac=\\|^\\[sops\\]" nil t))))))

(defun gitseal--opened ()
  "Show the file that was just visited as `gitseal-open' says, if it is sealed."
  (when (and buffer-file-name (not gitseal--state)
             (not (bound-and-true-p find-file-literally))
             (gitseal--sealed-p))
    (cond
     ((eq gitseal-open 'sealed))
     ((file-remote-p buffer-file-name)
      (message "gitseal: remote files are not opened; this one is shown sealed"))
     ((not (executable-find (car gitseal-command)))
      (message "gitseal: this file is sealed, and there is no program %s" (car gitseal-command)))
     ((eq gitseal-open 'redacted) (gitseal--show-redacted))
     (t (gitseal--show-plain)))))

(defun gitseal--coding-of (bytes)
  "Return a coding system in which BYTES become text, and that text BYTES again."
  (let* ((eol (if (and (string-search "\r\n" bytes)
                       (not (string-match-p "\\(?:\\`\\|[^\r]\\)\n" bytes)))
                  "dos" "unix"))
         (base (if (string-prefix-p "\xef\xbb\xbf" bytes) "utf-8-with-signature" "utf-8"))
         (coding (intern (concat base "-" eol))))
    (if (equal bytes (encode-coding-string (decode-coding-string bytes coding) coding))
        coding
      'no-conversion)))

(defun gitseal--fill (bytes)
  "Make BYTES the text of the current buffer; no undo leads back."
  (let ((coding (gitseal--coding-of bytes))
        (inhibit-read-only t)
        (place (point)))
    (buffer-disable-undo)
    (widen)
    (erase-buffer)
    (insert (decode-coding-string bytes coding))
    (setq buffer-file-coding-system coding)
    (when (boundp 'buffer-undo-tree) (setq buffer-undo-tree nil))
    (buffer-enable-undo)
    (goto-char (min place (point-max)))
    (set-buffer-modified-p nil)))

(defun gitseal--show-plain ()
  "Replace the sealed text of the current buffer by the plain one."
  (let ((file (expand-file-name (or gitseal--file buffer-file-name))))
    (pcase-let ((`(,code ,out ,_ ,report) (gitseal--call (list "unseal" "--editor" "--" file))))
      (if (/= code 0)
          (progn
            (gitseal--show-redacted)
            (display-warning 'gitseal (gitseal--message report) :error))
        (setq gitseal--file file
              gitseal--digest (alist-get 'digest report)
              gitseal--state 'plain)
        (gitseal-mode 1)
        (set-visited-file-modtime)      ; else changing the text asks questions
        (gitseal--fill out)
        (setq buffer-read-only (not (file-writable-p file)))
        (gitseal--warn report)))))

(defun gitseal--show-redacted ()
  "Replace the text of the current buffer by that of the file without its values.
If that cannot be had, the text stays as it is, sealed."
  (let ((file (expand-file-name (or gitseal--file buffer-file-name))))
    (pcase-let ((`(,code ,out ,_ ,_) (gitseal--call (list "view" "--" file))))
      (setq gitseal--file file gitseal--state 'redacted)
      (gitseal-mode 1)
      (set-visited-file-modtime)
      (when (= code 0) (gitseal--fill out))
      (setq buffer-read-only t))))

;;;; Saving

(defun gitseal--bytes ()
  "Return the text of the buffer as it is to be written."
  (save-restriction
    (widen)
    (encode-coding-string (buffer-substring-no-properties (point-min) (point-max))
                          (or buffer-file-coding-system 'utf-8-unix))))

(defun gitseal--write ()
  "Seal the buffer into its file, or signal an error: a hook for saving."
  (unless (eq gitseal--state 'plain)
    (user-error "gitseal: not saved: the values of this file are not shown here"))
  (if (equal (file-truename buffer-file-name) (file-truename gitseal--file))
      (gitseal--seal gitseal--digest)
    (gitseal--write-elsewhere)))

(defun gitseal--gone-p ()
  "Whether the sealed file has been deleted or renamed."
  (not (file-exists-p gitseal--file)))

(defun gitseal--seal (expected)
  "Seal the buffer into its file, if that is still what EXPECTED says."
  (pcase-let ((`(,code ,_ ,_ ,report)
               (gitseal--call (list "seal" "--editor" "--path" gitseal--file "--if-unchanged" expected "-")
                              (gitseal--bytes))))
    (when (/= code 0)
      (when-let ((line (alist-get 'line report)))
        (goto-char (point-min))
        (forward-line (1- line))
        (goto-char (min (line-end-position)
                        (+ (point) (max 0 (1- (or (alist-get 'column report) 1)))))))
      (when (and (gitseal--gone-p) (equal expected gitseal--digest))
        (setf (alist-get 'hint report) "M-x gitseal-save-over seals it anew"))
      (user-error "gitseal: not saved: %s" (gitseal--message report)))
    (setq gitseal--digest (alist-get 'digest report))
    (set-visited-file-modtime)
    (set-buffer-modified-p nil)
    (gitseal--warn report)
    (message "%s: %s" (file-name-nondirectory gitseal--file) (alist-get 'action report))
    (gitseal--saved)))

(defun gitseal--saved ()
  "Return t, with the coding system of the text as that of the buffer.
`basic-save-buffer' takes the one that was used last, which is that of a pipe."
  (setq last-coding-system-used (or buffer-file-coding-system 'utf-8-unix))
  t)

(defun gitseal--write-elsewhere ()
  "Refuse to write the plain text to another file, unless the user insists."
  (let ((target buffer-file-name))
    ;; The buffer has its new name already.
    (set-visited-file-name gitseal--file t t)
    (gitseal-mode 1)
    (set-buffer-modified-p t)
    (unless (yes-or-no-p (format "%s would be plaintext.  Write it all the same? " target))
      (user-error "gitseal: not written: %s would be plaintext" target))
    (let ((coding-system-for-write 'no-conversion) (bytes (gitseal--bytes)))
      (with-file-modes #o600
        (write-region bytes nil target nil nil nil 'excl)))
    (gitseal--saved)))

(defun gitseal--revert (&optional _ignore-auto noconfirm)
  "Show the file as it is now; ask first unless NOCONFIRM."
  (when (or noconfirm (not (buffer-modified-p))
            (yes-or-no-p (format "Discard edits and reread from %s? " gitseal--file)))
    (run-hooks 'before-revert-hook)
    (if (eq gitseal--state 'redacted) (gitseal--show-redacted) (gitseal--show-plain))
    (run-hooks 'after-revert-hook)))

;;;; The mode

(defvar gitseal-mode-map (make-sparse-keymap)
  "Keys in buffers that show sealed files.")

;;;###autoload
(define-minor-mode gitseal-mode
  "Keep the text of a sealed file off the disk, and seal it when it is saved.
It is turned on by visiting a sealed file, and stays on."
  :lighter (:eval (if (eq gitseal--state 'plain) " Unsealed" " Redacted"))
  (unless gitseal--state
    (setq gitseal-mode nil)
    (user-error "This buffer does not show a sealed file"))
  (setq gitseal-mode t)
  (add-hook 'write-contents-functions #'gitseal--write -100 t)
  (add-hook 'write-file-functions #'gitseal--write -100 t)
  (add-hook 'kill-buffer-hook #'gitseal--on-kill nil t)
  (setq-local revert-buffer-function #'gitseal--revert)
  (gitseal--protect))

(defun gitseal--protect ()
  "Switch off whatever would write the text of the buffer somewhere."
  (setq-local make-backup-files nil
              backup-inhibited t
              auto-save-default nil
              create-lockfiles nil
              require-final-newline nil
              undo-tree-auto-save-history nil
              ;; Checkers that work on temporary copies.
              flycheck-checkers nil)
  (auto-save-mode -1)
  (setq buffer-auto-save-file-name nil)
  (dolist (mode '(flycheck-mode flymake-mode undo-fu-session-mode copilot-mode codeium-mode))
    (when (and (boundp mode) (symbol-value mode)) (funcall mode -1)))
  (gitseal--keep-histories))

(defconst gitseal--histories
  '(kill-ring search-ring regexp-search-ring query-replace-history query-replace-defaults
    minibuffer-history read-expression-history register-alist)
  "Variables that hold pieces of text until the end of the session.")

(defvar savehist-additional-variables)
(defvar savehist-ignored-variables)
(defvar desktop-globals-to-save)

(defun gitseal--keep-histories ()
  "Stop other packages from saving histories, for the rest of the session."
  (with-eval-after-load 'savehist
    (setq savehist-additional-variables
          (seq-remove (lambda (v) (memq (if (consp v) (car v) v) gitseal--histories))
                      savehist-additional-variables)
          savehist-ignored-variables (append gitseal--histories savehist-ignored-variables)))
  (with-eval-after-load 'desktop
    (setq desktop-globals-to-save
          (seq-remove (lambda (v) (memq (if (consp v) (car v) v) gitseal--histories))
                      desktop-globals-to-save))))

(defun gitseal--on-kill ()
  "Wipe the buffer that is being killed."
  (when (eq gitseal--state 'plain)
    (buffer-disable-undo)
    (gitseal--wipe (current-buffer))))

(defun gitseal--after-mode ()
  "Protect the buffer again: a new major mode has dropped its variables."
  (when gitseal--state (gitseal-mode 1)))

;;;; Commands

(defun gitseal--current-file ()
  "Return the sealed file of the current buffer."
  (let ((file (or gitseal--file buffer-file-name (user-error "This buffer visits no file"))))
    (when (file-remote-p file) (user-error "Remote files are not supported"))
    (expand-file-name file)))

;;;###autoload
(defun gitseal-plain ()
  "Show the plain text of the current sealed file."
  (interactive)
  (when (buffer-modified-p) (user-error "Save the buffer or revert it first"))
  (gitseal--current-file)
  (gitseal--show-plain))

;;;###autoload
(defun gitseal-redacted ()
  "Show the current sealed file without its values, in another window."
  (interactive)
  (let ((file (gitseal--current-file)))
    (pcase-let ((`(,code ,out ,_ ,report) (gitseal--call (list "view" "--" file))))
      (when (/= code 0) (user-error "gitseal: %s" (gitseal--message report)))
      (let ((buffer (get-buffer-create (format "*gitseal %s*" (file-name-nondirectory file)))))
        (with-current-buffer buffer
          (gitseal--fill out)
          (let ((buffer-file-name file)) (ignore-errors (set-auto-mode t)))
          (setq buffer-read-only t))
        (pop-to-buffer buffer)))))

;;;###autoload
(defun gitseal-set (key)
  "Ask for a value and put it at KEY of the current sealed file.
Without a key that opens the file it becomes a proposal."
  (interactive "sKey: ")
  (when (buffer-modified-p) (user-error "Save the buffer first"))
  (let* ((file (gitseal--current-file))
         (value (read-passwd (format "New value of %s: " key))))
    (when (string-empty-p value) (user-error "No value, nothing was changed"))
    (pcase-let ((`(,code ,_ ,said ,report)
                 (gitseal--call (list "set" "--" file key "-") (encode-coding-string value 'utf-8))))
      (clear-string value)
      (when (/= code 0) (user-error "gitseal: %s" (gitseal--message report)))
      (revert-buffer t t t)
      (message "%s" (string-trim said)))))

(defun gitseal-save-over ()
  "Save the buffer although somebody else has changed the file meanwhile.
If the file is gone, it is sealed anew, as its rule says."
  (interactive)
  (unless (eq gitseal--state 'plain) (user-error "This buffer does not show a sealed file"))
  ;; What was asked about is what happens, also if the file comes or goes meanwhile.
  (let ((gone (gitseal--gone-p)))
    (when (yes-or-no-p (if gone "The file is gone.  Seal it anew? "
                         "Replace what somebody else has written? "))
      (gitseal--seal (if gone "none" "any")))))

(add-hook 'find-file-hook #'gitseal--opened)
(add-hook 'after-change-major-mode-hook #'gitseal--after-mode)

(provide 'gitseal)
;;; gitseal.el ends here
