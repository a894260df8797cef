package check_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/check"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
	"github.com/gitseal/gitseal/formats/merge"
	"github.com/gitseal/gitseal/keysources"
)

// twins are a file that has a finding, and one much like it that has not.
type twins struct {
	name, config string
	bad, good    string
}

// TestEachKindAndItsTwin: each kind of finding is found, and not where nothing is wrong.
func TestEachKindAndItsTwin(t *testing.T) {
	w := newWorld(t)
	table := w.twins()
	elsewhere := []string{check.IDTampered, check.IDCannotOpen, check.IDLeftover} // TestKindsOfRuns
	history := []string{check.IDLeaked, check.IDAncestor}                         // checkhistory.txtar of gitseal
	changes := []string{check.IDUnsealed}                                         // check_unsealed.txtar
	for _, k := range check.Kinds() {
		tw, ok := table[k.ID]
		if !ok {
			if !slices.Contains(slices.Concat(elsewhere, changes), k.ID) && !slices.Contains(history, k.ID) {
				t.Errorf("%s has no test", k.ID)
			}
			continue
		}
		for src, want := range map[string]bool{tw.bad: true, tw.good: false} {
			list := check.File(check.Input{Name: tw.name, Data: []byte(src), Expected: w.expect(tw.config, tw.name)})
			if got := slices.ContainsFunc(list, func(f check.Finding) bool { return f.ID == k.ID }); got != want {
				t.Errorf("%s: found %v, want %v: %v", k.ID, got, want, ids(list))
			}
		}
	}
}

func (w *world) twins() map[string]twins {
	const plain = "one: first\ntwo: second\n"
	const any = "creation_rules:\n  - age: ALICE\n"
	alice, bob := keysources.Recipient(w.alice.Recipient()), keysources.Recipient(w.bob.Recipient())
	sealed := w.seal("a.yaml", plain, cipher.SealOptions{})
	both := w.seal("a.yaml", plain, cipher.SealOptions{Recipients: []keysources.Recipient{alice, bob}})
	groups := w.seal("a.yaml", plain, cipher.SealOptions{Groups: [][]keysources.Recipient{{alice}, {bob}}})
	one, err := cipher.NewSelector(cipher.EncryptedRegex, "^one$")
	if err != nil {
		w.t.Fatal(err)
	}
	part := w.seal("a.yaml", plain, cipher.SealOptions{Selector: one})
	value := sealed[strings.Index(sealed, "ENC["):strings.Index(sealed, "\ntwo")]
	body := strings.Repeat("0Aa1Bb2Cc3Dd4Ee5Ff6Gg7Hh8Ii9JjKkLlMm\n", 3)
	pem := "-----BEGIN " + "ENCRYPTED PRIVATE KEY-----\n" + body + "-----END ENCRYPTED PRIVATE KEY-----\n"
	object := w.seal("a.yaml", "apiVersion: gitseal.dev/v1alpha1\nkind: SealedManifest\nmetadata:\n  name: db\n  namespace: shop\nstringData:\n  a: first\n", cipher.SealOptions{Context: "k8s:shop/db", MACOnlyEncrypted: true})
	return map[string]twins{
		check.IDManifest:      {"a.yaml", any, strings.Replace(object, "  name: db", "  generateName: db-", 1), object},
		check.IDContext:       {"a.yaml", any, strings.Replace(object, "  name: db", "  name: other", 1), object},
		check.IDNotSealed:     {"a.yaml", any, plain, sealed},
		check.IDName:          {"a.enc.yaml", "", plain, sealed},
		check.IDPlainValue:    {"a.yaml", any, strings.Replace(sealed, value, "first", 1), sealed},
		check.IDMalformed:     {"a.yaml", any, strings.Replace(part, "two: second", "two: "+value, 1), part},
		check.IDEmptyValue:    {"a.yaml", any, strings.Replace(sealed, value, `""`, 1), sealed},
		check.IDNothing:       {"a.yaml", any + "    encrypted_regex: ^x$\n", plain, "x: first\n"},
		check.IDMissing:       {"a.yaml", "creation_rules:\n  - age: [ALICE, BOB]\n", sealed, both},
		check.IDStale:         {"a.yaml", any, both, sealed},
		check.IDGroups:        {"a.yaml", any, groups, sealed},
		check.IDSelector:      {"a.yaml", any, part, sealed},
		check.IDMACOnly:       {"a.yaml", any, w.seal("a.yaml", plain, cipher.SealOptions{MACOnlyEncrypted: true}), sealed},
		check.IDNoRule:        {"a.yaml", "creation_rules:\n  - path_regex: ^s/\n    age: ALICE\n", sealed, plain},
		check.IDNoMAC:         {"a.yaml", any, sealed[:strings.Index(sealed, "    seal:\n")] + sealed[strings.Index(sealed, "    version:"):], sealed},
		check.IDDuplicate:     {"a.yaml", any, "one: 1\n" + sealed, sealed},
		check.IDHalfMerged:    {"a.yaml", any, w.halfMerged(sealed), sealed},
		check.IDConflict:      {"a.yaml", any, "<<<<<<< a\n" + sealed + "=======\n" + sealed + ">>>>>>> b\n", sealed},
		check.IDProposals:     {"a.yaml", any, w.proposed(sealed), sealed},
		check.IDConfig:        {".sops.yaml", "", "creation_rule: []\n", "creation_rules: []\n"},
		check.IDSecret:        {"a.sh", "", "export PASSWORD=aB3x" + "K9q1vvQ\n", "export PASSWORD=$PASSWORD\n"},
		check.IDPrivateLocked: {"a.pem", "", pem, strings.ReplaceAll(pem, "PRIVATE KEY", "CERTIFICATE")},
		check.IDNotScanned:    {"a.sql", "", strings.Repeat("insert\n", check.MaxScanned/7+1), strings.Repeat("insert\n", check.MaxScanned/7)},
	}
}

