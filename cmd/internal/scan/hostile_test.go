package scan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gitseal/gitseal/cmd/internal/scan"
)

// TestHostileTextsCostNoMore: text that is made of the beginnings of secrets, or that
// keeps the scan looking for an end, costs about what other text of its length does. The
// bound is above what is measured (20), and far below what looking ahead from each
// beginning costs (more than a thousand).
func TestHostileTextsCostNoMore(t *testing.T) {
	const size, most = 1 << 17, 60
	fill := func(s string) []byte { return []byte(strings.Repeat(s, size/len(s)+1)[:size]) }
	cost := func(name string, src []byte) time.Duration {
		best := time.Hour
		for range 2 {
			start := time.Now()
			scan.File(scan.Source{Name: name, Text: src})
			best = min(best, time.Since(start))
		}
		return best
	}
	ordinary := cost("x.yaml", fill("  - name: shop\n    image: registry.io/x:12\n"))
	for _, unit := range []string{
		"eyJhbGciOi.", "eyJ" + strings.Repeat("a", 40) + ".", "eyJ.", "-----BEGIN PRIVATE KEY-----\n", "-----BEGIN RSA PRIVATE KEY-----", "-----BEGIN ", "-",
		"ya29.", strings.Repeat("ya29.", 150) + " ", "glpat-.", "xoxe.", "dp.st.", "hvb.", "hvs.a", "SG.", "ops_eyJ", "glc_eyJ", "pypi-AgE", "AccountKey=", "ATATT3xFfGF0=",
		"a://b:", "a://b:c@", "://", "a://", "ENC[AES256_GCM,", `"auth"`, `"auth":"`, "AKIA ", "AKIA" + strings.Repeat("A2", 8) + " ", "secret_access_key=", "12345678:AA", "-us1", "Q~", "a.atlasv1.",
		"curl -u ", "curl\n", "curl -u a:", `"`, `'"`, `\"`, `"\`, "password=", `password="`, `"password":`, `"password":"`, `password = "a" `, "password: x\n", "name: password\nvalue: x\n", "a=", "=", "===", "$",
		"password=$a$", "ENV a b\n", "kind: Secret\ndata:\n a: b\n", "password ", "a", "\n", " ", "\t", "\\\n", "x = \"a\" ", "variable \"password\" {\n default = \"aB3$xK9q1vvQ\" }\n", "password: aB3$xK9q1vvQ\n", "password: aB3$xK9q1vvQ # gitseal:allow\n",
	} {
		src := fill(unit)
		for _, name := range []string{"x.txt", "x.yaml", "x.json", "x.py", "x.sh", "Dockerfile", ".netrc", "x.tf"} {
			if got := cost(name, src); got > most*ordinary {
				t.Errorf("%q in %s: %v, and ordinary text takes %v", unit[:min(len(unit), 30)], name, got, ordinary)
			}
		}
	}
}
