package awskms_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cipher/sopstest"
	"github.com/gitseal/gitseal/formats/yaml"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/awskms"
	"github.com/gitseal/gitseal/keysources/awskms/awskmstest"
)

const plainFile = "# note\na: hunter2\nb:\n    - 1\n    - true\n    - x\n"

// exchanges are what files are sealed for in exchanges with sops.
var exchanges = []struct {
	name  string
	key   keysources.Stanza
	flags []string // the same for sops
}{
	{"key", key(awskmstest.DefaultKey), []string{"--kms", awskmstest.DefaultKey}},
	{"alias", key(aliasARN), []string{"--kms", aliasARN}},
	{"other region", key(mrkReplica), []string{"--kms", mrkReplica}},
	{"other partition", key(chinaKey), []string{"--kms", chinaKey}},
	{"context", withContext(key(awskmstest.DefaultKey), "app", "shop", "Env", "prod"),
		[]string{"--kms", awskmstest.DefaultKey, "--encryption-context", "app:shop,Env:prod"}},
	{"role", key(roleKey, "role", sealerRole), []string{"--kms", roleKey + "+" + sealerRole}},
	{"role and context", withContext(key(roleKey, "role", sealerRole), "app", "shop"),
		[]string{"--kms", roleKey + "+" + sealerRole, "--encryption-context", "app:shop"}},
	{"profile", key(awskmstest.DefaultKey, "aws_profile", "work"), []string{"--kms", awskmstest.DefaultKey, "--aws-profile", "work"}},
}

// endpoints returns the environments in which a version of sops finds the server.
// The SDK of 3.8.1 is older than AWS_ENDPOINT_URL_KMS: it asks AWS's own host, to
// which the server's proxy stands in the way. Newer ones do both.
func endpoints(t *testing.T, s *awskmstest.Server, version string) map[string][]string {
	t.Helper()
	proxied, err := s.ProxyEnv(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	envs := map[string][]string{"AWS's own endpoint": proxied}
	if version != "3.8.1" {
		envs["endpoint of the environment"] = s.Env()
	}
	profiles := write(t, filepath.Join(t.TempDir(), "credentials"), profileOf("work", s.Credentials()))
	for name := range envs {
		envs[name] = append(envs[name], "AWS_SHARED_CREDENTIALS_FILE="+profiles)
	}
	return envs
}

func TestExchangeWithSops(t *testing.T) {
	for _, version := range sopstest.Versions {
		t.Run(version, func(t *testing.T) {
			s := start(t)
			t.Setenv("AWS_SHARED_CREDENTIALS_FILE", write(t, filepath.Join(t.TempDir(), "credentials"), profileOf("work", s.Credentials())))
			sops := sopstest.New(t, version)
			for name, env := range endpoints(t, s, version) {
				sops.Env = env
				for _, e := range exchanges {
					t.Run(name+"/"+e.name, func(t *testing.T) {
						before := s.Calls("Decrypt") + s.Calls("Encrypt")
						sealedBySops(t, sops, e.key, e.flags)
						sealedByUs(t, sops, e.key)
						if n := s.Calls("Decrypt") + s.Calls("Encrypt") - before; n < 4 {
							t.Errorf("%d calls of KMS, want one for each of four steps at least", n)
						}
					})
				}
			}
		})
	}
}

// run runs sops on a file and returns what it prints.
func run(t *testing.T, sops sopstest.Sops, content []byte, args ...string) ([]byte, error) {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "file.yaml"), string(content))
	r := sops.Run(t.Context(), dir, append(args, "file.yaml")...)
	return r.Stdout, r.Err()
}

func open(t *testing.T, sealed []byte) (*cipher.Opened, error) {
	t.Helper()
	return cipher.Open(t.Context(), yaml.Format{}, sealed, cipher.OpenOptions{Identities: []keysources.Identity{awskms.New(os.Getenv)}})
}

func sealedBySops(t *testing.T, sops sopstest.Sops, k keysources.Stanza, flags []string) {
	t.Helper()
	sealed, err := run(t, sops, []byte(plainFile), append([]string{"--encrypt"}, flags...)...)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := open(t, sealed)
	if err != nil {
		t.Fatalf("sealed by sops: %v\n%s", err, sealed)
	}
	if err := sopstest.EqualData("yaml", []byte(plainFile), opened.PlaintextBytes()); err != nil {
		t.Error(err)
	}
	st := opened.Metadata.Groups[0][0]
	names := func(s keysources.Stanza) string {
		m := map[string]bool{}
		for _, f := range s.Fields {
			m[f.Name] = true
		}
		return fmt.Sprint(m, len(s.Context))
	}
	ours := wrap(t, awskms.New(os.Getenv), st.Key())
	if names(st) != names(ours) {
		t.Errorf("fields and context: sops has %s, we have %s", names(st), names(ours))
	}
	for _, name := range []string{"arn", "role", "aws_profile"} {
		if got, want := st.Get(name), k.Get(name); got != want {
			t.Errorf("%s: sops has %q, we %q", name, got, want)
		}
	}
}

func sealedByUs(t *testing.T, sops sopstest.Sops, k keysources.Stanza) {
	t.Helper()
	r, err := awskms.New(os.Getenv).Recipient(k)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := cipher.Seal(t.Context(), yaml.Format{}, []byte(plainFile), cipher.SealOptions{Recipients: []keysources.Recipient{r}})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(sealed.Bytes), "hunter2") {
		t.Fatal("it is not sealed")
	}
	plain, err := run(t, sops, sealed.Bytes, "--decrypt")
	if err != nil {
		t.Fatalf("sealed by us: %v\n%s", err, sealed.Bytes)
	}
	if err := sopstest.EqualData("yaml", []byte(plainFile), plain); err != nil {
		t.Error(err)
	}
	// What sops wraps anew, we open.
	rotated, err := run(t, sops, sealed.Bytes, "--rotate")
	if err != nil {
		t.Fatalf("rotating: %v", err)
	}
	opened, err := open(t, rotated)
	if err != nil {
		t.Fatalf("rotated by sops: %v", err)
	}
	if err := sopstest.EqualData("yaml", []byte(plainFile), opened.PlaintextBytes()); err != nil {
		t.Error(err)
	}
}

// TestChangedContextIsNotOpened changes the context in a file: neither we nor sops
// may open it.
func TestChangedContextIsNotOpened(t *testing.T) {
	s := start(t)
	sops := sopstest.New(t, sopstest.Versions[0])
	sops.Env = s.Env()
	sealed, err := run(t, sops, []byte(plainFile), "--encrypt", "--kms", awskmstest.DefaultKey, "--encryption-context", "app:shop")
	if err != nil {
		t.Fatal(err)
	}
	changed := []byte(strings.Replace(string(sealed), "app: shop", "app: bank", 1))
	if string(changed) == string(sealed) {
		t.Fatalf("no context in\n%s", sealed)
	}
	if _, err := open(t, changed); keysources.ReasonOf(err) != keysources.Damaged {
		t.Errorf("we: got error %v, want the reason %q", err, keysources.Damaged)
	}
	if _, err := run(t, sops, changed, "--decrypt"); err == nil {
		t.Error("sops opened it")
	}
}
