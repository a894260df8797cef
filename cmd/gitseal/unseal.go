package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/atomicfile"
	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
)

func unsealCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "unseal",
		Usage:     "print the plain form of a sealed file, or write it",
		UsageText: "gitseal unseal [FLAGS] FILE\n   gitseal unseal -i FILE|FOLDER…\n   gitseal unseal --path NAME - < sealed > plain\n   gitseal unseal --format FORMAT - < sealed > plain",
		Description: `The whole file is verified before a byte is written. Plain files are written so that
only their owner can read them. Of a folder, the sealed files that a rule matches are unsealed.

Examples:
   gitseal unseal secret.yaml | less
   gitseal unseal -i a.yaml b.json      # then edit, then: gitseal seal a.yaml b.json
   gitseal unseal -o /run/secrets/app.env app.env
   gitseal unseal --manifest db.yaml | kubectl diff -f -
   kubectl get smf db -o json | gitseal unseal --manifest --format json -

A SealedManifest that is not sealed for its own namespace and name, or for none, is refused
with --manifest and -i unless you agree with --allow-unbound: it was copied, renamed, written
by sops, or stripped of what it was sealed for.`,
		Flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "in-place", Aliases: []string{"i"}, Usage: "replace the sealed files by the plain ones"},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write to `FILE` instead of standard output"},
			&cli.BoolFlag{Name: "manifest", Usage: "of a SealedManifest, give the Secret that it is for, or the file in its spec.document"},
			&cli.BoolFlag{Name: "require-integrity", Usage: "refuse files without a sops.seal entry, which only sops's own MAC protects"},
			allowUnboundFlag(), editorFlag(), jsonFlag(), quietFlag(),
		}, slices.Concat(keyFlags(), inputFlags())...),
		Action: func(c *cli.Context) error {
			if u.quiet = c.Bool("quiet"); c.Bool("editor") {
				u.beEditor()
			}
			if err := openToCaller(s, doorUnseal); err != nil {
				return err
			}
			ids, err := newIdentities(c, s, u)
			if err != nil {
				return err
			}
			r := &unsealRun{c: c, std: s, ui: u, ids: ids}
			return r.run(c.Context)
		},
	}
}

// unsealRun is one call of unseal.
type unsealRun struct {
	c    *cli.Context
	std  std
	ui   *ui
	ids  *identities
	book *ruleBook
}

type unsealJob struct {
	in     input
	opened *cipher.Opened // nil: nothing to do
	// plain is, if not nil, what is given in place of the plain file.
	plain  []byte
	action string
}

// bytes is what is given.
func (j *unsealJob) bytes() []byte {
	if j.plain != nil {
		return j.plain
	}
	return j.opened.PlaintextBytes()
}

func (r *unsealRun) run(ctx context.Context) error {
	var err error
	if r.book, err = newRuleBook(r.c.String("config")); err != nil {
		return err
	}
	in, err := readInputs(r.c, r.std)
	if err != nil {
		return err
	}
	if err := r.checkFlags(in); err != nil {
		return err
	}
	if err := openByRule(r.book, doorUnseal, in...); err != nil {
		return err
	}
	const percent = 25
	tuneCollector(in, percent)
	jobs := make([]*unsealJob, len(in))
	err = forAll(ctx, len(in), inFlight(in), func(i int) error {
		defer r.ui.step("unsealing", i+1, len(in))
		jobs[i] = &unsealJob{in: in[i]}
		return r.open(ctx, jobs[i])
	})
	r.ui.stepsDone()
	if err != nil {
		return err
	}
	for _, j := range jobs {
		r.warn(j)
	}
	return r.write(ctx, jobs)
}

func (r *unsealRun) checkFlags(in []input) error {
	inPlace, output := r.c.Bool("in-place"), r.c.String("output")
	switch {
	case inPlace && output != "":
		return usageError("--in-place and --output exclude each other", "leave out one of them")
	case inPlace && in[0].path == "":
		return usageError("standard input cannot be replaced in place", "leave out -i: the result goes to standard output")
	case !inPlace && len(in) > 1:
		return usageError("several files do not go to one output", "unseal them in place with -i, or one at a time")
	case r.c.Bool("editor") && r.c.Bool("manifest"):
		return usageError("--editor does not go with --manifest", "leave one of them out")
	case r.c.Bool("editor") && (inPlace || output != "" || r.c.Bool("json")):
		return usageError("--editor goes with standard output", "leave out -i, -o and --json")
	case r.c.Bool("json") && !inPlace && output == "":
		return usageError("--json goes with -i or -o: standard output is the plain file", "leave out --json, or name a file with -o")
	}
	return nil
}

