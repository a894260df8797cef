package main

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/atomicfile"
	"github.com/gitseal/gitseal/cmd/internal/manifest"
	"github.com/gitseal/gitseal/cmd/internal/sealedsecret"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
	"github.com/gitseal/gitseal/formats/merge"
)

// around is the SealedManifest in whose spec.document a sealed file is that a command works
// on: the file that is read and written is the manifest, and all that is done is done to
// what it holds.
type around struct {
	// file is what was read, and data what the text is put into: the same, unless that is
	// in conflict.
	file, data []byte
	format     formats.Format
	formatName string
	held       *manifest.Document
}

// errPlainInside: what spec.document holds is not sealed.
var errPlainInside = errors.New("a SealedManifest, and what it holds in spec.document is not sealed")

// enter has a command work on the sealed file that a SealedManifest holds in spec.document,
// in the place of the SealedManifest. All other files stay what they are.
func (in *input) enter() error {
	doc := plainManifest(in.format, in.data)
	if doc == nil {
		return nil
	}
	several := doc.Documents > 1 && bytes.Contains(in.data, []byte(cipher.SealedPrefix))
	if !several && !manifest.Of(doc).HasDocument {
		return nil
	}
	held, err := manifest.Held(in.format, in.data)
	if err != nil {
		return err
	}
	format, ok := all.ByName(held.Format)
	if !ok {
		return failure("spec.format: there is no such format", "the formats are "+formatNames())
	}
	inner, err := format.Parse(held.Text)
	if err != nil && !bytes.Contains(held.Text, []byte(cipher.SealedPrefix)) || err == nil && inner.Meta == nil {
		return errPlainInside
	}
	in.around = &around{file: in.data, data: in.data, format: in.format, formatName: in.formatName, held: held}
	in.data, in.format, in.formatName = held.Text, format, held.Format
	return nil
}

// readSealed is readInputs for what is done to sealed files: each is entered. One that was
// found in a folder, and in which something is wrong, is left to what commands do with files
// that are not sealed.
func readSealed(c *cli.Context, s std, u *ui) ([]input, error) {
	in, err := readInputs(c, s)
	if err != nil {
		return nil, err
	}
	for i := range in {
		err := in[i].enter()
		switch {
		case err == nil:
		case !in[i].fromFolder:
			return nil, &fileError{name: in[i].name, unsealing: true, err: err}
		case !errors.Is(err, errPlainInside):
			u.warn(in[i].name + ": left out: " + err.Error())
		}
	}
	return in, nil
}

// file is what the file holds as a whole.
func (in input) file() []byte {
	if in.around != nil {
		return in.around.file
	}
	return in.data
}

// outside is the inverse of enter.
func (in input) outside() input {
	if a := in.around; a != nil {
		in.data, in.format, in.formatName, in.around = a.file, a.format, a.formatName, nil
	}
	return in
}

// filed returns what the file is to hold when what a command works on becomes data.
func (in input) filed(data []byte) ([]byte, error) {
	if in.around == nil {
		return data, nil
	}
	size := manifest.Document{Key: "any", Text: data}
	if err := size.CheckContent(nil); err != nil {
		return nil, err
	}
	if ours, theirs, ok := merge.Split(data); ok && in.undecided {
		var err error
		if ours, theirs, err = in.around.with(ours, theirs); err != nil {
			return nil, err
		}
		return merge.Mark(ours, theirs, sideLabels(), gitMarkerSize), nil
	}
	return manifest.WithText(in.around.format, in.around.data, data)
}

// with returns the SealedManifest with each of two texts in it.
func (a *around) with(ours, theirs []byte) (inOurs, inTheirs []byte, err error) {
	if inOurs, err = manifest.WithText(a.format, a.data, ours); err != nil {
		return nil, nil, err
	}
	inTheirs, err = manifest.WithText(a.format, a.data, theirs)
	return inOurs, inTheirs, err
}

