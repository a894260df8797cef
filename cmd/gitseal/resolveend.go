package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/atomicfile"
	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
	"github.com/gitseal/gitseal/formats"
)

// end writes a file in which nothing is in conflict any more, resealed if an
// identity is at hand.
func (r *resolveRun) end(ctx context.Context, paths []*formats.Path) error {
	settled := r.in
	settled.data = r.left.Ours
	if r.in.around == nil && settled.enter() == nil && settled.around != nil {
		// What was in conflict was around the document.
		settled.around.file = r.in.data
		r.in = settled
	}
	if !isHalfMerged(settled) {
		return r.endPlain(ctx, settled, paths)
	}
	var change func([]byte) ([]byte, error)
	if r.value != nil {
		change = func(plain []byte) ([]byte, error) { return r.edited(ctx, plain, paths[0]) }
	}
	data, err := r.reseal(ctx, settled, change)
	lacking := errors.As(err, new(*cipher.NoIdentityError)) || errors.Is(err, cipher.ErrPartGone)
	if err != nil && (r.value != nil || !lacking) {
		return err
	}
	if err != nil {
		data = settled.data
	}
	if err := r.write(data); err != nil {
		return err
	}
	if lacking && errors.Is(err, cipher.ErrPartGone) {
		r.ui.warn(r.in.name + ": " + cipher.ErrPartGone.Error() + ", so that it cannot be verified here")
	}
	return r.reportSettled(ctx, paths, lacking)
}

// endPlain ends the merge of a file that is not sealed, or was never half-merged.
func (r *resolveRun) endPlain(ctx context.Context, settled input, paths []*formats.Path) error {
	data := settled.data
	if r.value != nil {
		if isSealed(settled) {
			return failure("the file is not half-merged, so --edit has nothing to do with it", "settle the key, and set the value with gitseal set")
		}
		var err error
		if data, err = r.edited(ctx, data, paths[0]); err != nil {
			return err
		}
	}
	if err := r.write(data); err != nil {
		return err
	}
	return r.reportSettled(ctx, paths, false)
}

// edited returns the plain text with the new value.
func (r *resolveRun) edited(ctx context.Context, plain []byte, path *formats.Path) ([]byte, error) {
	doc, err := r.in.format.Parse(plain)
	if err != nil {
		return nil, err
	}
	old, _ := oldNode(doc, path)
	text, err := r.value.get(ctx)
	if err != nil {
		return nil, err
	}
	node, err := nodeOf(text, r.c.String("type"), old)
	var bad *valueError
	if errors.As(err, &bad) {
		bad.path = path
	}
	if err != nil {
		return nil, err
	}
	if r.value.generator != nil {
		node = scalarNode(formats.String, text)
	}
	return setNode(r.in, doc, path, node)
}

// write replaces the file if it is still what was read.
func (r *resolveRun) write(data []byte) error { return r.writeFile(r.in, data) }

func (r *resolveRun) writeFile(in input, data []byte) error {
	job, err := jobFor(in, data, nil)
	if err != nil {
		return err
	}
	return writeAll(r.ui, []atomicfile.Job{job})
}

// conflictStatus is the JSON form of a conflict. Ours and Theirs say what each side
// did, and nothing of the values.
type conflictStatus struct {
	Path   string `json:"path"`
	Ours   string `json:"ours"`
	Theirs string `json:"theirs"`
}

// resolveResult is the JSON form of what resolve found or did.
type resolveResult struct {
	File string `json:"file"`
	// Whole: the file as a whole is in conflict, and Why.
	Whole     bool             `json:"whole_file"`
	Why       string           `json:"why,omitempty"`
	Settled   []string         `json:"settled"`
	Conflicts []conflictStatus `json:"conflicts"`
	// NeedsReseal: gitseal reseal has to end the merge.
	NeedsReseal bool `json:"needs_reseal"`
	// Plain: the file was sealed on the other side, and is not on the one that was taken.
	Plain bool `json:"plain,omitempty"`
}

// list shows the conflicts. That there are some is a finding.
func (r *resolveRun) list(ctx context.Context) error {
	result := r.result(ctx, nil)
	if r.c.Bool("json") {
		if err := r.ui.json(result); err != nil {
			return err
		}
	} else {
		for _, c := range result.Conflicts {
			fmt.Fprintln(r.ui.out, oneLine(c.Path+": ours "+c.Ours+", theirs "+c.Theirs))
		}
	}
	if r.left.Whole {
		return r.errWhole()
	}
	return &commandError{code: exitWrongState, text: counted(len(result.Conflicts), "key") + " in conflict", hint: "gitseal resolve " + hintName(r.in.name) + " KEY --ours, --theirs or --edit settles a key"}
}

