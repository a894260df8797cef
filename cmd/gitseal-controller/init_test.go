package main_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	main "github.com/gitseal/gitseal/cmd/gitseal-controller"
	"github.com/gitseal/gitseal/cmd/internal/rules"
	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/keyring"
	"github.com/gitseal/gitseal/k8s-controller/kubetest"
	"github.com/gitseal/gitseal/keysources/age"
	"github.com/gitseal/gitseal/keysources/vault/vaulttest"
)

// desk is an administrator's, with a cluster.
type desk struct {
	*testing.T
	cluster    *kubetest.Cluster
	kubeconfig string
	dir        string
}

// at returns the desk as a subtest has it, with a folder of its own.
func (d desk) at(t *testing.T) desk {
	d.T, d.dir = t, t.TempDir()
	return d
}

// ran is what became of a call.
type ran struct {
	code        int
	out, errors string
}

func (d desk) init(args ...string) ran {
	d.Helper()
	all := append([]string{"init", "--kubeconfig", d.kubeconfig}, args...)
	if i := slices.Index(args, "--keyring"); i >= 0 {
		// Two keyrings of one cluster cannot both be for all namespaces.
		all = append(all, "--namespace-selector", "for="+args[i+1])
	}
	code, out, errs := main.Invoke(d.Context(), "", all...)
	d.sweep(out, errs)
	return ran{code, out, errs}
}

// sweep finds private keys where none may be.
func (d desk) sweep(texts ...string) {
	d.Helper()
	key := regexp.MustCompile(`SECRET-KEY-(PQ-)?1[0-9A-Za-z]{4}`)
	for _, text := range texts {
		if key.MatchString(text) {
			d.Errorf("a private key was printed")
		}
	}
}

func (r ran) want(t *testing.T, code int, stderr ...string) {
	t.Helper()
	if r.code != code {
		t.Fatalf("exit code %d, want %d: %s", r.code, code, r.errors)
	}
	for _, s := range stderr {
		if !strings.Contains(r.errors, s) {
			t.Errorf("stderr has no %q: %s", s, r.errors)
		}
	}
}

func (d desk) keyring(name string) v1alpha1.SealKeyring {
	d.Helper()
	var kr v1alpha1.SealKeyring
	if err := json.Unmarshal([]byte(d.cluster.Kubectl(d, "", "get", "sealkeyring", name, "-o", "json")), &kr); err != nil {
		d.Fatal(err)
	}
	return kr
}

// secret returns what the Secret of a keyring's first identity holds under a key.
func (d desk) secret(ns, keyringName, key string) string {
	d.Helper()
	var s struct{ Data map[string][]byte }
	if err := json.Unmarshal([]byte(d.cluster.Kubectl(d, "", "-n", ns, "get", "secret", keyring.SecretName(keyringName), "-o", "json")), &s); err != nil {
		d.Fatal(err)
	}
	return string(s.Data[key])
}

// ruleRecipients returns whom a printed .sops.yaml seals a manifest for, read by the
// rules that gitseal itself reads.
func (d desk) ruleRecipients(text string) []string {
	d.Helper()
	name := filepath.Join(d.dir, ".sops.yaml")
	c, err := rules.Parse(name, []byte(text))
	if err != nil {
		d.Fatal(err)
	}
	rule, err := c.RuleFor(filepath.Join(d.dir, "db.sealed.yaml"))
	if err != nil {
		d.Fatal(err)
	}
	if rule.Selector.Pattern != "^(data|stringData)$" || !rule.MACOnlyEncrypted {
		d.Errorf("the rule does not seal as manifests are: %+v", rule)
	}
	var out []string
	for _, k := range rule.Groups[0] {
		out = append(out, k.Value)
	}
	return out
}

func identityOf(t *testing.T, text string) age.Identity {
	t.Helper()
	ids, err := keyring.ReadIdentities([]byte(text))
	if err != nil || len(ids) != 1 {
		t.Fatalf("%d identities, %v", len(ids), err)
	}
	return ids[0]
}

