package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
)

func acceptCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "accept",
		Usage:     "take proposals into a sealed file, or turn them down",
		UsageText: "gitseal accept [FLAGS] FILE|FOLDER…\n   gitseal accept --list [--reveal] FILE|FOLDER…\n   gitseal accept --drop (--yes | --id ID | --key KEY.PATH) FILE|FOLDER…",
		Description: `Who cannot open a file proposes values with gitseal set. A proposal is sealed for the file's
readers, and bound to its file, its place, what stood there, and those readers. Nobody vouches for who made it:
whoever may write the file may propose, under any name. Look at what git says of the commit.

On a terminal, each proposal is asked about; what it holds is shown only if you ask for it.
Without a terminal, say which to accept: --yes, --id or --key. With --yes, proposals are left that
would replace a map or list as a whole, would stand plain, are two for one place, would replace a
value that was set after they were made, or cannot be accepted for another reason. A warning names
each; the others are accepted, and the exit code is 3. A list item that has moved is followed; a
proposal for one that is gone, or cannot be told from others, is never accepted.

Turning proposals down (--drop) needs no key. gitseal inspect lists them without one, too.

Examples:
   gitseal accept prod.yaml
   gitseal accept --list --reveal prod.yaml
   gitseal accept --yes --key db.password prod.yaml`,
		Flags: slices.Concat([]cli.Flag{
			&cli.BoolFlag{Name: "list", Aliases: []string{"l"}, Usage: "only list the proposals"},
			&cli.BoolFlag{Name: "reveal", Usage: "show the values that are proposed"},
			&cli.StringSliceFlag{Name: "key", Usage: "accept (or drop) the proposal for `KEY.PATH`"},
			&cli.StringSliceFlag{Name: "id", Usage: "accept (or drop) the proposal with this `ID`"},
			&cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "accept (or drop) all, or those that --key and --id choose, without asking"},
			&cli.BoolFlag{Name: "drop", Usage: "turn the proposals down instead"},
			&cli.BoolFlag{Name: "plain", Usage: "accept also values that the file's selector leaves plain"},
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "say what would be done, and write nothing"},
			jsonFlag(), quietFlag(),
		}, keyFlags(), inputFlags()),
		Action: func(c *cli.Context) error {
			u.quiet = c.Bool("quiet")
			r, err := newAcceptRun(c, s, u)
			if err != nil {
				return err
			}
			return r.run(c.Context)
		},
	}
}

// acceptRun is one call of accept.
type acceptRun struct {
	rewriter
	keys   []*formats.Path
	chosen []string // IDs
	ask    *asker   // nil: nobody is asked
}

// acceptJob is one file with its proposals.
type acceptJob struct {
	in        input
	offers    []*offer
	malformed int
	// written: the file was changed.
	written bool
}

func newAcceptRun(c *cli.Context, s std, u *ui) (*acceptRun, error) {
	r := &acceptRun{chosen: c.StringSlice("id")}
	for _, key := range c.StringSlice("key") {
		path, err := parsePath(key)
		if err != nil {
			return nil, err
		}
		r.keys = append(r.keys, path)
	}
	named := len(r.keys)+len(r.chosen) > 0
	switch {
	case c.Args().First() == stdinArg:
		return nil, usageError("standard input cannot be changed in place", "name the file")
	case c.Bool("list") && (c.Bool("drop") || c.Bool("yes")):
		return nil, usageError("--list changes nothing", "leave out --drop and --yes")
	case c.Bool("drop") && c.Bool("reveal"):
		return nil, usageError("--drop does not open what it turns down", "look at it first, with --list --reveal")
	}
	if r.ask = newAsker(s); r.ask == nil || c.Bool("yes") || named {
		if !c.Bool("list") && !c.Bool("yes") && !named {
			what := "accept"
			if c.Bool("drop") {
				what = "turn down"
			}
			return nil, usageError("there is nobody to ask which proposals to "+what, "say so: --yes for all, --id ID or --key KEY.PATH for some; --list lists them")
		}
		r.ask = nil
	}
	var err error
	r.rewriter, err = newRewriter(c, s, u)
	r.ignoreRule = c.Bool("list")
	return r, err
}

