package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/atomicfile"
)

// create makes the file with the new value in it, sealed as its rule says or, without one, as
// its version in git is. done is false if somebody else has made the file meanwhile.
func (r *setRun) create(ctx context.Context) (done bool, err error) {
	in, err := r.newInput()
	if err != nil {
		return false, err
	}
	if r.c.Bool("propose") {
		return false, failure("there is no such file", "a proposal needs a sealed file; without --propose the file is made")
	}
	j, err := r.newJob(ctx, in)
	if err != nil {
		return false, err
	}
	plain, err := r.firstContent(ctx, in, j.plan.selector)
	if err != nil {
		return false, err
	}
	if r.result.Action = actionCreated; j.plan.kept {
		r.kept = j.plan.keptText()
	}
	if r.dryRun {
		return true, nil
	}
	sealed, err := r.sealFirst(ctx, j, plain)
	if err != nil {
		return false, err
	}
	job := atomicfile.Job{Target: in.path, Data: sealed.Bytes}
	job.Expect, job.Root, job.Verify = expectNew(in.path), repositoryOf(in.name), sealed.Check
	job.Perm = atomicfile.Umasked(0o666)
	err = writeAll(r.ui, []atomicfile.Job{job})
	if errors.Is(err, atomicfile.ErrChanged) {
		return false, nil
	}
	return err == nil, err
}

// isNew reports whether a file is to be made. An empty one is as good as none.
func isNew(name string) bool {
	info, err := os.Stat(name)
	return errors.Is(err, fs.ErrNotExist) || err == nil && isEmptyFile(info)
}

func isEmptyFile(info fs.FileInfo) bool { return info.Mode().IsRegular() && info.Size() == 0 }

// expectNew expects of a file that is to be made what isNew was told.
func expectNew(path string) atomicfile.Expect {
	if info, err := os.Stat(path); err == nil && isEmptyFile(info) {
		return atomicfile.Holding(nil)
	}
	return atomicfile.Absent()
}

// checkNoReaders refuses readers that are named for a file which is there already.
func (r *setRun) checkNoReaders() error {
	for _, f := range readerFlagList() {
		if r.c.IsSet(f.name) {
			return usageError("--"+f.name+" goes with a file that set makes, and "+r.name+" is there already", "gitseal keys add changes the readers of a file")
		}
	}
	return nil
}

// newInput is the file that is not there yet. One that git has and leaves out of the work tree
// would be replaced with the next commit.
func (r *setRun) newInput() (input, error) {
	if err := notLeftOut(r.c.Context, r.name, "git has it, and the sparse checkout leaves it out"); err != nil {
		return input{}, err
	}
	path, err := filepath.Abs(r.name)
	if err != nil {
		return input{}, err
	}
	folder, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return input{}, plainPathError(err)
	}
	path = filepath.Join(folder, filepath.Base(path))
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSymlink != 0 {
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return input{}, failure("a link that leads nowhere", "name the file that is to be made")
		}
	}
	in := input{name: r.name, path: path, rulePath: path}
	return in, in.settleFormat(r.c.String("format"), r.book)
}

// firstContent returns a new plain file that holds nothing but the value.
func (r *setRun) firstContent(ctx context.Context, in input, selector cipher.Selector) ([]byte, error) {
	switch in.formatName {
	case "binary":
		r.value.raw = true
		if !isWhole(in, r.path) {
			return nil, failure("a binary file has no keys", "its path is . (a dot); for a file of another format give its --format")
		}
		node, err := r.node(ctx, in, nil)
		return []byte(node.Scalar.Text), err
	case "json":
		plain, err := r.applyTo(ctx, in, []byte("{}\n"), selector)
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		err = json.Indent(&b, plain, "", "  ")
		return b.Bytes(), err
	}
	return r.applyTo(ctx, in, nil, selector)
}
