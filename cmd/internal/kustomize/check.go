package kustomize

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/gitseal/gitseal/cmd/internal/kustomize/sealedobject"
	"github.com/gitseal/gitseal/formats"
)

// Function is a use of this function in a kustomization.
type Function struct {
	// File is the kustomization's file.
	File string `json:"file"`
	Name string `json:"name"`
	// Field is generators or transformers.
	Field string `json:"field"`
	// Exec: it is an exec function, which kustomize leaves out without a word unless it
	// is called with --enable-exec; else a legacy plugin.
	Exec bool `json:"exec"`
}

// Finding is something on account of which Secrets would be missing or sealed.
type Finding struct {
	File string `json:"file"`
	Msg  string `json:"message"`
	Hint string `json:"hint"`
}

// Report is what can be said of kustomizations without building them.
type Report struct {
	Functions []Function `json:"functions"`
	// Secrets are the names that the Secrets have before kustomize changes them, with
	// their namespaces if they say one, each as often as it should be there.
	Secrets  []string  `json:"secrets"`
	Findings []Finding `json:"findings"`

	wants   []want
	lenient bool
}

// CheckOptions say what is checked.
type CheckOptions struct {
	// Root is what is looked at, and nothing outside of it; Dir is the kustomization's
	// folder there.
	Root fs.FS
	Dir  string
	// Show turns a name in Root into what people call it; nil leaves it.
	Show func(name string) string
	// Mode is that which functions get from the environment, "" for none.
	Mode string
	// IgnoreRemote makes no finding of remote bases, which are not read.
	IgnoreRemote bool
}

// Check reads the kustomization in a folder and those that it refers to. No key is
// needed, nothing is opened. What it cannot read is a finding.
func Check(o CheckOptions) (*Report, error) {
	if o.Show == nil {
		o.Show = func(name string) string { return name }
	}
	c := &checker{CheckOptions: o, report: &Report{}, found: map[Finding]bool{}}
	if _, err := c.kustomization(path.Clean(o.Dir), scope{}); err != nil {
		return nil, err
	}
	for _, w := range c.report.wants {
		c.report.Secrets = append(c.report.Secrets, w.String())
	}
	slices.Sort(c.report.Secrets)
	return c.report, nil
}

// ErrNoKustomization: a folder has no kustomization.yaml.
var ErrNoKustomization = errors.New("has no kustomization.yaml")

type checker struct {
	CheckOptions
	report *Report
	found  map[Finding]bool
	// stack are the folders that are being read, to notice a circle; visits bounds
	// how many are.
	stack  []string
	visits int
}

// scope is what kustomizations do to what they refer to.
type scope struct {
	prefix, suffix, namespace string
	// opened: a transformer opens it.
	opened bool
	// plugins is generators or transformers if what is read are configurations of
	// these, for the kustomization in the folder owner.
	plugins, owner, ownerFile string
}

// below is the scope of what a kustomization refers to.
func (s scope) below(n *formats.Node) scope {
	s.prefix += sealedobject.Text(n, "namePrefix")
	s.suffix = sealedobject.Text(n, "nameSuffix") + s.suffix
	if s.namespace == "" {
		s.namespace = sealedobject.Text(n, "namespace")
	}
	return s
}

func (c *checker) find(file, msg, hint string) {
	f := Finding{File: c.Show(file), Msg: msg, Hint: hint}
	if !c.found[f] {
		c.found[f] = true
		c.report.Findings = append(c.report.Findings, f)
	}
}

const maxVisits = 10_000

// kustomization reads a folder's. opens says whether a transformer of it opens things.
func (c *checker) kustomization(dir string, s scope) (opens bool, err error) {
	if c.visits++; slices.Contains(c.stack, dir) || c.visits > maxVisits {
		c.find(dir, "it refers to itself, or to too many others", "kustomize build will say so, too")
		return false, nil
	}
	c.stack = append(c.stack, dir)
	defer func() { c.stack = c.stack[:len(c.stack)-1] }()
	for _, name := range []string{"kustomization.yaml", "kustomization.yml", "Kustomization"} {
		file := path.Join(dir, name)
		src, err := c.read(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return false, &FileError{Name: c.Show(file), Err: err}
		}
		n, err := sealedobject.ParseYAML(src)
		if err != nil {
			return false, &FileError{Name: c.Show(file), Err: err}
		}
		return c.fields(dir, file, &n, s)
	}
	return false, &FileError{Name: c.Show(dir), Err: ErrNoKustomization}
}

