package kustomize

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gitseal/gitseal/cmd/internal/kustomize/sealedobject"
	"github.com/gitseal/gitseal/formats"
)

// Config is the function's configuration: of a generator with Files or Secrets, of a
// transformer without.
type Config struct {
	// Name is metadata.name, for messages.
	Name string
	// Mode is "" if the configuration does not say.
	Mode string
	// Namespace is what everything must be sealed for, "" for what objects say.
	Namespace string
	Files     []string
	Secrets   []Secret
	Options   Options
}

// Generates reports whether it is that of a generator.
func (c *Config) Generates() bool { return len(c.Files)+len(c.Secrets) > 0 }

// Secret describes a Secret made of sealed files, as kustomize's secretGenerator does.
type Secret struct {
	Name, Namespace, Type string
	Immutable             bool
	// Files are paths, or KEY=PATH; Envs are dotenv files.
	Files, Envs []string
	Options     Options
}

// Options are set on generated Secrets.
type Options struct {
	// NeedsHash is nil if nothing is said of it.
	NeedsHash *bool
	// Behavior is create, merge or replace, "" if nothing is said of it.
	Behavior            string
	Labels, Annotations []formats.Node
	Immutable           bool
}

// ConfigError says what is wrong with the configuration.
type ConfigError struct{ Path, Msg, Hint string }

// Error names the field.
func (e *ConfigError) Error() string {
	if e.Path == "" {
		return "functionConfig: " + e.Msg
	}
	return "functionConfig: " + e.Path + ": " + e.Msg
}

// ReadConfig reads a configuration strictly: an unknown field is an error.
func ReadConfig(n *formats.Node) (*Config, error) {
	if emptyConfig(n) {
		return nil, &ConfigError{Msg: "there is none", Hint: "kustomize passes the object on that lists this function; see gitseal kustomize --help"}
	}
	r := &configReader{}
	c := &Config{Name: sealedobject.Text(n, "metadata", "name")}
	if kind := sealedobject.Text(n, "kind"); kind != "Unseal" {
		return nil, &ConfigError{Path: "kind", Msg: "not Unseal", Hint: "apiVersion: gitseal.dev/v1alpha1, kind: Unseal"}
	}
	r.fields(n, "", map[string]func(*formats.Node, string){
		"apiVersion": func(v *formats.Node, at string) {
			if !strings.HasPrefix(r.text(v, at), "gitseal.dev/") {
				r.fail(at, "not of gitseal.dev", "apiVersion: gitseal.dev/v1alpha1")
			}
		},
		"kind": nil, "metadata": nil,
		"mode":      func(v *formats.Node, at string) { c.Mode = r.text(v, at) },
		"namespace": func(v *formats.Node, at string) { c.Namespace = r.text(v, at) },
		"files":     func(v *formats.Node, at string) { c.Files = r.texts(v, at) },
		"options":   func(v *formats.Node, at string) { c.Options = r.options(v, at) },
		"secrets": func(v *formats.Node, at string) {
			for i, item := range r.list(v, at) {
				c.Secrets = append(c.Secrets, r.secret(&item, fmt.Sprintf("%s[%d]", at, i)))
			}
		},
	})
	for _, list := range []string{"files", "secrets"} {
		if v := sealedobject.Get(n, list); v != nil && len(v.Items) == 0 {
			r.fail(list, "empty", "name a file, or leave "+list+" out: without files and secrets it is a transformer")
		}
	}
	if !c.Generates() && sealedobject.Get(n, "options") != nil {
		r.fail("options", "only for generators: kustomize does not look at them after a transformer", "name files: or secrets:, and list it under generators:")
	}
	if r.err != nil {
		return nil, r.err
	}
	return c, nil
}

// configReader keeps the first error.
type configReader struct{ err error }

func (r *configReader) fail(path, msg, hint string) {
	if r.err == nil {
		r.err = &ConfigError{Path: path, Msg: msg, Hint: hint}
	}
}

