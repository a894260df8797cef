package main_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"go.yaml.in/yaml/v3"

	"github.com/gitseal/gitseal/cipher/sopstest"
)

// Secret values in the scripts begin with canaryMark; plain ones and keys do not
// have it. Nothing that has it may get out.
const canaryMark = "canary-"

var (
	// Values with a quote in them are looked for in both of their possible lengths.
	canaries   = regexp.MustCompile(canaryMark + `[^\s']+|` + canaryMark + `[^\s'",}\]]+`)
	canaryCore = regexp.MustCompile(canaryMark + `[\pL\pN_-]+`)
	ageKeys    = regexp.MustCompile(`AGE-SECRET-KEY-(?:PQ-)?1([0-9A-Z]+)`)
)

// secretsIn returns the canaries and private keys that stand in a file.
func secretsIn(data []byte) []string {
	var out []string
	for _, re := range []*regexp.Regexp{canaries, canaryCore} {
		for _, m := range re.FindAll(data, -1) {
			out = append(out, string(m))
		}
	}
	for _, m := range ageKeys.FindAllSubmatch(data, -1) {
		out = append(out, string(m[1]))
	}
	return out
}

// forms are the guises in which a secret could get out.
func forms(secret string) []string {
	b := []byte(secret)
	s256, s512 := sha256.Sum256(b), sha512.Sum512(b)
	out := []string{secret, strings.ToUpper(secret), strings.ToLower(secret), url.QueryEscape(secret), url.PathEscape(secret), quotedInner(strconv.Quote(secret))}
	if js, err := json.Marshal(secret); err == nil {
		out = append(out, quotedInner(string(js)))
	}
	var unescaped bytes.Buffer
	e := json.NewEncoder(&unescaped)
	e.SetEscapeHTML(false)
	if e.Encode(secret) == nil {
		out = append(out, quotedInner(strings.TrimSpace(unescaped.String())))
	}
	for _, raw := range [][]byte{b, s256[:], s512[:]} {
		out = append(out, hex.EncodeToString(raw), strings.ToUpper(hex.EncodeToString(raw)))
		for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			out = append(out, enc.EncodeToString(raw))
		}
	}
	// As a part of something longer that is encoded, in each of the three
	// alignments, without the characters that its neighbours have a share in.
	for shift := range 3 {
		for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			text := enc.EncodeToString(append(make([]byte, shift), b...))
			out = append(out, text[[]int{0, 2, 3}[shift]:len(text)-2])
		}
	}
	return slices.DeleteFunc(out, func(s string) bool { return len(s) < 10 })
}

func quotedInner(s string) string { return strings.TrimSuffix(strings.TrimPrefix(s, `"`), `"`) }

// macOf is what sops's MAC of a file with these values would be. It is a hash of
// nothing but secrets, so it is one.
func macOf(values []string) string {
	sum := sha512.Sum512([]byte(strings.Join(values, "")))
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// valuesOf returns the values of a plain file as sops counts them, for each
// format that the file could be of.
func valuesOf(data []byte) [][]string {
	out := [][]string{{string(data)}, lineValues(data, strings.TrimSpace), lineValues(data, func(s string) string { return s })}
	var values []string
	for d := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var n yaml.Node
		if err := d.Decode(&n); err != nil {
			if errors.Is(err, io.EOF) {
				out = append(out, values)
			}
			return out
		}
		values = appendScalars(values, &n)
	}
}

func lineValues(data []byte, clean func(string) string) []string {
	var out []string
	for line := range strings.Lines(string(data)) {
		if _, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "="); ok {
			out = append(out, clean(value))
		}
	}
	return out
}

func appendScalars(out []string, n *yaml.Node) []string {
	for i, c := range n.Content {
		if n.Kind != yaml.MappingNode || i%2 == 1 {
			out = appendScalars(out, c)
		}
	}
	if n.Kind != yaml.ScalarNode {
		return out
	}
	switch n.Tag {
	case "!!null":
		return out
	case "!!bool":
		return append(out, strings.ToUpper(n.Value[:1])+strings.ToLower(n.Value[1:]))
	}
	return append(out, n.Value)
}

// evidence is what is known of one script: its secrets, and what it left lying
// about. The zero value is ready for use.
type evidence struct {
	mu      sync.Mutex // guards the maps
	secrets map[string][]string
	litter  map[string][]string
}

// gather looks through a script's work folder at its end.
func (e *evidence) gather(script, work string) error {
	var secrets, litter []string
	err := filepath.WalkDir(work, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		temp := strings.HasPrefix(path, filepath.Join(work, ".tmp")+string(filepath.Separator))
		if temp || strings.HasSuffix(path, ".gitseal-tmp") {
			litter = append(litter, path)
		}
		info, err := d.Info()
		if err != nil || !info.Mode().IsRegular() || info.Size() > maxHashed {
			return err
		}
		data, err := os.ReadFile(path)
		secrets = append(secrets, secretsIn(data)...)
		return err
	})
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.secrets == nil {
		e.secrets, e.litter = map[string][]string{}, map[string][]string{}
	}
	e.secrets[script], e.litter[script] = append(e.secrets[script], secrets...), litter
	return err
}

