package azurekv_test

import (
	"testing"

	"github.com/gitseal/gitseal/cipher/exchangetest"
	"github.com/gitseal/gitseal/cipher/sopstest"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/azurekv/azurekvtest"
)

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

// roundTrips checks both directions, with the key's version named and looked up.
func roundTrips(t *testing.T, sops sopstest.Sops, server *azurekvtest.Server) {
	t.Helper()
	version := server.AddKey("k")
	s := source(server)
	exchangetest.Peers{
		Sops: sops, Flags: []string{"--azure-kv", server.URL + "/keys/k/" + version}, Identity: s,
		Recipients: []keysources.Recipient{recipient(t, s, key(server.URL, "k", version)), recipient(t, s, key(server.URL, "k", ""))},
	}.Run(t)
}
