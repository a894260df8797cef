package main

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"github.com/gitseal/gitseal/cmd/internal/nearest"
	"github.com/gitseal/gitseal/formats"
)

// execValue is one value of a file, as a command gets it. It prints redacted.
type execValue struct {
	file string
	// key is the path of the value as people write it; in Kubernetes Secrets, below
	// data and stringData.
	key   []string
	value string
	// written is the key as the file has it where that differs: with a dotenv
	// file's word export.
	written string
	// others are further spellings of the value, which are not to be seen either.
	others []string
	// masked: it is sealed in the file, and neither true nor false.
	masked bool
	// weak gives way to a value of the same key: a Secret's data to its stringData.
	weak bool
}

// String says nothing of the value.
func (v execValue) String() string { return "<value of " + v.path() + ">" }

// GoString is String.
func (v execValue) GoString() string { return v.String() }

func (v execValue) path() string { return strings.Join(v.key, ".") }

// is reports whether a key is that of the value.
func (v execValue) is(key string) bool {
	return v.path() == key || v.written != "" && v.written == key
}

// under reports whether a key is that of the value or of something around it.
func (v execValue) under(key string) bool {
	return v.is(key) || strings.HasPrefix(v.path(), key+".")
}

// secrets returns all that must not be seen of the value.
func (v execValue) secrets() []string {
	if !v.masked {
		return nil
	}
	return append([]string{v.value}, v.others...)
}

// unexport takes the word export off the key of a value of a dotenv file: a shell
// would set the variable after it.
func (v *execValue) unexport() {
	words := strings.Fields(v.path())
	if len(v.key) == 1 && len(words) == 2 && words[0] == "export" {
		v.written, v.key = v.key[0], words[1:]
	}
}

// iniTop is the section of what stands before all sections of an INI file.
const iniTop = "DEFAULT"

// valuesOf returns the values of an opened file, without those that are null or
// empty collections.
func valuesOf(j *unsealJob) ([]execValue, error) {
	doc, err := j.in.format.Parse(j.opened.PlaintextBytes())
	if err != nil {
		return nil, &fileError{name: j.in.name, unsealing: true, err: err}
	}
	sealed, err := j.in.format.Parse(j.in.data)
	if err != nil {
		return nil, &fileError{name: j.in.name, unsealing: true, err: err}
	}
	plain := map[string]bool{}
	for _, l := range sealed.Leaves {
		plain[l.Path.String()] = l.Kind != formats.Comment && !strings.HasPrefix(l.Text, "ENC[")
	}
	secrets := kubernetesSecrets(doc)
	spelled := newSpeller(doc)
	var out []execValue
	for i, l := range doc.Leaves {
		if l.Kind == formats.Comment || l.Kind.Empty() {
			continue
		}
		v := execValue{file: j.in.name, key: keyOf(l.Path), value: spelled.value(i)}
		switch {
		case j.in.formatName == "ini" && len(v.key) > 1 && v.key[0] == iniTop:
			v.key = v.key[1:]
		case j.in.formatName == "dotenv":
			v.unexport()
		}
		v.masked = l.Kind != formats.Bool && !plain[l.Path.String()]
		if v.masked {
			v.others = spelled.others(i, v.value)
		}
		if secrets[l.Path.Document()] && !v.ofSecret() {
			continue
		}
		if v.weak {
			decoded, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(v.value), ""))
			if err != nil {
				return nil, failure(j.in.name+": data."+v.path()+" of the Secret is not base64", "write plain text under stringData")
			}
			if v.masked {
				v.others = append(v.others, v.value)
			}
			v.value = string(decoded)
		}
		out = append(out, v)
	}
	return strongOnly(out), nil
}

// keyOf returns the steps from the root to a value.
func keyOf(p *formats.Path) []string {
	var steps []string
	for ; p.Parent != nil; p = p.Parent {
		step := p.Key
		if p.Index != formats.InMap {
			step = strconv.Itoa(p.Index)
		}
		steps = append(steps, strings.Clone(step))
	}
	slices.Reverse(steps)
	return steps
}

// textOf returns a copy of a value as sops gives it to commands.
func textOf(s formats.Scalar) string {
	switch {
	case s.Kind == formats.Bool:
		return strings.ToLower(s.Text)
	case s.Kind == formats.Float && strings.Trim(s.Text, "-0123456789") == "":
		return s.Text + ".0"
	}
	return strings.Clone(s.Text)
}

// ofSecret makes v the value of a Secret's data or stringData, and reports whether
// it is one.
func (v *execValue) ofSecret() bool {
	if len(v.key) != 2 || v.key[0] != "data" && v.key[0] != "stringData" {
		return false
	}
	v.weak = v.key[0] == "data"
	v.key = v.key[1:]
	return true
}

// kubernetesSecrets tells which documents of a file are Kubernetes Secrets.
func kubernetesSecrets(d *formats.Document) map[int]bool {
	const version, kind = 1, 2
	found := map[int]int{}
	for _, l := range d.Leaves {
		if l.Kind != formats.String || l.Path.Parent == nil || l.Path.Parent.Parent != nil {
			continue
		}
		switch {
		case l.Path.Key == "apiVersion" && l.Text == "v1":
			found[l.Path.Document()] |= version
		case l.Path.Key == "kind" && l.Text == "Secret":
			found[l.Path.Document()] |= kind
		}
	}
	out := map[int]bool{}
	for doc, what := range found {
		out[doc] = what == version|kind
	}
	return out
}

// strongOnly drops weak values for whose key there is another one.
func strongOnly(values []execValue) []execValue {
	strong := map[string]bool{}
	for _, v := range values {
		strong[v.path()] = strong[v.path()] || !v.weak
	}
	return slices.DeleteFunc(values, func(v execValue) bool { return v.weak && strong[v.path()] })
}

// onlyThese returns the values under any of the keys, each of which must be there.
func onlyThese(values []execValue, keys []string) ([]execValue, error) {
	var out []execValue
	used := make([]bool, len(keys))
	for _, v := range values {
		wanted := false
		for i, k := range keys {
			if v.under(k) {
				used[i], wanted = true, true
			}
		}
		if wanted {
			out = append(out, v)
		}
	}
	if i := slices.Index(used, false); i >= 0 {
		return nil, noSuchKey(values, keys[i])
	}
	return out, nil
}

func noSuchKey(values []execValue, key string) error {
	hint := "gitseal inspect FILE shows what is in it; values that are null or empty do not count"
	best := 3
	for _, v := range values {
		if d := nearest.Distance(key, v.path()); d < best {
			best, hint = d, "did you mean "+v.path()+"?"
		}
	}
	return failure("there is no value "+quoted(key)+" in the files", hint)
}

// splitKeys reads the values of --only.
func splitKeys(flags []string) []string {
	var keys []string
	for _, f := range flags {
		for key := range strings.SplitSeq(f, ",") {
			if key = strings.TrimSpace(key); key != "" {
				keys = append(keys, key)
			}
		}
	}
	return keys
}