// addScript adds the secrets that a script's own files hold.
func (e *evidence) addScript(script string, archive *txtar.Archive) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.secrets == nil {
		e.secrets, e.litter = map[string][]string{}, map[string][]string{}
	}
	for _, f := range archive.Files {
		found := secretsIn(f.Data)
		e.secrets[script] = append(e.secrets[script], found...)
		if len(found) == 0 {
			continue
		}
		for _, values := range valuesOf(f.Data) {
			e.secrets[script] = append(e.secrets[script], macOf(values))
		}
	}
}

// leaks returns where a script's records hold a secret, without repeating it.
func (e *evidence) leaks(script string, records []record) []string {
	secrets := slices.Clone(e.secrets[script])
	slices.Sort(secrets)
	var out []string
	for i, secret := range slices.Compact(secrets) {
		for _, form := range forms(secret) {
			for _, r := range records {
				text := strings.Join(r.Args, "\x00") + "\x00" + r.Stderr + "\x00" + r.Stdout
				if strings.Contains(text, form) {
					out = append(out, fmt.Sprintf("%s: %q: secret %d, in a form of %d bytes", script, r.Args, i, len(form)))
				}
			}
		}
	}
	return out
}

// TestCanaryCheckCatches is the control: a planted leak is found in every form,
// and in each of the places that are looked at.
func TestCanaryCheckCatches(t *testing.T) {
	const secret = canaryMark + `päss"w\ord&<%+/=`
	e := &evidence{}
	e.addScript("s", &txtar.Archive{Files: []txtar.File{{Name: "x.yaml", Data: []byte("a: '" + secret + "'\nb: 7\nk: AGE-SECRET-KEY-1ABCDEFGHIJKLMNOP\n")}}})
	if bad := e.leaks("s", []record{{Args: []string{"gitseal", "seal", "x.yaml"}, Stderr: "gitseal: x.yaml: sealed 3 values\n"}}); len(bad) != 0 {
		t.Errorf("innocent output: %q", bad)
	}
	sum := sha256.Sum256([]byte(secret))
	for name, leak := range map[string]string{
		"raw":       secret,
		"core":      canaryMark + "päss",
		"base64":    base64.StdEncoding.EncodeToString([]byte(secret)),
		"url":       url.QueryEscape(secret),
		"hex":       fmt.Sprintf("%x", secret),
		"json":      `{"a":"canary-päss\"w\\ord\u0026\u003c%+/="}`,
		"quoted":    strconv.Quote(secret),
		"sha256":    hex.EncodeToString(sum[:]),
		"sha256b64": base64.StdEncoding.EncodeToString(sum[:]),
		"shifted 0": base64.StdEncoding.EncodeToString([]byte("abc" + secret + "xyz")),
		"shifted 1": base64.StdEncoding.EncodeToString([]byte("abcd" + secret + "xyz")),
		"shifted 2": base64.URLEncoding.EncodeToString([]byte("abcde" + secret + "xyz")),
		"mac":       macOf([]string{secret, "7", "AGE-SECRET-KEY-1ABCDEFGHIJKLMNOP"}),
		"age key":   "ABCDEFGHIJKLMNOP",
	} {
		for place, r := range map[string]record{
			"stderr": {Stderr: "x" + leak + "x"}, "stdout": {Stdout: "x" + leak + "x"}, "args": {Args: []string{"git", "x" + leak + "x"}},
		} {
			if len(e.leaks("s", []record{r})) == 0 {
				t.Errorf("%s on %s: not found", name, place)
			}
		}
	}
}

// TestMACCanaryIsTheMACOfSops proves that macOf computes what sops computes: of
// a file whose plain value was changed, sops tells the MAC.
func TestMACCanaryIsTheMACOfSops(t *testing.T) {
	sops := sopstest.New(t, sopstest.Versions[0])
	plain := []byte("a: canary-one\nb_unencrypted: open\nc:\n    - 7\n    - true\n    - null\n")
	sealed := sops.Encrypt(t.Context(), "x.yaml", plain)
	if err := sealed.Err(); err != nil {
		t.Fatal(err)
	}
	changed := bytes.Replace(sealed.Stdout, []byte("open"), []byte("shut"), 1)
	got := sops.Decrypt(t.Context(), "x.yaml", changed)
	candidates := valuesOf(plain)
	if want := macOf(candidates[len(candidates)-1]); !strings.Contains(string(got.Stderr), want) {
		t.Errorf("sops says %q, want %s in it", got.Stderr, want)
	}
}
