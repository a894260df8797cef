package rules

import (
	"strconv"

	"go.yaml.in/yaml/v3"
)

// maxGroups is how many shares Shamir's scheme over GF(2^8) can make.
const maxGroups = 255

// selectors are the keys of a rule of which at most one may be set, and whether
// their values are patterns.
var selectors = []struct {
	key     string
	pattern bool
}{
	{"unencrypted_suffix", false},
	{"encrypted_suffix", false},
	{"unencrypted_regex", true},
	{"encrypted_regex", true},
	{"unencrypted_comment_regex", true},
	{"encrypted_comment_regex", true},
}

// ruleReader collects what a rule says before it is checked as a whole.
type ruleReader struct {
	*decoder
	rule *Rule
	what string
	// at is where the rule begins, for errors about the whole of it.
	at *yaml.Node
	// texts are the path pattern, the selectors and the profile by their keys, and
	// places is where they stand.
	texts  map[string]*string
	places map[string]*yaml.Node
	// flat are the keys listed outside of groups.
	flat []Key
}

// rule reads one creation rule.
func (d *decoder) rule(n *yaml.Node, number int) (*Rule, error) {
	r := &ruleReader{
		decoder: d, rule: &Rule{Number: number, Line: n.Line}, what: "rule " + strconv.Itoa(number), at: n,
		places: map[string]*yaml.Node{}, texts: map[string]*string{},
	}
	known := map[string]setter{
		"shamir_threshold":   d.number(&r.rule.Threshold, r.what+": shamir_threshold"),
		"mac_only_encrypted": d.flag(&r.rule.MACOnlyEncrypted, r.what+": mac_only_encrypted"),
		"key_groups":         r.keyGroups,
		"rotate_after":       r.rotateAfter("rotate_after"),
		"rotateAfter":        r.rotateAfter("rotateAfter"),
	}
	for _, key := range []string{"path_regex", "aws_profile"} {
		known[key] = r.remember(key)
	}
	for _, s := range selectors {
		known[s.key] = r.remember(s.key)
	}
	keys := make(map[string][]Key)
	for _, f := range flatFields {
		known[f.key] = r.flatKeys(f, keys)
	}
	if err := d.object(n, r.what, known); err != nil {
		return nil, err
	}
	// The order is that in which sops lists the keys of a file.
	for _, f := range flatFields {
		r.flat = append(r.flat, keys[f.key]...)
	}
	if err := r.finish(); err != nil {
		return nil, err
	}
	return r.rule, nil
}

// remember stores the text of a key, and where it stands.
func (r *ruleReader) remember(key string) setter {
	return func(n *yaml.Node) error {
		r.texts[key], r.places[key] = new(string), n
		return r.text(r.texts[key], r.what+": "+key)(n)
	}
}

func (r *ruleReader) get(key string) string {
	if s := r.texts[key]; s != nil {
		return *s
	}
	return ""
}

// finish checks the rule as a whole.
func (r *ruleReader) finish() error {
	if err := r.patterns(); err != nil {
		return err
	}
	if err := r.keys(); err != nil {
		return err
	}
	return r.threshold()
}

func (r *ruleReader) patterns() (err error) {
	if p := r.get("path_regex"); p != "" {
		r.rule.PathRegex = p
		if r.rule.path, err = r.compile(r.places["path_regex"], r.what+": path_regex", p); err != nil {
			return err
		}
	}
	for _, s := range selectors {
		value := r.get(s.key)
		// To sops an empty selector is none.
		if value == "" {
			continue
		}
		if first := r.rule.Selector.Kind; first != "" {
			return r.fail(r.places[s.key], "%s: %s and %s cannot stand together", r.what, first, s.key)
		}
		r.rule.Selector = Selector{Kind: s.key, Pattern: value}
		if !s.pattern {
			continue
		}
		if _, err := r.compile(r.places[s.key], r.what+": "+s.key, value); err != nil {
			return err
		}
	}
	return nil
}

// keys settles the groups. sops ignores all other keys of a rule that has
// key_groups, so people who are named there could not read the files.
func (r *ruleReader) keys() error {
	profile := r.get("aws_profile")
	if len(r.rule.Groups) > 0 {
		if len(r.flat) > 0 {
			return r.fail(r.at, "%s: keys outside of key_groups would be ignored; list them in a group", r.what)
		}
		if profile != "" {
			return r.fail(r.places["aws_profile"], "%s: aws_profile outside of key_groups would be ignored; set it for each key", r.what)
		}
		return nil
	}
	for i := range r.flat {
		if r.flat[i].Type == "kms" && profile != "" {
			r.flat[i].set("aws_profile", profile)
		}
	}
	r.flat = deduplicate(r.flat)
	if len(r.flat) == 0 {
		return r.fail(r.at, "%s has no keys: nobody could open its files", r.what)
	}
	r.rule.Groups = [][]Key{r.flat}
	return nil
}

// threshold checks the number of groups it takes. sops lets a threshold pass that
// has no effect, and says nothing of it.
func (r *ruleReader) threshold() error {
	groups, n := len(r.rule.Groups), r.rule.Threshold
	switch {
	case groups > maxGroups:
		return r.fail(r.at, "%s: more than %d key groups", r.what, maxGroups)
	case n < 0 || n > groups:
		return r.fail(r.at, "%s: shamir_threshold is %d, but there are %d key groups", r.what, n, groups)
	case groups > 1 && n == 1:
		return r.fail(r.at, "%s: shamir_threshold must be at least 2; for any one key to suffice, put them into one group", r.what)
	case groups == 1:
		r.rule.Threshold = 0
	case n == 0:
		r.rule.Threshold = groups
	}
	return nil
}
