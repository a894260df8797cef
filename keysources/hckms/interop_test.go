package hckms_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cipher/sopstest"
	"github.com/gitseal/gitseal/formats/yaml"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/hckms"
	"github.com/gitseal/gitseal/keysources/hckms/hckmstest"
)

const plain = "a: hunter2-yaml\nlist:\n    - 1\n    - two # note\n"

// sopsWith returns the only sops that knows Huawei Cloud.
func sopsWith(t *testing.T, env map[string]string) sopstest.Sops {
	t.Helper()
	sops := sopstest.New(t, "3.13.3")
	for k, v := range env {
		sops.Env = append(sops.Env, k+"="+v)
	}
	return sops
}

// sealWithSops has sops seal the sample for one key.
func sealWithSops(t *testing.T, sops sopstest.Sops, id string) []byte {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.yaml"), []byte(plain), 0o600); err != nil {
		t.Fatal(err)
	}
	r := sops.Run(t.Context(), dir, "encrypt", "--hckms", id, "a.yaml")
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return r.Stdout
}

// roundTrips checks both directions between sops and us.
func roundTrips(t *testing.T, sops sopstest.Sops, source *hckms.Source, id string) {
	t.Helper()
	theirs := sealWithSops(t, sops, id)
	opened, err := cipher.Open(t.Context(), yaml.Format{}, theirs, cipher.OpenOptions{Identities: []keysources.Identity{source}})
	if err != nil {
		t.Fatalf("opening what sops sealed: %v", err)
	}
	if err := sopstest.EqualData("yaml", []byte(plain), opened.PlaintextBytes()); err != nil {
		t.Error(err)
	}
	sealed, err := cipher.Seal(t.Context(), yaml.Format{}, []byte(plain), cipher.SealOptions{
		Recipients: []keysources.Recipient{recipient(t, source, id)},
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
	if got, want := fieldNames(sealed.Bytes), fieldNames(theirs); got != want || want == "" {
		t.Errorf("fields: got %q, want %q", got, want)
	}
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

// fieldNames returns the names in the first entry of the list hckms.
func fieldNames(file []byte) string {
	_, rest, _ := strings.Cut(string(file), "hckms:\n")
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
