package cipher_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cipher/sopstest"
	"github.com/gitseal/gitseal/formats/all"
	"github.com/gitseal/gitseal/keysources"
)

// TestSopsReadsKeyGroups in every format and version, and we read its.
func TestSopsReadsKeyGroups(t *testing.T) {
	for _, version := range sopstest.Versions {
		p := newPeer(t, version)
		groups, ids := council(t, 2)
		mine, err := sopstest.NewKey()
		if err != nil {
			t.Fatal(err)
		}
		// sops has its own key and, in a variable, that of the second group.
		p.Env = append(p.Env, "SOPS_AGE_KEY="+p.Key.Identity+"\n"+mine.Identity)
		second := identityOf(t, mine.Identity)
		groups[0], groups[1] = p.sealOptions(t).Recipients, []keysources.Recipient{second.Recipient()}
		third := []keysources.Recipient{ids[0].Recipient()}
		for _, name := range all.Names() {
			src := []byte(samples(name)[0].source)
			sealed := mustSeal(t, name, src, cipher.SealOptions{Groups: append(groups[:2:2], third), Threshold: 2}).Bytes
			alone := p.Decrypt(t.Context(), fileName(name), p.Encrypt(t.Context(), fileName(name), src).Stdout)
			got := p.Decrypt(t.Context(), fileName(name), sealed)
			if err := got.Err(); err != nil && !isFlatAndOld(name, version) {
				t.Errorf("%s %s: sealed by us: %v", version, name, err)
			} else if err == nil {
				if err := sopstest.EqualData(name, got.Stdout, alone.Stdout); err != nil {
					t.Errorf("%s %s: sealed by us: %v", version, name, err)
				}
			}
			p.Config = fmt.Appendf(nil, "creation_rules:\n  - shamir_threshold: 2\n    key_groups:\n      - age: [%s]\n      - age: [%s]\n      - age: [%s]\n",
				p.Key.Recipient, mine.Recipient, ids[0].Recipient())
			theirs := encryptByRule(t, p, fileName(name), src)
			p.Config = nil
			if err := theirs.Err(); err != nil {
				if name != "dotenv" || !isFlatAndOld(name, version) {
					t.Errorf("%s %s: sealing with sops: %v", version, name, err)
				}
				continue
			}
			for _, have := range [][]keysources.Identity{{second, ids[0]}, {identityOf(t, p.Key.Identity), ids[0]}} {
				o, err := tryOpen(t, name, theirs.Stdout, cipher.OpenOptions{Identities: have})
				if err != nil {
					t.Errorf("%s %s: sealed by sops: %v", version, name, err)
					continue
				}
				if err := sameFile(name, o.PlaintextBytes(), alone.Stdout, src); err != nil {
					t.Errorf("%s %s: sealed by sops: %v", version, name, err)
				}
			}
			if _, err := tryOpen(t, name, theirs.Stdout, cipher.OpenOptions{Identities: []keysources.Identity{second}}); outcome(err) != "no-identity" {
				t.Errorf("%s %s: one of three groups opened the file: %v", version, name, err)
			}
		}
	}
}

// encryptByRule encrypts to the keys that p.Config names.
func encryptByRule(t *testing.T, p peer, name string, src []byte) sopstest.Result {
	t.Helper()
	dir := t.TempDir()
	for file, data := range map[string][]byte{name: src, ".sops.yaml": p.Config} {
		if err := os.WriteFile(filepath.Join(dir, file), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return p.Run(t.Context(), dir, "--encrypt", name)
}

// isFlatAndOld: sops before 3.10 can neither write a threshold into a dotenv file
// nor read one from a dotenv or INI file, not even its own.
func isFlatAndOld(format, version string) bool {
	return version != "3.13.3" && (format == "dotenv" || format == "ini")
}
