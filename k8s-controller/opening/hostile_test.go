package opening_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats/yaml"
	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/opening"
	"github.com/gitseal/gitseal/keysources"
)

// newVictim seals manifests of random content.
func newVictim(tb testing.TB, r *rand.Rand) *victim {
	tb.Helper()
	keys := 2 + r.IntN(3)
	plain := func(name, namespace, mark string) (string, map[string]string) {
		want := map[string]string{}
		text := fmt.Sprintf("apiVersion: gitseal.dev/v1alpha1\nkind: SealedManifest\nmetadata:\n  name: %s\n  namespace: %s\n", name, namespace)
		for i, field := range []string{"data:\n", "stringData:\n"} {
			text += field
			for k := range keys {
				value := fmt.Sprintf("canary %s %d %d %d", mark, i, k, r.Uint64())
				key := fmt.Sprintf("%c%d", "ks"[i], k)
				want[key] = value
				if i == 0 {
					value = base64.StdEncoding.EncodeToString([]byte(value))
				}
				text += "  " + key + ": " + value + "\n"
			}
		}
		return text, want
	}
	at := now
	sealed := func(text, context string, previous *cipher.Opened) (*v1alpha1.SealedManifest, *cipher.Opened) {
		o := inlineOptions(tb, context)
		o.Previous, o.Now = previous, at
		at = at.Add(time.Hour)
		s := sealText(tb, "yaml", text, o)
		opened, err := cipher.Open(tb.Context(), yaml.Format{}, []byte(s), cipher.OpenOptions{Identities: []keysources.Identity{identity(tb, clusterKey)}})
		if err != nil {
			tb.Fatal(err)
		}
		return fromYAML(tb, s), opened
	}
	v := &victim{}
	text, want := plain("db", "prod", "old")
	older, previous := sealed(text, "k8s:prod/db", nil)
	v.older, v.wantOlder = older, want
	text, v.want = plain("db", "prod", "new")
	v.m, _ = sealed(text, "k8s:prod/db", previous)
	v.anywhere, _ = sealed(text, "k8s:*/*", nil)
	text, _ = plain("other", "prod", "sibling")
	v.sibling, _ = sealed(text, "k8s:prod/other", nil)
	text, _ = plain("db", "test", "foreign")
	v.foreign, _ = sealed(text, "k8s:test/db", nil)
	return v
}

// G3: of thousands of hostile manifests none opens.
func TestNoHostileManifestOpens(t *testing.T) {
	all := attacks()
	names := slices.Sorted(maps.Keys(all))
	victims := 5000/len(names) + 1
	if testing.Short() {
		victims = 3
	}
	r := rand.New(rand.NewPCG(3, 7))
	keys, opener := set(t, v1alpha1.Policy{}, clusterKey), opening.New(opening.Options{})
	tried, reasons := 0, map[string]int{}
	for range victims {
		v := newVictim(t, r)
		checkControls(t, v)
		for _, name := range names {
			m := clone(v.m)
			all[name](v, m)
			tried++
			_, err := opener.Open(t.Context(), opening.Request{Manifest: m, Keys: keys})
			var refusal *opening.Refusal
			switch {
			case err == nil:
				t.Errorf("%s: opened", name)
			case !errors.As(err, &refusal) || refusal.Message == "" || refusal.Transient:
				t.Errorf("%s: got %#v", name, err)
			case leaks(err) != "":
				t.Errorf("%s: the refusal prints %s", name, leaks(err))
			case strings.Contains(err.Error(), "defect of the controller"):
				t.Errorf("%s: %v: %v", name, err, errors.Unwrap(err))
			default:
				reasons[refusal.Reason]++
			}
		}
	}
	t.Logf("%d hostile manifests (%d kinds, %d victims) refused: %v", tried, len(names), victims, reasons)
	if !testing.Short() && tried < 5000 {
		t.Errorf("only %d were tried", tried)
	}
}

// checkControls shows that the harness would see a hostile manifest that opens.
func checkControls(t *testing.T, v *victim) {
	t.Helper()
	strict, weak := set(t, v1alpha1.Policy{}, clusterKey), set(t, lenient, clusterKey)
	must := func(name string, m *v1alpha1.SealedManifest, policy v1alpha1.Policy, want map[string]string) {
		t.Helper()
		keys := strict
		if policy.Integrity == v1alpha1.Warn {
			keys = weak
		}
		o, err := openWith(m, keys)
		if err != nil {
			t.Fatalf("control %s: %v", name, err)
		}
		if diff := cmp.Diff(want, content(t, o)); diff != "" {
			t.Errorf("control %s: %s", name, diff)
		}
	}
	with := func(m *v1alpha1.SealedManifest, a attack) *v1alpha1.SealedManifest {
		m = clone(m)
		a(v, m)
		return m
	}
	all := attacks()
	must("as it is", v.m, v1alpha1.Policy{}, v.want)
	must("the whole older version", v.older, v1alpha1.Policy{}, v.wantOlder)
	must("moved, sealed for anywhere", with(v.anywhere, all["another place"]), v1alpha1.Policy{}, v.want)
	must("no seal, lenient policy", with(v.m, all["no seal"]), lenient, v.want)
	must("a label", with(v.m, func(_ *victim, m *v1alpha1.SealedManifest) { m.Labels = map[string]string{"a": "b"} }), v1alpha1.Policy{}, v.want)
	must("another type", with(v.m, func(_ *victim, m *v1alpha1.SealedManifest) { m.Type = "example.org/x" }), v1alpha1.Policy{}, v.want)
	// Two values have to be there for "values swapped" to be an attack.
	if v.m.Data["k0"] == v.m.Data["k1"] || v.m.Data["k0"] == v.older.Data["k0"] {
		t.Fatal("the victim's values are equal")
	}
}

