package readers

import (
	"github.com/gitseal/gitseal/cmd/internal/rules"
	"github.com/gitseal/gitseal/keysources"
)

// ToRule returns a key in the form that rules have it in: what OfRule reads back as
// the same key.
func ToRule(s keysources.Stanza) rules.Key {
	out := rules.Key{Value: RuleText(s)}
	for kind, typ := range ruleTypes {
		if typ == s.Type {
			out.Type = kind
		}
	}
	if s.Type != keysources.TypeKMS {
		return out
	}
	out.Value = s.Get("arn")
	for _, name := range []string{"role", "aws_profile"} {
		if v := s.Get(name); v != "" {
			if out.Fields == nil {
				out.Fields = map[string]string{}
			}
			out.Fields[name] = v
		}
	}
	for _, f := range s.Context {
		if out.Context == nil {
			out.Context = map[string]string{}
		}
		out.Context[f.Name] = f.Value
	}
	return out
}
