package cipher_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats/all"
	"github.com/gitseal/gitseal/keysources"
)

// What sops does not see can still mean something to the programs that the file
// is for: tags, merge keys, sections without keys. It is authenticated all the
// same.
func TestUnseenMeaningIsAuthenticated(t *testing.T) {
	const cloud = "a: !If [cond, x]\nb_unencrypted: !Ref y\nc: !!str z\nd: &n {k: v}\ne:\n  <<: *n\n  m: w\n"
	const ini = "[mysqld]\n[mysqld_safe]\nuser = x\n"
	for _, tt := range []struct{ name, format, src, old, new string }{
		{"tag of a list", "yaml", cloud, "a: !If [", "a: !Or ["},
		{"tag of a list removed", "yaml", cloud, "a: !If [", "a: ["},
		{"tag of a plain value", "yaml", cloud, "!Ref y", "!GetAtt y"},
		{"tag of a sealed value", "yaml", cloud, "c: !!str ENC", "c: !custom ENC"},
		{"tag of a map added", "yaml", cloud, "\ne:\n", "\ne: !Transform\n"},
		{"tag of the root added", "yaml", cloud, "a: !If", "--- !x\na: !If"},
		{"tag of a key added", "yaml", cloud, "\n  m: ", "\n  !x m: "},
		{"merge key quoted", "yaml", cloud, "  <<: ", "  \"<<\": "},
		{"merge key tagged as a string", "yaml", cloud, "  <<: ", "  !!str <<: "},
		{"empty section renamed", "ini", ini, "[mysqld]", "[client]"},
		{"empty section removed", "ini", ini, "[mysqld]\n", ""},
		{"empty section added", "ini", ini, "[mysqld]\n", "[mysqld]\n[new]\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, _ := all.ByName(tt.format)
			id := identity(t)
			opts := cipher.SealOptions{Recipients: []keysources.Recipient{id.Recipient()}}
			s, err := cipher.Seal(context.Background(), f, []byte(tt.src), opts)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Check(s.Bytes); err != nil {
				t.Fatal(err)
			}
			changed := strings.Replace(string(s.Bytes), tt.old, tt.new, 1)
			if changed == string(s.Bytes) {
				t.Fatalf("%q is not in the sealed file:\n%s", tt.old, s.Bytes)
			}
			o, err := cipher.Open(context.Background(), f, []byte(changed), cipher.OpenOptions{Identities: []keysources.Identity{id}})
			var tampered *cipher.TamperedError
			notMerge := strings.Contains(tt.name, "merge") && err != nil
			if !notMerge && !errors.As(err, &tampered) {
				t.Errorf("got %v, %v, want a TamperedError", o, err)
			}
		})
	}
}

// With mac_only_encrypted, tags of values that may change may change; those
// around sealed values may not.
func TestTagsWithMACOnlyEncrypted(t *testing.T) {
	const src = "a_unencrypted: !x {b: c}\nd: !y {e: f}\n"
	f, _ := all.ByName("yaml")
	id := identity(t)
	opts := cipher.SealOptions{Recipients: []keysources.Recipient{id.Recipient()}, MACOnlyEncrypted: true}
	s, err := cipher.Seal(context.Background(), f, []byte(src), opts)
	if err != nil {
		t.Fatal(err)
	}
	for change, ok := range map[[2]string]bool{{"!x", "!z"}: true, {"!y", "!z"}: false} {
		changed := strings.Replace(string(s.Bytes), change[0], change[1], 1)
		_, err := cipher.Open(context.Background(), f, []byte(changed), cipher.OpenOptions{Identities: []keysources.Identity{id}})
		if (err == nil) != ok {
			t.Errorf("%v: got %v, want accepted %v", change, err, ok)
		}
	}
}
