package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/atomicfile"
	"github.com/gitseal/gitseal/cmd/internal/merging"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
	"github.com/gitseal/gitseal/formats/merge"
	"github.com/gitseal/gitseal/keysources/age"
)

// gitMarkerSize is how long git's conflict markers are unless an attribute says
// otherwise.
const gitMarkerSize = 7

func mergeCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "merge",
		Usage:     "merge sealed files key by key, as git's merge driver",
		UsageText: "gitseal merge [FLAGS] BASE OURS THEIRS",
		Description: `git calls it, once .gitattributes and the configuration say so:

   *.yaml merge=gitseal
   git config merge.gitseal.driver "gitseal merge --path %P --marker-size %L %O %A %B"

gitseal git install sets both, with a driver that leaves conflict markers also where gitseal cannot
run.

Changes to different keys never conflict; the same key changed differently on both sides
does, and gitseal resolve settles it. Readers, selector and proposals are merged, too. The
result takes the place of OURS. Plain files are merged key by key as well.

With an identity all versions are verified and the result is sealed. Without one (nobody is
asked for a passphrase here) the sealed values are merged as they are, and the file says that
it must be resealed by somebody who can open it: gitseal reseal.

Exit codes are git's: 0 merged; 1 conflicts are left, or the file could not be merged: then both
sides stand in OURS between conflict markers, so that neither gets lost, unless it is binary.
.sops.yaml and .gitattributes are always merged line by line.

Example:
   gitseal merge --path prod.yaml base.yaml ours.yaml theirs.yaml`,
		Flags: slices.Concat([]cli.Flag{
			&cli.StringFlag{Name: "path", Usage: "`PATH` of the file in the repository, whose name and rule apply (%P)"},
			&cli.IntFlag{Name: "marker-size", Value: gitMarkerSize, Usage: "conflict markers of `N` characters (%L)"},
			&cli.StringFlag{Name: "format", Usage: "read every version as `FORMAT` (" + formatNames() + ") whatever the name"},
			&cli.StringFlag{Name: "config", Usage: "rules `FILE` in place of the .sops.yaml above the file", EnvVars: []string{"SOPS_CONFIG"}},
			quietFlag(),
		}, keyFlags()),
		Action: func(c *cli.Context) error {
			u.quiet = c.Bool("quiet")
			if c.NArg() != 3 {
				return usageError("name three files: BASE OURS THEIRS", "git's placeholders for them are %O %A %B")
			}
			if n := c.Int("marker-size"); n < 1 || n > 1000 {
				return usageError("--marker-size is a number of characters from 1 to 1000", "git gives it as %L")
			}
			return runMerge(c, s, u)
		},
	}
}

// mergeJob is one call of the driver.
type mergeJob struct {
	*mergers
	c *cli.Context
	// name is what people call the file.
	name  string
	in    input
	paths [3]string
	v     merge.Versions
	// told: the file is as it is to be, whatever is said about it.
	told bool
}

func runMerge(c *cli.Context, s std, u *ui) error {
	j := &mergeJob{c: c, paths: [3]string(c.Args().Slice())}
	j.name = cmp.Or(c.String("path"), j.paths[1])
	for i, to := range []*[]byte{&j.v.Base, &j.v.Ours, &j.v.Theirs} {
		data, err := readFile(j.paths[i])
		if err != nil {
			return asDriver(&fileError{name: j.paths[i], err: err}, "")
		}
		*to = data
	}
	if merging.IsReplay(j.v) {
		return j.replay(c.Context)
	}
	err := j.merge(c.Context, s, u)
	switch {
	case err == nil || c.Context.Err() != nil:
		return err
	case j.told:
		return asDriver(err, "")
	}
	return j.leaveBoth(err)
}

// replay ends an earlier conflict again for git-rerere, which tells of it, and which
// takes no notice of what a driver leaves that failed.
func (j *mergeJob) replay(ctx context.Context) error {
	text, ok := merging.Replay(j.v)
	if ok {
		if err := overwrite(j.paths[1], j.v.Ours, text); err != nil {
			return asDriver(&fileError{name: j.name, err: err}, "")
		}
		return nil
	}
	if j.anySealed() {
		return j.leaveBoth(failure(j.name+": the resolution that git has recorded is of a file that was sealed otherwise, and is not replayed",
			"gitseal resolve "+hintName(j.name)+" settles the conflict"))
	}
	// Nothing is sealed, and it may as well be the merge of a text that has such lines.
	err := j.byLine(ctx)
	switch {
	case err == nil || ctx.Err() != nil:
		return err
	case j.told:
		return asDriver(&fileError{name: j.name, err: err}, "")
	}
	return j.leaveBoth(&fileError{name: j.name, err: err})
}

// anySealed reports whether one of the versions may hold sealed values.
func (j *mergeJob) anySealed() bool {
	return slices.ContainsFunc([][]byte{j.v.Base, j.v.Ours, j.v.Theirs}, func(text []byte) bool {
		return bytes.Contains(text, []byte(cipher.SealedPrefix))
	})
}

// asDriver gives an error the one exit code that git takes for a conflict.
func asDriver(err error, hint string) error {
	e := explain(err)
	return failure(e.text, cmp.Or(hint, firstOf(e.hints)))
}

