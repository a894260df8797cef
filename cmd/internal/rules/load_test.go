package rules_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gitseal/gitseal/cmd/internal/rules"
)

// full uses every key that a rule can have.
const full = `# who may read what
keys:
  - &alice age1alice
  - &bob age1bob
x-defaults: &defaults
  mac_only_encrypted: true
  encrypted_regex: ^(data|stringData)$
creation_rules:
  - path_regex: ^first/
    age: age1one, age1two,age1one,
    pgp: >-
      AAAA BBBB,
      CCCC
    kms:
      - arn:aws:kms:x:1:key/a+arn:aws:iam::1:role/r
      - arn:aws:kms:x:1:key/b,arn:aws:kms:x:1:key/c
    aws_profile: prod
    gcp_kms: projects/p
    hckms: ["region:uuid"]
    azure_keyvault: https://v.example/keys/n/1
    hc_vault_transit_uri: https://vault.example/v1/transit/keys/k
    unencrypted_suffix: _plain
  - path_regex: ^second/
    shamir_threshold: 2
    encrypted_suffix: _secret
    key_groups:
      - merge:
          - age: [*bob]
          - pgp: [DDDD]
            merge: [{age: [*alice]}]
        age: [*alice, *bob, "age1x, age1y"]
        kms:
          - arn: arn:a
            role: arn:r
            aws_profile: dev
            context: {env: prod, team: null}
          - arn: arn:a
            role: arn:r
            aws_profile: dev
            context: {team: "", env: prod}
          - arn: arn:a
        gcp_kms: [{resource_id: p}]
        hckms: [{key_id: "r:k"}]
        azure_keyvault: [{vaultUrl: https://v, key: n, version: 12}, {vaultUrl: https://v, key: m}]
        hc_vault: [https://vault/v1/t/keys/k]
      - age: [*bob]
      - pgp: [EEEE]
  - <<: *defaults
    age: [*alice, *bob, *alice]
destination_rules:
  - s3_bucket: b
    anything: goes
stores:
  yaml: {indent: 2}
gitseal:
  formats:
    - {path_regex: '\.tfvars$', format: ini}
    - {path_regex: '^first/', format: binary}
  integrity: required
  reuse: none
`

func keys(kind string, values ...string) []rules.Key {
	var out []rules.Key
	for _, v := range values {
		out = append(out, rules.Key{Type: kind, Value: v})
	}
	return out
}

// fullGroups are the keys of the first two rules of full.
func fullGroups() (first, second []rules.Key) {
	profile := map[string]string{"aws_profile": "prod"}
	first = append(keys("age", "age1one", "age1two"), keys("pgp", "AAAABBBB", "CCCC")...)
	first = append(first,
		rules.Key{Type: "kms", Value: "arn:aws:kms:x:1:key/a", Fields: map[string]string{"role": "arn:aws:iam::1:role/r", "aws_profile": "prod"}},
		rules.Key{Type: "kms", Value: "arn:aws:kms:x:1:key/b", Fields: profile},
		rules.Key{Type: "kms", Value: "arn:aws:kms:x:1:key/c", Fields: profile},
		rules.Key{Type: "gcp_kms", Value: "projects/p"},
		rules.Key{Type: "hckms", Value: "region:uuid"},
		rules.Key{Type: "azure_keyvault", Value: "https://v.example/keys/n/1"},
		rules.Key{Type: "hc_vault", Value: "https://vault.example/v1/transit/keys/k"})
	second = append(keys("age", "age1bob", "age1alice"), keys("pgp", "DDDD")...)
	second = append(second, keys("age", "age1x", "age1y")...)
	second = append(second,
		rules.Key{
			Type: "kms", Value: "arn:a",
			Fields:  map[string]string{"role": "arn:r", "aws_profile": "dev"},
			Context: map[string]string{"env": "prod", "team": ""},
		},
		rules.Key{Type: "kms", Value: "arn:a"},
		rules.Key{Type: "gcp_kms", Value: "p"},
		rules.Key{Type: "hckms", Value: "r:k"},
		rules.Key{Type: "azure_keyvault", Value: "https://v/keys/n/12"},
		rules.Key{Type: "azure_keyvault", Value: "https://v/keys/m"},
		rules.Key{Type: "hc_vault", Value: "https://vault/v1/t/keys/k"})
	return first, second
}