// fields hands each field of a map to what reads it; nil reads nothing.
func (r *configReader) fields(n *formats.Node, at string, known map[string]func(*formats.Node, string)) {
	if n.Kind != formats.MapNode {
		r.fail(at, "not a map", "see gitseal kustomize --help")
		return
	}
	for i := range n.Items {
		item := &n.Items[i]
		path := strings.TrimPrefix(at+"."+item.Key, ".")
		read, ok := known[item.Key]
		if !ok {
			names := make([]string, 0, len(known))
			for name := range known {
				names = append(names, name)
			}
			slices.Sort(names)
			r.fail(path, "there is no such field", "there are "+strings.Join(names, ", "))
			return
		}
		if read != nil {
			read(item, path)
		}
	}
}

func (r *configReader) text(n *formats.Node, at string) string {
	if n.Kind != formats.ScalarNode || n.Scalar.Kind != formats.String || n.Scalar.Text == "" {
		r.fail(at, "not a string, or empty", "see gitseal kustomize --help")
		return ""
	}
	return n.Scalar.Text
}

func (r *configReader) list(n *formats.Node, at string) []formats.Node {
	if n.Kind != formats.ListNode {
		r.fail(at, "not a list", "see gitseal kustomize --help")
		return nil
	}
	return n.Items
}

func (r *configReader) texts(n *formats.Node, at string) []string {
	var out []string
	for i, item := range r.list(n, at) {
		out = append(out, r.text(&item, fmt.Sprintf("%s[%d]", at, i)))
	}
	return out
}

func (r *configReader) boolean(n *formats.Node, at string) bool {
	b := sealedobject.Bool(n)
	if b == nil {
		r.fail(at, "neither true nor false", "write it without quotes")
		return false
	}
	return *b
}

func (r *configReader) strings(n *formats.Node, at string) []formats.Node {
	if n.Kind != formats.MapNode {
		r.fail(at, "not a map", "see gitseal kustomize --help")
		return nil
	}
	for i := range n.Items {
		if v := &n.Items[i]; v.Kind != formats.ScalarNode || v.Scalar.Kind != formats.String {
			r.fail(at+"."+v.Key, "not a string", "put it in quotes")
		}
	}
	return n.Items
}

func (r *configReader) options(n *formats.Node, at string) (o Options) {
	hash := func(negate bool) func(*formats.Node, string) {
		return func(v *formats.Node, at string) {
			b := r.boolean(v, at) != negate
			o.NeedsHash = &b
		}
	}
	r.fields(n, at, map[string]func(*formats.Node, string){
		"needsHash": hash(false), "disableNameSuffixHash": hash(true),
		"behavior": func(v *formats.Node, at string) {
			if o.Behavior = r.text(v, at); !slices.Contains([]string{"create", "merge", "replace"}, o.Behavior) {
				r.fail(at, "none of create, merge and replace", "leave it out for create")
			}
		},
		"labels":      func(v *formats.Node, at string) { o.Labels = r.strings(v, at) },
		"annotations": func(v *formats.Node, at string) { o.Annotations = r.strings(v, at) },
		"immutable":   func(v *formats.Node, at string) { o.Immutable = r.boolean(v, at) },
	})
	return o
}

func (r *configReader) secret(n *formats.Node, at string) (s Secret) {
	s.Type = "Opaque"
	r.fields(n, at, map[string]func(*formats.Node, string){
		"name":      func(v *formats.Node, at string) { s.Name = r.text(v, at) },
		"namespace": func(v *formats.Node, at string) { s.Namespace = r.text(v, at) },
		"type":      func(v *formats.Node, at string) { s.Type = r.text(v, at) },
		"files":     func(v *formats.Node, at string) { s.Files = r.texts(v, at) },
		"envs":      func(v *formats.Node, at string) { s.Envs = r.texts(v, at) },
		"options":   func(v *formats.Node, at string) { s.Options = r.options(v, at) },
		"immutable": func(v *formats.Node, at string) { s.Immutable = r.boolean(v, at) },
	})
	if r.err == nil && s.Name == "" {
		r.fail(at, "it has no name", "name: NAME")
	}
	if r.err == nil && len(s.Files)+len(s.Envs) == 0 {
		r.fail(at, "it has neither files nor envs", "files: [KEY=PATH], envs: [PATH]")
	}
	return s
}
