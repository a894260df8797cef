//go:build unix

package main_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"filippo.io/age/plugin"

	"github.com/gitseal/gitseal/keysources/age"
)

// trap is what a sealed file leads to: a server that counts connections, and a
// program that leaves a mark when it runs.
type trap struct {
	url         string
	connections atomic.Int32
	// token is a header that a client sent.
	token atomic.Value
	// mark is the file that the program makes.
	mark, program string
}

// stolen is a token that the user has for another server.
const stolen = "canary-chain-vault-token"

func newTrap(t *testing.T) *trap {
	t.Helper()
	dir := t.TempDir()
	tr := &trap{mark: filepath.Join(dir, "mark"), program: filepath.Join(dir, "age-plugin-trap")}
	if err := os.WriteFile(tr.program, []byte("#!/bin/sh\n: > '"+tr.mark+"'\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tr.token.Store(r.Header.Get("X-Vault-Token"))
		w.WriteHeader(http.StatusForbidden)
	}))
	s.Config.ConnState = tr.count
	s.Start()
	t.Cleanup(s.Close)
	tr.url = s.URL
	return tr
}

func (tr *trap) count(_ net.Conn, state http.ConnState) {
	if state == http.StateNew {
		tr.connections.Add(1)
	}
}

// sprung reports whether something was contacted or run since the last time.
func (tr *trap) sprung() bool {
	_, err := os.Stat(tr.mark)
	os.Remove(tr.mark)
	return tr.connections.Swap(0) > 0 || err == nil
}

// lure is an entry of a file's metadata that leads to a trap.
type lure struct {
	name string
	// entry is the entry in a file, rule the line in a rule, "" if a rule cannot
	// name it.
	entry, rule string
	// env is the user's environment, allow the agreement to what the entry names.
	env   []string
	allow string
}

func lures(t *testing.T, tr *trap) []lure {
	t.Helper()
	const created = "created_at: \"2026-01-02T03:04:05Z\"\n          enc: "
	aws := []string{
		"AWS_ACCESS_KEY_ID=AKIAXXXXXXXXXXXXXXXX", "AWS_SECRET_ACCESS_KEY=canary-chain-aws", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ENDPOINT_URL_STS=" + tr.url, "AWS_ENDPOINT_URL_KMS=" + tr.url, "AWS_CONFIG_FILE=" + configFile(t, tr), "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull,
		"AWS_MAX_ATTEMPTS=1",
	}
	const arn, role = "arn:aws:kms:us-east-1:111122223333:key/00000000-0000-4000-8000-000000000001", "arn:aws:iam::111122223333:role/other"
	const strange = "arn:aws:kms:example:111122223333:key/00000000-0000-4000-8000-000000000001"
	https := strings.Replace(tr.url, "http://", "https://", 1)
	return []lure{
		{"a Vault server", "hc_vault:\n        - " + created + "vault:v1:AAAA\n          engine_path: transit\n          key_name: k\n          vault_address: " + tr.url,
			"hc_vault_transit_uri: " + tr.url + "/v1/transit/keys/k",
			[]string{"VAULT_TOKEN=" + stolen, "VAULT_ADDR=http://127.0.0.1:1"}, "hc_vault=" + tr.url},
		{"an Azure vault", "azure_kv:\n        - " + created + "AAAA\n          name: k\n          vault_url: " + https + "\n          version: v1",
			"azure_keyvault: " + https + "/keys/k/v1",
			[]string{"IDENTITY_ENDPOINT=" + tr.url + "/msi", "IDENTITY_HEADER=x"}, "azure_kv=" + https},
		{"a role", "kms:\n        - " + created + "AAAA\n          arn: " + arn + "\n          aws_profile: \"\"\n          role: " + role,
			"kms: " + arn + "+" + role, aws, "kms.role=" + role},
		{"a profile", "kms:\n        - " + created + "AAAA\n          arn: " + arn + "\n          aws_profile: trap",
			"kms: " + arn + "\n    aws_profile: trap", aws, "kms.profile=trap"},
		{"a region that is none of AWS's", "kms:\n        - " + created + "AAAA\n          arn: " + strange + "\n          aws_profile: \"\"",
			"kms: " + strange, aws, "kms.region=example"},
	}
}