func (r *acceptRun) run(ctx context.Context) error {
	in, err := readSealed(r.c, r.std, r.ui)
	if err == nil && r.c.Bool("reveal") {
		err = r.openDoor(in...)
	}
	if err == nil {
		err = r.openPlain(in...)
	}
	if err != nil {
		return err
	}
	jobs := make([]*acceptJob, len(in))
	err = forAll(ctx, len(in), inFlight(in), func(i int) error {
		var err error
		if jobs[i], err = r.read(ctx, in[i]); err != nil {
			return &fileError{name: in[i].name, unsealing: true, err: err}
		}
		return nil
	})
	if err != nil {
		return err
	}
	jobs = slices.DeleteFunc(jobs, func(j *acceptJob) bool { return j == nil })
	if r.c.Bool("list") {
		return r.list(jobs)
	}
	if err := r.choose(ctx, jobs); err != nil {
		return err
	}
	for _, j := range jobs {
		if err := r.settle(ctx, j); err != nil {
			return &fileError{name: j.in.name, unsealing: true, err: err}
		}
	}
	if err := r.report(jobs); err != nil {
		return err
	}
	return missed(jobs)
}

// openDoor makes sure that values may be shown.
func (r *acceptRun) openDoor(in ...input) error {
	if err := openToCaller(r.std, doorAccept); err != nil {
		return err
	}
	return openByRule(r.book, doorAccept, in...)
}

// missed is the error that proposals which were to be accepted are left, nil if
// there are none.
func missed(jobs []*acceptJob) error {
	n, name := 0, ""
	for _, j := range jobs {
		for _, o := range j.offers {
			if o.missed {
				n, name = n+1, j.in.name
			}
		}
	}
	if n == 0 {
		return nil
	}
	return &commandError{code: exitWrongState, text: counted(n, "proposal") + " left that could not be accepted so",
		hint: "the warnings say why; gitseal accept --list " + name + " shows them"}
}

