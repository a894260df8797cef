package cipher_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
	"github.com/gitseal/gitseal/keysources"
)

func TestContextHasToBeTheRightOne(t *testing.T) {
	bound := mustSeal(t, "yaml", []byte("a: b\n"), cipher.SealOptions{Context: "k8s:prod/db"}).Bytes
	unbound := mustSeal(t, "yaml", []byte("a: b\n"), cipher.SealOptions{}).Bytes
	for _, tt := range []struct {
		name    string
		src     []byte
		context string
		want    string
	}{
		{"the same", bound, "k8s:prod/db", "ok"},
		{"not asked for", bound, "", "ok"},
		{"another", bound, "k8s:test/db", "context"},
		{"a part of it", bound, "k8s:prod", "context"},
		{"asked for, none there", unbound, "k8s:prod/db", "context"},
		{"asked for, no seal entry", withoutSeal(t, "yaml", bound), "k8s:prod/db", "context"},
	} {
		o, err := tryOpen(t, "yaml", tt.src, cipher.OpenOptions{Context: tt.context})
		if outcome(err) != tt.want || (o == nil) != (err != nil) {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
	}
}

// TestReorderedKeysAreAcceptedOnRequest: API servers and GitOps tools sort keys
// and drop comments. sops's MAC does not survive it, ours does.
func TestReorderedKeysAreAcceptedOnRequest(t *testing.T) {
	doc := mapOf("", comment(" note"), str("z", "1"), mapOf("m", str("y", "2"), str("x", "3")), listOf("l", str("", "4"), str("", "5")))
	base := takeApart(t, "yaml", mustSeal(t, "yaml", emit("yaml", []*node{doc}), cipher.SealOptions{}).Bytes)
	for _, tt := range []struct {
		name    string
		change  func(r *node)
		reorder string
		strict  string
	}{
		{"sorted, comments dropped", func(r *node) {
			r.items = slices.DeleteFunc(r.items, func(n *node) bool { return n.kind == formats.Comment })
			slices.Reverse(r.items)
			slices.Reverse(r.at("m").items)
		}, "ok", "comments"},
		{"comments dropped", func(r *node) { r.items = r.items[1:] }, "ok", "comments"},
		{"items swapped", func(r *node) { slices.Reverse(r.at("l").items) }, "seal-mac", "seal-mac"},
		{"comment added", func(r *node) { r.add(comment(" evil")) }, "comments", "comments"},
		{"key removed", func(r *node) { r.remove("z") }, "seal-mac", "seal-mac"},
		{"untouched", func(*node) {}, "ok", "ok"},
	} {
		m := base.clone()
		tt.change(m.root())
		src, err := m.bytes(t)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tryOpen(t, "yaml", src, cipher.OpenOptions{AllowReordered: true}); outcome(err) != tt.reorder {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.reorder)
		}
		if _, err := tryOpen(t, "yaml", src, cipher.OpenOptions{}); outcome(err) != tt.strict {
			t.Errorf("%s, strictly: got %v, want %s", tt.name, err, tt.strict)
		}
	}
}

// TestMACOnlyEncryptedLeavesPlainValuesFree: that is what it is for.
func TestMACOnlyEncryptedLeavesPlainValuesFree(t *testing.T) {
	src := []byte("# note\nlabel: x\nsecret: hunter2-canary\n")
	opts := cipher.SealOptions{Selector: selector(t, cipher.EncryptedRegex, "^secret$"), MACOnlyEncrypted: true}
	sealed := string(mustSeal(t, "yaml", src, opts).Bytes)
	for _, tt := range []struct{ old, with, want string }{
		{"label: x\n", "label: y\nadded: z\n", "ok"},
		{"# note\n", "# other\n", "ok"},
		{"label: x\n", "", "ok"},
		{"secret: ENC", "other: {secret: 1}\nsecret: ENC", "plain-value"},
		{"secret: ENC", "secrets: ENC", "seal-mac"},
	} {
		changed := strings.Replace(sealed, tt.old, tt.with, 1)
		if _, err := tryOpen(t, "yaml", []byte(changed), cipher.OpenOptions{}); outcome(err) != tt.want {
			t.Errorf("%q for %q: got %v, want %s", tt.with, tt.old, err, tt.want)
		}
	}
}

// failingIdentity may be the right one, but cannot say.
type failingIdentity struct{}

var errService = errors.New("the service is down")

func (failingIdentity) Unwrap(context.Context, keysources.Stanza) ([]byte, error) {
	return nil, errService
}
func (failingIdentity) String() string { return "failing" }

// shortIdentity unwraps something that is not a data key.
type shortIdentity struct{}

func (shortIdentity) Unwrap(context.Context, keysources.Stanza) ([]byte, error) {
	return []byte("short"), nil
}
func (shortIdentity) String() string { return "short" }