// errIrregular: reading it could wait forever.
var errIrregular = errors.New("not a regular file")

func (c *checker) read(name string) ([]byte, error) {
	info, err := fs.Stat(c.Root, name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errIrregular
	}
	return fs.ReadFile(c.Root, name)
}

func (c *checker) fields(dir, file string, n *formats.Node, s scope) (opens bool, err error) {
	below := s
	if s.plugins == "" {
		below = s.below(n)
		c.native(dir, file, n)
		for _, field := range []string{"generators", "transformers", "validators"} {
			for _, entry := range entries(n, field) {
				one, err := c.plugins(dir, file, field, entry, below)
				if err != nil {
					return false, err
				}
				opens = opens || one
			}
		}
	}
	below.opened = below.opened || opens
	for _, field := range []string{"components", "resources", "bases"} {
		for _, entry := range entries(n, field) {
			one, err := c.resource(dir, file, entry, below)
			if err != nil {
				return false, err
			}
			if field == "components" || s.plugins != "" { // its transformers are for all that is here
				opens = opens || one
				below.opened = below.opened || one && s.plugins == ""
			}
		}
	}
	return opens, nil
}

func entries(n *formats.Node, field ...string) []string {
	var out []string
	list := sealedobject.Get(n, field...)
	if list == nil {
		return nil
	}
	for i := range list.Items {
		if item := &list.Items[i]; item.Kind == formats.ScalarNode && item.Scalar.Kind == formats.String {
			out = append(out, item.Scalar.Text)
		}
	}
	return out
}

func isRemote(entry string) bool {
	return strings.Contains(entry, "://") || strings.Contains(entry, "github.com") || strings.HasPrefix(entry, "git@") || strings.Contains(entry, "?ref=")
}

// unread makes a finding of what is missing, remote, or outside of the root.
func (c *checker) unread(file, entry, at string, err error) {
	switch {
	case isRemote(entry):
		if !c.IgnoreRemote {
			c.find(file, entry+" is remote and was not read: what it should build is not known", "check it where it lies; --ignore-remote if it holds no sealed files")
		}
	case !fs.ValidPath(at):
		c.find(file, entry+" lies outside of what is looked at, and was not read", "--root names a folder above both")
	default:
		c.find(file, entry+" cannot be read: "+plainCause(err), "kustomize build will say so, too")
	}
}

// resource reads an entry of resources, bases or components.
func (c *checker) resource(dir, file, entry string, s scope) (opens bool, err error) {
	at := path.Join(dir, entry)
	info, err := fs.Stat(c.Root, at)
	switch {
	case err != nil:
		c.unread(file, entry, at, err)
		return false, nil
	case info.IsDir():
		return c.kustomization(at, s)
	}
	src, err := c.read(at)
	if err != nil {
		c.unread(file, entry, at, err)
		return false, nil
	}
	if s.plugins != "" {
		return c.configurations(src, at, s), nil
	}
	for _, n := range c.objectsIn(at, src) {
		c.object(at, &n, s)
	}
	return false, nil
}

// objectsIn reads the objects of a stream; those in lists, too. What cannot be read is a
// finding if it may be sealed.
func (c *checker) objectsIn(file string, src []byte) []formats.Node {
	out, unreadable := objectsIn(src)
	if unreadable > 0 {
		c.find(file, fmt.Sprintf("document %d may be sealed, and cannot be read", unreadable), "gitseal inspect "+c.Show(file)+" says more")
	}
	return out
}

func objectsIn(src []byte) (out []formats.Node, unreadable int) {
	for i, part := range sealedobject.Split(src) {
		n, err := sealedobject.ParseYAML(part.Text)
		if err != nil || n.Kind != formats.MapNode {
			if sealedobject.MayBeSealed(part.Text) && !part.IsBlank() {
				unreadable = i + 1
			}
			continue
		}
		items := sealedobject.Get(&n, "items")
		if strings.HasSuffix(sealedobject.Text(&n, "kind"), "List") && items != nil && sealedobject.Get(&n, "sops") == nil {
			out = append(out, items.Items...)
			continue
		}
		out = append(out, n)
	}
	return out, unreadable
}

func plainCause(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}
