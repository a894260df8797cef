package dotenv

import (
	"strings"

	"github.com/gitseal/gitseal/formats"
)

// Variable is a variable as it stands in a file. It prints redacted.
type Variable struct{ Key, Value string }

// String says nothing of the value.
func (v Variable) String() string { return "<variable " + v.Key + ">" }

// GoString is String.
func (v Variable) GoString() string { return v.String() }

// Variables lists the variables of a plain file as Kubernetes tools read them (kubectl
// create secret --from-env-file, kustomize's envs): to the byte, quotes and backslashes
// included, without white space before a key and without the carriage return of a line's
// end. \n stands for two characters here, other than in the document's leaves.
//
// See https://github.com/kubernetes-sigs/kustomize (api/kv).
func Variables(d *formats.Document) []Variable {
	var out []Variable
	for i := range d.Leaves {
		l := &d.Leaves[i]
		if l.Kind == formats.Comment || l.Path.Key == "" {
			continue
		}
		out = append(out, Variable{
			Key:   strings.TrimLeft(l.Path.Key, " \t\r\v\f"),
			Value: strings.TrimSuffix(string(d.Source[l.Start:l.End]), "\r"),
		})
	}
	return out
}