// configFile is an AWS configuration with a profile that runs the trap's program.
func configFile(t *testing.T, tr *trap) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(name, []byte("[profile trap]\ncredential_process = "+tr.program+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// notContacted: an address, role, profile, region or plugin that only a file or its
// rule names is not used, and what is refused says how to allow it.
func notContacted(t *testing.T, h *house) {
	tr := newTrap(t)
	h.rules([]age.Identity{h.alice})
	sealed := h.sealed("a.yaml", selectorFile)
	if err := os.Remove(h.path(".sops.yaml")); err != nil {
		t.Fatal(err)
	}
	for _, l := range lures(t, tr) {
		t.Run(l.name, func(t *testing.T) {
			h := *h
			h.t, h.env = t, l.env
			h.inFile(tr, l, sealed)
			h.inRule(tr, l)
		})
	}
	t.Run("an age plugin", func(t *testing.T) {
		h := *h
		h.t, h.env = t, []string{"PATH=" + filepath.Dir(tr.program) + string(filepath.ListSeparator) + os.Getenv("PATH")}
		recipient := plugin.EncodeRecipient("trap", []byte("0123456789abcdef"))
		changed := strings.ReplaceAll(sealed, h.alice.Recipient().String(), recipient)
		h.write("a.yaml", changed)
		for _, c := range openers("a.yaml") {
			h.do(c)
			h.untouched(tr, c)
		}
		h.inRule(tr, lure{rule: "age: " + recipient, allow: "age.plugin=trap"})
	})
}

// inFile lets a file name what leads to the trap.
func (h *house) inFile(tr *trap, l lure, sealed string) {
	h.t.Helper()
	only := replaced(h.t, sealed, `(?m)^    age:\n(?:        .*\n)+`, "    "+l.entry+"\n")
	beside := replaced(h.t, sealed, `(?m)^    lastmodified:`, "    "+l.entry+"\n    lastmodified:")
	name := replaced(h.t, l.allow, `=.*`, "")
	for _, c := range openers("a.yaml") {
		h.write("a.yaml", only)
		r := h.do(c)
		h.refused(r, "a.yaml", only, 4)
		h.untouched(tr, c)
		if !strings.Contains(r.stderr, "--allow "+l.allow) {
			h.t.Errorf("%q does not say how to allow %s:\n%s", c.args, name, r.stderr)
		}
		// Beside a reader whose key is there, it is not needed to open the file, and not
		// used to write it.
		for _, text := range states(h.t, beside) {
			h.write("a.yaml", text)
			h.silentAbout(h.do(c))
			h.untouched(tr, c)
		}
	}
	h.write("a.yaml", only)
	for _, c := range append(onlookers("a.yaml"), errand{as: "alice", args: []string{"set", "--propose", "a.yaml", "token"}, stdin: plantedMark + "x"}) {
		h.do(c)
		h.untouched(tr, c)
	}
	// The control: what is allowed is used.
	for _, c := range []errand{
		{as: "alice", args: []string{"unseal", "--timeout", "10s", "--allow", l.allow, "a.yaml"}},
	} {
		r := h.do(c)
		if !tr.sprung() {
			h.t.Errorf("control: %q: exit code %d, and nothing is contacted: %s", c.args, r.code, r.stderr)
		}
	}
	if token, _ := tr.token.Load().(string); strings.HasPrefix(l.allow, "hc_vault=") && token != stolen {
		h.t.Error("control: the token was not sent either way")
	}
}

// inRule lets a rule name it.
func (h *house) inRule(tr *trap, l lure) {
	h.t.Helper()
	defer os.Remove(h.path(".sops.yaml"))
	h.write(".sops.yaml", "creation_rules:\n  - "+l.rule+"\n")
	h.write("new.yaml", selectorFile)
	c := errand{as: "alice", args: []string{"seal", "new.yaml"}}
	r := h.do(c)
	h.untouched(tr, c)
	if r.code != 1 || h.read("new.yaml") != selectorFile || !strings.Contains(r.stderr, "--allow "+l.allow) {
		h.t.Errorf("%q: exit code %d, or the file changed, or it does not say how to allow %s:\n%s", c.args, r.code, l.allow, r.stderr)
	}
	c.args = []string{"seal", "--timeout", "10s", "--allow", l.allow, "new.yaml"}
	if r := h.do(c); !tr.sprung() {
		h.t.Errorf("control: %q: exit code %d, and nothing is contacted: %s", c.args, r.code, r.stderr)
	}
}

// silentAbout checks that an output holds no token.
func (h *house) silentAbout(r reply) {
	h.t.Helper()
	if strings.Contains(r.output(), stolen) {
		h.t.Errorf("%q shows a token", r.args)
	}
}

func (h *house) untouched(tr *trap, c errand) {
	h.t.Helper()
	if tr.sprung() {
		h.t.Errorf("%q contacts or runs what only the file names", c.args)
	}
}

// forgedEnvironments: a sealed file takes nothing but public keys to make, so what it
// sets is not taken for what the user wants to run.
func forgedEnvironments(t *testing.T, h *house) {
	evil := filepath.Join(h.home, "evil")
	mark := filepath.Join(h.home, "mark")
	script := "#!/bin/sh\n: > '" + mark + "'\n"
	if err := os.Mkdir(evil, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ls", "startup"} {
		if err := os.WriteFile(filepath.Join(evil, name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		variable, value string
		command         []string
		// runs: the control shows that the value runs a program; else that the command
		// gets it.
		runs bool
	}{
		{"PATH", evil + ":/usr/bin:/bin", []string{"sh", "-c", "ls"}, true},
		{"BASH_ENV", filepath.Join(evil, "startup"), []string{"bash", "-c", "true"}, true},
		{"ENV", filepath.Join(evil, "startup"), []string{"sh", "-i", "-c", "true"}, true},
		{"GIT_SSH_COMMAND", filepath.Join(evil, "startup"), []string{"git", "ls-remote", "ssh://example.invalid/x"}, true},
		{"GIT_EXTERNAL_DIFF", filepath.Join(evil, "startup"), nil, false},
		{"LD_PRELOAD", filepath.Join(evil, "none.so"), nil, false},
		{"LD_LIBRARY_PATH", evil, nil, false},
		{"NODE_OPTIONS", "--require=" + evil, nil, false},
		{"PYTHONSTARTUP", filepath.Join(evil, "startup"), nil, false},
		{"SOPS_AGE_KEY_CMD", filepath.Join(evil, "startup"), nil, false},
	} {
		t.Run(tt.variable, func(t *testing.T) {
			h := *h
			h.t = t
			if tt.command == nil {
				tt.command = []string{"sh", "-c", `test "$` + tt.variable + `" = "` + tt.value + `" && : > '` + mark + `'`}
			}
			h.write("x.env", tt.variable+"="+tt.value+"\nOTHER=canary-chain-other\n")
			if r := h.do(errand{args: []string{"seal", "--age", h.alice.Recipient().String(), "x.env"}}); r.code != 0 {
				t.Fatalf("forging the file: %s", r.stderr)
			}
			sealed := h.read("x.env")
			h.refused(h.run(append([]string{"exec", "x.env", "--"}, tt.command...)...), "x.env", sealed, 1)
			if _, err := os.Stat(mark); err == nil {
				t.Error("it ran something")
			}
			h.run(append([]string{"exec", "--allow-env", tt.variable, "x.env", "--"}, tt.command...)...)
			if os.Remove(mark) != nil {
				t.Error("control: allowed, it does nothing either")
			}
		})
	}
}
