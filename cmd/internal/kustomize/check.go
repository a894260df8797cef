package kustomize

import (
	"bytes"
	"cmp"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/gitseal/gitseal/cmd/internal/kustomize/sealedobject"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
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
	// Secrets are the names that the Secrets have before kustomize changes them.
	Secrets  []string  `json:"secrets"`
	Findings []Finding `json:"findings"`
}

// Check reads the kustomization in a folder and those below it that it refers to. No
// key is needed, nothing is opened.
func Check(root fs.FS, dir string) (*Report, error) {
	c := &checker{root: root, seen: map[string]bool{}, report: &Report{}}
	if err := c.kustomization(path.Clean(dir)); err != nil {
		return nil, err
	}
	if len(c.sealed) > 0 && !c.transforms {
		for _, s := range c.sealed {
			c.find(s.file, s.name+" is a resource, and nothing opens it: it would be deployed sealed",
				"list its file under files: of a generator, or add a transformer of kind Unseal; a SealedManifest needs neither")
		}
	}
	slices.Sort(c.report.Secrets)
	c.report.Secrets = slices.Compact(c.report.Secrets)
	return c.report, nil
}

// ErrNoKustomization: a folder has no kustomization.yaml.
var ErrNoKustomization = errors.New("has no kustomization.yaml")

type checker struct {
	root       fs.FS
	seen       map[string]bool
	report     *Report
	transforms bool
	// sealed are the Secrets among the resources that are sealed.
	sealed []sealedResource
}

type sealedResource struct{ file, name string }

func (c *checker) find(file, msg, hint string) {
	c.report.Findings = append(c.report.Findings, Finding{File: file, Msg: msg, Hint: hint})
}

func (c *checker) kustomization(dir string) error {
	if c.seen[dir] {
		return nil
	}
	c.seen[dir] = true
	for _, name := range []string{"kustomization.yaml", "kustomization.yml", "Kustomization"} {
		file := path.Join(dir, name)
		src, err := fs.ReadFile(c.root, file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return &FileError{Name: file, Err: err}
		}
		n, err := sealedobject.ParseYAML(src)
		if err != nil {
			return &FileError{Name: file, Err: err}
		}
		return c.fields(dir, file, &n)
	}
	return &FileError{Name: dir, Err: ErrNoKustomization}
}

func (c *checker) fields(dir, file string, n *formats.Node) error {
	for _, field := range []string{"generators", "transformers", "validators"} {
		for _, entry := range entries(n, field) {
			if err := c.plugins(dir, file, field, entry); err != nil {
				return err
			}
		}
	}
	for _, field := range []string{"resources", "components", "bases"} {
		for _, entry := range entries(n, field) {
			if err := c.resource(dir, file, entry); err != nil {
				return err
			}
		}
	}
	return nil
}

