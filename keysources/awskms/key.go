package awskms

import (
	"regexp"
	"slices"

	"github.com/gitseal/gitseal/keysources"
)

// arnForm is what an ARN of a key or an alias looks like. Bare key ids are not
// taken, as they do not say where the key is; sops does not take them either.
var arnForm = regexp.MustCompile(`^arn:aws[a-z0-9-]*:kms:([a-z0-9-]+):[0-9]+:(key|alias)/[A-Za-z0-9/_-]+$`)

// roleForm is what an ARN of a role looks like.
var roleForm = regexp.MustCompile(`^arn:aws[a-z0-9-]*:iam::[0-9]+:role/[\x21-\x7e]+$`)

// key is a key in KMS and how to reach it.
type key struct {
	place
	arn     string
	context []keysources.Field
}

// parseKey reads what a stanza says of its key.
func parseKey(s keysources.Stanza) (key, error) {
	k := key{
		place:   place{role: s.Get("role"), profile: s.Get("aws_profile")},
		arn:     s.Get("arn"),
		context: slices.Clone(s.Context),
	}
	form := arnForm.FindStringSubmatch(k.arn)
	if form == nil {
		return key{}, k.malformed("want the ARN of a key or an alias, arn:aws:kms:REGION:ACCOUNT:key/ID")
	}
	k.region = form[1]
	if k.role != "" && !roleForm.MatchString(k.role) {
		return key{}, k.malformed("want the ARN of a role, arn:aws:iam::ACCOUNT:role/NAME")
	}
	if len(k.contextMap()) != len(k.context) {
		return key{}, k.malformed("the encryption context has a name twice")
	}
	return k, nil
}

func (k key) malformed(detail string) error {
	return &keysources.Error{Reader: k.arn, Reason: keysources.Malformed, Detail: detail}
}

// contextMap returns the encryption context in the form that KMS takes.
func (k key) contextMap() map[string]string {
	m := make(map[string]string, len(k.context))
	for _, f := range k.context {
		m[f.Name] = f.Value
	}
	return m
}

// stanza returns the stanza of a wrapped key, or the key alone if enc is empty.
// Like sops's, it always has an aws_profile.
func (k key) stanza(enc, created string) keysources.Stanza {
	s := keysources.Stanza{Type: keysources.TypeKMS, Context: slices.Clone(k.context)}
	add := func(name, value string) {
		s.Fields = append(s.Fields, keysources.Field{Name: name, Value: value})
	}
	add("arn", k.arn)
	add("aws_profile", k.profile)
	if enc != "" {
		add("created_at", created)
		add("enc", enc)
	}
	if k.role != "" {
		add("role", k.role)
	}
	return s
}
