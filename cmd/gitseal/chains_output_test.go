//go:build unix

package main_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/keysources/age"
)

// chainFiles are files of the four structured formats with a secret, and the text
// that stands before it in the sealed file.
var chainFiles = []struct{ name, plain, before string }{
	{"a.yaml", "user: canary-chain-user\ndb:\n    password: canary-chain-secret\n", `    password: `},
	{"a.json", "{\"user\": \"canary-chain-user\", \"db\": {\"password\": \"canary-chain-secret\"}}\n", `"password": `},
	{"a.env", "USER=canary-chain-user\nPASSWORD=canary-chain-secret\n", `PASSWORD=`},
	{"a.ini", "user = canary-chain-user\n[db]\npassword = canary-chain-secret\n", `password = `},
}

// secretPath is the path of the secret in a file of chainFiles.
func secretPath(name string) string {
	if name == "a.env" {
		return "PASSWORD"
	}
	return "db.password"
}

// eachFile seals a file of each format, and changes it with and without its
// sops.seal entry.
func (h *house) eachFile(test func(h *house, name, sealed, before string)) {
	for _, f := range chainFiles {
		h.t.Run(f.name, func(t *testing.T) {
			h := h.in(t)
			h.rules([]age.Identity{h.alice})
			sealed := h.sealed(f.name, f.plain)
			for state, text := range states(t, sealed) {
				t.Run(state, func(t *testing.T) {
					h := *h
					h.t = t
					h.write(f.name, text)
					test(&h, f.name, text, f.before)
				})
			}
		})
	}
}

// openers are calls that open a file, and have to refuse it if it was changed.
func openers(name string) []errand {
	return []errand{
		{as: "alice", args: []string{"unseal", name}},
		{as: "alice", args: []string{"unseal", "-i", name}},
		{as: "alice", args: []string{"unseal", "-o", "out-" + name, name}},
		{as: "alice", args: []string{"exec", name, "--", "env"}},
		{as: "alice", args: []string{"get", name, secretPath(name)}},
		{as: "alice", args: []string{"set", name, secretPath(name)}, stdin: plantedMark + "set"},
		{as: "alice", args: []string{"unset", name, secretPath(name)}},
		{as: "alice", args: []string{"rotate", name}},
		{as: "alice", args: []string{"keys", "sync", name}},
		{as: "alice", args: []string{"import", name}},
	}
}

// onlookers are calls that do not open a file.
func onlookers(name string) []errand {
	return []errand{
		{args: []string{"inspect", name}}, {args: []string{"inspect", "--json", name}},
		{as: "alice", args: []string{"seal", name}},
		{as: "alice", args: []string{"keys", "list", name}},
		{as: "alice", args: []string{"who", name}},
	}
}

// noneShows runs all calls on a changed file: those that open it must refuse it as
// tampered with, and no output may show anything.
func (h *house) noneShows(name, content string) {
	h.t.Helper()
	for _, c := range openers(name) {
		h.refused(h.do(c), name, content, 5)
	}
	for _, c := range onlookers(name) {
		h.silent(h.do(c), content)
		if h.read(name) != content {
			h.t.Errorf("%q changed %s", c.args, name)
		}
	}
}

// changedTypes: a value that does not fit its type is not repeated.
func changedTypes(t *testing.T, h *house) {
	h.eachFile(func(h *house, name, sealed, before string) {
		for _, typ := range []string{"int", "float", "bool", "bytes", "time", "comment", "null", "x", ""} {
			h.write(name, sealed)
			pattern := regexp.QuoteMeta(before) + `("?ENC\[[^\]]*,type:)str\]`
			h.write(name, replaced(h.t, sealed, pattern, before+"${1}"+typ+"]"))
			for _, c := range openers(name)[:1] {
				h.refused(h.do(c), name, h.read(name), 5)
			}
		}
		h.noneShows(name, replacedType(h, name, sealed, before))
		h.seesLeaks(name, sealed)
	})
}

func replacedType(h *house, name, sealed, before string) string {
	changed := replaced(h.t, sealed, regexp.QuoteMeta(before)+`("?ENC\[[^\]]*,type:)str\]`, before+"${1}int]")
	h.write(name, changed)
	return changed
}

// seesLeaks is the control: of the file as it was sealed, the same checks see the
// value on standard output and in the environment of a command.
func (h *house) seesLeaks(name, sealed string) {
	h.t.Helper()
	h.write(name, sealed)
	for _, args := range [][]string{{"unseal", name}, {"get", name, secretPath(name)}} {
		r := h.run(args...)
		if r.code != 0 || shows(r.output()) == "" {
			h.t.Errorf("control: %q: exit code %d, and nothing is seen in its output", args, r.code)
		}
	}
}

// noHashes: no error holds a hash of values, which a short value can be found from.
func noHashes(t *testing.T, h *house) {
	h.eachFile(func(h *house, name, sealed, before string) {
		gone := `(?m)^` + regexp.QuoteMeta(before) + `.*\n`
		if name == "a.json" {
			gone = `"user": "[^"]*", `
		}
		changes := map[string]string{
			"a value is gone": replaced(h.t, sealed, gone, ""),
			"another MAC":     replaced(h.t, sealed, `(mac"?(?: = |: ?|=)"?ENC\[AES256_GCM,data:)....`, "${1}AAAA"),
			"another time":    replaced(h.t, sealed, `20\d\d-(\d\d-\d\dT)`, "2019-$1"),
		}
		for _, what := range slices.Sorted(maps.Keys(changes)) {
			h.t.Run(what, func(t *testing.T) {
				h := *h
				h.t = t
				h.write(name, changes[what])
				h.noneShows(name, changes[what])
			})
		}
	})
	// The control: a hash that were printed would be seen.
	for _, hash := range []string{macOf([]string{"4711"}), strings.ToLower(macOf([]string{"4711"})), "0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33e1a6b4c2", "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg="} {
		if shows(fmt.Sprintf("gitseal: error: file has %s, computed another", hash)) == "" {
			t.Errorf("control: %s is not seen", hash)
		}
	}
}

