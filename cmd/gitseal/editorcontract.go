package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/atomicfile"
	"github.com/gitseal/gitseal/formats"
)

// editorReport is what a call with --editor says: one JSON object on standard
// error, in place of messages. editors/README.md is its description.
type editorReport struct {
	File   string `json:"file,omitempty"`
	Format string `json:"format,omitempty"`
	Action string `json:"action,omitempty"`
	// Digest is that of the sealed file that was read or, by seal, written.
	Digest    string   `json:"digest,omitempty"`
	Integrity string   `json:"integrity,omitempty"`
	Warnings  []string `json:"warnings,omitempty"`

	Error string `json:"error,omitempty"`
	Hint  string `json:"hint,omitempty"`
	Code  int    `json:"code"`
	// Line and Column count from 1, Column in bytes; Path names a key.
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	Path   string `json:"path,omitempty"`
}

func editorFlag() cli.Flag {
	return &cli.BoolFlag{Name: "editor", Usage: "for editors' plugins: report, warnings and error are one JSON object on standard error"}
}

// digestOf names the bytes of a file.
func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return digestPrefix + hex.EncodeToString(sum[:])
}

const digestPrefix = "sha256:"

// fail fills in what is known of an error.
func (r *editorReport) fail(err error, e explanation) {
	r.Error, r.Code, r.Hint = oneLine(e.text), e.code, oneLine(strings.Join(e.hints, "; "))
	r.Action, r.Digest = "", ""
	if file := (*fileError)(nil); errors.As(err, &file) {
		r.File = file.name
	}
	var path *formats.Path
	if place := (*cipher.PathError)(nil); errors.As(err, &place) {
		path = place.Path
	}
	if tampered := (*cipher.TamperedError)(nil); errors.As(err, &tampered) {
		path = tampered.Path
	}
	if place := (*formats.Error)(nil); errors.As(err, &place) {
		r.Line, r.Column, path = place.Line, place.Column, place.Path
	}
	if path != nil {
		r.Path = oneLine(path.Text())
	}
}

