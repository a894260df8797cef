package scan_test

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cmd/internal/scan"
)

// password is one as generators make them, with characters that mean something to shells
// and templates.
const password = "aB3$x" + "K9q1vvQ"

// TestWhereSecretsStand: a password in the ways in which files of many kinds write one,
// and beside each what only looks like it.
func TestWhereSecretsStand(t *testing.T) {
	const strong, weak = "secret-key", "secret-key?"
	for _, tt := range []struct {
		file, src, twin string
		want            string
	}{
		{"a.sh", "export DB_PASSWORD=P\n", "export DB_PASSWORD=$1\n", strong},
		{".envrc", "export DB_PASSWORD='P'\n", "export DB_PASSWORD=$(pass show db)\n", strong},
		{"a.sh", "DB_PASSWORD=\"P\" ./run --x=y\n", "DB_PASSWORD=\"$OTHER_PASSWORD$x\" ./run\n", strong},
		{"a.sh", "docker run -e DB_PASSWORD=P db\n", "docker run -e DB_PASSWORD=\"${P}\" db\n", strong},
		{"a.sh", "login --password=P\n", "# login --password=P\n", strong},
		{"a.sh", "PASSWORD=swordfish2x\n", "PASSWORD=swordfish\n", weak},
		{"Makefile", "TOKEN ?= x\nrun: ; PASSWORD=P ./x\n", "TOKEN = x\nrun: ; PASSWORD=`cat x` ./x\n", strong},
		{"a.sh", "curl -u user:P https://x\n", "curl -u \"user:$PASSWORD\" https://x -u user:password\n", "curl-password"},
		{"notes.md", "    curl -s \\\n  --user 'bot:P' https://x\n", "curl https://x\nset -u user:P\n", "curl-password"},
		{"Dockerfile", "FROM x\nENV DB_PASSWORD P\n", "FROM x\nENV DB_PASSWORD_FILE P\n", strong},
		{"app.dockerfile", "ENV A=b DB_PASSWORD=P\n", "ENV A=b DB_PASSWORD=$DB_PASSWORD\n", strong},
		{"Dockerfile.dev", "ARG DB_PASSWORD=P\n", "ARG DB_PASSWORD\n", strong},
		{".netrc", "machine x login y password P\n", "machine x login password account P\n", strong},
		{".npmrc", "//r.io/:_authToken=P\n", "//r.io/:_authToken=${NPM_TOKEN}\n", strong},
		{"a.properties", "db.password=P\n", "db.password.file=P\n", strong},
		{"a.json", `{"password":"P",}`, `{"password":"${P}",}`, strong},
		{"a.json", "// c\n{\"a\": {\"password\": \"P\"}}", "// c\n{\"a\": {\"password\": [\"P\"], \"policy\": \"P\"}}", strong},
		{"a.json", `{"a":1,"a":2,"password":"P"}`, `{"a":1,"a":2,"b":"P"}`, strong},
		{"a.json", `{"a":1,"a":2,` + strings.Repeat(`"b":"c",`, 1000) + `"password":"P"}`, `{"a":1,"a":2,"password":"changeme"}`, strong},
		{"a.tf", "variable \"db_password\" {\n  default = \"P\"\n}\n", "variable \"db_password\" {\n}\nvariable \"x\" {\n  default = \"P\"\n}\n", strong},
		{"a.tf", "resource \"x\" \"y\" {\n  password = \"P\"\n}\n", "resource \"x\" \"y\" {\n  password = var.p\n  name = \"P\"\n}\n", strong},
		{"a.py", "PASSWORD = \"P\"\n", "PASSWORD = os.environ[\"P\"]\n", weak},
		{"a.py", "os.environ['DB_PASSWORD'] = 'P'\n", "x = os.environ['DB_PASSWORD'] == 'P'\n", weak},
		{"a.py", "def f(password: str = 'P'):\n", "# PASSWORD = 'P'\n", weak},
		{"a.js", "const x = {password: 'P'}\n", "const x = {password: 'Your password'}\n", weak},
		{"a.js", "const x = {\"password\": `P`}\n", "const x = {\"password\": `${P}`}\n", weak},
		{"a.go", "var dbPassword string = \"P\"\n", "var dbPassword string // \"P\"\n", weak},
		{"a.go", "password := \"P\"\n", "if password != \"P\" {\n", weak},
		{"a.rb", "config['password'] => 'P'\n", "config['password'] => 'hunter'\n", weak},
		{"b.py", "PASSWORD = \"P\"\n", "PASSWORD = \"password_reset_2fa\"\n", weak},
		{"a.yaml", "env:\n  - name: DB_PASSWORD\n    value: P\n", "env:\n  - name: DB_USER\n    value: P\n", "env[0].value " + strong},
		{"a.yaml", "env:\n  - name: DB_PASSWORD\n    value: P\n  - {{ .x }}\n", "env:\n  - name: DB_PASSWORD\n  - name: X\n    value: P\n  - {{ .x }}\n", strong},
		{"a.json", `{"e": [{"name": "DB_PASSWORD", "value": "P"}]}`, `{"e": [{"name": "DB_PASSWORD", "valueFrom": "P"}]}`, "e[0].value " + strong},
		{"a.yaml", "kind: ConfigMap\ndata:\n  app.properties: |\n    a=b\n    db.password=P\n", "kind: ConfigMap\ndata:\n  app.properties: |\n    a=b\n    db.password=${P}\n", `data."app.properties" ` + strong},
		{"a.yaml", "a: |\n  password: P\n", "a: |\n  password: swordfish\n", "a " + strong},
		{"a.yaml", "run: |\n  set -e\n  export API_TOKEN=P\n", "run: |\n  set -e\n  export API_TOKEN=$API_TOKEN\n", "run " + strong},
		{"a.yaml", "kind: Secret\nmetadata: {name: {{ .n }}}\nstringData:\n  foo: hunter2\n", "kind: Secret\nmetadata: {name: {{ .n }}}\nstringData:\n  foo: {{ .x }}\n  b: \"{{ .y }}\"\n", "kubernetes-secret"},
		{"a.yaml", "{{ if .x }}\nkind: Secret\ndata:\n  foo: aHVudGVyMg==\n{{ end }}\n", "{{ if .x }}\nkind: ConfigMap\ndata:\n  foo: aHVudGVyMg==\n---\nkind: Secret\nmetadata:\n  name: hunter2\n{{ end }}\n", "kubernetes-secret"},
	} {
		fill := strings.NewReplacer("P\n", password+"\n", "P\"", password+"\"", "P'", password+"'", "P ", password+" ", "P`", password+"`")
		src, twin := fill.Replace(tt.src), fill.Replace(tt.twin)
		if diff := cmp.Diff([]string{tt.want}, found(look(t, tt.file, src))); diff != "" {
			t.Errorf("%s: %q: %s", tt.file, src, diff)
		}
		if got := found(look(t, tt.file, twin)); got != nil {
			t.Errorf("%s: %q: %v", tt.file, twin, got)
		}
	}
}