func TestParseReadsWhatSopsReads(t *testing.T) {
	c, err := rules.Parse(".sops.yaml", []byte(full))
	if err != nil {
		t.Fatal(err)
	}
	first, group := fullGroups()
	want := &rules.Config{
		Path: ".sops.yaml", RequireMAC: true, NoReuse: true,
		Rules: []rules.Rule{
			{
				Number: 1, Line: 9, PathRegex: "^first/", Groups: [][]rules.Key{first},
				Selector: rules.Selector{Kind: "unencrypted_suffix", Pattern: "_plain"},
			},
			{
				Number: 2, Line: 23, PathRegex: "^second/", Threshold: 2,
				Groups:   [][]rules.Key{group, keys("age", "age1bob"), keys("pgp", "EEEE")},
				Selector: rules.Selector{Kind: "encrypted_suffix", Pattern: "_secret"},
			},
			{
				Number: 3, Line: 48, Groups: [][]rules.Key{keys("age", "age1alice", "age1bob")}, MACOnlyEncrypted: true,
				Selector: rules.Selector{Kind: "encrypted_regex", Pattern: "^(data|stringData)$"},
			},
		},
	}
	if diff := cmp.Diff(want, c, cmpopts.IgnoreUnexported(rules.Config{}, rules.Rule{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParseAccepts(t *testing.T) {
	for name, src := range map[string]string{
		"nothing":               "",
		"only a comment":        "# nothing\n",
		"null":                  "~\n",
		"end of document":       "creation_rules: []\n...\n",
		"null rules":            "creation_rules:\n",
		"anchors under a dot":   ".anchors: {a: &a age1a}\ncreation_rules: [{age: *a}]",
		"empty selector":        "creation_rules: [{age: a, encrypted_regex: '', unencrypted_suffix: _x}]",
		"boolean of YAML 1.1":   "creation_rules: [{age: a, mac_only_encrypted: yes}]",
		"threshold of one":      "creation_rules: [{age: a, shamir_threshold: 1}]",
		"byte order mark":       "\ufeffcreation_rules: [{age: a}]",
		"merge of several maps": "x-a: &a {age: a}\nx-b: &b {pgp: b}\ncreation_rules: [{<<: [*a, *b], age: c}]",
		"CRLF":                  "creation_rules:\r\n  - age: a\r\n",
	} {
		if _, err := rules.Parse("c", []byte(src)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// inRule makes a configuration of which it is the second rule.
func inRule(s string) string {
	return "creation_rules:\n- age: a\n- " + strings.ReplaceAll(s, "\n", "\n  ")
}

var refusals = []struct{ name, src, want string }{
	{"typo in a rule", inRule("age: a\npath_regexp: x"), `c:4: unknown key "path_regexp" in rule 2; did you mean "path_regex"?`},
	{"typo in a selector", inRule("age: a\nencryptd_regex: x"), `c:4: unknown key "encryptd_regex" in rule 2; did you mean "encrypted_regex"?`},
	{"capital", inRule("Age: a"), `c:3: unknown key "Age" in rule 2; did you mean "age"?`},
	{"wish", inRule("age: a\ninput_type: yaml"), `c:4: unknown key "input_type" in rule 2; formats are chosen by gitseal.formats`},
	{"nothing near", inRule("age: a\nxyzzy: 1"), `c:4: unknown key "xyzzy" in rule 2`},
	{"typo at the top", "creation_rule: []", `c:1: unknown key "creation_rule" in the configuration; did you mean "creation_rules"?`},
	{"unknown at the top", "\nteam: []", `c:2: unknown key "team" in the configuration; lists of anchors may stand under "keys" or a name that begins with "x-"`},
	{"typo in a group", inRule("key_groups:\n- age: [a]\n- agee: [a]"), `c:5: unknown key "agee" in rule 2: key group 2; did you mean "age"?`},
	{"typo in kms", inRule("key_groups:\n- kms: [{arm: x}]"), `c:4: unknown key "arm" in rule 2: key group 1: kms; did you mean "arn"?`},
	{"typo of ours", "gitseal: {integrety: x}", `c:1: unknown key "integrety" in gitseal; did you mean "integrity"?`},
	{"bad choice", "gitseal: {integrity: must}", `c:1: gitseal.integrity must be one of: optional, required`},
	{"bad format", "gitseal:\n  formats: [{path_regex: x, format: toml}]", `c:2: format must be one of: yaml, json, dotenv, ini, binary`},
	{"half a format", "gitseal: {formats: [{format: ini}]}", `c:1: gitseal.formats 1: path_regex and format are both needed`},
	{"path pattern", inRule("age: a\npath_regex: (SECRET"), `c:4: rule 2: path_regex does not compile: missing closing )`},
	{"selector pattern", inRule("age: a\nencrypted_regex: '['"), `c:4: rule 2: encrypted_regex does not compile: missing closing ]`},
	{"comment pattern", inRule("age: a\nunencrypted_comment_regex: a**"), `c:4: rule 2: unencrypted_comment_regex does not compile: invalid nested repetition operator`},
	{"Perl pattern", inRule("age: a\npath_regex: (?!x)"), `c:4: rule 2: path_regex does not compile: invalid or unsupported Perl syntax`},
	{"format pattern", "gitseal: {formats: [{path_regex: (, format: ini}]}", `c:1: gitseal.formats 1: path_regex does not compile: missing closing )`},
	{"two selectors", inRule("age: a\nencrypted_regex: x\nunencrypted_suffix: y"), `c:4: rule 2: unencrypted_suffix and encrypted_regex cannot stand together`},
	{"no keys", inRule("path_regex: x"), `c:3: rule 2 has no keys: nobody could open its files`},
	{"empty keys", inRule("age: ' , '"), `c:3: rule 2 has no keys: nobody could open its files`},
	{"empty list", inRule("age: []"), `c:3: rule 2 has no keys: nobody could open its files`},
	{"empty item", inRule("age: [a, '']"), `c:3: rule 2: age: an item is empty`},
	{"number as key", inRule("pgp: 12345678"), `c:3: rule 2: pgp must be a string or a list of strings; numbers need quotes`},
	{"map as key", inRule("age: {a: b}"), `c:3: rule 2: age must be a string or a list of strings; numbers need quotes`},
	{"secret key", inRule("age: AGE-SECRET-KEY-1SECRET"), `c:3: rule 2: age holds a secret key where a recipient belongs`},
	{"spaces for commas", inRule("age: age1a age1b"), `c:3: rule 2: age: recipients must be separated by commas`},
	{"string for a list", inRule("hckms: a"), `c:3: rule 2: hckms must be a list`},
	{"empty group", inRule("key_groups:\n- age: [a]\n- age: []"), `c:5: rule 2: key group 2 has no keys: its share would be lost`},
	{"groups and keys", inRule("age: a\nkey_groups: [{age: [b]}]"), `c:3: rule 2: keys outside of key_groups would be ignored; list them in a group`},
	{"groups and profile", inRule("aws_profile: a\nkey_groups: [{age: [b]}]"), `c:3: rule 2: aws_profile outside of key_groups would be ignored; set it for each key`},
	{"high threshold", inRule("shamir_threshold: 3\nkey_groups: [{age: [a]}, {age: [b]}]"), `c:3: rule 2: shamir_threshold is 3, but there are 2 key groups`},
	{"threshold of no effect", inRule("shamir_threshold: 2\nage: a,b"), `c:3: rule 2: shamir_threshold is 2, but there are 1 key groups`},
	{"negative threshold", inRule("shamir_threshold: -1\nage: a"), `c:3: rule 2: shamir_threshold is -1, but there are 1 key groups`},
	{"low threshold", inRule("shamir_threshold: 1\nkey_groups: [{age: [a]}, {age: [b]}]"), `c:3: rule 2: shamir_threshold must be at least 2; for any one key to suffice, put them into one group`},
	{"threshold as text", inRule("shamir_threshold: two\nage: a"), `c:3: rule 2: shamir_threshold must be a whole number`},
	{"flag as text", inRule("mac_only_encrypted: maybe\nage: a"), `c:3: rule 2: mac_only_encrypted must be true or false`},
	{"rules as a map", "creation_rules: {age: a}", `c:1: creation_rules must be a list`},
	{"rule as text", "creation_rules: [SECRET]", `c:1: rule 1 must be a map`},
	{"list at the top", "- SECRET", `c:1: the configuration must be a map`},
	{"twice", inRule("age: a\nage: b"), `c:4: the key "age" stands twice in one map`},
	{"twice where ignored", "stores:\n  a: 1\n  a: 2", `c:3: the key "a" stands twice in one map`},
	{"twice by alias", "x-k: &k age\ncreation_rules:\n- *k : a\n  age: b", `c:4: the key "age" stands twice in one map`},
	{"number as name", inRule("1: a"), `c:3: a key of rule 2 is not a string`},
	{"two documents", "creation_rules: []\n---\na: b", `c:2: more than one YAML document`},
	{"syntax", "a: [\n", `c:1: not valid YAML: did not find expected node content`},
	{"anchor in itself", "creation_rules:\n- &a\n  <<: *a\n  age: b", `c:3: maps are merged too deeply`},
	{"group in itself", "creation_rules:\n- key_groups:\n  - &g\n    merge: [*g]", `c:4: rule 1: key group 1: groups are merged too deeply`},
	{"empty document with a key", "x", `c:1: the configuration must be a map`},
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range refusals {
		t.Run(tt.name, func(t *testing.T) {
			c, err := rules.Parse("c", []byte(tt.src))
			var e *rules.ConfigError
			if c != nil || !errors.As(err, &e) {
				t.Fatalf("got %+v, %v, want a ConfigError", c, err)
			}
			if e.Error() != tt.want {
				t.Errorf("got  %s\nwant %s", e, tt.want)
			}
			if strings.Contains(e.Error(), "SECRET") {
				t.Error("the error repeats the input")
			}
		})
	}
}

// Aliases of aliases multiply: 10^9 keys in a few hundred bytes.
func TestParseBoundsAliases(t *testing.T) {
	var b strings.Builder
	b.WriteString("x-0: &a0 {age: [a,b,c,d,e,f,g,h,i,j]}\n")
	for i := range 9 {
		ref := strings.TrimSuffix(strings.Repeat("*a"+string(rune('0'+i))+", ", 10), ", ")
		b.WriteString("x-" + string(rune('1'+i)) + ": &a" + string(rune('1'+i)) + " {merge: [" + ref + "]}\n")
	}
	b.WriteString("creation_rules: [{key_groups: [*a9]}]\n")
	_, err := rules.Parse("c", []byte(b.String()))
	if err == nil || !strings.Contains(err.Error(), "too much is repeated by aliases") {
		t.Errorf("got %v", err)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "any-name")
	if _, err := rules.Load(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: got %v", err)
	}
	for size, ok := range map[int]bool{rules.MaxSize: true, rules.MaxSize + 1: false} {
		src := "creation_rules: [{age: a}]\n#"
		if err := os.WriteFile(path, []byte(src+strings.Repeat("x", size-len(src))), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := rules.Load(path)
		var e *rules.ConfigError
		if ok && (err != nil || len(c.Rules) != 1) || !ok && !errors.As(err, &e) {
			t.Errorf("%d bytes: got %+v, %v", size, c, err)
		}
	}
}

func TestConflictMarkersAreNamed(t *testing.T) {
	for src, line := range map[string]int{
		"creation_rules:\n<<<<<<< ours\n  - age: a\n=======\n  - age: b\n>>>>>>> theirs\n": 2,
		"<<<<<<< ours\r\na: 1\r\n=======\r\n>>>>>>> theirs\r\n":                            1,
	} {
		_, err := rules.Parse("c", []byte(src))
		var e *rules.ConfigError
		if !errors.As(err, &e) || e.Line != line || !strings.Contains(e.Msg, "finish the merge of this file first") {
			t.Errorf("%q: got %v", src, err)
		}
	}
	if _, err := rules.Parse("c", []byte("# <<<<<<< ours\ncreation_rules: [{age: a}]\n# >>>>>>> theirs\n")); err != nil {
		t.Errorf("in comments: got %v", err)
	}
}

// Every configuration of the corpus that people have written must be readable.
func TestCorpus(t *testing.T) {
	corpus := os.Getenv("GITSEAL_CORPUS")
	if corpus == "" {
		t.Skip("GITSEAL_CORPUS is not set")
	}
	err := filepath.WalkDir(corpus, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.Name() != ".sops.yaml" {
			return err
		}
		if _, err := rules.Load(path); err != nil {
			t.Error(err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(full))
	f.Add([]byte("creation_rules:\n- &a\n  <<: [*a, {age: b}]\n"))
	f.Add([]byte("gitseal: {formats: [{path_regex: x, format: ini}]}\n---\n"))
	f.Add([]byte("creation_rules: [{shamir_threshold: 2, key_groups: [{age: [a]}, {kms: [{arn: x, context: {a: b}}]}]}]"))
	f.Fuzz(func(t *testing.T, src []byte) {
		c, err := rules.Parse("c", src)
		if err != nil {
			var e *rules.ConfigError
			if c != nil || !errors.As(err, &e) {
				t.Fatalf("got %v and %v", c, err)
			}
			return
		}
		for _, r := range c.Rules {
			if len(r.Groups) == 0 || len(r.Groups) == 1 && r.Threshold != 0 || len(r.Groups) > 1 && (r.Threshold < 2 || r.Threshold > len(r.Groups)) {
				t.Fatalf("rule %d: %d groups, threshold %d", r.Number, len(r.Groups), r.Threshold)
			}
			for _, g := range r.Groups {
				if len(g) == 0 || g[0].Type == "" || g[0].Value == "" {
					t.Fatalf("rule %d has an empty group or key", r.Number)
				}
			}
		}
	})
}
