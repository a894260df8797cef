package gitrepo

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"os/exec"
	"path/filepath"
	"strings"
)

// Blob returns the content that an id names, in full and in lower-case hexadecimal,
// or [ErrNone] if the repository does not have it.
func (r *Repo) Blob(id string) ([]byte, error) {
	if _, err := hex.DecodeString(id); err != nil || len(id) < hex.EncodedLen(sha1.Size) {
		return nil, ErrNone
	}
	return r.ask(id)
}

// The stages of a file in conflict.
const (
	StageBase   = 1
	StageOurs   = 2
	StageTheirs = 3
)

// Stage returns what the index holds of a file in conflict, or [ErrNone].
func (r *Repo) Stage(file string, stage int) ([]byte, error) {
	rel, err := filepath.Rel(r.root, file)
	if err != nil || !filepath.IsLocal(rel) || strings.ContainsRune(rel, 0) {
		return nil, ErrNone
	}
	object := fmt.Sprintf(":%d:./%s", stage, filepath.ToSlash(rel))
	if strings.Contains(object, "\n") {
		return r.single(object) // questions in a conversation are lines
	}
	return r.ask(object)
}

// Namer gives contents the ids that git gives them.
type Namer struct{ hash func() hash.Hash }

// NewNamer returns the namer of the repository that a folder lies in; outside of
// one, git's ids are those of SHA-1.
func NewNamer(ctx context.Context, dir string) (Namer, error) {
	env, err := environment(ctx, dir)
	if err != nil {
		return Namer{}, err
	}
	out, err := command(ctx, dir, env, "rev-parse", "--show-object-format").Output()
	if ctx.Err() != nil {
		return Namer{}, ctx.Err()
	}
	if err != nil && !errors.As(err, new(*exec.ExitError)) && !errors.Is(err, exec.ErrNotFound) {
		return Namer{}, err
	}
	if strings.TrimSpace(string(out)) == "sha256" {
		return Namer{hash: sha256.New}, nil
	}
	return Namer{hash: sha1.New}, nil
}

// ID returns the id of a content.
func (n Namer) ID(content []byte) string {
	h := n.hash()
	fmt.Fprintf(h, "blob %d\x00", len(content))
	h.Write(content)
	return hex.EncodeToString(h.Sum(nil))
}