// TestProgramsOfTests: made-up secrets are at home there.
func TestProgramsOfTests(t *testing.T) {
	src := "password = \"" + password + "\"\n"
	for name, want := range map[string]int{"a/test/x.py": 0, "test_x.py": 0, "x_test.go": 0, "x.spec.js": 0, "examples/x.rb": 0, "latest.py": 1, "x.py": 1, "contest/x.py": 1} {
		if got := look(t, name, src); len(got) != want {
			t.Errorf("%s: %v", name, found(got))
		}
	}
}

// TestWhatShowsWhenRead: a token that is escaped, folded or in base64 is one.
func TestWhatShowsWhenRead(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 21))
	key := "ghp_" + checksummed(random(r, alnum, 30))
	inBase64 := base64.StdEncoding.EncodeToString([]byte("token: " + key + "\n"))
	body := random(r, alnum, 64) + "\n" + random(r, alnum, 64) + "\n"
	pem := base64.StdEncoding.EncodeToString([]byte("-----BEGIN " + "PRIVATE KEY-----\n" + body + "-----END PRIVATE KEY-----\n"))
	for _, tt := range []struct {
		file, src, want string
	}{
		{"a.json", `{"k": "\u0067` + key[1:] + `"}`, "k github-token"},
		{"a.yaml", `k: "\x67` + key[1:] + "\"\n", "k github-token"},
		{"a.yaml", "k: \"" + key[:20] + "\\\n  " + key[20:] + "\"\n", "k github-token"},
		{"a.yaml", "kind: ConfigMap\nbinaryData:\n  foo: " + inBase64 + "\n", "binaryData.foo github-token"},
		{"a.yaml", "data:\n  foo: " + pem + "\n", "data.foo private-key"},
	} {
		if diff := cmp.Diff([]string{tt.want}, found(look(t, tt.file, tt.src))); diff != "" {
			t.Errorf("%s: %s", tt.src, diff)
		}
	}
	for _, good := range []string{
		"k: \"" + key[:20] + "\n  " + key[20:] + "\"\n", // a line feed is read as a space
		"data:\n  foo: " + base64.StdEncoding.EncodeToString([]byte("token: "+key[:30]+"-----\n")) + "\n",
		"data:\n  foo: " + base64.StdEncoding.EncodeToString([]byte("\x00\x01"+key)) + "\n",
	} {
		if got := found(look(t, "a.yaml", good)); got != nil {
			t.Errorf("%s: %v", good, got)
		}
	}
}

