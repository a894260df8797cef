//go:build unix

package opening_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/keysources"
)

// cpu returns the processor time that the process has taken.
func cpu(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// large is about how much an API server takes.
const large = 1 << 20

// withBlock returns a manifest whose sops block has something else in it.
func withBlock(t *testing.T, change func(b map[string]any)) *v1alpha1.SealedManifest {
	t.Helper()
	m := inline(t, "stringData:\n  a: canary\n")
	changeBlock(t, m, change)
	return m
}

// garbageFor returns stanzas for the cluster's key that hold size bytes.
func garbageFor(t *testing.T, n, size int) []any {
	t.Helper()
	var out []any
	for range n {
		s, err := recipients(t, clusterKey)[0].Wrap(t.Context(), make([]byte, size))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, map[string]any{"recipient": s.Reader(), "enc": s.Get("enc")})
	}
	return out
}

// sealedYAML returns a document of lines, followed by a block that is a real one but
// for its MACs. extra comes into the block.
func sealedYAML(t *testing.T, lines, extra string) *v1alpha1.SealedManifest {
	t.Helper()
	sealed := sealText(t, "yaml", "a: canary\n", cipher.SealOptions{Context: "k8s:prod/db"})
	_, rest, _ := strings.Cut(sealed, "sops:\n")
	if extra != "" {
		rest = strings.Replace(rest, "    unencrypted_suffix: _unencrypted\n", extra, 1)
	}
	return withDocument("yaml", lines+"sops:\n"+rest)
}

func hostileBlocks(t *testing.T) map[string]*v1alpha1.SealedManifest {
	t.Helper()
	set := func(key string, v any) *v1alpha1.SealedManifest {
		return withBlock(t, func(b map[string]any) { b[key] = v })
	}
	groups := func() *v1alpha1.SealedManifest {
		return withBlock(t, func(b map[string]any) {
			delete(b, "age")
			var list []any
			for range 8 {
				list = append(list, map[string]any{"age": garbageFor(t, 8, 33)})
			}
			b["key_groups"], b["shamir_threshold"] = list, 4
		})
	}
	deeper := inline(t, "stringData:\n  a: canary\n")
	deeper.Sops.Raw = []byte(`{"x":` + strings.Repeat("[", large/2) + strings.Repeat("]", large/2) + "}")
	return map[string]*v1alpha1.SealedManifest{
		"a deep block":         set("x", json.RawMessage(strings.Repeat("[", 9000)+strings.Repeat("]", 9000))),
		"a deeper block":       deeper,
		"a wide block":         set("x", json.RawMessage("["+strings.Repeat("{},", large/3)+"{}]")),
		"thousands of readers": set("age", json.RawMessage("["+strings.Repeat(`{"recipient":"x","enc":"y"},`, large/30)+"{}]")),
		"garbage for the key":  set("age", garbageFor(t, 64, 32)),
		"garbage in groups":    groups(),
		"a large stanza": withBlock(t, func(b map[string]any) {
			b["age"].([]any)[0].(map[string]any)["enc"] = "-----BEGIN AGE ENCRYPTED FILE-----\n" + strings.Repeat(strings.Repeat("A", 64)+"\n", large/65) + "-----END AGE ENCRYPTED FILE-----\n"
		}),
		"a long selector":      set("encrypted_regex", strings.Repeat("(a|b)*", large/6)),
		"a repeating selector": set("encrypted_regex", strings.Repeat("[a-z]{1000}", 90)),
		"a large context": withBlock(t, func(b map[string]any) {
			b["seal"].(map[string]any)["context"] = "k8s:prod/" + strings.Repeat("a", large)
		}),
		"proposals": withBlock(t, func(b map[string]any) {
			b["seal"].(map[string]any)["proposals"] = json.RawMessage("[" + strings.Repeat(`{"path":"a.b","value":"x"},`, large/28) + "{}]")
		}),
	}
}