func firstOf(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// leaveBoth is for a file that could not be merged: with our side alone in it, the next
// commit would lose the other's changes, and nobody would see it.
func (j *mergeJob) leaveBoth(err error) error {
	name := hintName(j.name)
	text, ok := merging.Both(j.v, sideLabels(), j.c.Int("marker-size"))
	if !ok {
		return asDriver(err, "the file is as it is on our side; git checkout --ours -- "+name+" or git checkout --theirs -- "+name+" chooses, and git add "+name+" ends it")
	}
	if writeErr := overwrite(j.paths[1], j.v.Ours, text); writeErr != nil {
		return asDriver(errors.Join(err, writeErr), "the file is as it is on our side; git checkout --merge -- "+name+" puts the conflict back")
	}
	const both = "both sides stand in the file, between conflict markers; "
	if errors.As(err, new(*cipher.TamperedError)) {
		return asDriver(err, both+"gitseal resolve "+name+" --ours --whole (or --theirs --whole) takes the one that is right")
	}
	return asDriver(err, both+"when the cause is gone, gitseal resolve "+name+" merges them again")
}

func sideLabels() merge.Labels { return merge.Labels{Ours: "ours", Theirs: "theirs"} }

// isGitsOwn reports whether a file is always merged line by line: its order matters, and
// others are merged by what it says.
func isGitsOwn(name string) bool {
	switch path.Base(filepath.ToSlash(name)) {
	case ".sops.yaml", ".sops.yml", ".gitattributes":
		return true
	}
	return false
}

func (j *mergeJob) merge(ctx context.Context, s std, u *ui) error {
	if isGitsOwn(j.name) {
		if err := j.byLine(ctx); err != nil {
			return &fileError{name: j.name, err: err}
		}
		return nil
	}
	abs, err := filepath.Abs(j.name)
	if err != nil {
		return err
	}
	j.in = input{name: j.name, path: j.paths[1], rulePath: abs, data: j.v.Ours}
	if j.mergers, err = newMergers(j.c, s, u); err != nil {
		return err
	}
	defer j.close()
	// Nobody is asked for anything in the middle of a merge.
	j.ids.ring.UI = age.UI{Tell: u.note, Warn: u.warn}
	if err := j.in.settleFormat(j.c.String("format"), j.book); err != nil {
		return &fileError{name: j.name, err: err}
	}
	j.guessFormat()
	if err := j.run(ctx); err != nil {
		return &fileError{name: j.name, unsealing: true, err: err}
	}
	return nil
}

// guessFormat finds the format of sealed files whose name says nothing: the one
// that finds a metadata block in both sides.
func (j *mergeJob) guessFormat() {
	if j.in.formatName != "binary" || !bytes.Contains(j.v.Ours, []byte(cipher.SealedPrefix)) {
		return
	}
	for _, name := range slices.Concat([]string{"binary"}, all.Names()) {
		f, ok := all.ByName(name)
		if ok && isSealedAs(f, j.v.Ours) && isSealedAs(f, j.v.Theirs) {
			j.in.format, j.in.formatName = f, name
			return
		}
	}
}

func isSealedAs(f formats.Format, data []byte) bool {
	doc, err := f.Parse(data)
	return err == nil && doc.Meta != nil
}

func (j *mergeJob) run(ctx context.Context) error {
	out, err := j.mergeVersions(ctx, j.in, j.v, mergeWay{markerSize: j.c.Int("marker-size")})
	if errors.Is(err, merging.ErrByLine) {
		return j.byLine(ctx)
	}
	if err != nil {
		return err
	}
	if err := overwrite(j.paths[1], j.v.Ours, out.Text); err != nil {
		return err
	}
	j.told = true
	return j.report(j.in, out)
}

// overwrite gives git's temporary file its new content, or leaves it as it is.
func overwrite(name string, old, data []byte) error {
	if bytes.Equal(old, data) {
		return nil
	}
	_, err := atomicfile.Write(name, data, atomicfile.Options{Expect: atomicfile.Holding(old)})
	return err
}

// byLine merges plain files that cannot be merged by key, as git itself would.
func (j *mergeJob) byLine(ctx context.Context) error {
	name := hintName(j.name)
	if isBinary(j.v.Base) || isBinary(j.v.Ours) || isBinary(j.v.Theirs) {
		j.told = true
		return failure("the file is binary, and both sides changed it",
			"git checkout --ours -- "+name+" or git checkout --theirs -- "+name+" chooses a side, and git add "+name+" ends it")
	}
	cmd := exec.CommandContext(ctx, "git", "merge-file", "--quiet", "--stdout", "--marker-size="+strconv.Itoa(j.c.Int("marker-size")),
		"-L", "ours", "-L", "base", "-L", "theirs", "--", j.paths[1], j.paths[0], j.paths[2])
	text, err := cmd.Output()
	var exit *exec.ExitError
	const mostConflicts = 127
	conflicts := errors.As(err, &exit) && exit.ExitCode() > 0 && exit.ExitCode() <= mostConflicts
	if err != nil && !conflicts {
		return fmt.Errorf("merging line by line with git merge-file: %w", err)
	}
	if err := overwrite(j.paths[1], j.v.Ours, text); err != nil {
		return err
	}
	j.told = true
	if conflicts {
		return failure("merged line by line, with conflicts", "edit the file, and git add "+name)
	}
	return nil
}

// isBinary reports whether git would not merge a text line by line.
func isBinary(text []byte) bool {
	const looked = 8000 // as far as git looks
	return bytes.IndexByte(text[:min(len(text), looked)], 0) >= 0
}
