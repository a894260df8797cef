package cipher_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
)

// selectedPaths lists what a selector selects of YAML; comments by their text.
func selectedPaths(t *testing.T, s cipher.Selector, src string) []string {
	t.Helper()
	d := parse(t, "yaml", []byte(src))
	out := []string{}
	for i, ok := range s.Select(d) {
		if l := d.Leaves[i]; ok && l.Kind == formats.Comment {
			out = append(out, "#"+l.Text)
		} else if ok {
			out = append(out, l.Path.String())
		}
	}
	return out
}

func TestSelectorsTestEveryKeyOnTheWay(t *testing.T) {
	const src = "a: 1\nb_x: 2\nc:\n  d_x: 3\n  e: 4\nf_x:\n  g: [5, {h: 6}]\nx_: 7\n"
	for _, tt := range []struct {
		kind    cipher.SelectorKind
		pattern string
		want    []string
	}{
		{cipher.UnencryptedSuffix, "_x", []string{"a", "c.e", "x_"}},
		{cipher.EncryptedSuffix, "_x", []string{"b_x", "c.d_x", "f_x.g[0]", "f_x.g[1].h"}},
		{cipher.UnencryptedRegex, "^(c|f_x)$", []string{"a", "b_x", "x_"}},
		{cipher.EncryptedRegex, "^(c|h)$", []string{"c.d_x", "c.e", "f_x.g[1].h"}},
		{cipher.EncryptedRegex, "x", []string{"b_x", "c.d_x", "f_x.g[0]", "f_x.g[1].h", "x_"}}, // not anchored
		{cipher.EncryptedRegex, "^0$", []string{}},                                             // indexes do not count
		{cipher.UnencryptedSuffix, "no such", []string{"a", "b_x", "c.d_x", "c.e", "f_x.g[0]", "f_x.g[1].h", "x_"}},
	} {
		if diff := cmp.Diff(tt.want, selectedPaths(t, selector(t, tt.kind, tt.pattern), src)); diff != "" {
			t.Errorf("%s %q (-want +got):\n%s", tt.kind, tt.pattern, diff)
		}
	}
}

