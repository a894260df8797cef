package azurekv_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cipher/sopstest"
	"github.com/gitseal/gitseal/formats/yaml"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/azurekv/azurekvtest"
)

const plain = "a: hunter2-yaml\nlist:\n    - 1\n    - two # note\n"

// sealWithSops has sops seal the sample for a key, given by its URL.
func sealWithSops(t *testing.T, sops sopstest.Sops, url string) []byte {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.yaml"), []byte(plain), 0o600); err != nil {
		t.Fatal(err)
	}
	r := sops.Run(t.Context(), dir, "--encrypt", "--azure-kv", url, "a.yaml")
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return r.Stdout
}

func TestSopsAndWeOpenEachOthersFiles(t *testing.T) {
	for _, version := range sopstest.Versions {
		t.Run(version, func(t *testing.T) {
			sops := sopstest.New(t, version)
			server := newServer(t)
			for k, v := range server.Env() {
				sops.Env = append(sops.Env, k+"="+v)
			}
			sops.Env = append(sops.Env, "SSL_CERT_FILE="+server.CertFile)
			roundTrips(t, sops, server)
		})
	}
}

func roundTrips(t *testing.T, sops sopstest.Sops, server *azurekvtest.Server) {
	t.Helper()
	version := server.AddKey("k")
	theirs := sealWithSops(t, sops, server.URL+"/keys/k/"+version)
	s := source(server)
	opened, err := cipher.Open(t.Context(), yaml.Format{}, theirs, cipher.OpenOptions{Identities: []keysources.Identity{s}})
	if err != nil {
		t.Fatalf("opening what sops sealed: %v", err)
	}
	if err := sopstest.EqualData("yaml", []byte(plain), opened.PlaintextBytes()); err != nil {
		t.Error(err)
	}
	for _, v := range []string{version, ""} {
		sealed, err := cipher.Seal(t.Context(), yaml.Format{}, []byte(plain), cipher.SealOptions{
			Recipients: []keysources.Recipient{recipient(t, s, key(server.URL, "k", v))},
		})
		if err != nil {
			t.Fatal(err)
		}
		r := sops.Decrypt(t.Context(), "a.yaml", sealed.Bytes)
		if err := r.Err(); err != nil {
			t.Fatalf("sops, opening what we sealed: %v", err)
		}
		if err := sopstest.EqualData("yaml", []byte(plain), r.Stdout); err != nil {
			t.Error(err)
		}
		// Older versions put the fields in another order.
		if got, want := fieldNames(sealed.Bytes), fieldNames(theirs); strings.Contains(sops.Bin, "3.13") && got != want || want == "" {
			t.Errorf("fields: got %q, want %q", got, want)
		}
	}
}

// fieldNames returns the names in the first entry of the list azure_kv.
func fieldNames(file []byte) string {
	_, rest, _ := strings.Cut(string(file), "azure_kv:\n")
	var names []string
	for i, line := range strings.Split(rest, "\n") {
		name, _, ok := strings.Cut(strings.TrimSpace(line), ":")
		item := strings.HasPrefix(name, "- ")
		if !ok || i > 0 && (item || !strings.HasPrefix(line, "          ")) {
			break
		}
		names = append(names, strings.TrimPrefix(name, "- "))
	}
	return strings.Join(names, " ")
}