// open opens one file in memory.
func (r *unsealRun) open(ctx context.Context, j *unsealJob) error {
	required, err := r.book.requiresIntegrity(j.in.rulePath)
	if err != nil {
		return &fileError{name: j.in.name, err: err}
	}
	opts := r.ids.openOptions()
	opts.RequireSeal, opts.PlainOnly = required || r.c.Bool("require-integrity"), true
	var o *cipher.Opened
	if r.c.Bool("manifest") {
		err = r.openManifest(ctx, j, opts)
		o = j.opened
	} else {
		o, err = cipher.Open(ctx, j.in.format, j.in.data, opts)
	}
	if j.in.fromFolder && isNotSealed(err) {
		j.action = actionSkipped
		return nil
	}
	if err == nil {
		err = r.checkPlace(j, o)
	}
	if err != nil {
		return &fileError{name: j.in.name, unsealing: true, err: err}
	}
	j.opened, j.action = o, actionUnsealed
	return nil
}

// maxWarnings bounds what is told of one file.
const maxWarnings = 5

func (r *unsealRun) warn(j *unsealJob) {
	if j.opened == nil {
		return
	}
	if list, _ := j.opened.Metadata.Proposals(); len(list) > 0 && r.c != nil && r.c.Bool("in-place") {
		r.ui.warn(fmt.Sprintf("%s: %s not in the plain file; gitseal seal takes them over from the sealed version in git, if that has them",
			j.in.name, counted(len(list), "open proposal")))
	}
	for i, w := range j.opened.Warnings {
		if i == maxWarnings {
			r.ui.warn(fmt.Sprintf("%s: and %d more like these", j.in.name, len(j.opened.Warnings)-maxWarnings))
			return
		}
		r.ui.warn(j.in.name + ": " + w.String())
	}
}

// write is where plaintext leaves the process.
func (r *unsealRun) write(ctx context.Context, jobs []*unsealJob) error {
	output := r.c.String("output")
	if !r.c.Bool("in-place") && (output == "" || output == stdinArg) {
		if jobs[0].opened == nil {
			return &fileError{name: jobs[0].in.name, unsealing: true, err: cipher.ErrNotSealed}
		}
		if _, err := r.std.out.Write(jobs[0].bytes()); err != nil {
			return fmt.Errorf("writing to standard output: %w", err)
		}
		if r.c.Bool("editor") {
			return r.reportUnsealed(jobs[0])
		}
		return nil
	}
	var writes []atomicfile.Job
	for _, j := range jobs {
		if j.opened == nil {
			continue
		}
		w := atomicfile.Job{Target: j.in.path, Data: j.bytes()}
		w.Private = true
		w.Expect, w.Root = atomicfile.Holding(j.in.data), repositoryOf(j.in.name)
		if output != "" {
			expect, err := expectPresent(output)
			if err != nil {
				return err
			}
			w.Target, w.Expect, w.Root = output, expect, ""
			r.warnOfCommit(ctx, output)
		}
		writes = append(writes, w)
	}
	if err := writeAll(r.ui, writes); err != nil {
		return err
	}
	return r.report(jobs)
}

// warnOfCommit warns of a plain file that the next "git add ." would take.
func (r *unsealRun) warnOfCommit(ctx context.Context, name string) {
	path, err := filepath.Abs(name)
	root, ok := gitrepo.Root(filepath.Dir(path))
	if err != nil || !ok {
		return
	}
	if ignored, err := gitrepo.Ignored(ctx, root, path); err == nil && !ignored {
		r.ui.warn(name + " is plaintext, lies in a git repository and is not ignored there: add it to .gitignore")
	}
}

// unsealResult is the JSON form of what unseal did to one file.
type unsealResult struct {
	File      string `json:"file"`
	Action    string `json:"action"`
	Format    string `json:"format"`
	Integrity string `json:"integrity,omitempty"`
}

func (r *unsealRun) report(jobs []*unsealJob) error {
	var results []unsealResult
	counts := map[string]int{}
	for _, j := range jobs {
		counts[j.action]++
		res := unsealResult{File: j.in.name, Action: j.action, Format: j.in.formatName}
		if j.opened != nil {
			res.Integrity = "sops"
			if j.opened.Metadata.Seal != nil {
				res.Integrity = "seal"
			}
		}
		results = append(results, res)
	}
	if r.c.Bool("json") {
		return r.ui.json(results)
	}
	for _, j := range jobs {
		if len(jobs) > maxFilesTold {
			break
		}
		text := "unsealed; it is plaintext now, do not commit it"
		if out := r.c.String("output"); out != "" {
			text = "unsealed into " + out + ", which is plaintext: do not commit it"
		}
		if j.opened == nil {
			text = "not sealed, skipped"
		}
		r.ui.note(j.in.name + ": " + text)
	}
	if len(jobs) > 1 {
		r.ui.note(fmt.Sprintf("%d files: %d unsealed, %d skipped", len(jobs), counts[actionUnsealed], counts[actionSkipped]))
	}
	return nil
}
