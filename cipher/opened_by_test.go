package cipher_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/keysources"
)

func readerOf(t *testing.T, key string) string { return recipients(t, key)[0].String() }

func TestOpenSaysWhoseKeysOpenedTheFile(t *testing.T) {
	sealed := mustSeal(t, "yaml", []byte("a: b\n"), cipher.SealOptions{Recipients: recipients(t, aliceKey, bobKey)}).Bytes
	for _, c := range []struct {
		ids  []string
		want string
	}{{[]string{aliceKey}, aliceKey}, {[]string{bobKey}, bobKey}, {[]string{carolKey, bobKey}, bobKey}} {
		o, err := tryOpen(t, "yaml", sealed, cipher.OpenOptions{Identities: identities(t, c.ids...)})
		if err != nil {
			t.Fatal(err)
		}
		if want := []string{readerOf(t, c.want)}; !slices.Equal(o.OpenedBy, want) {
			t.Errorf("got %q, want %q", o.OpenedBy, want)
		}
	}
}

func TestOpenNamesOneReaderOfEachGroupThatWasNeeded(t *testing.T) {
	groups := [][]keysources.Recipient{recipients(t, aliceKey), recipients(t, bobKey), recipients(t, carolKey)}
	sealed := mustSeal(t, "yaml", []byte("a: b\n"), cipher.SealOptions{Groups: groups, Threshold: 2}).Bytes
	o, err := tryOpen(t, "yaml", sealed, cipher.OpenOptions{Identities: identities(t, carolKey, aliceKey)})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(o.OpenedBy)
	want := []string{readerOf(t, aliceKey), readerOf(t, carolKey)}
	slices.Sort(want)
	if !slices.Equal(o.OpenedBy, want) {
		t.Errorf("got %q, want %q", o.OpenedBy, want)
	}
}

// A reordered file fails sops's MAC, but the text of that MAC is the file's own.
func TestReorderedFilesNeedAnAuthenticMACToo(t *testing.T) {
	const ours, other = `{"b":"1","a":"2"}`, `{"c":"3"}`
	sealed := mustSeal(t, "json", []byte(ours), cipher.SealOptions{}).Bytes
	foreign := mustSeal(t, "json", []byte(other), cipher.SealOptions{}).Bytes
	mac := parse(t, "json", foreign).Meta.Get("mac").Text
	open := func(b []byte) string {
		_, err := tryOpen(t, "json", b, cipher.OpenOptions{AllowReordered: true})
		return outcome(err)
	}
	reordered := strings.Replace(string(sealed), `"b"`, `"x"`, 1)
	if got := open([]byte(reordered)); got == "ok" {
		t.Error("a renamed key was not noticed")
	}
	replaced := changeMeta(t, "json", sealed, func(m *formats.Meta) { m.Get("mac").Text = mac })
	if got := open(replaced); got != "mac" {
		t.Errorf("got %s, want mac", got)
	}
	if got := open(sealed); got != "ok" {
		t.Errorf("got %s, want ok", got)
	}
}
