package scan_test

import (
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cmd/internal/scan"
	"github.com/gitseal/gitseal/formats/all"
	"github.com/gitseal/gitseal/keysources/age"
)

// The alphabets of tokens. No token stands in this file: each is made up when the test
// runs, so that no scanner, ours included, takes the test for a leak.
const (
	alnum  = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	lowHex = "0123456789abcdef"
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
)

func random(r *rand.Rand, alphabet string, n int) string {
	out := make([]byte, n)
	for i := range out {
		out[i] = alphabet[r.IntN(len(alphabet))]
		if i > 0 && out[i] == out[i-1] {
			out[i] = alphabet[(strings.IndexByte(alphabet, out[i])+7)%len(alphabet)]
		}
	}
	return string(out)
}

// checksummed ends in the CRC-32 of the rest in base 62.
func checksummed(body string) string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	sum, end := crc32.ChecksumIEEE([]byte(body)), ""
	for range 6 {
		end = string(digits[sum%62]) + end
		sum /= 62
	}
	return body + end
}

// sample is one made-up secret and the pattern that must find it.
type sample struct{ pattern, text string }

func samples(t testing.TB, r *rand.Rand) []sample {
	id, err := age.Generate(false)
	if err != nil {
		t.Fatal(err)
	}
	pq, err := age.Generate(true)
	if err != nil {
		t.Fatal(err)
	}
	out := []sample{
		{"age-identity", id.SecretText()}, {"age-identity", pq.SecretText()},
		{"slack-webhook", "https://hooks.slack" + ".com/services/T" + random(r, upper, 8) + "/B" + random(r, upper, 8) + "/" + random(r, alnum, 24)},
		{"sendgrid-key", "S" + "G." + random(r, alnum, 22) + "." + random(r, alnum, 43)},
		{"openai-key", "s" + "k-proj-" + random(r, alnum, 40) + "T3Blbk" + "FJ" + random(r, alnum, 40)},
		{"azure-storage-key", "DefaultEndpointsProtocol=https;AccountName=a;Account" + "Key=" + base64.StdEncoding.EncodeToString([]byte(random(r, alnum, 64))) + ";EndpointSuffix=x"},
		{"telegram-token", "7123456789" + ":A" + "A" + random(r, alnum, 33)},
		{"terraform-token", random(r, alnum, 14) + ".atlas" + "v1." + random(r, alnum, 67)},
		{"azure-client-secret", "a~b8Q" + "~" + random(r, alnum, 34)},
		{"mailchimp-key", random(r, lowHex, 32) + "-us" + "12"},
		{"url-password", "postgresql://shop:" + random(r, alnum, 18) + "@db.shop.io:5432/shop"},
		{"url-password", "https://deploy:" + random(r, alnum, 18) + "@git.shop.io/x.git"},
		{"jwt", token(r, `{"alg":"HS256","typ":"JWT"}`, `{"sub":"42","scope":"all"}`)},
		{"docker-auth", `{"auths":{"r.io":{"au` + `th":"` + base64.StdEncoding.EncodeToString([]byte("bot:"+random(r, alnum, 20))) + `"}}}`},
		{"aws-secret-key", "aws_secret_access" + "_key = " + random(r, alnum, 40)},
		{"aws-access-key", "AK" + "IA" + random(r, upper, 16)},
	}
	for _, k := range []struct {
		pattern, prefix, alphabet string
		n                         int
	}{
		{"gitlab-token", "glpat-", alnum, 20}, {"slack-token", "xoxb-", alnum + "-", 50}, {"stripe-key", "sk_live_", alnum, 24},
		{"stripe-key", "rk_live_", alnum, 99}, {"anthropic-key", "sk-ant-api03-", alnum + "_-", 95}, {"google-api-key", "AIza", alnum, 35},
		{"google-oauth-secret", "GOCSPX-", alnum, 28}, {"twilio-key", "SK", lowHex, 32}, {"pypi-token", "pypi-AgEIcHlwaS5vcmc", alnum, 120},
		{"digitalocean-token", "dop_v1_", lowHex, 64}, {"vault-token", "hvs.", alnum, 90}, {"vault-token", "hvb.", alnum, 140},
		{"shopify-token", "shpat_", lowHex, 32}, {"mailgun-key", "key-", lowHex, 32}, {"square-token", "sq0atp-", alnum, 22},
		{"doppler-token", "dp.pt.", alnum, 43}, {"databricks-token", "dapi", lowHex, 32}, {"linear-key", "lin_api_", alnum, 40},
		{"grafana-token", "glsa_", alnum, 41}, {"heroku-key", "HRKU-AA", alnum, 58}, {"atlassian-token", "ATATT3xFfGF0", alnum, 180},
		{"postman-key", "PMAK-", lowHex, 59}, {"pulumi-token", "pul-", lowHex, 40}, {"rubygems-key", "rubygems_", lowHex, 48},
		{"supabase-token", "sbp_", lowHex, 40}, {"tailscale-key", "tskey-auth-", alnum, 40}, {"notion-token", "ntn_", alnum, 46},
		{"netlify-token", "nfp_", alnum, 36}, {"buildkite-token", "bkua_", lowHex, 40}, {"huggingface-token", "hf_", alnum, 34},
		{"groq-key", "gsk_", alnum, 52}, {"replicate-token", "r8_", alnum, 37}, {"newrelic-key", "NRAK-", upper, 27},
		{"github-token", "github_pat_", alnum + "_", 82}, {"clojars-token", "CLOJARS_", lowHex, 60}, {"discord-webhook", "discord.com/api/webhooks/", alnum, 80},
	} {
		out = append(out, sample{k.pattern, k.prefix + random(r, k.alphabet, k.n)})
	}
	for _, prefix := range []string{"ghp_", "gho_", "ghu_", "ghs_", "ghr_"} {
		out = append(out, sample{"github-token", prefix + checksummed(random(r, alnum, 30))})
	}
	return append(out, sample{"npm-token", "npm_" + checksummed(random(r, alnum, 30))})
}

