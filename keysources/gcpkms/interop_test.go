package gcpkms_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/gitseal/gitseal/cipher/exchangetest"
	"github.com/gitseal/gitseal/cipher/sopstest"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/gcpkms"
	"github.com/gitseal/gitseal/keysources/gcpkms/gcpkmstest"
)

// sopsWith returns the first sops that can be pointed at another address, with an
// environment for the server.
func sopsWith(t *testing.T, server *gcpkmstest.Server, env ...string) sopstest.Sops {
	t.Helper()
	sops := sopstest.New(t, "3.13.3")
	sops.Env = append([]string{"SOPS_GCP_KMS_CLIENT_TYPE=rest", "SOPS_GCP_KMS_ENDPOINT=" + server.URL}, env...)
	return sops
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

// roundTrips checks both directions between sops with its environment and us with
// ours.
func roundTrips(t *testing.T, sops sopstest.Sops, source *gcpkms.Source) {
	t.Helper()
	exchangetest.Peers{
		Sops: sops, Flags: []string{"--gcp-kms", keyA}, Identity: source, Recipients: []keysources.Recipient{recipient(t, source, keyA)},
	}.Run(t)
}