func TestInit(t *testing.T) {
	c := kubetest.Start(t)
	d := desk{T: t, cluster: c, kubeconfig: c.Kubeconfig(t), dir: t.TempDir()}

	d.init("--no-recovery").want(t, 1, "does not know SealKeyrings", "hint: install them first")
	c.InstallCRDs(t)
	t.Run("makes a keyring once", func(t *testing.T) { testInitOnce(d.at(t)) })
	t.Run("takes up where it failed", func(t *testing.T) { testInitResumes(d.at(t)) })
	t.Run("imports", func(t *testing.T) { testInitImports(d.at(t)) })
	t.Run("keeps the identity sealed", func(t *testing.T) { testInitSealed(d.at(t)) })
	t.Run("is for administrators", func(t *testing.T) { testInitForbidden(d.at(t)) })
}

func testInitOnce(d desk) {
	file := filepath.Join(d.dir, "recovery.txt")
	r := d.init("--namespace", "seal-a", "--keyring", "a", "--recovery-out", file)
	r.want(d.T, 0, "made the namespace seal-a", "keep it offline")
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		d.Fatalf("%v %v", info, err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		d.Fatal(err)
	}
	recovery := identityOf(d.T, string(text))
	kr := d.keyring("a")
	if diff := cmp.Diff([]string{recovery.Recipient().String()}, kr.Spec.Recovery); diff != "" {
		d.Error(diff)
	}
	id := identityOf(d.T, d.secret("seal-a", "a", keyring.PlainKey))
	want := []string{id.Recipient().String(), recovery.Recipient().String()}
	if diff := cmp.Diff(want, d.ruleRecipients(r.out)); diff != "" {
		d.Error(diff)
	}
	if !id.Recipient().PostQuantum() || !recovery.Recipient().PostQuantum() {
		d.Error("the keys are not hybrid")
	}
	if kr.Spec.Renewal.Every.Duration != 720*3600e9 || kr.Spec.Identities[0].Age.SecretName != "gitseal-a" {
		d.Errorf("spec %+v", kr.Spec)
	}
	if all := d.cluster.Kubectl(d, "", "get", "secrets,configmaps,sealkeyrings", "-A", "-o", "yaml"); strings.Contains(all, recovery.SecretText()) {
		d.Error("the recovery key got into the cluster")
	}
	again := d.init("--namespace", "seal-a", "--keyring", "a", "--recovery-out", filepath.Join(d.dir, "second.txt"))
	again.want(d.T, 3, "exists already", "hint: kubectl get sealkeyring a")
	if _, err := os.Stat(filepath.Join(d.dir, "second.txt")); err == nil {
		d.Error("a recovery key was left behind for nothing")
	}
	if d.secret("seal-a", "a", keyring.PlainKey) != id.SecretText() && identityOf(d.T, d.secret("seal-a", "a", keyring.PlainKey)).Recipient().String() != want[0] {
		d.Error("the identity was replaced")
	}
}