// token makes a JSON web token.
func token(r *rand.Rand, header, claims string) string {
	e := base64.RawURLEncoding
	return e.EncodeToString([]byte(header)) + "." + e.EncodeToString([]byte(claims)) + "." + random(r, alnum, 43)
}

func patterns(hits []scan.Hit) []string {
	var out []string
	for _, h := range hits {
		out = append(out, h.Pattern)
	}
	return out
}

func TestKnownForms(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 4))
		for _, s := range samples(t, r) {
			for _, frame := range []string{"%s", "token: %s\n", "\"%s\",", "x = '%s' # note\n", "(%s)", "a=b;%s;c", `{"k": "line\n%s"}`} {
				if strings.HasSuffix(s.text, "suffix") || s.pattern == "url-password" && frame != "%s" && strings.Contains(frame, `\n`) {
					continue
				}
				src := []byte(fmt.Sprintf(frame, s.text))
				hits := scan.Known(src)
				if diff := cmp.Diff([]string{s.pattern}, patterns(hits)); diff != "" {
					t.Fatalf("seed %d, %s in %q: %s", seed, s.pattern, frame, diff)
				}
				if h := hits[0]; h.Start < 0 || h.End > len(src) || h.Start >= h.End {
					t.Errorf("%s: bounds %d and %d of %d", s.pattern, h.Start, h.End, len(src))
				}
			}
		}
	}
}

// TestOtherForms: what is nearly a secret, or stands for one, is none.
func TestOtherForms(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	github := "ghp_" + checksummed(random(r, alnum, 30))
	wrong := []byte(github)
	wrong[10] ^= 3
	id, err := age.Generate(false)
	if err != nil {
		t.Fatal(err)
	}
	typo := []byte(id.SecretText())
	if typo[30]++; typo[30] > 'Z' {
		typo[30] = 'Q'
	}
	for name, src := range map[string]string{
		"checksum of GitHub":      string(wrong),
		"checksum of age":         string(typo),
		"recipient of age":        id.Recipient().String(),
		"too short":               "glpat-" + random(r, alnum, 12),
		"too long":                github + "x" + random(r, alnum, 300),
		"in a word":               "x" + "AIza" + random(r, alnum, 35),
		"made up":                 "glpat-" + strings.Repeat("x", 20),
		"counting":                "glpat-" + "abcdefghijklmnopqrst",
		"an example":              "AK" + "IAIOSFODNN7EXAMPLE",
		"sealed":                  "ENC[AES256_GCM,data:" + "hf_" + random(r, alnum, 34) + ",iv:x=,tag:y=,type:str]",
		"address without":         "postgresql://db.shop.io:5432/shop and mail a@b.c",
		"address with a variable": "postgresql://shop:${PASSWORD}@db.shop.io/shop https://u:$PASS@h.io x://u:<password>@h.io",
		"address as in manuals":   "https://user:password@shop.io postgres://postgres:postgres@db/x mysql://root:changeme@h.io",
		"two addresses":           "https://shop.io:8080/a?b=c@d and ftp://x",
		"a header":                "-----BEGIN " + "PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
		"a header in a program":   `strings.HasPrefix(s, "-----BEGIN ` + `RSA PRIVATE KEY-----")`,
		"a certificate":           "-----BEGIN CERTIFICATE-----\n" + random(r, alnum, 64) + "\n-----END CERTIFICATE-----",
		"an unsigned token":       token(r, `{"alg":"none"}`, `{"a":1}`),
		"no JSON":                 "eyJ" + random(r, alnum, 30) + ".eyJ" + random(r, alnum, 30) + "." + random(r, alnum, 43),
		"hash in a name":          "api-key-" + random(r, lowHex, 32),
		"registry without":        `{"au` + `th": "none", "auth": ""}`,
	} {
		if got := scan.Known([]byte(src)); len(got) > 0 {
			t.Errorf("%s: found %v", name, patterns(got))
		}
	}
}