func hostileDocuments(t *testing.T) map[string]*v1alpha1.SealedManifest {
	t.Helper()
	bomb := "l0: &l0 [x, x, x, x, x, x, x, x, x]\n"
	for i := range 12 {
		bomb += fmt.Sprintf("l%d: &l%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*l%d, ", i), 9), ", "))
	}
	var keys, anchors strings.Builder
	for i := range large / 32 {
		fmt.Fprintf(&keys, "k%026d: x\n", i)
	}
	for i := range large / 32 {
		fmt.Fprintf(&anchors, "k%d: &a%d x\nl%d: *a%d\n", i, i, i, i)
	}
	doc := func(format, text string) *v1alpha1.SealedManifest {
		return target(withDocument(format, text), v1alpha1.Target{Key: "k"})
	}
	return map[string]*v1alpha1.SealedManifest{
		"aliases of aliases":  sealedYAML(t, bomb, ""),
		"many aliases":        sealedYAML(t, anchors.String()[:min(anchors.Len(), large)], ""),
		"deep flow":           sealedYAML(t, "a: "+strings.Repeat("[", large)+"\n", ""),
		"deep maps":           sealedYAML(t, "a: "+strings.Repeat("{a: ", large/4)+"\n", ""),
		"a list":              sealedYAML(t, "a:\n"+strings.Repeat("- x\n", large/4), ""),
		"many keys":           sealedYAML(t, keys.String(), ""),
		"a costly selector":   sealedYAML(t, keys.String()[:31*10_000], "    encrypted_regex: (.*a){40}(x|y|z){60}$\n"),
		"as costly as may be": sealedYAML(t, keys.String()[:31*10_000], "    encrypted_regex: ^zz|(.*0){20}(x|y|z){20}$\n"),
		"many documents":      withDocument("yaml", strings.Repeat("a: b\n---\n", large/9)),
		"comments":            sealedYAML(t, "a: b\n"+strings.Repeat("# c\n", large/4), ""),
		"a costly comment":    sealedYAML(t, "a: b\n"+strings.Repeat("# ccccccccccccccccccc\n", 40_000), "    encrypted_comment_regex: (.*c){10}x\n"),
		"merges":              sealedYAML(t, "a: &a {x: y}\n"+strings.Repeat("b: {<<: *a}\n", 1)+"c:\n"+strings.Repeat("- {<<: *a}\n", large/11), ""),
		"a long line":         sealedYAML(t, "a: \""+strings.Repeat(`\u0041`, large/6)+"\"\n", ""),
		"block scalars":       sealedYAML(t, "a:\n"+strings.Repeat("- |\n  x\n", large/8), ""),
		"anchors of long use": sealedYAML(t, "a: &a "+strings.Repeat("x", large/2)+"\nb: ["+strings.TrimSuffix(strings.Repeat("*a,", 4000), ",")+"]\n", ""),
		"deep JSON":           doc("json", `{"a":`+strings.Repeat(`{"a":`, large/5)),
		"wide JSON":           doc("json", `{"a":[`+strings.Repeat("1,", large/2)+`1]}`),
		"dotenv":              doc("dotenv", strings.Repeat("A=b\n", large/4)),
		"INI":                 doc("ini", strings.Repeat("[a]\nb=c\n", large/8)),
		"binary":              doc("binary", strings.Repeat("x", large)),
		"markers":             withDocument("yaml", strings.Repeat("<<<<<<< ours\n=======\n>>>>>>> theirs\n", large/37)),
	}
}

// ownFiles are what anybody can seal for the cluster: they are sound, and large.
func ownFiles(t *testing.T) map[string]*v1alpha1.SealedManifest {
	t.Helper()
	var many strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&many, "  k%d: %s\n", i, strings.Repeat("x", 300))
	}
	o := inlineOptions(t, "k8s:prod/db")
	o.Recipients = []keysources.Recipient{recipients(t, clusterKey)[0]}
	objects := strings.Repeat("x", 0)
	for i := range 64 {
		objects += fmt.Sprintf("%sapiVersion: v1\nkind: Secret\nmetadata: {name: s%d}\nstringData: {a: %s}\n", map[bool]string{true: "---\n"}[i > 0], i, strings.Repeat("x", 2000))
	}
	return map[string]*v1alpha1.SealedManifest{
		"a thousand values": fromYAML(t, sealText(t, "yaml", head+"stringData:\n"+many.String(), o)),
		"one value":         fromYAML(t, sealText(t, "yaml", head+"stringData:\n  a: "+strings.Repeat("x", large/2)+"\n", o)),
		"many objects":      document(t, "yaml", objects, cipher.SealOptions{}),
		"many variables":    document(t, "dotenv", strings.ReplaceAll(strings.ReplaceAll(many.String(), ": ", "="), "  ", ""), cipher.SealOptions{}),
	}
}

// M9: no manifest keeps a worker busy.
func TestWorkForOneManifestIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long, above all under the race detector")
	}
	const most = 2 * time.Second * slowdown
	worst, slowest := "", time.Duration(0)
	for group, list := range map[string]map[string]*v1alpha1.SealedManifest{
		"block": hostileBlocks(t), "document": hostileDocuments(t), "own": ownFiles(t),
	} {
		for name, m := range list {
			before := cpu(t)
			_, err := tryOpen(t, m)
			took := cpu(t) - before
			if took > slowest {
				slowest, worst = took, group+": "+name
			}
			if took > most {
				t.Errorf("%s: %s took %v of processor time", group, name, took)
			}
			// Proposals have no effect, however many there are.
			if group != "own" && name != "proposals" && err == nil {
				t.Errorf("%s: %s: opened", group, name)
			}
			if testing.Verbose() {
				t.Logf("%-8s %-22s %10v %v", group, name, took.Round(time.Millisecond), shortened(err))
			}
		}
	}
	t.Logf("the slowest: %s, %v", worst, slowest)
}

func shortened(err error) string {
	s := fmt.Sprint(err)
	return s[:min(len(s), 100)]
}
