package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/atomicfile"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/keysources"
)

func sealCommand(s std, u *ui) *cli.Command {
	flags := []cli.Flag{
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write to `FILE` (- for standard output) instead of in place"},
		&cli.BoolFlag{Name: "in-place", Aliases: []string{"i"}, Usage: "write in place; this is what happens anyway"},
		&cli.StringFlag{Name: "previous", Usage: "take data key and unchanged values from this earlier sealed `FILE`"},
		&cli.BoolFlag{Name: "no-reuse", Usage: "new data key, new ciphertext everywhere: take nothing from an earlier sealed version in git, except its readers if nothing else names any"},
		&cli.BoolFlag{Name: "post-quantum", Usage: "if an identity has to be made, make it a hybrid post-quantum one"},
		&cli.BoolFlag{Name: "mac-only-encrypted", Usage: "let plain values be changed without notice"},
		&cli.StringFlag{Name: "if-unchanged", Usage: "with --path FILE -: replace FILE, if its sha256 is still `DIGEST` (none: if it does not exist)"},
		editorFlag(), jsonFlag(), quietFlag(),
	}
	flags = slices.Concat(readerFlags("instead of the rule's readers: seal for this", true), flags, manifestFlags(), keyFlags())
	for _, k := range cipher.SelectorKinds() {
		flags = append(flags, &cli.StringFlag{Name: strings.ReplaceAll(string(k), "_", "-"), Usage: selectorUsage(k)})
	}
	return &cli.Command{
		Name:      "seal",
		Usage:     "seal the values of files, in place",
		UsageText: "gitseal seal [FLAGS] FILE|FOLDER…\n   gitseal seal --path NAME - < plain > sealed\n   gitseal seal --path FILE --if-unchanged DIGEST - < plain",
		Description: `Recipients and selectors come from the .sops.yaml rule for each file, or from flags.
With neither, a file of which git has a sealed version stays sealed as that is; others are sealed
for your own identity, which is made if there is none.
Of a folder, the files that a rule matches are sealed. What is sealed already stays as it is.

Examples:
   gitseal seal secret.yaml
   gitseal seal --age age1… --encrypted-regex '^(password|token)$' config/*.json
   generate | gitseal seal --path secrets/x.json - > secrets/x.json

With --manifest a Secret becomes a SealedManifest, sealed for its namespace and name; plain
SealedManifests are sealed so without the flag, too. Nothing but the values, apiVersion and kind changes.
   kubectl create secret generic db --dry-run=client -o yaml … | gitseal seal --manifest --namespace shop --path db.yaml - > db.yaml
   gitseal seal --manifest --document --name app --namespace shop -o app.yaml app.env
   gitseal seal --rebind --scope namespace db.yaml      # sealed already: for another place`,
		Flags: append(flags, inputFlags()...),
		Action: func(c *cli.Context) error {
			if u.quiet = c.Bool("quiet"); c.Bool("editor") {
				u.beEditor()
			}
			ids, err := newIdentities(c, s, u)
			if err != nil {
				return err
			}
			r := &sealRun{planner: planner{c: c, ids: ids}, std: s, ui: u}
			return r.run(c.Context)
		},
	}
}

func selectorUsage(k cipher.SelectorKind) string {
	what := "keys that end in `SUFFIX`"
	if strings.HasSuffix(string(k), "comment_regex") {
		what = "what comments that match `REGEX` stand with"
	} else if strings.HasSuffix(string(k), "regex") {
		what = "keys that match `REGEX`"
	}
	if strings.HasPrefix(string(k), "un") {
		return "seal everything but values under " + what
	}
	return "seal only values under " + what
}

// sealRun is one call of seal.
type sealRun struct {
	planner
	std  std
	ui   *ui
	prev *previousVersions
	// empty is how many files of folders are left out, as they are empty.
	empty int
}

// sealJob is one file on its way.
type sealJob struct {
	in   input
	plan plan
	// prev is the earlier version, nil if it was not looked for yet.
	prev   *previousVersion
	sealed *cipher.Sealed // nil: nothing to do
	action string
	// context is what a SealedManifest was sealed for, outer the one that holds what was
	// sealed, nil if none does.
	context     string
	outer       []byte
	outerFormat formats.Format
	// there is the one that stood where -o wants it, nil if none did.
	there *manifestThere
}

// The actions that a summary and the JSON output name.
const (
	actionSealed    = "sealed"
	actionUnsealed  = "unsealed"
	actionUnchanged = "unchanged"
	actionSkipped   = "skipped"
)

func (r *sealRun) run(ctx context.Context) error {
	var err error
	if r.book, err = newRuleBook(r.c.String("config")); err != nil {
		return err
	}
	var in []input
	if in, r.empty, err = readCounted(r.c, r.std); err != nil {
		return err
	}
	if err := r.checkFlags(in); err != nil {
		return err
	}
	if r.c.IsSet("if-unchanged") {
		return r.sealOver(ctx, in[0])
	}
	if r.c.Bool("document") {
		return r.sealDocument(ctx, in[0])
	}
	// Sealing needs as much memory whatever the collector does: the peak is alive.
	const percent = 50
	tuneCollector(in, percent)
	jobs := make([]*sealJob, len(in))
	for i := range in {
		jobs[i] = &sealJob{in: in[i]}
		if jobs[i].plan, err = r.chosenPlan(in[i]); err != nil {
			return &fileError{name: in[i].name, err: err}
		}
	}
	if r.prev, err = r.findPrevious(ctx, in); err != nil {
		return err
	}
	defer r.prev.close()
	for _, j := range jobs {
		if err := r.settle(ctx, j); err != nil {
			return &fileError{name: j.in.name, err: err}
		}
	}
	if err := r.sealAll(ctx, jobs, inFlight(in)); err != nil {
		return err
	}
	if err := r.write(jobs); err != nil {
		return err
	}
	return r.report(jobs)
}