func TestIdentitiesAreTriedUntilOneOpens(t *testing.T) {
	sealed := mustSeal(t, "yaml", []byte("a: b\n"), cipher.SealOptions{Recipients: recipients(t, bobKey, aliceKey)}).Bytes
	alice, carol := identityOf(t, aliceKey), identityOf(t, carolKey)
	for _, tt := range []struct {
		name string
		ids  []keysources.Identity
		want string
	}{
		{"the right one", []keysources.Identity{alice}, "ok"},
		{"behind another's", []keysources.Identity{carol, alice}, "ok"},
		{"behind one that fails", []keysources.Identity{failingIdentity{}, alice}, "ok"},
		{"behind one that gives rubbish", []keysources.Identity{shortIdentity{}, alice}, "ok"},
		{"another's", []keysources.Identity{carol}, "no-identity"},
		{"one that fails", []keysources.Identity{carol, failingIdentity{}}, "no-identity"},
		{"rubbish", []keysources.Identity{shortIdentity{}}, "no-identity"},
		{"none", []keysources.Identity{}, "no-identity"},
	} {
		_, err := tryOpen(t, "yaml", sealed, cipher.OpenOptions{Identities: tt.ids})
		if outcome(err) != tt.want {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
		var none *cipher.NoIdentityError
		if errors.As(err, &none) && len(none.Readers) != 2 {
			t.Errorf("%s: readers %v, want two", tt.name, none.Readers)
		}
		if fails := strings.Contains(tt.name, "fails"); errors.Is(err, errService) != (fails && err != nil) {
			t.Errorf("%s: got %v, which wraps the cause: %v", tt.name, err, !fails)
		}
	}
}

func TestCancelledContextIsTheError(t *testing.T) {
	sealed := mustSeal(t, "yaml", []byte("a: b\n"), cipher.SealOptions{}).Bytes
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := cipher.Open(ctx, format(t, "yaml"), sealed, cipher.OpenOptions{Identities: identities(t, carolKey)})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// TestAThresholdThatCannotBeMet is a damaged block, not a reason to try.
func TestAThresholdThatCannotBeMet(t *testing.T) {
	groups, ids := council(t, 3)
	sealed := mustSeal(t, "yaml", []byte("a: b\n"), cipher.SealOptions{Groups: groups, Threshold: 2}).Bytes
	have := []keysources.Identity{ids[0], ids[1], ids[2]}
	for threshold, want := range map[string]string{"1": "metadata", "4": "metadata", "0": "seal-mac", "3": "seal-mac"} {
		bad := changeMeta(t, "yaml", sealed, func(m *formats.Meta) { m.Get("shamir_threshold").Text = threshold })
		if _, err := tryOpen(t, "yaml", bad, cipher.OpenOptions{Identities: have}); outcome(err) != want {
			t.Errorf("threshold %s: got %v, want %s", threshold, err, want)
		}
	}
}

func TestPostQuantumRecipients(t *testing.T) {
	for _, name := range all.Names() {
		src := []byte(samples(name)[0].source)
		sealed := mustSeal(t, name, src, cipher.SealOptions{Recipients: recipients(t, davePQ)}).Bytes
		o, err := tryOpen(t, name, sealed, cipher.OpenOptions{Identities: identities(t, davePQ)})
		if err != nil || string(o.PlaintextBytes()) != string(src) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestInspectNeedsNoKey, and finds what is not as its selector wants it.
func TestInspectNeedsNoKey(t *testing.T) {
	src := emit("yaml", tamperDocument("yaml", "current"))
	m := takeApart(t, "yaml", mustSeal(t, "yaml", src, cipher.SealOptions{Selector: partSelector(t)}).Bytes)
	m.main().at("s_user").text = "exposed-canary"
	m.main().at("s_digits").replace("tag:", "tog:")
	sealed, err := m.bytes(t)
	if err != nil {
		t.Fatal(err)
	}
	report, err := cipher.Inspect(format(t, "yaml"), sealed)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]cipher.State{
		"s_password": cipher.StateSealed, "s_user": cipher.StateExposed, "s_digits": cipher.StateMalformed,
		"s_empty": cipher.StateEmpty, "s_null": cipher.StateEmpty, "p_name": cipher.StatePlain, "list[1]": cipher.StateSealed,
	}
	kinds := map[string]formats.Kind{"s_pin": formats.Int, "s_ok": formats.Bool, "s_ratio": formats.Float, "s_password": formats.String}
	seen := 0
	for _, v := range report.Values {
		if state, ok := want[v.Path.String()]; ok && v.State == state {
			seen++
		} else if ok {
			t.Errorf("%s: got %s, want %s", v.Path, v.State, state)
		}
		if k, ok := kinds[v.Path.String()]; ok && v.Kind != k {
			t.Errorf("%s: got kind %s, want %s", v.Path, v.Kind, k)
		}
	}
	if seen != len(want) || len(report.Comments) != 2 || len(report.Metadata.Readers()) != 1 || report.Documents != 1 {
		t.Errorf("got %d of %d states, %d comments, readers %v, %d documents", seen, len(want), len(report.Comments), report.Metadata.Readers(), report.Documents)
	}
	if _, err := cipher.Inspect(format(t, "yaml"), []byte("a: b\n")); !errors.Is(err, cipher.ErrNotSealed) {
		t.Errorf("a plain file: got %v, want ErrNotSealed", err)
	}
}
