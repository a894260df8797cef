package opening_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/opening"
)

// texts are values that files, YAML and JSON could get wrong.
var texts = []string{
	"a", " leading", "trailing ", "two\nlines", "lines\n\n", "\ttab", "ünï→☃", "😀", "'", `"`, `\`, "#no comment", "a: b", "- x",
	"true", "null", "~", "0x1F", "1_000", "1.10", "1e3", "12:30", "2026-01-02", "ENC", "ENC[", "*alias", "&anchor", "!tag", "|", ">-", "%",
	"{}", "[]", "{{ template }}", "${var}", "-----BEGIN KEY-----\nMIIB\n-----END KEY-----\n", "\u0001", "\u2028", "a\u00a0b", strings.Repeat("long ", 400),
}

// generated is a plain manifest, as text, and what its Secret should hold.
type generated struct {
	yaml string
	want map[string]string
}

// generate makes a manifest of a few values in one of many spellings.
func generate(r *rand.Rand, name, namespace string) generated {
	g := generated{want: map[string]string{}}
	var b strings.Builder
	fmt.Fprintf(&b, "# about\napiVersion: gitseal.dev/v1alpha1\nkind: SealedManifest\nmetadata:\n  name: %s\n  namespace: %s\n", name, namespace)
	fields := [][]string{{"data"}, {"stringData"}, {"data", "stringData"}, {"stringData", "data"}}[r.IntN(4)]
	data, texts := map[string]string{}, map[string]string{}
	for _, f := range fields {
		b.WriteString(f + ":\n")
		for i := range 1 + r.IntN(5) {
			key := fmt.Sprintf("%c%d.%s", 'a'+rune(r.IntN(26)), i, []string{"txt", "KEY", "x-y", "_"}[r.IntN(4)])
			value := randomText(r)
			if r.IntN(4) == 0 {
				b.WriteString("  # canary comment\n")
			}
			if f == "data" {
				data[key] = value
				value = base64.StdEncoding.EncodeToString([]byte(value))
			} else {
				texts[key] = value
			}
			b.WriteString("  " + key + ": " + spelled(r, value) + "\n")
		}
	}
	maps.Copy(g.want, data)
	maps.Copy(g.want, texts)
	g.yaml = b.String()
	return g
}

func randomText(r *rand.Rand) string {
	return texts[r.IntN(len(texts))] + fmt.Sprintf("#%d", r.IntN(1000))
}

// spelled writes a text in YAML, in JSON's quotes or as yaml itself would.
func spelled(r *rand.Rand, text string) string {
	if r.IntN(2) == 0 && !strings.Contains(text, "\u2028") {
		if b, err := yaml.Marshal(text); err == nil && !bytes.Contains(bytes.TrimSpace(b), []byte("\n")) {
			return string(bytes.TrimSpace(b))
		}
	}
	b, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// throughCluster returns the manifest as it comes back from an API server to which
// some tool has sent it: keys in any order, with what others have added.
func throughCluster(tb testing.TB, r *rand.Rand, sealed string) *v1alpha1.SealedManifest {
	tb.Helper()
	text, err := yaml.YAMLToJSON([]byte(sealed))
	if err != nil {
		tb.Fatalf("%v\n%s", err, sealed)
	}
	var tree map[string]any
	if err := json.Unmarshal(text, &tree); err != nil {
		tb.Fatal(err)
	}
	meta := tree["metadata"].(map[string]any)
	meta["uid"], meta["resourceVersion"], meta["generation"] = "6f2c", "1234", 7
	meta["labels"] = map[string]any{"argocd.argoproj.io/instance": "app", "added": "by a tool", "data": "x"}
	meta["annotations"] = map[string]any{"kubectl.kubernetes.io/last-applied-configuration": string(text)}
	meta["managedFields"] = []any{map[string]any{"manager": "kubectl", "operation": "Update"}}
	tree["status"] = map[string]any{"observedGeneration": 6, "conditions": []any{}}
	m := &v1alpha1.SealedManifest{}
	if err := json.Unmarshal(shuffled(tb, r, tree), m); err != nil {
		tb.Fatal(err)
	}
	return m
}

// shuffled writes a tree as JSON with the keys of all maps in any order.
func shuffled(tb testing.TB, r *rand.Rand, v any) []byte {
	tb.Helper()
	switch v := v.(type) {
	case map[string]any:
		keys := slices.Sorted(maps.Keys(v))
		r.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		var parts [][]byte
		for _, k := range keys {
			parts = append(parts, append(append(shuffled(tb, r, k), ':'), shuffled(tb, r, v[k])...))
		}
		return slices.Concat([]byte{'{'}, bytes.Join(parts, []byte{','}), []byte{'}'})
	case []any:
		var parts [][]byte
		for _, e := range v {
			parts = append(parts, shuffled(tb, r, e))
		}
		return slices.Concat([]byte{'['}, bytes.Join(parts, []byte{','}), []byte{']'})
	}
	b, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// G3: what is sealed for its place opens, whatever the API server and the tools on
// the way have done to it.
func TestEveryManifestThatIsAsItWasSealedOpens(t *testing.T) {
	rounds := 5000
	if testing.Short() {
		rounds = 300
	}
	r := rand.New(rand.NewPCG(5, 1))
	keys := set(t, v1alpha1.Policy{}, strangerKey, clusterKey)
	opener := opening.New(opening.Options{})
	for i := range rounds {
		g := generate(r, "db", "prod")
		o := inlineOptions(t, []string{"k8s:prod/db", "k8s:prod/*", "k8s:*/*"}[i%3])
		if i%4 > 0 {
			o.Recipients = o.Recipients[:1]
		}
		sealed := sealText(t, "yaml", g.yaml, o)
		m := throughCluster(t, r, sealed)
		opened, err := opener.Open(t.Context(), opening.Request{Manifest: m, Keys: keys})
		if err != nil {
			t.Fatalf("manifest %d: %v: %v\nplain:\n%s\nsealed:\n%s", i, reason(err), err, g.yaml, sealed)
		}
		if diff := cmp.Diff(g.want, content(t, opened)); diff != "" {
			t.Fatalf("manifest %d: %s\nplain:\n%s", i, diff, g.yaml)
		}
	}
}

func TestKeysThatKubectlRenamesAreExplained(t *testing.T) {
	for _, key := range []string{"n", "y", "on", "Off", "yes", "NO"} {
		m := inline(t, "stringData:\n  "+key+": canary\n  other: canary\n")
		if _, renamed := m.StringData[key]; renamed {
			t.Fatalf("the API server gets %q as it is", key)
		}
		_, err := tryOpen(t, m)
		wantRefusal(t, err, v1alpha1.ReasonMACMismatch, "put them in quotes")
		quoted := inline(t, "stringData:\n  \""+key+"\": canary\n")
		if got := content(t, mustOpen(t, quoted)); got[key] != "canary" {
			t.Errorf("%q in quotes: got %v", key, got)
		}
	}
}
