package opening_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/keyring"
	"github.com/gitseal/gitseal/k8s-controller/opening"
	"github.com/gitseal/gitseal/keysources"
)

// printed returns what v looks like in every way in which it may be printed.
func printed(v any) string {
	var b strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%T"} {
		fmt.Fprintf(&b, verb+"\n", v)
	}
	if text, err := json.Marshal(v); err == nil {
		b.Write(text)
	}
	if text, err := yaml.Marshal(v); err == nil {
		b.Write(text)
	}
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "v", v)
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "v", v)
	if l, ok := v.(interface{ MarshalLog() any }); ok {
		fmt.Fprintf(&b, "%+v %#v", l.MarshalLog(), l.MarshalLog())
	}
	return b.String()
}

// leaks returns a text that names a value, "" if there is none. All values of the
// tests hold the word canary, in some spelling.
func leaks(v any) string {
	text := printed(v)
	for _, secret := range []string{"canary", "Y2FuYXJ5", "63616e617279", "AGE-SECRET-KEY"} {
		if strings.Contains(strings.ToLower(text), strings.ToLower(secret)) {
			return secret + " in " + text
		}
	}
	return ""
}

func TestNothingThatWasOpenedIsPrinted(t *testing.T) {
	policy := v1alpha1.Policy{AllowedKinds: []v1alpha1.AllowedKind{{APIVersion: "v1", Kind: "ConfigMap"}}}
	m := document(t, "yaml", configMap, cipher.SealOptions{})
	m.Spec.ServiceAccountName = "x"
	other, err := openWith(m, set(t, policy, clusterKey))
	if err != nil {
		t.Fatal(err)
	}
	secret := mustOpen(t, inline(t, "data:\n  a: Y2FuYXJ5\nstringData:\n  b: canary\n"))
	keys := set(t, v1alpha1.Policy{}, clusterKey)
	for name, v := range map[string]any{
		"Opened": *secret, "*Opened": secret, "Objects": secret.Objects, "Object": secret.Objects[0], "*Object": &secret.Objects[0],
		"another kind": *other, "in a map": map[string]any{"x": secret}, "in a struct": struct{ O any }{secret.Objects[0]},
		"Request": opening.Request{Manifest: m, Keys: keys}, "Opener": opening.New(opening.Options{}),
	} {
		if leak := leaks(v); leak != "" {
			t.Errorf("%s prints %s", name, leak)
		}
	}
	if control := leaks(secret.Objects[0].Secret.Data); control == "" {
		t.Error("control: a value was not seen")
	}
}

// panicking is an identity with a defect.
type panicking struct{}

func (panicking) String() string { return "panicking" }

func (panicking) Unwrap(context.Context, keysources.Stanza) ([]byte, error) {
	panic("canary")
}

func TestPanicOfOneManifestIsContained(t *testing.T) {
	keys, err := keyring.New(keyring.Parts{Name: "default", Identities: []keyring.Identity{
		{ID: identity(t, clusterKey).Recipient().String(), Type: keysources.TypeAge, Identity: panicking{}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = openWith(inline(t, "stringData:\n  a: canary\n"), keys)
	wantRefusal(t, err, v1alpha1.ReasonInvalidDocument, "defect of the controller")
	if leak := leaks(err); leak != "" {
		t.Error(leak)
	}
	if cause := errors.Unwrap(err); cause == nil || !strings.Contains(cause.Error(), "panicking") || leaks(cause) != "" {
		t.Errorf("the cause does not say where it was: %v", cause)
	}
}

func TestMessagesAreFitForAStatus(t *testing.T) {
	o := inlineOptions(t, "k8s:prod/db")
	m := fromYAML(t, sealText(t, "yaml", head+"stringData:\n  a: canary\n", o))
	changeBlock(t, m, func(b map[string]any) {
		var list []any
		for i := range 60 {
			list = append(list, map[string]any{"recipient": fmt.Sprintf("age1\x1b[31m\n%d%s", i, strings.Repeat("é", 3000)), "enc": "x"})
		}
		b["age"] = list
	})
	_, err := tryOpen(t, m)
	r := wantRefusal(t, err, v1alpha1.ReasonNoMatchingKey, "and 52 more")
	if len(r.Message) > 1100 || strings.ContainsAny(r.Message, "\x1b\n") || strings.ToValidUTF8(r.Message, "") != r.Message {
		t.Errorf("got %d bytes: %q", len(r.Message), r.Message)
	}
	o.Context = "k8s:prod/db\x1b[31m" + strings.Repeat("x", 5000)
	_, err = tryOpen(t, fromYAML(t, sealText(t, "yaml", head+"stringData:\n  a: canary\n", o)))
	if r := wantRefusal(t, err, v1alpha1.ReasonContextMismatch, ""); len(r.Message) > 1100 || strings.Contains(r.Message, "\x1b") {
		t.Errorf("got %d bytes: %q", len(r.Message), r.Message)
	}
}