func TestUTF16(t *testing.T) {
	const text = "äö a=b 😀\nkey = value\n"
	encode := func(mark string, high, low int) []byte {
		var out []byte
		for _, u := range utf16.Encode([]rune(mark + text)) {
			out = append(out, byte(u>>high), byte(u>>low))
		}
		return out
	}
	for name, src := range map[string][]byte{
		"little endian": encode("\ufeff", 0, 8), "big endian": encode("\ufeff", 8, 0),
	} {
		if got, ok := scan.FromUTF16(src); !ok || string(got) != text {
			t.Errorf("%s: %q, %v", name, got, ok)
		}
	}
	for _, src := range []string{"", text, "\x7fELF\x00\x00\x01\x02", "a\x00b", strings.Repeat("\x00", 600), "\xff\xfe\x00\x00a\x00\x00\x00"} {
		if got, ok := scan.FromUTF16([]byte(src)); ok {
			t.Errorf("%q: %q", src, got)
		}
	}
}

// TestNothingCrowdsOut: however much is weak, or was let pass, what is neither is found.
func TestNothingCrowdsOut(t *testing.T) {
	r := rand.New(rand.NewPCG(22, 22))
	token := func() string { return "glpat-" + random(r, alnum, 20) }
	var b strings.Builder
	for range 1000 {
		fmt.Fprintf(&b, "x%s # gitseal:allow\n", " "+token())
		fmt.Fprintf(&b, "y postgres://u:%s@db/x\n", random(r, alnum, 18))
	}
	b.WriteString("z " + token() + "\n")
	strong := 0
	for _, h := range look(t, "a.txt", b.String()) {
		if !h.Weak {
			strong++
		}
	}
	if strong != 1 {
		t.Errorf("%d found", strong)
	}
	if _, more := scan.File(scan.Source{Name: "a.txt", Text: []byte(b.String())}); !more {
		t.Error("nothing says that some are left out")
	}
	if _, more := scan.File(scan.Source{Name: "a.txt", Text: []byte(token())}); more {
		t.Error("nothing is left out")
	}
}