// sealAll seals files in memory, several at a time.
func (r *sealRun) sealAll(ctx context.Context, jobs []*sealJob, atOnce int) error {
	defer r.ui.stepsDone()
	return forAll(ctx, len(jobs), atOnce, func(i int) error {
		defer r.ui.step("sealing", i+1, len(jobs))
		if err := r.seal(ctx, jobs[i]); err != nil {
			return &fileError{name: jobs[i].in.name, err: err}
		}
		return nil
	})
}

func (r *sealRun) checkFlags(in []input) error {
	switch {
	case len(in) > 1 && r.c.String("output") != "":
		return usageError("--output goes with a single input", "leave it out to seal the files in place")
	case len(in) > 1 && r.c.String("previous") != "":
		return usageError("--previous goes with a single input", "leave it out: earlier versions are looked for in git")
	case r.c.Bool("json") && !r.c.IsSet("if-unchanged") && r.toStdout(in[0]):
		return usageError("--json does not go with standard output, which is the sealed file", "name a file with -o")
	}
	if err := r.checkManifestFlags(in); err != nil {
		return err
	}
	return r.checkOver(in[0])
}

// rewriter does for a seal what commands that change sealed files do.
func (r *sealRun) rewriter() *rewriter {
	return &rewriter{planner: r.planner, std: r.std, ui: r.ui}
}

// seal seals one file in memory.
func (r *sealRun) seal(ctx context.Context, j *sealJob) error {
	prev, err := r.previousOf(ctx, j)
	if err != nil {
		return err
	}
	if held := heldBy(j.in); held != nil {
		return r.sealHeld(ctx, j, held, prev)
	}
	text, err := r.sealText(j.in)
	if err != nil {
		return err
	}
	opts, err := r.textOptions(j, text, prev)
	if err != nil {
		return err
	}
	s, err := cipher.Seal(ctx, j.in.format, text, opts)
	if err == nil {
		j.sealed, j.action, j.context = s, actionSealed, opts.Context
		warnOfNowPlain(r.ui, j.in, s.Exposed)
		return nil
	}
	if !asAlreadySealed(err) {
		return err
	}
	if r.c.Bool("manifest") || r.c.Bool("rebind") {
		return r.remake(ctx, j)
	}
	j.action = actionUnchanged
	return r.checkSealed(ctx, j)
}

// toStdout reports whether the sealed file is printed.
func (r *sealRun) toStdout(in input) bool {
	out := r.c.String("output")
	return out == stdinArg || out == "" && in.path == ""
}

func (r *sealRun) write(jobs []*sealJob) error {
	out := r.c.String("output")
	if r.toStdout(jobs[0].in) {
		return r.writeStdout(jobs[0])
	}
	var writes []atomicfile.Job
	for _, j := range jobs {
		w := atomicfile.Job{Target: j.in.path, Data: j.bytes()}
		w.Perm = atomicfile.Umasked(0o666)
		if j.sealed != nil {
			w.Verify = j.check
		}
		if out != "" {
			w.Target = out
			expect, err := expectPresent(out)
			if err != nil {
				return err
			}
			if j.there != nil {
				expect = atomicfile.Holding(j.there.data)
			}
			w.Expect = expect
			writes = append(writes, w)
			continue
		}
		if j.sealed == nil {
			continue
		}
		w.Expect, w.Root = atomicfile.Holding(j.in.data), repositoryOf(j.in.name)
		writes = append(writes, w)
	}
	return writeAll(r.ui, writes)
}

// bytes is what the file is to hold.
func (j *sealJob) bytes() []byte {
	if j.sealed == nil {
		return j.in.data
	}
	if j.outer != nil {
		return j.outer
	}
	return j.sealed.Bytes
}

func (r *sealRun) writeStdout(j *sealJob) error {
	if j.sealed != nil {
		if err := j.check(j.bytes()); err != nil {
			return &fileError{name: j.in.name, err: err}
		}
	}
	if _, err := r.std.out.Write(j.bytes()); err != nil {
		return fmt.Errorf("writing to standard output: %w", err)
	}
	return nil
}

// expectPresent says that a file which is to be overwritten must still hold, at
// that time, what it holds now.
func expectPresent(name string) (atomicfile.Expect, error) {
	info, err := os.Stat(name)
	if os.IsNotExist(err) {
		return atomicfile.Absent(), nil
	}
	if err == nil && !info.Mode().IsRegular() {
		// Reading a pipe or device could take forever.
		err = atomicfile.ErrNotRegular
	}
	var data []byte
	if err == nil {
		data, err = os.ReadFile(name)
	}
	if err != nil {
		return atomicfile.Absent(), &fileError{name: name, err: plainPathError(err)}
	}
	return atomicfile.Holding(data), nil
}

// warnOfMix flags recipients that undo each other's post-quantum protection.
func warnOfMix(u *ui, name string, recipients []keysources.Recipient) {
	if mixesPostQuantum(recipients) {
		u.warn(name + ": some recipients are not post-quantum (age1pq1…), so the file as a whole is not; who records it now may open it with a quantum computer later")
	}
}