// testInitResumes has a run fail after each step, and the next one use what is there.
func testInitResumes(d desk) {
	file := filepath.Join(d.dir, "recovery.txt")
	args := []string{"--namespace", "seal-b", "--keyring", "b", "--recovery-out", file, "--classic"}
	// Nobody may create SealKeyrings for now: all but the last step is done.
	deny := `{"apiVersion":"v1","kind":"List","items":[
{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingAdmissionPolicy","metadata":{"name":"deny-b"},"spec":{"failurePolicy":"Fail",
 "matchConstraints":{"resourceRules":[{"apiGroups":["gitseal.dev"],"apiVersions":["*"],"operations":["CREATE"],"resources":["sealkeyrings"]}]},
 "validations":[{"expression":"object.metadata.name != 'b'","message":"not now"}]}},
{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingAdmissionPolicyBinding","metadata":{"name":"deny-b"},"spec":{"policyName":"deny-b","validationActions":["Deny"]}}]}`
	d.cluster.Kubectl(d, deny, "apply", "-f", "-")
	d.awaitDenied()
	d.init(args...).want(d.T, 1, "not now")
	id := identityOf(d.T, d.secret("seal-b", "b", keyring.PlainKey))
	before, err := os.ReadFile(file)
	if err != nil {
		d.Fatal(err)
	}
	d.cluster.Kubectl(d, "", "delete", "validatingadmissionpolicybinding", "deny-b")
	var r ran
	for range 300 { // until the API server has forgotten the policy
		if r = d.init(args...); r.code == 0 {
			break
		}
	}
	r.want(d.T, 0, "found (and use)", "is the one that "+file+" holds already")
	after, err := os.ReadFile(file)
	if err != nil || string(after) != string(before) {
		d.Errorf("the recovery file was changed: %v", err)
	}
	want := []string{id.Recipient().String(), identityOf(d.T, string(before)).Recipient().String()}
	if diff := cmp.Diff(want, d.ruleRecipients(r.out)); diff != "" {
		d.Error(diff)
	}
	other := filepath.Join(d.dir, "notes.txt")
	if err := os.WriteFile(other, []byte("something else\n"), 0o600); err != nil {
		d.Fatal(err)
	}
	d.init("--keyring", "b2", "--recovery-out", other).want(d.T, 3, "is no recovery key")
}

// awaitDenied waits until the policy is in force.
func (d desk) awaitDenied() {
	d.Helper()
	probe := `{"apiVersion":"gitseal.dev/v1alpha1","kind":"SealKeyring","metadata":{"name":"b"},"spec":{}}`
	for range 600 {
		if _, err := d.cluster.TryKubectl(d, probe, "create", "--dry-run=server", "-f", "-"); err != nil && strings.Contains(err.Error(), "not now") {
			return
		}
	}
	d.Fatal("the policy never came into force")
}

func testInitImports(d desk) {
	id, err := age.Generate(true)
	if err != nil {
		d.Fatal(err)
	}
	file := filepath.Join(d.dir, "backup.txt")
	if err := os.WriteFile(file, []byte("# created: then\n"+id.SecretText()+"\n"), 0o600); err != nil {
		d.Fatal(err)
	}
	d.init("--namespace", "seal-c", "--keyring", "c", "--import", file, "--no-recovery", "--renew-every", "0").want(d.T, 0)
	if got := identityOf(d.T, d.secret("seal-c", "c", keyring.PlainKey)); got.Recipient().String() != id.Recipient().String() {
		d.Error("another identity was stored")
	}
	if kr := d.keyring("c"); kr.Spec.Renewal != nil || kr.Spec.Recovery != nil {
		d.Errorf("spec %+v", kr.Spec)
	}
	// The Secret outlives its keyring, and is not replaced by another identity.
	d.cluster.Kubectl(d, "", "delete", "sealkeyring", "c")
	other, err := age.Generate(true)
	if err != nil {
		d.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(other.SecretText()), 0o600); err != nil {
		d.Fatal(err)
	}
	d.init("--namespace", "seal-c", "--keyring", "c", "--import", file, "--no-recovery").want(d.T, 3, "a Secret is in the way", "back it up")
	d.init("--namespace", "seal-c", "--keyring", "c", "--no-recovery").want(d.T, 0, "found (and use)")
	for name, content := range map[string]string{"garbage": "hunter2", "one bad line": id.SecretText() + "\nhunter2", "nothing": ""} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			d.Fatal(err)
		}
		r := d.init("--keyring", "c3", "--import", file, "--no-recovery")
		if r.code != 1 || strings.Contains(r.errors, "hunter2") {
			d.Errorf("%s: exit code %d, %s", name, r.code, r.errors)
		}
	}
}

