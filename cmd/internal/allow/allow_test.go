package allow_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/gitseal/gitseal/cmd/internal/allow"
	"github.com/gitseal/gitseal/keysources"
)

func environment(kv map[string]string) func(string) string {
	return func(name string) string { return kv[name] }
}

func TestPolicyIsWhatTheUserNames(t *testing.T) {
	home := t.TempDir()
	file := allow.File(environment(map[string]string{"XDG_CONFIG_HOME": home}))
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("# ours\nage.plugin=yubikey\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := allow.Policy(environment(map[string]string{
		"XDG_CONFIG_HOME": home, "GITSEAL_ALLOW": "kms.role=arn:aws:iam::1:role/a", "VAULT_ADDR": "https://v1.example", "BAO_ADDR": "http://*",
		"SOPS_VAULT_URIS":         "https://v2.example/v1/transit/keys/k",
		"SOPS_HC_VAULT_ALLOWLIST": "all", "AWS_PROFILE": "prod", "SOPS_KMS_ARN": "arn:aws:kms:eu-west-1:1:key/k+arn:aws:iam::1:role/b",
	}), "hc_vault=https://v3.example")
	if err != nil {
		t.Fatal(err)
	}
	for use, want := range map[string]bool{
		"age.plugin=yubikey": true, "age.plugin=other": false, "kms.role=arn:aws:iam::1:role/a": true,
		"kms.role=arn:aws:iam::1:role/b": true, "kms.role=arn:aws:iam::1:role/c": false, "kms.profile=prod": true,
		"hc_vault=https://v1.example": true, "hc_vault=https://v2.example": true, "hc_vault=https://v3.example": true,
		"hc_vault=https://evil.example": false, "hc_vault=all": false, "hc_vault=http://bao.example": false,
	} {
		q, err := keysources.ParsePolicy(use)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Allows(q.Entries()[0]); got != want {
			t.Errorf("%s: allowed %v, want %v", use, got, want)
		}
	}
}

func TestBadEntriesAreErrors(t *testing.T) {
	if _, err := allow.Policy(environment(map[string]string{"GITSEAL_ALLOW": "everything"})); err == nil {
		t.Error("GITSEAL_ALLOW: no error")
	}
	if _, err := allow.Policy(environment(nil), "hc_vault"); err == nil {
		t.Error("--allow: no error")
	}
	home := t.TempDir()
	if err := os.MkdirAll(filepath.Join(home, "gitseal"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "gitseal", "allow"), []byte("nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := allow.Policy(environment(map[string]string{"XDG_CONFIG_HOME": home})); err == nil {
		t.Error("the file: no error")
	}
}
