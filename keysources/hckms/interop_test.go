package hckms_test

import (
	"testing"

	"github.com/gitseal/gitseal/cipher/exchangetest"
	"github.com/gitseal/gitseal/cipher/sopstest"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/hckms"
	"github.com/gitseal/gitseal/keysources/hckms/hckmstest"
)

// sopsWith returns the only sops that knows Huawei Cloud.
func sopsWith(t *testing.T, env map[string]string) sopstest.Sops {
	t.Helper()
	sops := sopstest.New(t, "3.13.3")
	for k, v := range env {
		sops.Env = append(sops.Env, k+"="+v)
	}
	return sops
}

func TestSopsAndWeOpenEachOthersFiles(t *testing.T) {
	t.Run("keys in the environment", func(t *testing.T) {
		server := newServer(t)
		roundTrips(t, sopsWith(t, server.Env()), hckms.New(hckms.Options{}), server.AddKey())
	})
	t.Run("the project is looked up", func(t *testing.T) {
		server, o, env := newIAM(t)
		roundTrips(t, sopsWith(t, env), hckms.New(o), server.AddKey())
		if _, _, lookups := server.Calls(); lookups != 3 {
			t.Errorf("%d look-ups of the project, want one by us and two by sops", lookups)
		}
	})
}

// newIAM starts a server that has to be asked for the project.
func newIAM(t *testing.T) (*hckmstest.Server, hckms.Options, map[string]string) {
	t.Helper()
	server := newServer(t)
	url, transport, cert := server.TLS()
	env := server.Env()
	delete(env, "HUAWEICLOUD_SDK_PROJECT_ID")
	t.Setenv("HUAWEICLOUD_SDK_PROJECT_ID", "")
	env["HUAWEICLOUD_SDK_IAM_ENDPOINT"] = url
	t.Setenv("HUAWEICLOUD_SDK_IAM_ENDPOINT", url)
	env["SSL_CERT_FILE"] = cert
	return server, hckms.Options{Transport: transport}, env
}

// roundTrips checks both directions between sops and us.
func roundTrips(t *testing.T, sops sopstest.Sops, source *hckms.Source, id string) {
	t.Helper()
	exchangetest.Peers{
		Sops: sops, Flags: []string{"--hckms", id}, Identity: source, Recipients: []keysources.Recipient{recipient(t, source, id)},
	}.Run(t)
}