func testInitSealed(d desk) {
	v := vaulttest.Start(d.T)
	d.Setenv("VAULT_TOKEN", v.Root)
	key := v.CreateKey(d.T, "cluster")
	r := d.init("--namespace", "seal-d", "--keyring", "d", "--kms", key, "--recovery-out", filepath.Join(d.dir, "r.txt"))
	r.want(d.T, 0)
	if plain := d.secret("seal-d", "d", keyring.PlainKey); plain != "" {
		d.Error("a plain identity is in etcd")
	}
	sealed := d.secret("seal-d", "d", keyring.SealedKey)
	if !strings.Contains(sealed, `"hc_vault"`) {
		d.Error("the identity is not sealed for Vault")
	}
	d.sweep(sealed)
	kr := d.keyring("d")
	if diff := cmp.Diff([]string{key}, kr.Spec.Identities[0].SealedAge.Keys); diff != "" {
		d.Error(diff)
	}
	if got := d.ruleRecipients(r.out); len(got) != 2 || !strings.HasPrefix(got[0], "age1pq1") {
		d.Errorf("sealed for %d readers", len(got))
	}
	d.Setenv("VAULT_TOKEN", v.Token(d.T, 3600e9, "transit/decrypt/cluster=update"))
	d.init("--namespace", "seal-d", "--keyring", "d2", "--kms", key, "--no-recovery").want(d.T, 1, "sealing the identity", "credentials that may encrypt")
	if out, err := d.cluster.TryKubectl(d, "", "-n", "seal-d", "get", "secret", "gitseal-d2"); err == nil {
		d.Errorf("something was stored all the same: %s", out)
	}
}

func testInitForbidden(d desk) {
	d.kubeconfig = kubetest.WriteKubeconfig(d, d.cluster.ConfigFor(d, "somebody"))
	d.init("--keyring", "e", "--no-recovery").want(d.T, 1, "forbidden", "hint: an administrator")
}

func TestInitUsage(t *testing.T) {
	id, err := age.Generate(false)
	if err != nil {
		t.Fatal(err)
	}
	d := desk{T: t, kubeconfig: "/nonexistent", dir: t.TempDir()}
	for _, tt := range []struct {
		name, want string
		args       []string
	}{
		{"nothing said of recovery", "--no-recovery", nil},
		{"both", "contradicts", []string{"--no-recovery", "--recovery", id.Recipient().String()}},
		{"to the screen", "name of a file", []string{"--recovery-out", "-"}},
		{"a private key", "private key", []string{"--recovery", id.SecretText()}},
		{"not well-formed", "not a well-formed recipient", []string{"--recovery", "age1xyz"}},
		{"no name", "no name for a keyring", []string{"--no-recovery", "--keyring", "A_b"}},
		{"no namespace", "no name of a namespace", []string{"--no-recovery", "--namespace", "A_b"}},
		{"too often", "an hour is the least", []string{"--no-recovery", "--renew-every", "5m"}},
		{"no key", "key 1 is not the name", []string{"--no-recovery", "--kms", "x"}},
		{"an argument", "unexpected argument", []string{"--no-recovery", "default"}},
	} {
		r := d.init(tt.args...)
		if r.code != 2 || !strings.Contains(r.errors, tt.want) || r.out != "" {
			t.Errorf("%s: exit code %d, stderr %s", tt.name, r.code, r.errors)
		}
	}
	d.init("--no-recovery").want(t, 1, "reading the kubeconfig", "hint: see --kubeconfig")
}

func TestInitDryRunAsksNobody(t *testing.T) {
	d := desk{T: t, kubeconfig: "/nonexistent", dir: t.TempDir()}
	file := filepath.Join(d.dir, "recovery.txt")
	r := d.init("--dry-run", "--recovery-out", file, "--kms", "arn:aws:kms:eu-west-1:111122223333:key/x")
	r.want(t, 0)
	for _, want := range []string{"kind: Namespace", "kind: Secret", "kind: SealKeyring", "gitseal.dev/keyring: default", "immutable: true", "every: 720h0m0s", "key: sealed-identity"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("no %q in %s", want, r.out)
		}
	}
	for _, unwanted := range []string{"creationTimestamp", "status:", "\ndata:"} {
		if strings.Contains(r.out, unwanted) {
			t.Errorf("%q is printed", unwanted)
		}
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("a recovery key was written")
	}
}