func entries(n *formats.Node, field string) []string {
	var out []string
	list := sealedobject.Get(n, field)
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

// plugins reads an entry of generators or transformers: a file, a folder with a
// kustomization, or the configuration itself.
func (c *checker) plugins(dir, file, field, entry string) error {
	text := []byte(entry)
	if !strings.ContainsAny(entry, "\n{") {
		at := path.Join(dir, entry)
		info, err := fs.Stat(c.root, at)
		switch {
		case err != nil && isRemote(entry):
			return nil
		case err != nil:
			c.find(file, field+": "+entry+" cannot be read", "kustomize build will say so, too")
			return nil
		case info.IsDir():
			return c.kustomization(at)
		}
		if text, err = fs.ReadFile(c.root, at); err != nil {
			return &FileError{Name: at, Err: err}
		}
	}
	for _, part := range sealedobject.Split(text) {
		n, err := sealedobject.ParseYAML(part.Text)
		if err != nil || sealedobject.Text(&n, "kind") != "Unseal" {
			continue // another plugin's
		}
		c.function(dir, file, field, &n)
	}
	return nil
}

func isRemote(entry string) bool {
	return strings.Contains(entry, "://") || strings.Contains(entry, "github.com") || strings.HasPrefix(entry, "git@")
}

const functionAnnotation = "config.kubernetes.io/function"

func (c *checker) function(dir, file, field string, n *formats.Node) {
	config, err := ReadConfig(n)
	if err != nil {
		var own *ConfigError
		hint := "see gitseal kustomize --help"
		if errors.As(err, &own) {
			hint = own.Hint
		}
		c.find(file, err.Error(), hint)
		return
	}
	f := Function{File: file, Name: config.Name, Field: field}
	if text := sealedobject.Text(n, "metadata", "annotations", functionAnnotation); text != "" {
		f.Exec = true
		spec, err := sealedobject.ParseYAML([]byte(text))
		if err != nil || sealedobject.Text(&spec, "exec", "path") == "" {
			c.find(file, config.Name+": the annotation "+functionAnnotation+" runs no program", "exec: {path: gitseal, args: [kustomize]}")
		}
	}
	c.report.Functions = append(c.report.Functions, f)
	switch {
	case field == "generators" && !config.Generates():
		c.find(file, config.Name+" generates nothing: it has neither files nor secrets", "list it under transformers:, or name files")
	case field == "transformers" && config.Generates():
		c.find(file, config.Name+" has files or secrets, which only a generator may have", "list it under generators:")
	case field == "validators":
		c.find(file, config.Name+" is listed under validators:, which must not change anything", "list it under generators: or transformers:")
	case field == "transformers":
		c.transforms = true
	default:
		c.generated(dir, file, config)
	}
}

func (c *checker) generated(dir, file string, config *Config) {
	for _, s := range config.Secrets {
		c.report.Secrets = append(c.report.Secrets, s.Name)
		for _, name := range s.Envs {
			c.sealedFile(dir, file, name)
		}
		for _, f := range s.Files {
			c.sealedFile(dir, file, PathOf(f))
		}
	}
	for _, name := range config.Files {
		if src := c.sealedFile(dir, file, name); src != nil {
			for _, n := range objectsIn(src) {
				c.report.Secrets = append(c.report.Secrets, sealedobject.Text(&n, "metadata", "name"))
			}
		}
	}
}

// sealedFile reads a file that has to be sealed.
func (c *checker) sealedFile(dir, file, name string) []byte {
	at := path.Join(dir, name)
	if path.IsAbs(name) || !fs.ValidPath(at) || dir != "." && at != dir && !strings.HasPrefix(at, dir+"/") {
		c.find(file, name+" lies outside of the kustomization", "paths are relative to the kustomization, not to the generator's file; --allow-outside lifts that")
		return nil
	}
	src, err := fs.ReadFile(c.root, at)
	if err != nil {
		c.find(file, name+" cannot be read: "+plainCause(err), "paths are relative to the kustomization, not to the generator's file")
		return nil
	}
	f := all.ForFile(at)
	doc, err := f.Parse(src)
	switch {
	case errors.Is(err, formats.ErrMetadata): // documents that are sealed one by one
	case err != nil:
		c.find(at, err.Error(), "gitseal inspect "+at+" says more")
		return nil
	case doc.Meta == nil && !bytes.Contains(src, []byte("SealedManifest")):
		c.find(at, "it is not sealed", "gitseal seal "+at)
		return nil
	}
	return src
}

func plainCause(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

// objectsIn reads the objects of a stream as far as they can be read.
func objectsIn(src []byte) []formats.Node {
	var out []formats.Node
	for _, part := range sealedobject.Split(src) {
		if n, err := sealedobject.ParseYAML(part.Text); err == nil && n.Kind == formats.MapNode {
			out = append(out, n)
		}
	}
	return out
}

// resource looks for sealed Secrets among the resources.
func (c *checker) resource(dir, file, entry string) error {
	at := path.Join(dir, entry)
	info, err := fs.Stat(c.root, at)
	if err != nil {
		if !isRemote(entry) && fs.ValidPath(at) {
			c.find(file, entry+" cannot be read: "+plainCause(err), "kustomize build will say so, too")
		}
		return nil
	}
	if info.IsDir() {
		return c.kustomization(at)
	}
	src, err := fs.ReadFile(c.root, at)
	if err != nil || !sealedobject.MayBeSealed(src) {
		return nil
	}
	for _, n := range objectsIn(src) {
		if sealedobject.IsSealed(&n) && sealedobject.Text(&n, "kind") == "Secret" {
			name := sealedobject.Text(&n, "metadata", "name")
			c.sealed = append(c.sealed, sealedResource{file: at, name: "Secret " + name})
			c.report.Secrets = append(c.report.Secrets, name)
		}
	}
	return nil
}

// CheckBuilt looks whether what kustomize built has the Secrets that a report expects,
// opened.
func (r *Report) CheckBuilt(name string, built []byte) []Finding {
	var out []Finding
	var names []string
	for _, n := range objectsIn(built) {
		if sealedobject.Text(&n, "kind") != "Secret" {
			continue
		}
		names = append(names, sealedobject.Text(&n, "metadata", "name"))
		if sealedobject.IsSealed(&n) {
			out = append(out, Finding{File: name, Msg: sealedobject.NameOf(&n) + " is still sealed", Hint: enableHint})
		}
	}
	for _, want := range r.Secrets {
		// Prefixes, suffixes and hashes may have been added.
		if !slices.ContainsFunc(names, func(n string) bool { return strings.Contains(n, want) }) {
			out = append(out, Finding{File: name, Msg: "there is no Secret " + want, Hint: enableHint})
		}
	}
	slices.SortFunc(out, func(a, b Finding) int { return cmp.Compare(a.Msg, b.Msg) })
	return out
}

const enableHint = "call kustomize build with --enable-alpha-plugins and --enable-exec; without the second it leaves exec functions out and says nothing"
