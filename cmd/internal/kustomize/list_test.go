package kustomize_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cmd/internal/kustomize"
	"github.com/gitseal/gitseal/cmd/internal/kustomize/sealedobject"
	"github.com/gitseal/gitseal/formats"
)

const head = "apiVersion: config.kubernetes.io/v1\nkind: ResourceList\n"

// TestListsAreReadInAnyLayout: items are found, read, and replaced one by one, and what
// stands around them does not change.
func TestListsAreReadInAnyLayout(t *testing.T) {
	for name, src := range map[string]string{
		"as kustomize writes it": head + "items:\n- kind: A\n  x: |\n    - kind: C\n\n    items:\n- kind: B\n  y: [1,\n    2]\nfunctionConfig:\n  kind: F\n",
		"indented":               head + "items:\n  - kind: A\n    x: 1\n  # between\n  - kind: B\nfunctionConfig:\n  kind: F\n",
		"config first":           head + "functionConfig:\n  kind: F\nitems:\n- kind: A\n- kind: B\n",
		"with dashes":            "---\n" + head + "items:\n- {kind: A, a: [b]}\n-\n  kind: B\nfunctionConfig: {kind: F}\n",
		"CRLF":                   strings.ReplaceAll(head+"items:\n- kind: A\n- kind: B\nfunctionConfig:\n  kind: F\n", "\n", "\r\n"),
		"JSON":                   `{"kind":"ResourceList","items":[ {"kind":"A"} , {"kind":"B"}],"functionConfig":{"kind":"F"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			l, err := kustomize.ReadList([]byte(src))
			if err != nil {
				t.Fatal(err)
			}
			if got := sealedobject.Text(&l.Config, "kind"); got != "F" || l.Len() != 2 {
				t.Fatalf("config of kind %q, %d items", got, l.Len())
			}
			for i, want := range []string{"A", "B"} {
				n, err := l.Item(i)
				if err != nil || sealedobject.Text(&n, "kind") != want {
					t.Errorf("item %d: %q, %v", i, sealedobject.Text(&n, "kind"), err)
				}
			}
			same, err := l.Replaced(nil)
			if err != nil || string(same) != src {
				t.Error("without a change it is another")
			}
			out, err := l.Replaced(map[int][]formats.Node{1: {sealedobject.Map("", sealedobject.String("kind", "C")), sealedobject.Map("", sealedobject.String("kind", "D"))}})
			if err != nil {
				t.Fatal(err)
			}
			l, err = kustomize.ReadList(out)
			if err != nil || l.Len() != 3 {
				t.Fatalf("%d items, %v: %s", l.Len(), err, out)
			}
			if n, err := l.Item(2); err != nil || sealedobject.Text(&n, "kind") != "D" {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// TestWhatIsNoListIsRefused: each is an error that says nothing of the text.
func TestWhatIsNoListIsRefused(t *testing.T) {
	for name, src := range map[string]string{
		"empty":          "",
		"another kind":   "kind: List\nitems: []\n",
		"flow items":     head + "items: [{password: canary}]\n",
		"items as a map": head + "items:\n  canary: b\n",
		"two documents":  head + "items: []\n---\n" + head,
		"a key twice":    head + "items:\n- a: canary\nitems:\n- a: b\n",
		"text":           "canary\n",
		"bad config":     head + "functionConfig: 'canary\n",
		"JSON, cut":      `{"kind":"ResourceList","items":[{"a":"canary`,
		"JSON, twice":    `{"kind":"ResourceList","items":[],"items":[]}`,
		"JSON, no list":  `{"kind":"ResourceList","items":7}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := kustomize.ReadList([]byte(src))
			if !errors.Is(err, formats.ErrSyntax) || strings.Contains(err.Error(), "canary") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestConfigIsStrict: each is refused with a hint.
func TestConfigIsStrict(t *testing.T) {
	for _, config := range []string{
		"kind: Seal", "apiVersion: v1\nkind: Unseal", "kind: Unseal\nfiles: a", "kind: Unseal\nfiles: []", "kind: Unseal\nfiles: [7]", "kind: Unseal\nmode: [a]",
		"kind: Unseal\nsecrets: [{files: [a]}]", "kind: Unseal\nsecrets: [{name: a}]", "kind: Unseal\nsecrets: [a]", "kind: Unseal\nfiles: [a]\noptions: {behavior: maybe}",
		"kind: Unseal\nfiles: [a]\noptions: {needsHash: 'true'}", "kind: Unseal\nfiles: [a]\noptions: {labels: {a: 1}}", "kind: Unseal\noptions: {needsHash: true}",
	} {
		n, err := sealedobject.ParseYAML([]byte(config))
		if err != nil {
			t.Fatal(err)
		}
		_, err = kustomize.ReadConfig(&n)
		var own *kustomize.ConfigError
		if !errors.As(err, &own) || own.Hint == "" {
			t.Errorf("%q: got %v", config, err)
		}
	}
}

// TestFailedIsAList: what is printed on failure is a whole list with results.
func TestFailedIsAList(t *testing.T) {
	out := kustomize.Failed("a: \"b\"\nitems:", "hint # c")
	l, err := kustomize.ReadList(out)
	if err != nil || l.Len() != 0 || !bytes.Contains(out, []byte("severity: error")) {
		t.Errorf("%v: %s", err, out)
	}
}

// FuzzReadList: no input makes it panic, and what is read comes back to the byte. What
// is replaced reads back.
func FuzzReadList(f *testing.F) {
	f.Add([]byte(head + "items:\n- kind: A\n  sops: {mac: x}\n- kind: B\nfunctionConfig:\n  kind: Unseal\n"))
	f.Add([]byte(`{"kind":"ResourceList","items":[{"a":1},{}],"functionConfig":{}}`))
	f.Add([]byte("---\n" + head + "items:\n  -\n    a: |\n      - b\n  #\n...\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		l, err := kustomize.ReadList(src)
		if err != nil {
			return
		}
		if same, err := l.Replaced(nil); err != nil || !bytes.Equal(same, src) {
			t.Fatal("not the same")
		}
		for i := range l.Len() {
			if _, err := l.Item(i); err != nil {
				continue
			}
			out, err := l.Replaced(map[int][]formats.Node{i: {sealedobject.Map("", sealedobject.String("kind", "X"))}})
			if err != nil {
				t.Fatal(err)
			}
			again, err := kustomize.ReadList(out)
			if err != nil || again.Len() != l.Len() {
				t.Fatalf("with item %d of %d replaced: %v", i, l.Len(), err)
			}
			if n, err := again.Item(i); err != nil || sealedobject.Text(&n, "kind") != "X" {
				t.Fatalf("item %d is not what was put there: %v", i, err)
			}
		}
		_, _ = kustomize.ReadConfig(&l.Config)
	})
}

// BenchmarkReadList shows that a list takes time in proportion to its size.
func BenchmarkReadList(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		src := []byte(head + "items:\n" + strings.Repeat("- apiVersion: v1\n  kind: ConfigMap\n  data:\n    a: b\n", n))
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				if l, err := kustomize.ReadList(src); err != nil || l.Len() != n {
					b.Fatal(err)
				}
			}
		})
	}
}
