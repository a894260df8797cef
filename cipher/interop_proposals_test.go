package cipher_test

import (
	"bytes"
	"testing"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cipher/sopstest"
	"github.com/gitseal/gitseal/formats/all"
)

// TestSopsIgnoresProposals: every release of sops opens files with proposals, of
// every format, to the same data as without; it drops them when it writes the file.
func TestSopsIgnoresProposals(t *testing.T) {
	for _, version := range sopstest.Versions {
		p := newPeer(t, version)
		for _, name := range all.Names() {
			t.Run(version+"/"+name, func(t *testing.T) {
				opts := p.sealOptions(t)
				sealed := mustSeal(t, name, []byte(samples(name)[0].source), opts).Bytes
				with := sealed
				for _, by := range []string{"", "O'Brien; <ob@example.invalid> # \"x\" `y` ü", "= {x: [y]}"} {
					var err error
					with, err = tryPropose(t, name, with, cipher.ProposeOptions{Path: pathOf(t, `a."odd key\n"[0]`), By: by, Recipients: opts.Recipients})
					if err != nil {
						t.Fatal(err)
					}
				}
				if bytes.Equal(with, sealed) {
					t.Fatal("nothing was proposed")
				}
				want := p.Decrypt(t.Context(), fileName(name), sealed)
				got := p.Decrypt(t.Context(), fileName(name), with)
				if err := got.Err(); err != nil || !bytes.Equal(got.Stdout, want.Stdout) {
					t.Errorf("%v, got\n%s\nwant\n%s", err, clip(got.Stdout), clip(want.Stdout))
				}
			})
		}
	}
}
