package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
	"github.com/gitseal/gitseal/formats"
)

// warnOfSparse says what of the folders named a sparse checkout leaves out: it stays sealed for
// whom it is. Each folder is looked at by itself.
func (k *keysRun) warnOfSparse(ctx context.Context) error {
	for _, arg := range k.c.Args().Slice() {
		n, root, err := sealedButLeftOut(ctx, arg)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			k.ui.warn("what a sparse checkout leaves out of " + arg + " is not known: " + err.Error())
		case n > 0:
			verbs := "are left out of the sparse checkout, and stay as they are"
			if n == 1 {
				verbs = "is left out of the sparse checkout, and stays as it is"
			}
			k.ui.warn(counted(n, "file") + " with sealed values below " + arg + " " + verbs + "; git -C " + hintName(root) + " sparse-checkout disable brings all files here")
		}
	}
	return nil
}

// sealedButLeftOut counts the files with sealed values below a folder that the index of
// its repository has, and a sparse checkout leaves out. It returns the repository's topmost
// folder.
func sealedButLeftOut(ctx context.Context, arg string) (n int, root string, err error) {
	if info, err := os.Stat(arg); err != nil || !info.IsDir() {
		return 0, "", nil // nothing is left out of what was named
	}
	folder, err := filepath.Abs(arg)
	if err == nil {
		folder, err = filepath.EvalSymlinks(folder)
	}
	if err != nil {
		return 0, "", err
	}
	root, found := gitrepo.Root(folder)
	if !found || !gitrepo.MayBeSparse(root) {
		return 0, root, nil
	}
	skipped, err := gitrepo.Skipped(ctx, root, folder)
	if err != nil {
		return 0, root, err
	}
	var ids []string
	for _, s := range skipped {
		if _, err := os.Lstat(filepath.Join(root, filepath.FromSlash(s.Path))); err != nil {
			ids = append(ids, s.ID)
		}
	}
	if len(ids) == 0 {
		return 0, root, nil
	}
	repo, err := gitrepo.Open(ctx, root, formats.MaxSealed)
	if err != nil {
		return 0, root, err
	}
	defer repo.Close()
	sealed, err := repo.Holding(ids, []byte(cipher.SealedPrefix))
	for _, id := range ids {
		n += count(sealed[id])
	}
	return n, root, err
}
