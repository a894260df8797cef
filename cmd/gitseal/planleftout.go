package main

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"

	"github.com/gitseal/gitseal/cmd/internal/atomicfile"
	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
	"github.com/gitseal/gitseal/cmd/internal/rules"
)

// orLeftOut returns the configuration for a file, "" if there is none: the one that was found
// on the disk or, if that is nearer, the one that a sparse checkout leaves out, as git's index
// has it. Without its rules the file would be sealed for others, and a closed door be open. The
// caller holds mu.
func (b *ruleBook) orLeftOut(file, found string) (string, error) {
	ctx := context.Background() // a book has none of its call; git answers from the index alone
	path, root, err := b.leftOut.Nearer(ctx, file, found)
	if err != nil || path == "" {
		return found, err
	}
	if _, known := b.byPath[path]; known {
		return path, nil
	}
	c, err := rules.LoadIndexed(ctx, path, root)
	if asError(err, new(*rules.ConfigError)) {
		return "", err
	}
	if err != nil {
		return "", leftOutError(ctx, path, root, path+" is left out of the sparse checkout, and git does not have it here")
	}
	if b.indexed == nil {
		b.indexed = map[string]string{}
	}
	b.byPath[path], b.indexed[path] = c, root
	return path, nil
}

// onDisk refuses a configuration that is to be changed and is left out.
func (b *ruleBook) onDisk(ctx context.Context, c *rules.Config) error {
	b.mu.Lock()
	root, indexed := b.indexed[c.Path]
	b.mu.Unlock()
	if !indexed {
		return nil
	}
	return leftOutError(ctx, c.Path, root, c.Path+" is left out of the sparse checkout, and a rule of it has to change")
}

// notLeftOut refuses, with a text, the name of a file that is to be made, if git has one of that
// name and a sparse checkout leaves it out. Where git is missing or refuses the repository,
// nothing is known to be left out.
func notLeftOut(ctx context.Context, name, text string) error {
	path, err := atomicfile.Resolve(name)
	if err != nil {
		return plainPathError(err)
	}
	root, inGit := gitrepo.Root(filepath.Dir(path))
	if !inGit || !gitrepo.MayBeSparse(root) {
		return nil
	}
	rel, err := filepath.Rel(root, path)
	if err != nil {
		return err
	}
	skipped, err := gitrepo.IsSkipped(ctx, root, filepath.ToSlash(rel))
	if err != nil && !errors.Is(err, exec.ErrNotFound) && !errors.As(err, new(*gitrepo.Error)) {
		return err
	}
	if !skipped {
		return nil
	}
	return leftOutError(ctx, path, root, text)
}

// leftOutError says what is wrong with a file that a sparse checkout leaves out, and how it gets
// to the disk.
func leftOutError(ctx context.Context, path, root, text string) error {
	rel, err := filepath.Rel(root, path)
	if err != nil {
		return err
	}
	name := "/" + filepath.ToSlash(rel)
	if cone, err := gitrepo.IsCone(ctx, root); err == nil && cone {
		name = filepath.ToSlash(filepath.Dir(rel)) // it is made of folders, not of patterns
	}
	return failure(text, "git -C "+hintName(root)+" sparse-checkout add "+hintName(name))
}