func TestPrivateKeys(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	body := random(r, alnum, 64) + "\n" + random(r, alnum, 64) + "\n"
	pem := func(label, body string) string {
		return "-----BEGIN " + label + "-----\n" + body + "-----END " + label + "-----\n"
	}
	locked := base64.StdEncoding.EncodeToString([]byte("openssh-key-v1\x00\x00\x00\x00\x0aaes256-ctr\x00\x00\x00\x06bcrypt" + random(r, alnum, 80)))
	open := base64.StdEncoding.EncodeToString([]byte("openssh-key-v1\x00\x00\x00\x00\x04none\x00\x00\x00\x04none" + random(r, alnum, 80)))
	for _, tt := range []struct {
		name, src string
		weak      bool
	}{
		{"PKCS 8", pem("PRIVATE KEY", body), false},
		{"RSA", pem("RSA PRIVATE KEY", body), false},
		{"EC", pem("EC PRIVATE KEY", body), false},
		{"PGP", pem("PGP PRIVATE KEY BLOCK", "Comment: x\n\n"+body), false},
		{"OpenSSH", pem("OPENSSH PRIVATE KEY", open+"\n"), false},
		{"OpenSSH with a passphrase", pem("OPENSSH PRIVATE KEY", locked+"\n"), true},
		{"PKCS 8 with a passphrase", pem("ENCRYPTED PRIVATE KEY", body), true},
		{"RSA with a passphrase", pem("RSA PRIVATE KEY", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n"+body), true},
		{"indented", "key: |\n    " + strings.ReplaceAll(pem("PRIVATE KEY", body), "\n", "\n    "), false},
		{"in JSON", `{"key": "` + strings.ReplaceAll(pem("PRIVATE KEY", body), "\n", `\n`) + `"}`, false},
		{"CRLF", strings.ReplaceAll(pem("PRIVATE KEY", body), "\n", "\r\n"), false},
		{"cut off", pem("PRIVATE KEY", body)[:120], false},
		{"in a program", "s := \"-----BEGIN " + "PRIVATE KEY-----\\n\" +\n\t\"" + strings.ReplaceAll(strings.TrimSpace(body), "\n", "\\n\" +\n\t\"") + "\"", false},
	} {
		hits := scan.Known([]byte(tt.src))
		if len(hits) != 1 || hits[0].Pattern != "private-key" || hits[0].Weak != tt.weak {
			t.Errorf("%s: got %+v", tt.name, hits)
		}
	}
}

// look scans a file as gitseal check does.
func look(t testing.TB, name, src string) []scan.Hit {
	t.Helper()
	s := scan.Source{Name: name, Text: []byte(src)}
	if n := all.NameForFile(name); n != "binary" {
		f, _ := all.ByName(n)
		s.Doc, _ = f.Parse(s.Text)
		s.Format = n
	}
	hits, _ := scan.File(s)
	return hits
}

func TestAllowed(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	key := "AIza" + random(r, alnum, 35)
	body := "-----BEGIN " + "PRIVATE KEY-----\n    " + random(r, alnum, 64) + "\n    " + random(r, alnum, 64) + "\n    -----END PRIVATE KEY-----\n"
	for _, tt := range []struct {
		name, src string
		want      int
	}{
		{"on the line", "a: " + key + " # gitseal:allow\n", 0},
		{"above", "# gitseal:allow, a test\na: " + key + "\n", 0},
		{"above, in another language", "// gitseal:allow\nvar a = `" + key + "`\n", 0},
		{"with a block", "a: | # gitseal:allow\n    " + body, 0},
		{"not there", "a: " + key + "\n", 1},
		{"two lines above", "# gitseal:allow\n\na: " + key + "\n", 1},
		{"behind another value", "b: x # gitseal:allow\na: " + key + "\n", 1},
		{"below", "a: " + key + "\n# gitseal:allow\n", 1},
	} {
		if got := look(t, "x.yaml", tt.src); len(got) != tt.want {
			t.Errorf("%s: got %v, want %d", tt.name, patterns(got), tt.want)
		}
	}
}

func FuzzFile(f *testing.F) {
	r := rand.New(rand.NewPCG(9, 9))
	for _, s := range samples(f, r) {
		f.Add("x.yaml", "k: "+s.text+"\n")
		f.Add("x.bin", s.text)
	}
	f.Add("x.json", `{"kind":"Secret","data":{"a":"Zm9vYmFy"},"password":"hunter22xx"}`)
	f.Add(".env", "DB_PASSWORD=hunter22xx\nTOKEN='")
	f.Add("x.toml", "password = \"hunter22xx\" # gitseal:allow\n")
	f.Fuzz(func(t *testing.T, name, src string) {
		for _, h := range look(t, name, src) {
			if h.Start < 0 || h.Start > h.End || h.End > len(src) || h.Pattern == "" || h.Title == "" {
				t.Fatalf("%+v of %d bytes", h, len(src))
			}
		}
	})
}

func BenchmarkKnown(b *testing.B) {
	r := rand.New(rand.NewPCG(5, 5))
	var text strings.Builder
	for text.Len() < 1<<20 {
		fmt.Fprintf(&text, "  - name: %s\n    image: registry.example/%s:%d\n", random(r, alnum, 12), random(r, "abcdefghijklmnop-", 20), r.IntN(100))
	}
	src := []byte(text.String())
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		scan.Known(src)
	}
}