func (r *resolveRun) result(ctx context.Context, settled []*formats.Path) resolveResult {
	out := resolveResult{File: r.in.name, Settled: pathTexts(settled), Conflicts: []conflictStatus{}}
	if r.left == nil {
		return out
	}
	if out.Whole, out.Why = r.left.Whole, r.left.Why; out.Whole {
		return out
	}
	ours, theirs := r.left.Documents()
	base := r.baseDocument(ctx)
	for _, c := range r.left.Conflicts {
		_, before := nodeIn(base, c.Path)
		out.Conflicts = append(out.Conflicts, conflictStatus{
			Path: c.Path.Text(), Ours: sideText(ours, c.Path, before, base != nil), Theirs: sideText(theirs, c.Path, before, base != nil),
		})
	}
	return out
}

// baseDocument is what both sides come from, nil if git does not know.
func (r *resolveRun) baseDocument(ctx context.Context) *formats.Document {
	repo, err := r.repo(ctx, r.in.path)
	if err != nil || repo == nil {
		return nil
	}
	data, err := repo.Stage(r.in.path, gitrepo.StageBase)
	if err == nil {
		data, err = r.in.unfiled(data)
	}
	if err != nil {
		return nil
	}
	doc, err := r.in.format.Parse(data)
	if err != nil {
		return nil
	}
	return doc
}

func nodeIn(doc *formats.Document, path *formats.Path) (formats.Node, bool) {
	if doc == nil {
		return formats.Node{}, false
	}
	return doc.Node(path)
}

// sideText says what a side did at a place.
func sideText(doc *formats.Document, path *formats.Path, before, known bool) string {
	node, ok := nodeIn(doc, path)
	if !ok {
		return "removed it"
	}
	did := "has "
	if known && before {
		did = "changed it to "
	} else if known {
		did = "added "
	}
	return did + describeSealed(doc, path, &node)
}

// describeSealed is describeNode for values that are sealed: their kind is that of
// the plain value, as far as the file says it.
func describeSealed(doc *formats.Document, path *formats.Path, node *formats.Node) string {
	i := leafAt(doc, path)
	if i < 0 || doc.Meta == nil {
		return describeNode(node)
	}
	m, err := cipher.ParseMetadata(doc)
	if err != nil {
		return describeNode(node)
	}
	info := cipher.InspectLeaves(m, doc)[i]
	if info.State != cipher.StateSealed {
		return describeNode(node)
	}
	plain := formats.Node{Scalar: formats.Scalar{Kind: info.Kind}}
	return describeNode(&plain)
}

// reportNone is for files without conflicts.
func (r *resolveRun) reportNone() error {
	half := isHalfMerged(r.in.inner())
	if r.c.Bool("json") {
		return r.ui.json(resolveResult{File: r.in.name, Settled: []string{}, Conflicts: []conflictStatus{}, NeedsReseal: half})
	}
	if half {
		r.ui.note(r.in.name + ": nothing is in conflict; gitseal reseal " + r.in.name + " is next")
		return nil
	}
	r.ui.note(r.in.name + ": nothing is in conflict")
	return nil
}

// reportSettled says what is next.
func (r *resolveRun) reportSettled(ctx context.Context, paths []*formats.Path, needsReseal bool) error {
	if r.c.Bool("json") {
		if paths == nil {
			r.left = nil
		}
		out := r.result(ctx, paths)
		out.NeedsReseal, out.Plain = needsReseal, r.nowPlain
		return r.ui.json(out)
	}
	left := 0
	if paths != nil {
		left = len(r.left.Conflicts)
	}
	switch {
	case left > 0:
		r.ui.note(r.in.name + ": settled " + counted(len(paths), "key") + "; still in conflict: " + conflictPaths(r.left.Conflicts))
	case r.nowPlain:
		name := hintName(r.in.name)
		r.ui.warn(r.in.name + ": settled, but the file is PLAIN on that side, and sealed on the other: gitseal seal " + name + " is next, and then git add " + name)
	case needsReseal:
		r.ui.warn(r.in.name + ": settled, but not sealed: gitseal reseal " + hintName(r.in.name) + " has to be run by somebody who can open it and has its history; git add " + hintName(r.in.name) + " is next")
	default:
		r.ui.note(r.in.name + ": settled; git add " + hintName(r.in.name) + " is next")
	}
	return nil
}
