package kustomize

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gitseal/gitseal/cmd/internal/kustomize/sealedobject"
	"github.com/gitseal/gitseal/formats"
)

// File is a sealed file that a configuration names.
type File struct {
	Name   string
	Format formats.Format
	// FormatName is that of spec.format.
	FormatName string
	Data       []byte
}

// Runner carries out a configuration.
type Runner struct {
	Opener sealedobject.Opener
	// Read returns a file by the name it has in the configuration. It is called from
	// several goroutines.
	Read func(name string) (File, error)
	// ForFile returns the opener for a file, if rules say more about some.
	ForFile func(File, sealedobject.Opener) (sealedobject.Opener, error)
	// Each calls work for 0 … n-1, some at a time, and returns the first error.
	Each func(ctx context.Context, n int, work func(i int) error) error
}

// FileError says which file an error is about.
type FileError struct {
	Name string
	Err  error
}

// Error returns "name: cause".
func (e *FileError) Error() string { return e.Name + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *FileError) Unwrap() error { return e.Err }

// Result is what came of it.
type Result struct {
	Objects  []formats.Node
	Warnings []string
}

// Generate makes the objects of a configuration, in its order.
func (r *Runner) Generate(ctx context.Context, c *Config) (*Result, error) {
	parts := make([]Result, len(c.Files)+len(c.Secrets))
	err := r.Each(ctx, len(parts), func(i int) error {
		var err error
		if i < len(c.Files) {
			parts[i], err = r.objects(ctx, c, c.Files[i])
			return err
		}
		s := c.Secrets[i-len(c.Files)]
		parts[i], err = r.secret(ctx, s, c.Options.under(s.Options))
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &Result{}
	for _, p := range parts {
		out.Objects, out.Warnings = append(out.Objects, p.Objects...), append(out.Warnings, p.Warnings...)
	}
	return out, nil
}

// open reads a file and says how to open it.
func (r *Runner) open(name string) (File, sealedobject.Opener, error) {
	f, err := r.Read(name)
	if err != nil {
		return f, r.Opener, &FileError{Name: name, Err: err}
	}
	o := r.Opener
	if r.ForFile != nil {
		if o, err = r.ForFile(f, o); err != nil {
			return f, o, &FileError{Name: name, Err: err}
		}
	}
	return f, o, nil
}

// objects opens a file of objects.
func (r *Runner) objects(ctx context.Context, c *Config, name string) (Result, error) {
	f, o, err := r.open(name)
	if err != nil {
		return Result{}, err
	}
	if f.FormatName != "yaml" && f.FormatName != "json" {
		return Result{}, &FileError{Name: name, Err: &sealedobject.Error{Msg: "only YAML and JSON files hold objects",
			Hint: "secrets: in place of files: makes a Secret of any sealed file"}}
	}
	opened, err := o.File(ctx, f.Format, f.Data)
	if err != nil {
		return Result{}, &FileError{Name: name, Err: err}
	}
	out := Result{}
	for _, w := range opened.Warnings {
		out.Warnings = append(out.Warnings, name+": "+w)
	}
	for _, n := range opened.Objects {
		if o.Mode != sealedobject.Passthrough {
			if err := sealedobject.AsData(&n); err != nil {
				return Result{}, &FileError{Name: name, Err: err}
			}
			c.Options.set(&n)
		}
		out.Objects = append(out.Objects, n)
	}
	return out, nil
}

// under are the options with others that go before them.
func (o Options) under(own Options) Options {
	out := own
	if own.NeedsHash == nil {
		out.NeedsHash = o.NeedsHash
	}
	if own.Behavior == "" {
		out.Behavior = o.Behavior
	}
	out.Immutable = own.Immutable || o.Immutable
	out.Labels = slices.Concat(o.Labels, own.Labels)
	out.Annotations = slices.Concat(o.Annotations, own.Annotations)
	return out
}

// The annotations by which kustomize knows what a generator wants.
const (
	needsHash = "kustomize.config.k8s.io/needs-hash"
	behavior  = "kustomize.config.k8s.io/behavior"
)

// set puts the options on an object; what it has itself stays where they say nothing.
func (o Options) set(n *formats.Node) {
	for _, l := range o.Labels {
		sealedobject.Set(n, l.Scalar.Text, "metadata", "labels", l.Key)
	}
	for _, a := range o.Annotations {
		sealedobject.Set(n, a.Scalar.Text, "metadata", "annotations", a.Key)
	}
	if o.NeedsHash != nil {
		sealedobject.Set(n, fmt.Sprint(*o.NeedsHash), "metadata", "annotations", needsHash)
	}
	if o.Behavior != "" {
		sealedobject.Set(n, o.Behavior, "metadata", "annotations", behavior)
	}
	if o.Immutable && sealedobject.Get(n, "immutable") == nil {
		n.Items = append(n.Items, trueNode("immutable"))
	}
}

func trueNode(key string) formats.Node {
	return formats.Node{Key: key, Scalar: formats.Scalar{Kind: formats.Bool, Text: "True"}}
}

// secret makes a Secret of sealed files of any format.
func (r *Runner) secret(ctx context.Context, s Secret, o Options) (Result, error) {
	if r.Opener.Mode == sealedobject.Passthrough {
		n, err := r.manifest(s)
		return Result{Objects: []formats.Node{n}}, err
	}
	out := Result{}
	var entries []sealedobject.Entry
	namespace := s.Namespace
	add := func(name string, isEnv bool, key string) error {
		c, ns, err := r.content(ctx, name, isEnv, place{namespace, s.Name})
		if err != nil {
			return &FileError{Name: name, Err: err}
		}
		namespace = ns
		for _, w := range c.Warnings {
			out.Warnings = append(out.Warnings, name+": "+w)
		}
		if !isEnv {
			entries = append(entries, sealedobject.Entry{Key: key, Value: c.PlaintextBytes()})
			return nil
		}
		vars, err := variables(c, s.Name)
		if err != nil {
			return &FileError{Name: name, Err: err}
		}
		entries = append(entries, vars...)
		return nil
	}
	for _, env := range s.Envs {
		if err := add(env, true, ""); err != nil {
			return out, err
		}
	}
	for _, f := range s.Files {
		key, name := keyAndPath(f)
		if err := add(name, false, key); err != nil {
			return out, err
		}
	}
	n, err := newSecret(s, namespace, entries)
	if err != nil {
		return out, err
	}
	if o.NeedsHash == nil {
		yes := true // as secretGenerator does
		o.NeedsHash = &yes
	}
	o.set(&n)
	out.Objects = []formats.Node{n}
	return out, nil
}

// variables lists those of a dotenv file, all of which a Secret may have as keys.
func variables(c *sealedobject.Content, secret string) ([]sealedobject.Entry, error) {
	vars, err := sealedobject.Variables(c)
	for _, v := range vars {
		if !sealedobject.IsDataKey(v.Key) {
			return nil, notKey(secret, v.Key)
		}
	}
	return vars, err
}

type place struct{ namespace, name string }

// content opens a file for a Secret, and returns the namespace that it has to be in.
func (r *Runner) content(ctx context.Context, name string, isEnv bool, at place) (*sealedobject.Content, string, error) {
	f, o, err := r.open(name)
	var own *FileError
	if errors.As(err, &own) {
		return nil, "", own.Err
	}
	if isEnv && f.FormatName != "dotenv" {
		return nil, "", &sealedobject.Error{Msg: "envs: takes dotenv files", Hint: "files: [KEY=" + name + "] makes one key of it"}
	}
	c, err := o.Content(ctx, f.Format, f.Data)
	if err != nil {
		return nil, "", err
	}
	ns, err := o.Bind(c.Context, at.namespace, at.name)
	return c, ns, err
}

// keyAndPath takes KEY=PATH apart; without a key it is the name of the file.
func keyAndPath(s string) (key, name string) {
	if key, name, ok := strings.Cut(s, "="); ok {
		return key, name
	}
	return path.Base(filepath.ToSlash(s)), s
}

func notKey(secret, key string) error {
	return &sealedobject.Error{Object: "Secret " + secret, Msg: fmt.Sprintf("%q is no key that a Secret may have", key), Hint: "letters, digits, - _ and ."}
}

// newSecret puts entries together.
func newSecret(s Secret, namespace string, entries []sealedobject.Entry) (formats.Node, error) {
	seen := map[string]bool{}
	for _, e := range entries {
		if !sealedobject.IsDataKey(e.Key) {
			return formats.Node{}, notKey(s.Name, e.Key)
		}
		if seen[e.Key] {
			return formats.Node{}, &sealedobject.Error{Object: "Secret " + s.Name, Msg: fmt.Sprintf("two files give it the key %q", e.Key),
				Hint: "files: [KEY=PATH] names the key"}
		}
		seen[e.Key] = true
	}
	meta := sealedobject.Map("metadata", sealedobject.String("name", s.Name))
	if namespace != "" {
		meta.Items = append(meta.Items, sealedobject.String("namespace", namespace))
	}
	n := sealedobject.Map("", sealedobject.String("apiVersion", "v1"), sealedobject.String("kind", "Secret"), meta,
		sealedobject.String("type", s.Type), sealedobject.DataOf(entries...))
	if s.Immutable {
		n.Items = append(n.Items, trueNode("immutable"))
	}
	return n, nil
}

// manifest makes a SealedManifest that becomes the Secret in a cluster.
func (r *Runner) manifest(s Secret) (formats.Node, error) {
	if len(s.Files)+len(s.Envs) != 1 {
		return formats.Node{}, &sealedobject.Error{Object: "Secret " + s.Name, Msg: "made of several files, it cannot be passed on sealed",
			Hint: "one file for each Secret, or another mode"}
	}
	key, name := "", ""
	if len(s.Files) == 1 {
		key, name = keyAndPath(s.Files[0])
	} else {
		name = s.Envs[0]
	}
	f, _, err := r.open(name)
	if err != nil {
		return formats.Node{}, err
	}
	if doc, err := f.Format.Parse(f.Data); err != nil || doc.Meta == nil {
		return formats.Node{}, &FileError{Name: name, Err: errors.Join(err, notSealed(doc))}
	}
	meta := sealedobject.Map("metadata", sealedobject.String("name", s.Name))
	if s.Namespace != "" {
		meta.Items = append(meta.Items, sealedobject.String("namespace", s.Namespace))
	}
	target := sealedobject.Map("target", sealedobject.String("type", s.Type))
	if key != "" {
		target.Items = append(target.Items, sealedobject.String("key", key))
	}
	spec := sealedobject.Map("spec", sealedobject.String("format", f.FormatName), target, sealedobject.String("document", string(f.Data)))
	return sealedobject.Map("", sealedobject.String("apiVersion", "gitseal.dev/v1alpha1"), sealedobject.String("kind", "SealedManifest"), meta, spec), nil
}

// PathOf returns the path in KEY=PATH, or in PATH.
func PathOf(s string) string {
	_, name := keyAndPath(s)
	return name
}
