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

// plugins reads an entry of generators or transformers: a file, a folder with a
// kustomization, or the configuration itself.
func (c *checker) plugins(dir, file, field, entry string, s scope) (opens bool, err error) {
	s.plugins, s.owner, s.ownerFile = field, dir, file
	if strings.ContainsAny(entry, "\n{") {
		return c.configurations([]byte(entry), file, s), nil
	}
	return c.resource(dir, file, entry, s)
}

// configurations reads configurations of plugins. opens says whether one of them is a
// transformer that opens things.
func (c *checker) configurations(src []byte, at string, s scope) (opens bool) {
	for _, part := range sealedobject.Split(src) {
		n, err := sealedobject.ParseYAML(part.Text)
		switch {
		case err != nil && bytes.Contains(part.Text, []byte("gitseal.dev/")):
			c.find(at, "this configuration cannot be read", "see gitseal kustomize --help")
		case err != nil:
		case isUnseal(&n):
			opens = c.function(&n, s) || opens
		default: // another plugin, which may change names and namespaces
			c.report.lenient = true
		}
	}
	return opens
}

func isUnseal(n *formats.Node) bool {
	return sealedobject.Text(n, "kind") == "Unseal" && strings.HasPrefix(sealedobject.Text(n, "apiVersion"), "gitseal.dev/")
}

const functionAnnotation = "config.kubernetes.io/function"

// function checks a use of this function.
func (c *checker) function(n *formats.Node, s scope) (opens bool) {
	file := s.ownerFile
	config, err := ReadConfig(n)
	if err != nil {
		var own *ConfigError
		hint := "see gitseal kustomize --help"
		if errors.As(err, &own) {
			hint = own.Hint
		}
		c.find(file, err.Error(), hint)
		return false
	}
	f := Function{File: c.Show(file), Name: config.Name, Field: s.plugins}
	mode := cmp.Or(c.Mode, config.Mode)
	if text := sealedobject.Text(n, "metadata", "annotations", functionAnnotation); text != "" {
		f.Exec = true
		spec, err := sealedobject.ParseYAML([]byte(text))
		if err != nil || sealedobject.Text(&spec, "exec", "path") == "" {
			c.find(file, config.Name+": the annotation "+functionAnnotation+" runs no program", "exec: {path: gitseal, args: [kustomize]}")
		}
		mode = cmp.Or(modeIn(entries(&spec, "exec", "args")), mode)
	}
	c.report.Functions = append(c.report.Functions, f)
	passthrough := mode == string(sealedobject.Passthrough)
	switch {
	case s.plugins == "generators" && !config.Generates():
		c.find(file, config.Name+" generates nothing: it has neither files nor secrets", "list it under transformers:, or name files")
	case s.plugins == "transformers" && config.Generates():
		c.find(file, config.Name+" has files or secrets, which only a generator may have", "list it under generators:")
	case s.plugins == "validators":
		c.find(file, config.Name+" is listed under validators:, which must not change anything", "list it under generators: or transformers:")
	case s.plugins == "transformers":
		return !passthrough
	default:
		c.generated(config, s, passthrough)
	}
	return false
}

// modeIn returns the mode that arguments of this program name.
func modeIn(args []string) string {
	for i, a := range args {
		if mode, ok := strings.CutPrefix(a, "--mode="); ok {
			return mode
		}
		if a == "--mode" && i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}

// generated notes what a generator should make.
func (c *checker) generated(config *Config, s scope, passthrough bool) {
	for _, secret := range config.Secrets {
		w := s.want(secret.Namespace, secret.Name)
		w.passed = passthrough
		w.shared = isMerged(config.Options.under(secret.Options).Behavior)
		c.report.wants = append(c.report.wants, w)
		for _, name := range secret.Envs {
			c.sealedFile(s, name)
		}
		for _, f := range secret.Files {
			c.sealedFile(s, PathOf(f))
		}
	}
	for _, name := range config.Files {
		src := c.sealedFile(s, name)
		at := path.Join(s.owner, name)
		for _, n := range c.objectsIn(at, src) {
			if passthrough {
				c.misplaced(at, &n, s)
			}
			own := cmp.Or(config.Options.Behavior, sealedobject.Text(&n, "metadata", "annotations", behavior))
			for _, w := range secretsOf(&n, s) {
				w.passed, w.shared = passthrough, isMerged(own)
				c.report.wants = append(c.report.wants, w)
			}
		}
	}
}

func isMerged(behavior string) bool { return behavior == "merge" || behavior == "replace" }

// sealedFile reads a file that has to be sealed.
func (c *checker) sealedFile(s scope, name string) []byte {
	dir, file := s.owner, s.ownerFile
	at := path.Join(dir, name)
	if path.IsAbs(name) || !fs.ValidPath(at) || dir != "." && at != dir && !strings.HasPrefix(at, dir+"/") {
		c.find(file, name+" lies outside of the kustomization", "paths are relative to the kustomization, not to the generator's file; --allow-outside lifts that")
		return nil
	}
	src, err := c.read(at)
	if err != nil {
		c.find(file, name+" cannot be read: "+plainCause(err), "paths are relative to the kustomization, not to the generator's file")
		return nil
	}
	doc, err := all.ForFile(at).Parse(src)
	switch {
	case errors.Is(err, formats.ErrMetadata): // documents that are sealed one by one
	case err != nil:
		c.find(at, err.Error(), "gitseal inspect "+c.Show(at)+" says more")
		return nil
	case doc.Meta == nil && !bytes.Contains(src, []byte("SealedManifest")):
		c.find(at, "it is not sealed", "gitseal seal "+c.Show(at))
		return nil
	}
	return src
}

// native looks for sealed files that kustomize's own generators, patches and charts
// would take as they are.
func (c *checker) native(dir, file string, n *formats.Node) {
	for _, field := range []string{"secretGenerator", "configMapGenerator", "patches", "helmCharts"} {
		for _, item := range itemsOf(n, field) {
			for _, name := range namedIn(&item) {
				if c.isSealedFile(path.Join(dir, name)) {
					c.find(file, field+": "+name+" is sealed, and would be taken as it is", nativeHint)
				}
			}
			if strings.Contains(strings.Join(entries(&item, "literals"), "\n"), sealedPrefix) {
				c.find(file, field+": a literal is sealed, and would be taken as it is", nativeHint)
			}
		}
	}
}

const nativeHint = "make the Secret with a generator of kind Unseal: gitseal kustomize --help"

func itemsOf(n *formats.Node, field string) []formats.Node {
	if list := sealedobject.Get(n, field); list != nil && list.Kind == formats.ListNode {
		return list.Items
	}
	return nil
}

// namedIn lists the files that an entry names.
func namedIn(item *formats.Node) []string {
	var out []string
	for _, f := range entries(item, "files") {
		out = append(out, PathOf(f))
	}
	out = slices.Concat(out, entries(item, "envs"), entries(item, "additionalValuesFiles"))
	for _, field := range []string{"env", "valuesFile", "path"} {
		if name := sealedobject.Text(item, field); name != "" {
			out = append(out, name)
		}
	}
	return out
}

func (c *checker) isSealedFile(at string) bool {
	src, err := c.read(at)
	return err == nil && bytes.Contains(src, []byte(sealedPrefix))
}