// read reads the proposals of a file: nil if it is not sealed, and was found in a
// folder. It is opened unless they are only to be turned down.
func (r *acceptRun) read(ctx context.Context, in input) (*acceptJob, error) {
	report, err := cipher.Inspect(in.format, in.data)
	if isNotSealed(err) && in.fromFolder {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	j := &acceptJob{in: in}
	list, malformed := report.Metadata.Proposals()
	j.malformed = malformed
	if len(list) == 0 {
		return j, nil
	}
	if r.c.Bool("drop") {
		for _, p := range list {
			j.offers = append(j.offers, &offer{proposal: p})
		}
		return j, nil
	}
	o, _, err := r.open(ctx, in)
	if err != nil {
		return nil, err
	}
	j.offers, err = r.offers(ctx, in, o)
	return j, err
}

// choose decides what becomes of each proposal.
func (r *acceptRun) choose(ctx context.Context, jobs []*acceptJob) error {
	if err := r.checkChosen(jobs); err != nil {
		return err
	}
	for _, j := range jobs {
		for _, o := range j.offers {
			if err := r.chooseOne(ctx, j, o); err != nil {
				return &fileError{name: j.in.name, err: err}
			}
		}
		if err := r.leaveConflicts(j); err != nil {
			return &fileError{name: j.in.name, err: err}
		}
	}
	return nil
}

// checkChosen makes sure that there is a proposal for each --id and --key.
func (r *acceptRun) checkChosen(jobs []*acceptJob) error {
	known := func(match func(*offer) bool) bool {
		return slices.ContainsFunc(jobs, func(j *acceptJob) bool { return slices.ContainsFunc(j.offers, match) })
	}
	for _, id := range r.chosen {
		if !known(func(o *offer) bool { return o.proposal.ID() == id }) {
			return failure("there is no proposal "+quoted(id), "gitseal accept --list shows those that there are")
		}
	}
	for _, key := range r.keys {
		if !known(func(o *offer) bool { return o.proposal.Path.Equal(key) }) {
			return failure("there is no proposal for "+key.String(), "gitseal accept --list shows those that there are")
		}
	}
	return nil
}

// isChosen reports whether a proposal is one of those that the call is about.
func (r *acceptRun) isChosen(o *offer) bool {
	return len(r.keys)+len(r.chosen) == 0 || r.isNamed(o)
}

func (r *acceptRun) isNamed(o *offer) bool {
	return slices.Contains(r.chosen, o.proposal.ID()) || slices.ContainsFunc(r.keys, o.proposal.Path.Equal)
}

func (r *acceptRun) chooseOne(ctx context.Context, j *acceptJob, o *offer) error {
	switch {
	case !r.isChosen(o):
		return nil
	case r.ask != nil:
		return r.chooseAsking(ctx, j, o)
	case r.c.Bool("drop"):
		o.action = offerDropped
	case o.err != nil && r.isNamed(o):
		return fmt.Errorf("the proposal %s for %s: %w", o.proposal.ID(), o.proposal.Path, o.err)
	case o.err != nil:
		r.leave(j, o, o.err.Error(), explain(o.err).hints[0])
	case o.replacesMany() && !r.isNamed(o):
		r.leave(j, o, "it would replace "+describeNode(o.old), "--id "+o.proposal.ID()+" accepts it")
	case o.since() != "" && !r.isNamed(o):
		r.leave(j, o, o.since(), "--id "+o.proposal.ID()+" accepts it all the same")
	default:
		r.accept(j, o)
	}
	return nil
}

// leave warns that a proposal which was to be accepted is left.
func (r *acceptRun) leave(j *acceptJob, o *offer, why, hint string) {
	o.action, o.missed = "", true
	r.ui.warn(oneLine(j.in.name + ": the proposal " + o.proposal.ID() + " for " + o.proposal.Path.String() + " is left: " + why + "; " + hint))
}

// leaveConflicts leaves proposals for one place, or for places one in the other:
// one of them would undo another. Of those that were named, that is an error.
func (r *acceptRun) leaveConflicts(j *acceptJob) error {
	others := map[*offer]*offer{}
	for i, a := range j.offers {
		for _, b := range j.offers[i+1:] {
			if a.action != offerAccepted || b.action != offerAccepted || !overlap(a.place.Path, b.place.Path) {
				continue
			}
			if r.isNamed(a) && r.isNamed(b) {
				return failure("there are two proposals for "+a.place.Path.String()+": "+a.proposal.ID()+" and "+b.proposal.ID(),
					"accept one of them with --id, and turn the other down with --drop --id")
			}
			others[a], others[b] = b, a
		}
	}
	for _, o := range j.offers {
		if other := others[o]; other != nil {
			r.leave(j, o, "there are two proposals for "+other.place.Path.String(), "accept one of them with --id, and turn the other down with --drop --id")
		}
	}
	return nil
}

func overlap(a, b *formats.Path) bool { return isWithin(a, b) || isWithin(b, a) }

// ids are those of the proposals of which an action was chosen.
func (j *acceptJob) ids(action string) []string {
	var out []string
	for _, o := range j.offers {
		if o.action == action {
			out = append(out, o.proposal.ID())
		}
	}
	return out
}

func (r *acceptRun) report(jobs []*acceptJob) error {
	if r.c.Bool("json") {
		return r.ui.json(r.results(jobs))
	}
	would := ""
	if r.dryRun {
		would = "would be "
	}
	for _, j := range jobs {
		if len(j.offers) == 0 && len(jobs) > 1 {
			continue
		}
		var parts []string
		for _, action := range []string{offerAccepted, offerDropped} {
			if n := len(j.ids(action)); n > 0 {
				parts = append(parts, fmt.Sprintf("%s %s%s", counted(n, "proposal"), would, action))
			}
		}
		if n := len(j.ids("")); n > 0 {
			parts = append(parts, fmt.Sprintf("%d left", n))
		}
		if len(parts) == 0 {
			parts = []string{"no proposals"}
		}
		r.ui.note(j.in.name + ": " + strings.Join(parts, ", "))
	}
	return nil
}