// print writes the report, on one line.
func (r *editorReport) print(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// What --if-unchanged takes besides a digest.
const (
	unchangedNone = "none"
	unchangedAny  = "any"
)

// expectation is what the file must be for a seal over it to happen.
type expectation struct{ digest string }

// expectationOf reads the value of --if-unchanged.
func expectationOf(text string) (expectation, error) {
	if text == unchangedNone || text == unchangedAny {
		return expectation{text}, nil
	}
	sum := strings.TrimPrefix(text, digestPrefix)
	raw, err := hex.DecodeString(sum)
	if err != nil || len(raw) != sha256.Size {
		return expectation{}, usageError("--if-unchanged wants the digest of the sealed file",
			"64 hexadecimal digits, as gitseal unseal --editor reports them; none, if the file must not exist yet; or any")
	}
	return expectation{digestPrefix + hex.EncodeToString(raw)}, nil
}

// errChangedMeanwhile is what an editor is told whose file is no longer what it was.
func errChangedMeanwhile(what string) error {
	return &commandError{code: exitWrongState, text: what,
		hint: "nothing was written; keep the text, unseal the file as it is now, and make the change again there"}
}

func (e expectation) meets(data []byte) bool {
	return e.digest == unchangedAny || e.digest == digestOf(data)
}

// sealOver seals standard input over the file that --path names, if that is still
// what the caller has read.
func (r *sealRun) sealOver(ctx context.Context, in input) error {
	want, err := expectationOf(r.c.String("if-unchanged"))
	if err != nil {
		return err
	}
	if info, err := os.Stat(in.rulePath); err == nil && !info.Mode().IsRegular() {
		// Reading a pipe or device could take forever.
		return &fileError{name: in.name, err: atomicfile.ErrNotRegular}
	}
	data, err := readFile(in.rulePath)
	if errors.Is(err, os.ErrNotExist) && want.digest == unchangedNone {
		return r.sealNew(ctx, in)
	}
	switch {
	case errors.Is(err, os.ErrNotExist) && want.digest != unchangedAny:
		err = errChangedMeanwhile("the file is gone")
	case err == nil && want.digest == unchangedNone:
		err = errChangedMeanwhile("the file exists already")
	case err == nil && !want.meets(data):
		err = errChangedMeanwhile("the file was changed meanwhile")
	}
	if err != nil {
		return &fileError{name: in.name, err: err}
	}
	result, err := r.resealOver(ctx, in, data)
	if err != nil {
		return err
	}
	report := editorReport{File: in.name, Format: in.formatName, Action: actionUnchanged, Digest: digestOf(result.sealed.Bytes), Integrity: "seal"}
	if result.changed() {
		report.Action = actionSealed
	}
	return r.reportOver(report, (&sealJob{in: in, sealed: result.sealed}).text())
}

// resealOver makes the next version of a sealed file, and stores it.
func (r *sealRun) resealOver(ctx context.Context, in input, current []byte) (*rewriteResult, error) {
	was := in
	was.path, was.data = in.rulePath, current
	rw := r.rewriter()
	opened, _, err := rw.open(ctx, was)
	if err != nil {
		return nil, &fileError{name: in.name, unsealing: true, err: err}
	}
	opts := rw.optionsOf(opened)
	var sealed *cipher.Sealed
	if err = rw.keepBound(was, opened, in.data, &opts); err == nil {
		sealed, err = cipher.Seal(ctx, in.format, in.data, opts)
	}
	if err == nil {
		err = rw.passExposing(was, sealed.Exposed)
	}
	if err != nil {
		return nil, &fileError{name: in.name, err: err}
	}
	result := &rewriteResult{in: was, opened: opened, sealed: sealed}
	if !result.changed() {
		return result, nil
	}
	warnAbout(r.ui, in.name, opened)
	err = rw.store(result)
	if errors.Is(err, atomicfile.ErrChanged) {
		err = &fileError{name: in.name, err: errChangedMeanwhile("the file was changed meanwhile")}
	}
	return result, err
}

// sealNew seals a file that does not exist yet, as its rule says or its version in git is.
func (r *sealRun) sealNew(ctx context.Context, in input) error {
	rw := r.rewriter()
	j, err := rw.newJob(ctx, in)
	if err == nil {
		j.action = actionSealed
		j.sealed, err = rw.sealFirst(ctx, j, in.data)
	}
	if err != nil {
		return &fileError{name: in.name, err: err}
	}
	w := atomicfile.Job{Target: in.rulePath, Data: j.sealed.Bytes}
	w.Expect, w.Root, w.Verify = atomicfile.Absent(), repositoryOf(in.name), j.sealed.Check
	w.Perm = atomicfile.Umasked(0o666)
	err = writeAll(r.ui, []atomicfile.Job{w})
	if errors.Is(err, atomicfile.ErrChanged) {
		err = &fileError{name: in.name, err: errChangedMeanwhile("the file exists already")}
	}
	if err != nil {
		return err
	}
	report := editorReport{File: in.name, Format: in.formatName, Action: actionSealed, Digest: digestOf(j.sealed.Bytes), Integrity: "seal"}
	return r.reportOver(report, j.text())
}

func (r *sealRun) reportOver(report editorReport, text string) error {
	switch {
	case r.ui.report != nil:
		return r.ui.finish(report)
	case r.c.Bool("json"):
		return r.ui.json(report)
	}
	r.ui.note(report.File + ": " + text)
	return nil
}

// checkOver refuses flags that do not go with --if-unchanged and --editor.
func (r *sealRun) checkOver(in input) error {
	if !r.c.IsSet("if-unchanged") {
		if r.c.Bool("editor") {
			return usageError("--editor goes with --if-unchanged", "gitseal seal --editor --path FILE --if-unchanged DIGEST - < plain")
		}
		return nil
	}
	if in.path != "" {
		return usageError("--if-unchanged goes with standard input", "gitseal seal --path FILE --if-unchanged DIGEST - < plain")
	}
	for _, name := range []string{"output", "previous", "no-reuse"} {
		if r.c.IsSet(name) {
			return usageError("--"+name+" does not go with --if-unchanged", "the file that --path names is the earlier version, and is replaced")
		}
	}
	if r.c.String("if-unchanged") == unchangedNone {
		return nil
	}
	// A file that is there keeps its readers and its selector.
	if p, err := r.planFromFlags(); err != nil || len(p.readers.groups) > 0 || !p.selector.IsZero() || p.macOnly {
		return usageError("readers and selectors do not go with --if-unchanged", "the file keeps those that it has; gitseal keys changes them")
	}
	return nil
}

// reportUnsealed tells an editor what it was given.
func (r *unsealRun) reportUnsealed(j *unsealJob) error {
	report := editorReport{File: j.in.name, Format: j.in.formatName, Action: actionUnsealed, Digest: digestOf(j.in.data), Integrity: "sops"}
	if j.opened.Metadata.Seal != nil {
		report.Integrity = "seal"
	}
	return r.ui.finish(report)
}

// beEditor makes all that is said from here on a part of one report.
func (u *ui) beEditor() {
	u.quiet, u.report = true, &editorReport{}
}

// finish prints the report of a call that went well.
func (u *ui) finish(done editorReport) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	done.Warnings = u.report.Warnings
	if err := done.print(u.err); err != nil {
		return fmt.Errorf("writing to standard error: %w", err)
	}
	return nil
}

// fail prints an error, for people or for an editor.
func (u *ui) fail(err error, e explanation) {
	if u.report == nil {
		u.errorf(e.text, e.hints...)
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.report.fail(err, e)
	_ = u.report.print(u.err) // there is nobody else to tell
}