// documentAttacks change the text of a sealed document, whatever its format.
func documentAttacks(text, other string) map[string]string {
	cut := func(s, sep string) (string, string) {
		before, after, ok := strings.Cut(s, sep)
		if !ok {
			panic("no " + sep)
		}
		return before, after
	}
	first, second := cut(text, "---\n")
	_, otherSecond := cut(other, "---\n")
	replaced := func(from, to string) string {
		if !strings.Contains(text, from) {
			panic("no " + from)
		}
		return strings.Replace(text, from, to, 1)
	}
	return map[string]string{
		"kind":                 replaced("kind: Secret", "kind: ConfigMap"),
		"name":                 replaced("name: one", "name: uno"),
		"namespace":            replaced("  name: one\n", "  name: one\n  namespace: prod\n"),
		"label":                replaced("app: x", "app: y"),
		"type":                 replaced("type: Opaque", "type: kubernetes.io/tls"),
		"comment":              replaced("# plain", "# changed"),
		"comment removed":      replaced("# plain\n", ""),
		"first alone":          first,
		"second alone":         second,
		"in another order":     second + "---\n" + first,
		"second of another":    first + "---\n" + otherSecond,
		"a third":              text + "---\n" + second,
		"a plain third":        text + "---\napiVersion: v1\nkind: Secret\nmetadata: {name: three}\nstringData: {a: b}\n",
		"a plain value":        replaced("stringData:\n", "stringData:\n  plain: value\n"),
		"an empty value":       replaced("stringData:\n", "stringData:\n  plain: \"\"\n"),
		"the kind of a value":  replaced(",type:str]", ",type:int]"),
		"a doubled key":        replaced("stringData:\n", "stringData: {}\nstringData:\n"),
		"an explicit tag":      replaced("kind: Secret", "kind: !x Secret"),
		"something at the end": text + "...\nx",
		"context":              strings.ReplaceAll(text, "context: k8s:prod/db", "context: k8s:prod/*"),
		"no seal":              withoutSeal(text),
		"nothing":              "",
		"spaces":               " ",
		"deep":                 strings.Repeat("[", 100_000),
	}
}

// withoutSeal removes the entry from all documents, as sops does.
func withoutSeal(text string) string {
	var out []string
	sealAt := -1
	for line := range strings.Lines(text) {
		indent := len(line) - len(strings.TrimLeft(line, " "))
		switch {
		case strings.TrimSpace(line) == "seal:":
			sealAt = indent
		case sealAt < 0 || indent <= sealAt:
			sealAt = -1
			out = append(out, line)
		}
	}
	return strings.Join(out, "")
}

func TestNoHostileDocumentOpens(t *testing.T) {
	doc := func(mark string) string {
		return "# plain\napiVersion: v1\nkind: Secret\nmetadata:\n  name: one\n  labels:\n    app: x\ntype: Opaque\nstringData:\n  a: canary " + mark +
			"\n  b: canary b\n---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: two\nstringData:\n  a: canary two " + mark + "\n"
	}
	o := cipher.SealOptions{Context: "k8s:prod/db", Selector: cipher.KubernetesSelector()}
	text, other := sealText(t, "yaml", doc("x"), o), sealText(t, "yaml", doc("y"), o)
	if got := len(mustOpen(t, withDocument("yaml", text)).Objects); got != 2 {
		t.Fatalf("control: got %d objects", got)
	}
	for name, changed := range documentAttacks(text, other) {
		if changed == text {
			t.Fatalf("%s: nothing was changed", name)
		}
		for _, format := range []string{"yaml", "json", "dotenv", "ini", "binary"} {
			m := withDocument(format, changed)
			if format != "yaml" {
				target(m, v1alpha1.Target{Key: "k"})
			}
			if _, err := tryOpen(t, m); err == nil || strings.Contains(err.Error(), "canary") {
				t.Errorf("%s as %s: got %v", name, format, err)
			}
		}
	}
	if _, err := openWith(withDocument("yaml", withoutSeal(text)), set(t, lenient, clusterKey)); err != nil {
		t.Errorf("control: %v", err)
	}
	m := withDocument("yaml", text)
	m.Name = "other"
	_, err := tryOpen(t, m)
	wantRefusal(t, err, v1alpha1.ReasonContextMismatch, "")
}

// A key group that was there is not needed any more.
func TestLoweredThresholdIsNoticed(t *testing.T) {
	o := inlineOptions(t, "k8s:prod/db")
	o.Recipients = nil
	o.Groups = [][]keysources.Recipient{recipients(t, clusterKey), recipients(t, recoveryKey), recipients(t, hybridKey)}
	o.Threshold = 3
	m := fromYAML(t, sealText(t, "yaml", head+"stringData:\n  a: canary\n", o))
	keys := set(t, v1alpha1.Policy{}, clusterKey, recoveryKey, hybridKey)
	if _, err := openWith(m, keys); err != nil {
		t.Fatalf("control: %v", err)
	}
	for _, threshold := range []any{0, 1, 2, 4, nil} {
		lowered := clone(m)
		changeBlock(t, lowered, func(b map[string]any) { b["shamir_threshold"] = threshold })
		if _, err := openWith(lowered, keys); err == nil {
			t.Errorf("threshold %v: opened", threshold)
		}
	}
}