func TestCommentsAreSelectedWithWhatTheyStandIn(t *testing.T) {
	const src = "# top\na:\n  # in a\n  b: 1\n# of c\nc: 2\n"
	got := selectedPaths(t, selector(t, cipher.EncryptedRegex, "^a$"), src)
	if diff := cmp.Diff([]string{"# in a", "a.b"}, got); diff != "" {
		t.Error(diff)
	}
	got = selectedPaths(t, selector(t, cipher.UnencryptedSuffix, "b"), src)
	if diff := cmp.Diff([]string{"# top", "# in a", "# of c", "c"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestCommentSelectors(t *testing.T) {
	const src = "# seal\na: 1\nb: 2\n# seal\n# more\nc:\n  d: 3\n  # inner\n  e: [4, 5]\nf:\n  # seal\n  g: 6\n  h: 7\ni: 8 # seal\nj: 9\n"
	got := selectedPaths(t, selector(t, cipher.EncryptedCommentRegex, "seal"), src)
	if diff := cmp.Diff([]string{"a", "# more", "c.d", "# inner", "c.e[0]", "c.e[1]", "f.g", "i"}, got); diff != "" {
		t.Errorf("encrypted_comment_regex (-want +got):\n%s", diff)
	}
	got = selectedPaths(t, selector(t, cipher.UnencryptedCommentRegex, "seal"), src)
	if diff := cmp.Diff([]string{"b", "f.h", "j"}, got); diff != "" {
		t.Errorf("unencrypted_comment_regex (-want +got):\n%s", diff)
	}
}

// TestSealedCommentsMustNotSelect: nobody could tell later what is selected.
func TestSealedCommentsMustNotSelect(t *testing.T) {
	s := selector(t, cipher.UnencryptedCommentRegex, "plain|AES256")
	_, err := trySeal(t, "yaml", []byte("# a note\na: b\n"), cipher.SealOptions{Selector: s})
	if !errors.Is(err, cipher.ErrSelector) {
		t.Errorf("got %v, want ErrSelector", err)
	}
}

func TestBadSelectorsAreErrors(t *testing.T) {
	for _, tt := range []struct {
		kind    cipher.SelectorKind
		pattern string
	}{
		{cipher.EncryptedRegex, "("}, {cipher.EncryptedRegex, ""}, {cipher.UnencryptedSuffix, ""}, {"suffix", "x"}, {"", "x"},
		{cipher.EncryptedCommentRegex, "[z-a]"}, {cipher.EncryptedRegex, "(?<!x)y"},
	} {
		if _, err := cipher.NewSelector(tt.kind, tt.pattern); !errors.Is(err, cipher.ErrSelector) {
			t.Errorf("%q %q: got %v, want ErrSelector", tt.kind, tt.pattern, err)
		}
	}
	if !(cipher.Selector{}).IsZero() || cipher.DefaultSelector().IsZero() {
		t.Error("IsZero is wrong")
	}
	kinds := cipher.SelectorKinds()
	if !slices.IsSorted(kinds) || len(kinds) != 6 {
		t.Errorf("kinds: %v", kinds)
	}
}

// TestSelectorFor: a file of Kubernetes Secrets keeps its names readable, any other
// file is sealed as a whole: what else is in it may hold secrets anywhere.
func TestSelectorFor(t *testing.T) {
	const secret, service = "apiVersion: v1\nkind: Secret\ndata: {a: eA==}\n", "apiVersion: v1\nkind: Service\nspec: {a: b}\n"
	const manifest = "apiVersion: gitseal.dev/v1alpha1\nkind: SealedManifest\ndata: {a: eA==}\n"
	for _, tt := range []struct {
		name, src  string
		kubernetes bool
	}{
		{"secret", secret, true},
		{"secret and service", service + "---\n" + secret, false},
		{"secret with labels and type", secret + "metadata: {name: x, labels: {data: y}}\ntype: Opaque\nimmutable: true\n", true},
		{"secret with a field of its own", secret + "password: x\n", false},
		{"two secrets", secret + "---\n" + secret, true},
		{"SealedManifest", manifest, true},
		{"SealedManifest with settings", manifest + "spec: {suspend: true}\n", true},
		{"SealedManifest with a field of its own", manifest + "password: x\n", false},
		{"Secret with a field of SealedManifests", secret + "spec: {a: b}\n", false},
		{"kind of another group", strings.Replace(manifest, "gitseal.dev/v1alpha1", "v1", 1), false},
		{"service", service, false},
		{"secret and something else", secret + "---\na: b\n", false},
		{"secret of another group", strings.Replace(secret, "v1", "example.com/v1", 1), false},
		{"no kind", "apiVersion: v1\ndata: {kind: Secret}\n", false},
		{"no version", "kind: Secret\ndata: {a: b}\n", false},
		{"kind that is no string", "apiVersion: v1\nkind: [Secret]\n", false},
		{"plain file", "a: b\n", false},
		{"empty file", "", false},
		{"empty document between", secret + "---\n{}\n---\n" + secret, false},
	} {
		want := cipher.DefaultSelector().String()
		if tt.kubernetes {
			want = cipher.KubernetesSelector().String()
		}
		if got := cipher.SelectorFor(parse(t, "yaml", []byte(tt.src))).String(); got != want {
			t.Errorf("%s: got %s, want %s", tt.name, got, want)
		}
	}
	applied := secret + "metadata:\n  annotations:\n    kubectl.kubernetes.io/last-applied-configuration: '{\"data\":{\"a\":\"hunter2\"}}'\n"
	if s := mustSeal(t, "yaml", []byte(applied), cipher.SealOptions{}); strings.Contains(string(s.Bytes), "hunter2") {
		t.Errorf("kubectl's copy of the values was left plain:\n%s", clip(s.Bytes))
	}
	sealed := mustSeal(t, "yaml", []byte(kubernetesSecret), cipher.SealOptions{})
	if !strings.Contains(string(sealed.Bytes), "namespace: prod\n") || strings.Contains(string(sealed.Bytes), "aHVudGVyMg==") || sealed.Values != 3 {
		t.Errorf("a Secret was sealed as\n%s", clip(sealed.Bytes))
	}
}
