// Package exchangetest holds what every key source must pass with the real sops: a
// file that sops sealed is opened by us, and one that we sealed by sops.
package exchangetest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cipher/sopstest"
	"github.com/gitseal/gitseal/formats/yaml"
	"github.com/gitseal/gitseal/keysources"
)

// The file that is sealed, and its name.
const (
	plain = "a: hunter2-yaml\nlist:\n    - 1\n    - two # note\n"
	name  = "a.yaml"
)

// Peers are sops and we, with the key of one reader each of us can reach.
type Peers struct {
	Sops sopstest.Sops
	// Flags make sops encrypt for the reader alone: --gcp-kms and its name, say.
	Flags []string
	// Identity opens what sops sealed.
	Identity keysources.Identity
	// Recipients are the reader in all ways in which we can name it; a file is sealed
	// for each.
	Recipients []keysources.Recipient
}

// Run seals and opens in both directions. The stanzas must have the same fields, and
// those of the newest sops in the same order.
func (p Peers) Run(t *testing.T) {
	t.Helper()
	theirs := p.sealedBySops(t)
	opened, err := cipher.Open(t.Context(), yaml.Format{}, theirs, cipher.OpenOptions{Identities: []keysources.Identity{p.Identity}})
	if err != nil {
		t.Fatalf("opening what sops sealed: %v", err)
	}
	if err := sopstest.EqualData("yaml", []byte(plain), opened.PlaintextBytes()); err != nil {
		t.Error(err)
	}
	for _, r := range p.Recipients {
		sealed, err := cipher.Seal(t.Context(), yaml.Format{}, []byte(plain), cipher.SealOptions{Recipients: []keysources.Recipient{r}})
		if err != nil {
			t.Fatal(err)
		}
		result := p.Sops.Decrypt(t.Context(), name, sealed.Bytes)
		if err := result.Err(); err != nil {
			t.Fatalf("sops, opening what we sealed: %v", err)
		}
		if err := sopstest.EqualData("yaml", []byte(plain), result.Stdout); err != nil {
			t.Error(err)
		}
		p.compareFields(t, theirs, sealed.Bytes)
	}
}

func (p Peers) sealedBySops(t *testing.T) []byte {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(plain), 0o600); err != nil {
		t.Fatal(err)
	}
	r := p.Sops.Run(t.Context(), dir, slices.Concat([]string{"--encrypt"}, p.Flags, []string{name})...)
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return r.Stdout
}

func (p Peers) compareFields(t *testing.T, theirs, ours []byte) {
	t.Helper()
	want, got := fields(t, theirs), fields(t, ours)
	if !strings.Contains(p.Sops.Bin, sopstest.Versions[0]) {
		slices.Sort(want)
		slices.Sort(got)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fields, sops's and ours: %s", diff)
	}
}

// fields returns the names of the fields of a file's first stanza.
func fields(t *testing.T, file []byte) []string {
	t.Helper()
	report, err := cipher.Inspect(yaml.Format{}, file)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range report.Metadata.Groups[0][0].Fields {
		names = append(names, f.Name)
	}
	return names
}