// halfMerged is what is left of a merge without a key: each side has set another value.
func (w *world) halfMerged(base string) string {
	w.t.Helper()
	values := map[int]string{}
	for i := range 2 {
		other := w.seal("a.yaml", "one: 1st\ntwo: 2nd\n", cipher.SealOptions{Previous: w.open(base)})
		line := strings.Split(other, "\n")[i]
		values[i] = strings.Replace(base, strings.Split(base, "\n")[i], line, 1)
	}
	id := strings.Repeat("a1", 20)
	m, err := cipher.MergeSealed(all.ForFile("a.yaml"), merge.Versions{Base: []byte(base), Ours: []byte(values[0]), Theirs: []byte(values[1])}, cipher.MergeRecord{Base: id, Ours: id[2:] + "b2", Theirs: id[2:] + "c3"})
	if err != nil || !m.HalfMerged {
		w.t.Fatal(err, m)
	}
	return string(m.Ours)
}

func (w *world) open(src string) *cipher.Opened {
	w.t.Helper()
	o, err := cipher.Open(w.t.Context(), all.ForFile("a.yaml"), []byte(src), cipher.OpenOptions{Identities: []keysources.Identity{w.alice}})
	if err != nil {
		w.t.Fatal(err)
	}
	return o
}

func (w *world) proposed(src string) string {
	w.t.Helper()
	out, err := cipher.Propose(w.t.Context(), all.ForFile("a.yaml"), []byte(src), cipher.ProposeOptions{
		Path: formats.Root(0).At("one"), Content: []byte("x"), Recipients: []keysources.Recipient{w.alice.Recipient()},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return string(out)
}

// TestKindsOfRuns are those that need more than one file's content.
func TestKindsOfRuns(t *testing.T) {
	w := newWorld(t)
	sealed := w.seal("a.yaml", "one: first\nhost_unencrypted: db\n", cipher.SealOptions{})
	byBob := w.seal("a.yaml", "one: first\n", cipher.SealOptions{Recipients: []keysources.Recipient{w.bob.Recipient()}})
	run := func(files map[string]string) []string {
		t.Helper()
		dir, err := filepath.EvalSymlinks(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		set, err := check.WorkTree(t.Context(), []string{dir}, check.Options{})
		if err != nil {
			t.Fatal(err)
		}
		r, err := check.Run(t.Context(), set, check.RunOptions{Identities: []keysources.Identity{w.alice}, Opened: true})
		if err != nil {
			t.Fatal(err)
		}
		return ids(r.Findings)
	}
	for _, tt := range []struct {
		want      string
		bad, good map[string]string
	}{
		{"error tampered host_unencrypted", map[string]string{"a.yaml": strings.Replace(sealed, "_unencrypted: db", "_unencrypted: evil", 1)}, map[string]string{"a.yaml": sealed}},
		{"note cannot-open", map[string]string{"a.yaml": byBob}, map[string]string{"a.yaml": sealed}},
		{"warning leftover", map[string]string{"a.yaml": sealed, "a.yaml~": "one: first\n"}, map[string]string{"a.yaml": sealed, "a.yaml~": sealed}},
	} {
		if got := run(tt.bad); len(got) != 1 || !strings.HasPrefix(tt.want, got[0]) {
			t.Errorf("%s: %v", tt.want, got)
		}
		if got := run(tt.good); got != nil {
			t.Errorf("without %s: %v", tt.want, got)
		}
	}
}

// TestTooLarge: a file of which nothing was looked at is no good file.
func TestTooLarge(t *testing.T) {
	w := newWorld(t)
	const size = 65 << 20
	dir := t.TempDir()
	for name, head := range map[string][]byte{"dump.sql": bytes.Repeat([]byte("insert\n"), 2000), "disk.img": {0x7f, 0, 0, 0}} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, head, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
	}
	set, err := check.WorkTree(w.t.Context(), []string{dir}, check.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := check.Run(t.Context(), set, check.RunOptions{})
	if err != nil || len(r.Findings) != 1 || r.Findings[0].ID != check.IDNotScanned || r.Findings[0].Level != check.Warning || filepath.Base(r.Findings[0].File) != "dump.sql" {
		t.Errorf("%v, %v", r, err)
	}
}

// TestManyAreSaid: that not all are listed is a finding itself.
func TestManyAreSaid(t *testing.T) {
	line := "export PASSWORD=aB3x" + "K9q1vvQ\n"
	list := check.File(check.Input{Name: "a.sh", Data: []byte(strings.Repeat(line, 300))})
	if n := check.AtLeast(list, check.Error); n != 200 || len(list) != 201 || list[200].ID != check.IDNotScanned {
		t.Errorf("%d of %d", n, len(list))
	}
}

// TestColumns: in bytes and in code points, of which a byte order mark is none.
func TestColumns(t *testing.T) {
	const password = "aB3x" + "K9q1vvQ"
	utf16 := []byte{0xff, 0xfe}
	for _, b := range []byte("x\nexport PASSWORD=" + password + "\n") {
		utf16 = append(utf16, b, 0)
	}
	for _, tt := range []struct {
		name, src          string
		line, column, rune int
	}{
		{"a.yaml", "x: 1\n\"ä😀 password\": " + password + "\n", 2, 20, 16},
		{"a.sh", "\ufeffexport PASSWORD=" + password + "\n", 1, 20, 17},
		{"a.sh", "\xff\xfe; PASSWORD=" + password + "\n", 1, 14, 14},
		{"a.sh", string(utf16), 2, 17, 17},
	} {
		list := check.File(check.Input{Name: tt.name, Data: []byte(tt.src)})
		if len(list) != 1 || list[0].Line != tt.line || list[0].Column != tt.column || list[0].Rune != tt.rune {
			t.Errorf("%q: %+v", tt.src, list)
		}
	}
}
