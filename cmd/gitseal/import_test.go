package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/gitseal/gitseal/cipher/sopstest"
	gitseal "github.com/gitseal/gitseal/cmd/gitseal"
	"github.com/gitseal/gitseal/cmd/internal/sealedsecret/sealedsecrettest"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/keysources/age"
)

// TestImportFromKubesealToSops goes the whole way: Secrets sealed by the real
// kubeseal, for several keys and in all scopes, imported by the program with a
// backup of the keys, and opened by the real sops. kubeseal's own recovery must give
// the same data.
func TestImportFromKubesealToSops(t *testing.T) {
	tools, sops := sealedsecrettest.Build(t), sopstest.Binary(t, sopstest.Versions[0])
	bin, dir := buildProgram(t), t.TempDir()
	old, current := sealedsecrettest.NewController(t, 2048), sealedsecrettest.NewController(t, 2048)
	id, err := age.Generate(false)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		"key.txt": id.SecretText() + "\n", "backup.yaml": string(sealedsecrettest.Backup(old, current)),
		".sops.yaml": "creation_rules:\n  - age: " + id.Recipient().String() + "\n",
	}
	want := map[string]map[string]string{}
	for i, scope := range []string{"strict", "namespace-wide", "cluster-wide"} {
		c := []sealedsecrettest.Controller{old, current}[i%2]
		secret := fmt.Sprintf(`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s%d","namespace":"shop"},
			"data":{"bytes":"//79AA==","text":"Y2FuYXJ5LWs="},"stringData":{"multi":"canary-a: %d\n b\n","looks-like":"1e3"}}`, i, i)
		sealed := sealedsecrettest.Run(t, []byte(secret), tools.Kubeseal, "--cert", c.Certificate, "--scope", scope)
		files[fmt.Sprintf("sealed%d.json", i)] = string(sealed)
		back := sealedsecrettest.Run(t, sealed, tools.Kubeseal, "--recovery-unseal", "--recovery-private-key", c.KeyFile)
		var s struct{ Data map[string]string }
		if err := json.Unmarshal(back, &s); err != nil || len(s.Data) != 4 {
			t.Fatalf("kubeseal gave %d values back, error %v", len(s.Data), err)
		}
		want[fmt.Sprintf("s%d.yaml", i)] = s.Data
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "GITSEAL_DOORS=open", "SOPS_AGE_KEY_FILE=" + filepath.Join(dir, "key.txt"), "SOPS_DISABLE_VERSION_CHECK=1"}
	runIn(t, dir, env, bin, "import", "--sealing-key", "backup.yaml", "sealed0.json", "sealed1.json", "sealed2.json")
	for name, data := range want {
		var s struct{ Data map[string]string }
		if err := yaml.Unmarshal(runIn(t, dir, env, sops, "-d", name), &s); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(data, s.Data); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		sealed, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || bytes.Contains(sealed, []byte("//79AA==")) || !bytes.Contains(sealed, []byte("bytes: ENC[")) {
			t.Errorf("%s is not sealed, error %v", name, err)
		}
	}
}

// runIn runs a program, which must succeed, and returns what it prints.
func runIn(t *testing.T, dir string, env []string, program string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(program, args...)
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, env, &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %q: %v: %s", filepath.Base(program), args, err, stderr.String())
	}
	return stdout.Bytes()
}

func TestDotenvValues(t *testing.T) {
	for _, tt := range []struct {
		src            string
		want, verbatim string // "" for an error
	}{
		{"A=b", "b", "b"},
		{"A= b ", "b", " b "},
		{"A=b\r\n", "b", "b"},
		{`A="b"`, "b", `"b"`},
		{`A='b'`, "b", `'b'`},
		{`A='b"c\n'`, `b"c\n`, "'b\"c\n'"},
		{`A="b\"c\\d\te\qf"`, "b\"c\\d\te\\qf", `"b\"c\\d\te\qf"`},
		{`A="b\nc"`, "b\nc", "\"b\nc\""},
		{"A=\"b\r\nc\"", "b\nc", "\"b\r\nc\""},
		{"A=b #c", "b", "b #c"},
		{"A=b#c", "b#c", "b#c"},
		{"A='b' # c", "b", "'b' # c"},
		{"A=#c", "#c", "#c"},
		{"A=b=c", "b=c", "b=c"},
		{"A=it's", "it's", "it's"},
		{"export A=b", "b", ""},
		{"A =b", "b", ""},
		{"A='b' c", "", "'b' c"},
		{"A='b", "", "'b"},
		{"1A=b", "", ""},
		{"A B=c", "", ""},
	} {
		for verbatim, want := range map[bool]string{false: tt.want, true: tt.verbatim} {
			got, err := gitseal.DotenvValues([]byte(tt.src), verbatim)
			if want == "" {
				if err == nil {
					t.Errorf("%q (verbatim: %v): got %q, want an error", tt.src, verbatim, got)
				}
				continue
			}
			if diff := cmp.Diff([]string{"A", want}, got); diff != "" || err != nil {
				t.Errorf("%q (verbatim: %v): error %v %s", tt.src, verbatim, err, diff)
			}
		}
	}
}

// FuzzDotenv: whatever the file, no panic; and what can be read is the same data in
// YAML and JSON.
func FuzzDotenv(f *testing.F) {
	f.Add([]byte("# c\nexport A=\"b\\n c\" # d\nB='x\ny'\nC=d # e\nD=\n"))
	f.Add([]byte("A=\"\\\nB=yes\nC=0x1F"))
	f.Fuzz(func(t *testing.T, src []byte) {
		if _, err := gitseal.DotenvValues(src, true); err != nil {
			if e := (*formats.Error)(nil); !errors.As(err, &e) {
				t.Errorf("got error %v", err)
			}
		}
		values, err := gitseal.DotenvValues(src, false)
		if err != nil || len(values) == 0 || !utf8.Valid(src) {
			return
		}
		asYAML, err := gitseal.DotenvAs("yaml", src)
		if err != nil {
			t.Fatal(err)
		}
		asJSON, err := gitseal.DotenvAs("json", src)
		if err != nil {
			t.Fatal(err)
		}
		var x, y map[string]string
		if err := yaml.Unmarshal(asYAML, &x); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(asJSON, &y); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(x, y); diff != "" {
			t.Error(diff)
		}
		for i := 0; i < len(values); i += 2 {
			if x[values[i]] != values[i+1] {
				t.Errorf("value %d is another one", i/2)
			}
		}
	})
}
