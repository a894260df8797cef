package gcpkms_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cipher/sopstest"
	"github.com/gitseal/gitseal/formats/yaml"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/gcpkms"
	"github.com/gitseal/gitseal/keysources/gcpkms/gcpkmstest"
)

const plain = "a: hunter2-yaml\nlist:\n    - 1\n    - two # note\n"

// sopsWith returns the first sops that can be pointed at another address, with an
// environment for the server.
func sopsWith(t *testing.T, server *gcpkmstest.Server, env ...string) sopstest.Sops {
	t.Helper()
	sops := sopstest.New(t, "3.13.3")
	sops.Env = append([]string{"SOPS_GCP_KMS_CLIENT_TYPE=rest", "SOPS_GCP_KMS_ENDPOINT=" + server.URL}, env...)
	return sops
}

// sealWithSops has sops seal the sample for a key of the server alone.
func sealWithSops(t *testing.T, sops sopstest.Sops) []byte {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.yaml"), []byte(plain), 0o600); err != nil {
		t.Fatal(err)
	}
	r := sops.Run(t.Context(), dir, "--encrypt", "--gcp-kms", keyA, "a.yaml")
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return r.Stdout
}

// roundTrips checks both directions between sops with its environment and us with
// ours.
func roundTrips(t *testing.T, sops sopstest.Sops, source *gcpkms.Source) {
	t.Helper()
	theirs := sealWithSops(t, sops)
	opened, err := cipher.Open(t.Context(), yaml.Format{}, theirs, cipher.OpenOptions{Identities: []keysources.Identity{source}})
	if err != nil {
		t.Fatalf("opening what sops sealed: %v", err)
	}
	if err := sopstest.EqualData("yaml", []byte(plain), opened.PlaintextBytes()); err != nil {
		t.Error(err)
	}
	sealed, err := cipher.Seal(t.Context(), yaml.Format{}, []byte(plain), cipher.SealOptions{
		Recipients: []keysources.Recipient{recipient(t, source, keyA)},
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
}

func TestSopsAndWeOpenEachOthersFiles(t *testing.T) {
	server := newServer(t)
	account := string(server.Auth.ServiceAccount())
	file := filepath.Join(t.TempDir(), "account.json")
	if err := os.WriteFile(file, []byte(account), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, variable, value string }{
		{"access token", "GOOGLE_OAUTH_ACCESS_TOKEN", server.Auth.Token()},
		{"credentials as JSON", "GOOGLE_CREDENTIALS", account},
		{"credentials in a file", "GOOGLE_CREDENTIALS", file},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sops := sopsWith(t, server, tt.variable+"="+tt.value)
			roundTrips(t, sops, source(server, tt.variable, tt.value))
		})
	}
	t.Run("application default credentials", func(t *testing.T) {
		t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
		roundTrips(t, sopsWith(t, server, "GOOGLE_APPLICATION_CREDENTIALS="+file), source(server))
	})
	t.Run("workload identity federation", func(t *testing.T) {
		dir := t.TempDir()
		config, token := server.Auth.Federated(filepath.Join(dir, "token"))
		for name, data := range map[string][]byte{"token": []byte(token), "config.json": config} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		adc := filepath.Join(dir, "config.json")
		t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", adc)
		roundTrips(t, sopsWith(t, server, "GOOGLE_APPLICATION_CREDENTIALS="+adc), source(server))
	})
}

// TestStanzaHasSopssFields compares what we write with what sops wrote.
func TestStanzaHasSopssFields(t *testing.T) {
	server := newServer(t)
	theirs := sealWithSops(t, sopsWith(t, server, "GOOGLE_OAUTH_ACCESS_TOKEN="+server.Auth.Token()))
	ours, err := cipher.Seal(t.Context(), yaml.Format{}, []byte(plain), cipher.SealOptions{
		Recipients: []keysources.Recipient{recipient(t, tokenSource(server), keyA)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fieldNames(ours.Bytes), fieldNames(theirs); got != want || want == "" {
		t.Errorf("got %q, want %q", got, want)
	}
}

// fieldNames returns the names in the first entry of the list gcp_kms.
func fieldNames(file []byte) string {
	_, rest, _ := strings.Cut(string(file), "gcp_kms:\n")
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
