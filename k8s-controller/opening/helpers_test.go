package opening_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats/all"
	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/keyring"
	"github.com/gitseal/gitseal/k8s-controller/opening"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
)

// Keys made for these tests; they protect nothing.
const (
	clusterKey  = "AGE-SECRET-KEY-1A93RFMDLYL4TL6QUY5UYWGNR4MX4QQQKC9U5VWRWJQJVPUJ3707SRD6DKZ"
	recoveryKey = "AGE-SECRET-KEY-1THY76M3PZ0D0TNY4NJJM58F27X4JDPTQMXGXFU0J5U8C30NVASSQ0QXPK7"
	strangerKey = "AGE-SECRET-KEY-1Z89T2MG7UGZMHL7QL4DAMZE99V9RE73C2ZUM9E6JPPQURZNVHVCQJ5DJWT"
	hybridKey   = "AGE-SECRET-KEY-PQ-1MRUU0JEXF2JQW7MUKSGX3R74KCE24YQS3DSZCWS8GKQTHYY44D8QLK0FEY"
)

// now is when the tests seal.
var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func identity(tb testing.TB, key string) age.Identity {
	tb.Helper()
	id, err := age.ParseIdentity(key)
	if err != nil {
		tb.Fatal(err)
	}
	return id
}

func recipients(tb testing.TB, keys ...string) []keysources.Recipient {
	tb.Helper()
	var out []keysources.Recipient
	for _, k := range keys {
		out = append(out, identity(tb, k).Recipient())
	}
	return out
}

// set returns a keyring of age identities.
func set(tb testing.TB, policy v1alpha1.Policy, keys ...string) *keyring.Set {
	tb.Helper()
	parts := keyring.Parts{Name: "default", Policy: policy}
	for _, k := range keys {
		parts.Identities = append(parts.Identities, keyring.Age(identity(tb, k)))
	}
	s, err := keyring.New(parts)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// inlineOptions are how an inline manifest is sealed.
func inlineOptions(tb testing.TB, context string) cipher.SealOptions {
	tb.Helper()
	selector, err := cipher.NewSelector(cipher.EncryptedRegex, `^(data|stringData)$`)
	if err != nil {
		tb.Fatal(err)
	}
	return cipher.SealOptions{
		Recipients: recipients(tb, clusterKey, recoveryKey), Selector: selector, MACOnlyEncrypted: true,
		Context: context, Now: now,
	}
}

// sealText seals a file in a format.
func sealText(tb testing.TB, format, plain string, o cipher.SealOptions) string {
	tb.Helper()
	f, ok := all.ByName(format)
	if !ok {
		tb.Fatalf("no format %q", format)
	}
	if o.Recipients == nil && o.Groups == nil {
		o.Recipients = recipients(tb, clusterKey)
	}
	s, err := cipher.Seal(context.Background(), f, []byte(plain), o)
	if err != nil {
		tb.Fatalf("sealing: %v\n%s", err, plain)
	}
	return string(s.Bytes)
}

// fromYAML returns a manifest as kubectl and the API server make it of a file.
func fromYAML(tb testing.TB, text string) *v1alpha1.SealedManifest {
	tb.Helper()
	m := &v1alpha1.SealedManifest{}
	if err := yaml.Unmarshal([]byte(text), m); err != nil {
		tb.Fatalf("%v\n%s", err, text)
	}
	return m
}

// inline seals a manifest in the inline form for prod/db.
func inline(tb testing.TB, body string) *v1alpha1.SealedManifest {
	tb.Helper()
	return fromYAML(tb, sealText(tb, "yaml", head+body, inlineOptions(tb, "k8s:prod/db")))
}

const head = "apiVersion: gitseal.dev/v1alpha1\nkind: SealedManifest\nmetadata:\n  name: db\n  namespace: prod\n"

// document returns a manifest in the document form for prod/db.
func document(tb testing.TB, format, plain string, o cipher.SealOptions) *v1alpha1.SealedManifest {
	tb.Helper()
	if o.Context == "" {
		o.Context = "k8s:prod/db"
	}
	return withDocument(format, sealText(tb, format, plain, o))
}

func withDocument(format, sealed string) *v1alpha1.SealedManifest {
	m := &v1alpha1.SealedManifest{}
	m.Name, m.Namespace = "db", "prod"
	m.Spec.Document, m.Spec.Format = sealed, format
	return m
}

// tryOpen opens with the cluster's key and the policy's defaults.
func tryOpen(tb testing.TB, m *v1alpha1.SealedManifest) (*opening.Opened, error) {
	tb.Helper()
	return openWith(m, set(tb, v1alpha1.Policy{}, clusterKey))
}

func openWith(m *v1alpha1.SealedManifest, keys *keyring.Set) (*opening.Opened, error) {
	return opening.New(opening.Options{}).Open(context.Background(), opening.Request{Manifest: m, Keys: keys})
}

func mustOpen(tb testing.TB, m *v1alpha1.SealedManifest) *opening.Opened {
	tb.Helper()
	o, err := tryOpen(tb, m)
	if err != nil {
		tb.Fatalf("%v: %v", reason(err), err)
	}
	return o
}

// reason returns the reason of a refusal, "" if there is none.
func reason(err error) string {
	var r *opening.Refusal
	if errors.As(err, &r) {
		return r.Reason
	}
	if err != nil {
		return "no refusal: " + err.Error()
	}
	return ""
}

// wantRefusal checks an error's reason, and that its message says something.
func wantRefusal(tb testing.TB, err error, want, says string) *opening.Refusal {
	tb.Helper()
	var r *opening.Refusal
	if !errors.As(err, &r) || r.Reason != want || !strings.Contains(r.Message, says) {
		tb.Fatalf("got %s: %v\nwant %s, with %q", reason(err), err, want, says)
	}
	return r
}

// content returns the only Secret's content as text.
func content(tb testing.TB, o *opening.Opened) map[string]string {
	tb.Helper()
	if len(o.Objects) != 1 || o.Objects[0].Secret == nil {
		tb.Fatalf("want one Secret, got %d objects", len(o.Objects))
	}
	out := map[string]string{}
	for k, v := range o.Objects[0].Secret.Data {
		out[k] = string(v)
	}
	return out
}

// clone copies a manifest deeply.
func clone(m *v1alpha1.SealedManifest) *v1alpha1.SealedManifest { return m.DeepCopy() }

// changeBlock changes the sops block of an inline manifest.
func changeBlock(tb testing.TB, m *v1alpha1.SealedManifest, change func(block map[string]any)) {
	tb.Helper()
	block := map[string]any{}
	if err := json.Unmarshal(m.Sops.Raw, &block); err != nil {
		tb.Fatal(err)
	}
	change(block)
	raw, err := json.Marshal(block)
	if err != nil {
		tb.Fatal(err)
	}
	m.Sops.Raw = raw
}

// waitingSet is a keyring without a fitting key, of which more is awaited.
func waitingSet(tb testing.TB) *keyring.Set {
	tb.Helper()
	s, err := keyring.New(keyring.Parts{
		Name: "default", Waiting: []string{"vault"},
		Identities: []keyring.Identity{keyring.Age(identity(tb, strangerKey))},
	})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}