// plainAmongSealed: a value that was left or put in plain where the selector wants a
// sealed one is refused, and not repeated.
func plainAmongSealed(t *testing.T, h *house) {
	h.eachFile(func(h *house, name, sealed, before string) {
		const plain = canaryMark + "chain-plain"
		for _, with := range []string{plain, "ENC[" + plain + "]", "ENC[AES256_GCM,data:" + plain + ",iv:x,tag:x,type:str]", plain + " ENC[AES256_GCM"} {
			quoted := with
			if name == "a.yaml" || name == "a.json" {
				quoted = `"` + with + `"`
			}
			changed := replaced(h.t, sealed, regexp.QuoteMeta(before)+`"?ENC\[[^\]]*\]"?`, before+quoted)
			h.write(name, changed)
			h.noneShows(name, changed)
		}
		h.seesLeaks(name, sealed)
	})
}

// blankedValues: a key that stands twice means something else to each reader of the
// file; of a Kubernetes Secret, stringData wins over data.
func blankedValues(t *testing.T, h *house) {
	const k8s = "apiVersion: v1\nkind: Secret\nmetadata:\n    name: db\ndata:\n    password: Y2FuYXJ5LWNoYWluLXNlY3JldA==\n"
	for _, b := range []blanking{
		{"dotenv", "a.env", "DB_PASSWORD=canary-chain-secret\n", `\z`, "DB_PASSWORD=\n", ""},
		{"dotenv, before", "a.env", "DB_PASSWORD=canary-chain-secret\n", `\A`, "DB_PASSWORD=\n", ""},
		{"dotenv, exported", "a.env", "DB_PASSWORD=canary-chain-secret\n", `\z`, "export DB_PASSWORD=\n", "export DB_PASSWORD"},
		{"JSON", "a.json", `{"password": "canary-chain-secret"}`, `\{"password"`, `{"password": "", "password"`, ""},
		{"JSON, behind", "a.json", `{"password": "canary-chain-secret"}`, `("version": ?"[^"]*"\})\}`, `$1, "password": ""}`, ""},
		{"JSON, escaped", "a.json", `{"password": "canary-chain-secret"}`, `\{"password"`, `{"pass\u0077ord": "", "password"`, ""},
		{"YAML", "a.yaml", "password: canary-chain-secret\n", `\Apassword`, "password: \"\"\npassword", ""},
		{"YAML, escaped", "a.yaml", "password: canary-chain-secret\n", `\Apassword`, "\"pass\\x77ord\": \"\"\npassword", ""},
		{"YAML, null", "a.yaml", "password: canary-chain-secret\n", `\Apassword`, "password: ~\npassword", ""},
		{"INI, second section", "a.ini", "[db]\npassword = canary-chain-secret\n", `\[sops\]`, "[db]\npassword =\n\n[sops]", ""},
		{"INI, second key", "a.ini", "[db]\npassword = canary-chain-secret\n", `\[db\]\n`, "[db]\npassword =\n", ""},
		{"Kubernetes, data", "k.yaml", k8s, `(?m)^data:\n`, "data:\n    password: \"\"\n", ""},
		{"Kubernetes, stringData", "k.yaml", k8s, `(?m)^data:`, "stringData:\n    password: \"\"\ndata:", "stringData.password"},
		{"Kubernetes, stringData null", "k.yaml", k8s, `(?m)^data:`, "stringData:\n    password:\ndata:", "stringData.password"},
		{"Kubernetes, second document", "k.yaml", k8s, `\z`, "---\napiVersion: v1\nkind: Secret\nmetadata:\n    name: db\ndata: {}\n", ""},
	} {
		t.Run(b.name, func(t *testing.T) {
			h := h.in(t)
			h.rules([]age.Identity{h.alice})
			for state, text := range states(t, h.sealed(b.file, b.plain)) {
				t.Run(state, func(t *testing.T) {
					h := *h
					h.t = t
					b.play(&h, text, state == withoutSeal)
				})
			}
		})
	}
}

// blanking is a change of a sealed file: where pattern matches, with is put.
type blanking struct {
	name, file, plain, pattern, with string
	// warns is the path of a new empty value, to which sops's format has nothing that
	// vouches for it: without sops.seal, it is warned of, and refused where integrity
	// is required.
	warns string
}

func (b blanking) play(h *house, sealed string, plainSops bool) {
	h.t.Helper()
	h.write(b.file, sealed)
	h.must("unseal", b.file) // the control: without the change, it opens
	changed := replaced(h.t, sealed, b.pattern, b.with)
	for _, args := range [][]string{{"unseal"}, {"unseal", "-i"}, {"rotate"}, {"unseal", "--require-integrity"}} {
		h.write(b.file, changed)
		r := h.run(append(args, b.file)...)
		if b.warns == "" || !plainSops || len(args) > 1 && args[1] == "--require-integrity" {
			h.refused(r, b.file, changed, 5)
			continue
		}
		if !strings.Contains(r.stderr, "warning: "+b.file+": ") || !strings.Contains(r.stderr, b.warns) {
			h.t.Errorf("%q does not warn of %s:\n%s", r.args, b.warns, r.stderr)
		}
	}
}