// unfiled is the inverse of filed: what a command works on, of a version of the file.
func (in input) unfiled(file []byte) ([]byte, error) {
	if in.around == nil {
		return file, nil
	}
	held, err := manifest.Held(in.around.format, file)
	if err != nil {
		return nil, err
	}
	if held.Format != in.formatName {
		return nil, failure("spec.format is "+quoted(held.Format)+" in one version and "+quoted(in.formatName)+" in another", "make them agree first")
	}
	return held.Text, nil
}

// reread reads the file again. What a command has begun with a file of one format it does
// not go on with in one of another.
func (in *input) reread() error {
	data, err := readFile(in.path)
	if err != nil {
		return err
	}
	if in.around == nil {
		in.data = data
		return nil
	}
	now := *in
	now.data, now.format, now.formatName, now.around = data, in.around.format, in.around.formatName, nil
	if err := now.enter(); err != nil {
		return err
	}
	if now.around == nil || now.formatName != in.formatName {
		return &commandError{code: exitWrongState, text: "somebody else has changed meanwhile what the SealedManifest holds (spec.document, spec.format)",
			hint: "look at it as it is now, and run the command again"}
	}
	*in = now
	return nil
}

// jobFor writes a file that must still be what was read. check, which may be nil, judges
// what a command works on, as it is read back.
func jobFor(in input, data []byte, check func([]byte) error) (atomicfile.Job, error) {
	file, err := in.filed(data)
	j := atomicfile.Job{Target: in.path, Data: file}
	j.Expect, j.Root, j.Verify = atomicfile.Holding(in.file()), repositoryOf(in.name), check
	if check != nil && in.around != nil {
		j.Verify = func(stored []byte) error {
			text, err := in.unfiled(stored)
			if err != nil {
				return err
			}
			return check(text)
		}
	}
	return j, err
}

// object is what a file says about its object in a cluster: see placeOfInput.
func (in input) object(context string) (o manifest.Object, ok bool) {
	if in.around == nil {
		return placeOfInput(in.format, in.data, context)
	}
	return placeOfInput(in.around.format, in.around.data, context)
}

// keepHeld looks after the file inside of a SealedManifest that is changed: what a cluster
// would refuse of it is refused, unless it was so before.
func (r *rewriter) keepHeld(in input, o *cipher.Opened, plain []byte) error {
	object, _ := in.object(contextOf(o))
	if contextOf(o) == "" {
		r.warnOfNoPlace(in.name)
	} else if what := misplaced(object, contextOf(o)); what != "" {
		r.ids.ui.warn(hintFor(in.name, "FILE: "+what+": the cluster refuses it; restore its name and namespace, or, if they are right, gitseal seal --rebind FILE"))
	}
	if bytes.Equal(plain, o.PlaintextBytes()) {
		return nil
	}
	err := in.around.refused(in.format, plain)
	var p, before *manifest.Problem
	if !errors.As(err, &p) {
		return err
	}
	if errors.As(in.around.refused(in.format, o.PlaintextBytes()), &before) && before.Error() == p.Error() {
		return nil
	}
	return err
}

// refused says what a cluster would refuse of a plain file in the place of what is held.
func (a *around) refused(f formats.Format, plain []byte) error {
	doc, err := f.Parse(plain)
	if err != nil {
		return err
	}
	d := *a.held
	d.Text = nil
	return d.CheckContent(doc)
}

// editorName names what is edited for editors, which go by it: a file that a SealedManifest
// holds is of another format than its name says.
func (in input) editorName() string {
	name := filepath.Base(in.name)
	if in.around == nil {
		return name
	}
	if key := in.around.held.Key; sealedsecret.ValidKey(key) && all.NameForFile(key) == in.formatName {
		return key
	}
	extension := map[string]string{"dotenv": ".env", "binary": ".bin"}[in.formatName]
	if extension == "" {
		extension = "." + in.formatName
	}
	return strings.TrimSuffix(name, filepath.Ext(name)) + extension
}
