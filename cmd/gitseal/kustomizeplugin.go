package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cmd/internal/kustomize"
	"github.com/gitseal/gitseal/cmd/internal/kustomize/sealedobject"
	"github.com/gitseal/gitseal/formats"
)

// plugin is one call by kustomize or Helm.
type plugin struct {
	c    *cli.Context
	std  std
	ui   *ui
	ids  *identities
	book *ruleBook
	door string
	// asked is the mode that whoever runs it asks for, "" for none.
	asked  sealedobject.Mode
	opener sealedobject.Opener
	// warned are the warnings that were given.
	warned []string
}

// newPlugin prepares a call. Plain values that somebody asks for in words are refused
// at once where plaintext is.
func newPlugin(c *cli.Context, s std, u *ui, door string) (*plugin, error) {
	p := &plugin{c: c, std: s, ui: u, door: door}
	if text := c.String("mode"); text != "" {
		mode, err := sealedobject.ParseMode(text)
		if err != nil {
			return nil, usageError("--mode: "+err.Error(), "see "+c.Command.HelpName+" --help")
		}
		p.asked = mode
	}
	if p.asked == sealedobject.Plain {
		if err := openToCaller(s, door); err != nil {
			return nil, err
		}
	}
	var err error
	if p.book, err = newRuleBook(c.String("config")); err != nil {
		return nil, err
	}
	p.ids, err = newIdentities(c, s, u)
	return p, err
}

// settle decides on the mode: that which was asked for, or the configuration's, or
// plain where plaintext may come out, and masked where not. files are those that will
// be read.
func (p *plugin) settle(configured, namespace string, files ...string) error {
	mode := p.asked
	if mode == "" && configured != "" {
		var err error
		if mode, err = sealedobject.ParseMode(configured); err != nil {
			return usageError("functionConfig: mode: "+err.Error(), "see "+p.c.Command.HelpName+" --help")
		}
	}
	if mode != sealedobject.Masked && mode != sealedobject.Passthrough {
		err := p.openFor(files)
		var closed *commandError
		isClosed := errors.As(err, &closed) && closed.code == exitRefused
		switch {
		case err != nil && (!isClosed || mode == sealedobject.Plain):
			return err
		case isClosed:
			mode = sealedobject.Masked
			p.ui.note("values are masked: plaintext is refused here, see gitseal doors")
		default:
			mode = sealedobject.Plain
		}
	}
	required, err := p.book.requiresIntegrity(here())
	if err != nil {
		return err
	}
	if ns := p.c.String("context-namespace"); ns != "" {
		namespace = ns
	}
	p.opener = sealedobject.Opener{Mode: mode, Options: p.ids.openOptions(), Namespace: namespace, AllowUnbound: p.c.Bool("allow-unbound")}
	p.opener.Options.RequireSeal = required || p.c.Bool("require-integrity")
	return nil
}

// here is a path in the current folder, for whose configuration it stands.
func here() string {
	path, err := filepath.Abs(configName)
	if err != nil {
		return configName
	}
	return path
}

// openFor says whether plaintext of some files may come out here.
func (p *plugin) openFor(files []string) error {
	if err := openToCaller(p.std, p.door); err != nil {
		return err
	}
	in := []input{{name: "this folder", rulePath: here()}}
	for _, name := range files {
		path, err := filepath.Abs(name)
		if err != nil {
			return err
		}
		in = append(in, input{name: name, rulePath: path})
	}
	return openByRule(p.book, p.door, in...)
}

func (p *plugin) runner() *kustomize.Runner {
	return &kustomize.Runner{Opener: p.opener, Read: p.read, ForFile: p.forFile, Each: forSome}
}

// forSome works on so many files at a time as hide a service's answers.
func forSome(ctx context.Context, n int, work func(i int) error) error {
	return forAll(ctx, n, inFlight(nil), work)
}

// forFile adds what the rules say about a file.
func (p *plugin) forFile(f kustomize.File, o sealedobject.Opener) (sealedobject.Opener, error) {
	path, err := filepath.Abs(f.Name)
	if err != nil {
		return o, err
	}
	required, err := p.book.requiresIntegrity(path)
	o.Options.RequireSeal = o.Options.RequireSeal || required
	return o, err
}

// read reads a file of the folder.
func (p *plugin) read(name string) (kustomize.File, error) {
	f := kustomize.File{Name: name}
	path, err := filepath.Abs(name)
	if err != nil {
		return f, err
	}
	if f.Data, err = p.readBelow(name); err != nil {
		return f, err
	}
	if len(f.Data) == 0 {
		return f, errEmptyInput
	}
	in := input{name: name, rulePath: path, data: f.Data}
	if err := in.settleFormat("", p.book); err != nil {
		return f, err
	}
	if inConflict(f.Data) {
		return f, errInConflict(name, true)
	}
	f.Format, f.FormatName = in.format, in.formatName
	return f, nil
}

// errNotRegular: reading a pipe or a device could wait forever.
func errNotRegular() error { return failure("not a regular file", "name a file") }

// readBelow reads a regular file that lies in the current folder or below it, links
// followed.
func (p *plugin) readBelow(name string) ([]byte, error) {
	if p.c.Bool("allow-outside") {
		info, err := os.Stat(name)
		if err == nil && !info.Mode().IsRegular() {
			return nil, errNotRegular()
		}
		return readFile(name)
	}
	hint := "name a file below it; --allow-outside lifts that"
	if p.door == doorHelmGet && p.c.NArg() > 1 {
		// Helm has called, which passes no flags on.
		hint = "run helm in a folder above the file, and name it from there: sealed://FOLDER/FILE"
	}
	if filepath.IsAbs(name) {
		return nil, failure("an absolute path leads out of the folder", hint)
	}
	root, err := os.OpenRoot(".")
	if err != nil {
		return nil, err
	}
	defer root.Close()
	info, err := root.Stat(name)
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, os.ErrPermission):
		return nil, plainPathError(err)
	case err != nil:
		return nil, failure("the path leads out of the folder, or cannot be followed", hint)
	case !info.Mode().IsRegular():
		return nil, errNotRegular()
	case info.Size() > formats.MaxSealed:
		return nil, errTooLarge()
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, plainPathError(err)
	}
	defer f.Close()
	return readLimited(f)
}

// maxPluginWarnings bounds what is told of one call.
const maxPluginWarnings = 10

func (p *plugin) warn(warnings []string) {
	if more := len(warnings) - maxPluginWarnings; more > 0 {
		warnings = append(warnings[:maxPluginWarnings:maxPluginWarnings], counted(more, "more warning")+" like these")
	}
	for _, w := range warnings {
		p.ui.warn(w)
	}
	p.warned = append(p.warned, warnings...)
}

// pluginError gives an error of the packages behind plugins its exit code and hint.
func pluginError(err error) error {
	var config *kustomize.ConfigError
	if errors.As(err, &config) {
		return failure(err.Error(), config.Hint)
	}
	var file *kustomize.FileError
	if errors.As(err, &file) {
		err = &fileError{name: file.Name, unsealing: true, err: file.Err}
	}
	var object *sealedobject.Error
	if errors.As(err, &object) && object.Hint != "" {
		return &commandError{code: explain(err).code, text: err.Error(), hint: object.Hint}
	}
	return err
}
