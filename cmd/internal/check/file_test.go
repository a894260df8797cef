package check_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/check"
	"github.com/gitseal/gitseal/cmd/internal/rules"
	"github.com/gitseal/gitseal/formats/all"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
)

// world is a repository's rules and the people in it.
type world struct {
	t          testing.TB
	alice, bob age.Identity
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t}
	for _, id := range []*age.Identity{&w.alice, &w.bob} {
		var err error
		if *id, err = age.Generate(false); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

const top = "/nowhere/repo"

// expect returns what rules say about a file; ALICE and BOB stand for their recipients.
func (w *world) expect(config, file string) check.Expected {
	w.t.Helper()
	if config == "" {
		return check.Expected{}
	}
	config = strings.NewReplacer("ALICE", w.alice.Recipient().String(), "BOB", w.bob.Recipient().String()).Replace(config)
	c, err := rules.Parse(filepath.Join(top, check.ConfigName), []byte(config))
	if err != nil {
		w.t.Fatal(err)
	}
	return check.Expect(c, check.ConfigName, filepath.Join(top, file))
}

// seal seals for Alice.
func (w *world) seal(name, plain string, o cipher.SealOptions) string {
	w.t.Helper()
	if o.Recipients == nil && o.Groups == nil {
		o.Recipients = []keysources.Recipient{w.alice.Recipient()}
	}
	s, err := cipher.Seal(w.t.Context(), all.ForFile(name), []byte(plain), o)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(s.Bytes)
}

// ids shows findings as "level id path".
func ids(list []check.Finding) []string {
	var out []string
	for _, f := range list {
		text := f.Level.String() + " " + f.ID
		if f.Path != "" {
			text += " " + f.Path
		}
		out = append(out, text)
	}
	slices.Sort(out)
	return out
}

const rule = "creation_rules:\n  - path_regex: ^s/\n    age: ALICE\n"

// TestEveryFormatIsChecked: in each format a good file has no findings, and each way to
// be wrong has its own.
func TestEveryFormatIsChecked(t *testing.T) {
	w := newWorld(t)
	for name, plain := range map[string]string{
		"s/a.yaml": "one: first\ntwo: second\n",
		"s/a.json": "{\"one\": \"first\", \"two\": \"second\"}\n",
		"s/a.env":  "one=first\ntwo=second\n",
		"s/a.ini":  "[x]\none = first\ntwo = second\n",
		"s/a.bin":  "any bytes at all\n",
	} {
		expected := w.expect(rule, name)
		file := func(src string) []string {
			return ids(check.File(check.Input{Name: name, Data: []byte(src), Expected: expected}))
		}
		sealed := w.seal(name, plain, cipher.SealOptions{})
		if got := file(sealed); got != nil {
			t.Errorf("%s, sealed: %v", name, got)
		}
		if diff := cmp.Diff([]string{"error not-sealed"}, file(plain)); diff != "" {
			t.Errorf("%s, plain: %s", name, diff)
		}
		byBob := w.seal(name, plain, cipher.SealOptions{Recipients: []keysources.Recipient{w.bob.Recipient()}})
		if diff := cmp.Diff([]string{"error readers-missing", "error readers-stale"}, file(byBob)); diff != "" {
			t.Errorf("%s, for another: %s", name, diff)
		}
		if name == "s/a.bin" {
			continue
		}
		at := strings.Index(sealed, "ENC[")
		end := at + strings.IndexByte(sealed[at:], ']') + 1
		key := "one"
		if name == "s/a.ini" {
			key = "x.one"
		}
		if diff := cmp.Diff([]string{"error plain-value " + key}, file(sealed[:at]+"first"+sealed[end:])); diff != "" {
			t.Errorf("%s, with a plain value: %s", name, diff)
		}
		if diff := cmp.Diff([]string{"error malformed " + key}, file(sealed[:at]+sealed[at:end-3]+"]"+sealed[end:])); diff != "" {
			t.Errorf("%s, with half a value: %s", name, diff)
		}
		marked := "<<<<<<< a\n" + sealed + "=======\n" + sealed + ">>>>>>> b\n"
		if diff := cmp.Diff([]string{"error conflict-markers"}, file(marked)); diff != "" {
			t.Errorf("%s, in conflict: %s", name, diff)
		}
		if diff := cmp.Diff([]string{"note empty-value " + key}, file(sealed[:at]+sealed[end:])); diff != "" && name != "s/a.yaml" {
			t.Errorf("%s, with an empty value: %s", name, diff)
		}
	}
}

func TestWhatRulesMean(t *testing.T) {
	w := newWorld(t)
	const plain = "one: first\n"
	for _, tt := range []struct {
		name, config, file, src string
		want                    []string
	}{
		{"no rules at all", "", "s/a.yaml", plain, nil},
		{"another folder", rule, "t/a.yaml", plain, nil},
		{"the first rule counts", "creation_rules:\n  - path_regex: ^s/a\n    age: ALICE\n    encrypted_regex: ^x$\n  - path_regex: ^s/\n    age: BOB\n", "s/a.yaml", plain, []string{"note nothing-to-seal"}},
		{"a rule for any name", "creation_rules:\n  - age: ALICE\n", "a.yaml", plain, []string{"error not-sealed"}},
		{"a rule for any name says nothing about other kinds", "creation_rules:\n  - age: ALICE\n", "a.go", plain, nil},
		{"but it does if they have a format", "creation_rules:\n  - age: ALICE\ngitseal:\n  formats:\n    - path_regex: conf$\n      format: ini\n", "a.conf", "[x]\na = b\n", []string{"error not-sealed"}},
		{"an empty file", rule, "s/.gitkeep", "", nil},
		{"nothing but comments", rule, "s/a.yaml", "# nothing yet\n", []string{"note nothing-to-seal"}},
		{"nothing but empty values", rule, "s/a.yaml", "a: ''\nb: null\nc: {}\n", []string{"note nothing-to-seal"}},
		{"a Deployment beside Secrets", "creation_rules:\n  - path_regex: yaml$\n    age: ALICE\n    encrypted_regex: ^(data|stringData)$\n", "a.yaml", "kind: Deployment\nspec: {replicas: 1}\n", []string{"note nothing-to-seal"}},
		{"not well-formed, and plain", rule, "s/a.yaml", "a: b: c\n", []string{"error not-sealed"}},
		{"the configuration itself", "creation_rules:\n  - age: ALICE\n", ".sops.yaml", "creation_rules:\n", nil},
		{"a configuration with another name", rule, ".sops.yml", "creation_rules:\n", []string{"error config"}},
		{"a name", "", "a.enc.yaml", plain, []string{"error name-suggests-sealed"}},
		{"a name with nothing in it", "", "a.enc.yaml", "# soon\n", nil},
		{"a name, sealed by another program", "", "a.sealed.yaml", "kind: SealedSecret\nspec: {encryptedData: {a: AgB}}\n", nil},
		{"an example of a name", "", "a.enc.yaml.example", plain, nil},
		{"let pass", rule + "gitseal:\n  check:\n    ignore:\n      - path_regex: ^s/a\n        id: not-sealed\n", "s/a.yaml", plain, nil},
		{"something else let pass", rule + "gitseal:\n  check:\n    ignore:\n      - path_regex: ^s/a\n        id: [secret, readers-stale]\n", "s/a.yaml", plain, []string{"error not-sealed"}},
	} {
		got := ids(check.File(check.Input{Name: tt.file, Data: []byte(tt.src), Expected: w.expect(tt.config, tt.file)}))
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

func TestSealedFilesAgainstTheirRule(t *testing.T) {
	w := newWorld(t)
	alice, bob := keysources.Recipient(w.alice.Recipient()), keysources.Recipient(w.bob.Recipient())
	selector, err := cipher.NewSelector(cipher.EncryptedRegex, "^one$")
	if err != nil {
		t.Fatal(err)
	}
	const plain = "one: first\ntwo: second\n"
	groups := [][]keysources.Recipient{{alice}, {bob}}
	for _, tt := range []struct {
		name, config string
		seal         cipher.SealOptions
		want         []string
	}{
		{"as it says", rule, cipher.SealOptions{}, nil},
		{"no rule for it", "creation_rules:\n  - path_regex: ^t/\n    age: ALICE\n", cipher.SealOptions{}, []string{"note no-rule"}},
		{"one reader too many", rule, cipher.SealOptions{Recipients: []keysources.Recipient{alice, bob}}, []string{"error readers-stale"}},
		{"one too few", "creation_rules:\n  - age: [ALICE, BOB]\n", cipher.SealOptions{}, []string{"error readers-missing"}},
		{"another selector", rule, cipher.SealOptions{Selector: selector}, []string{"error selector-differs"}},
		{"the rule's selector", rule + "    encrypted_regex: ^one$\n", cipher.SealOptions{Selector: selector}, nil},
		{"what the MAC covers", rule, cipher.SealOptions{MACOnlyEncrypted: true}, []string{"error mac-only-differs"}},
		{"groups", rule, cipher.SealOptions{Groups: groups}, []string{"error groups-differ"}},
		{"groups as it says", "creation_rules:\n  - key_groups: [{age: [ALICE]}, {age: [BOB]}]\n", cipher.SealOptions{Groups: groups}, nil},
		{"readers of groups", "creation_rules:\n  - key_groups: [{age: [ALICE, BOB]}, {age: [BOB]}]\n", cipher.SealOptions{Groups: groups}, []string{"error readers-missing"}},
		{"a threshold", "creation_rules:\n  - shamir_threshold: 2\n    key_groups: [{age: [ALICE]}, {age: [BOB]}, {age: [ALICE, BOB]}]\n",
			cipher.SealOptions{Groups: append(slices.Clone(groups), []keysources.Recipient{alice, bob}), Threshold: 3}, []string{"error groups-differ"}},
	} {
		src := w.seal("s/a.yaml", plain, tt.seal)
		got := ids(check.File(check.Input{Name: "s/a.yaml", Data: []byte(src), Expected: w.expect(tt.config, "s/a.yaml")}))
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

// TestMetadata is about what stands in the metadata block.
func TestMetadata(t *testing.T) {
	w := newWorld(t)
	sealed := w.seal("a.yaml", "one: first\n", cipher.SealOptions{})
	replace := func(old, new string) string {
		if strings.Count(sealed, old) != 1 {
			t.Fatalf("%q is not there once", old)
		}
		return strings.Replace(sealed, old, new, 1)
	}
	seal := sealed[strings.Index(sealed, "    seal:\n"):strings.Index(sealed, "    version:")]
	for _, tt := range []struct {
		name, src string
		want      []string
	}{
		{"our entry", sealed, nil},
		{"without it", replace(seal, ""), []string{"note no-mac"}},
		{"merged without a key", replace("    seal:\n", "    seal:\n        merged:\n            ours: "+strings.Repeat("a1", 20)+"\n            theirs: "+strings.Repeat("b2", 20)+"\n"), []string{"error half-merged"}},
		{"without a date", replace(sealed[strings.Index(sealed, "    lastmodified"):strings.Index(sealed, "    mac:")], ""), []string{"error malformed"}},
		{"a key twice", "one: 1\n" + sealed, []string{"error duplicate-key one"}},
		{"no metadata", sealed[:strings.Index(sealed, "sops:")], []string{"error malformed"}},
		{"broken", sealed[:len(sealed)-4] + "\n  - x", []string{"error malformed"}},
	} {
		if diff := cmp.Diff(tt.want, ids(check.File(check.Input{Name: "a.yaml", Data: []byte(tt.src)}))); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
	strict := w.expect(rule+"gitseal:\n  integrity: required\n", "s/a.yaml")
	got := ids(check.File(check.Input{Name: "s/a.yaml", Data: []byte(replace(seal, "")), Expected: strict}))
	if diff := cmp.Diff([]string{"error no-mac"}, got); diff != "" {
		t.Errorf("integrity: required: %s", diff)
	}
}

func TestPlaces(t *testing.T) {
	w := newWorld(t)
	src := "# äö\na:\n    b: x\n    password: Tr0ub4dor+3x\n"
	list := check.File(check.Input{Name: "a.yaml", Data: []byte(src), Expected: w.expect("", "a.yaml")})
	if len(list) != 1 || list[0].Line != 4 || list[0].Column != 15 || list[0].Path != "a.password" || list[0].Pattern != "secret-key" {
		t.Errorf("%+v", list)
	}
}

func TestLeftovers(t *testing.T) {
	for base, of := range map[string]string{
		".decrypted~db.yaml": "db.yaml", "db.yaml~": "db.yaml", "#db.yaml#": "db.yaml", ".#db.yaml": "db.yaml", ".db.yaml.swp": "db.yaml", ".db.yaml.un~": "db.yaml",
		"db.yaml.dec": "db.yaml", "db.dec.yaml": "db.yaml", "db.tmp.yaml": "db.yaml", "db.yaml.bak": "db.yaml", "db.yaml": "db.enc.yaml", "db.dec.json": "db.enc.json", "prod.env": "prod.env.enc",
	} {
		if !slices.Contains(check.Leftovers(base), of) {
			t.Errorf("%s: %v has no %s", base, check.Leftovers(base), of)
		}
		if slices.Contains(check.Leftovers(base), base) {
			t.Errorf("%s is its own leftover", base)
		}
	}
}

// TestNoValueInFindings: whatever is wrong, findings hold none of the values.
func TestNoValueInFindings(t *testing.T) {
	w := newWorld(t)
	const canary = "kanari3nV0gel"
	sealed := w.seal("s/a.yaml", "one: first\n", cipher.SealOptions{})
	for name, src := range map[string]string{
		"plain":       "password: " + canary + "\n",
		"exposed":     "two: " + canary + "\n" + sealed,
		"broken":      "password: " + canary + ": " + canary + "\n",
		"twice":       "a: " + canary + "\na: " + canary + "\n",
		"broken seal": sealed + "a: " + canary + ": b\n" + canary + "\n",
		"odd seal":    "two: ENC[AES256_GCM," + canary + "]\n" + sealed,
		"a Secret":    "kind: Secret\nstringData: {a: " + canary + "}\n",
		"an address":  "url: postgres://u:" + canary + "@h.io/x\n",
		"metadata":    strings.Replace(sealed, "lastmodified: ", "lastmodified: "+canary+" #", 1),
		"conflict":    "<<<<<<< " + canary + "\npassword: " + canary + "\n=======\n>>>>>>> x\n",
	} {
		list := check.File(check.Input{Name: "s/a.yaml", Data: []byte(src), Expected: w.expect(rule, "s/a.yaml")})
		if len(list) == 0 {
			t.Errorf("%s: nothing found", name)
		}
		text, err := json.Marshal(list)
		if err != nil || bytes.Contains(text, []byte(canary)) {
			t.Errorf("%s: %s, %v", name, text, err)
		}
	}
}

func TestKindsAreComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range check.Kinds() {
		if seen[k.ID] || k.About == "" {
			t.Errorf("%+v", k)
		}
		seen[k.ID] = true
	}
	for _, l := range []check.Level{check.Note, check.Warning, check.Error} {
		if got, ok := check.ParseLevel(fmt.Sprint(l)); !ok || got != l {
			t.Errorf("%v", l)
		}
	}
}

func FuzzFile(f *testing.F) {
	w := newWorld(f)
	for name, plain := range map[string]string{"s/a.yaml": "one: first\ntwo: {a: [1, b]}\n", "s/a.json": `{"one": "first"}`, "s/a.env": "ONE=first\n", "s/a.ini": "[x]\na = b\n", "s/a.bin": "x"} {
		f.Add(name, []byte(w.seal(name, plain, cipher.SealOptions{})))
		f.Add(name, []byte(plain))
	}
	f.Add(".sops.yaml", []byte("creation_rules:\n  - age: x\n"))
	f.Add(".sops.yaml", []byte("\r0"))
	f.Add("s/a.sh", []byte("\xff\xfeexport PASSWORD='aB3'\n"))
	f.Add("s/x.enc.yaml", []byte("<<<<<<< a\n=======\n>>>>>>> b\nsops: ENC[AES256_GCM,"))
	config := w.expect(rule, "s/a.yaml").Config
	f.Fuzz(func(t *testing.T, name string, src []byte) {
		lines := bytes.Count(src, []byte("\n")) + bytes.Count(src, []byte("\r")) + 1 // YAML's lines end with either
		for _, found := range check.File(check.Input{Name: name, Data: src, Expected: check.Expect(config, ".sops.yaml", filepath.Join(top, name))}) {
			if found.ID == "" || found.Message == "" || found.Line < 0 || found.Line > lines || found.Line == 0 && found.Column > 0 {
				t.Fatalf("%+v in %d lines", found, lines)
			}
		}
	})
}
