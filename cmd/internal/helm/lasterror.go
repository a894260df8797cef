package helm

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/gitseal/gitseal/cmd/internal/atomicfile"
	"github.com/gitseal/gitseal/cmd/internal/rescue"
)

// LastErrorFile returns where the last error is kept, "" if there is no place for it.
func LastErrorFile(getenv func(string) string) string {
	dir := rescue.DefaultDir(getenv)
	if dir == "" {
		return ""
	}
	return filepath.Join(filepath.Dir(dir), "helm-last-error")
}

// KeepError writes what a failed call said, readable by the user alone. It must hold no
// value.
func KeepError(file, text string) error {
	const folder, private = 0o700, 0o600
	if err := os.MkdirAll(filepath.Dir(file), folder); err != nil {
		return err
	}
	_, err := atomicfile.Write(file, []byte(text), atomicfile.Options{Expect: atomicfile.Anything(), Perm: private, Private: true})
	return err
}

// ForgetError removes it, after a call that did not fail.
func ForgetError(file string) error {
	err := os.Remove(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
