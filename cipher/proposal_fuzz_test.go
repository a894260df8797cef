package cipher_test

import (
	"context"
	"encoding/base64"
	"testing"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/json"
)

// FuzzProposal: whatever stands in the list of proposals, the file opens as without
// it, nothing but what was proposed is accepted, and only where it was.
func FuzzProposal(f *testing.F) {
	sealed := mustSeal(f, "json", []byte(`{"a": "b"}`), cipher.SealOptions{}).Bytes
	with := mustPropose(f, "json", sealed, "a", "x")
	entry := parse(f, "json", with).Meta.Get("seal").Get("proposals").Items[0]
	text := func(key string) string { return entry.Get(key).Text }
	f.Add(text("path"), text("by"), text("at"), text("base"), text("value"), entry.Get("age").Items[0].Get("enc").Text)
	f.Add(`document 2: a."b\n"[7]`, "", "2026-01-01T00:00:00+02:00", text("base"), "ENC[AES256_GCM,data:,iv:,tag:,type:str]", "")
	f.Add("[1][0].a[2]", "", text("at"), base64.StdEncoding.EncodeToString(make([]byte, 9*32)), text("value"), "")
	ids := identities(f, aliceKey)
	f.Fuzz(func(t *testing.T, path, by, at, base, value, enc string) {
		changed := changeProposals(t, "json", with, func(list *formats.Meta) {
			it := &list.Items[0]
			it.Get("path").Text, it.Get("by").Text, it.Get("at").Text, it.Get("value").Text = path, by, at, value
			it.Get("base").Text = base
			it.Get("age").Items[0].Get("enc").Text = enc
		})
		o, err := tryOpen(t, "json", changed, cipher.OpenOptions{Identities: ids})
		if err != nil || string(o.PlaintextBytes()) != `{"a": "b"}` {
			t.Skip("not what JSON holds: ", err)
		}
		list, malformed := o.Metadata.Proposals()
		if len(list)+malformed != 1 {
			t.Fatalf("%d proposals, %d malformed", len(list), malformed)
		}
		places := o.Places()
		for _, p := range list {
			place := places.Of(p)
			content, err := p.Open(context.Background(), o.Metadata, cipher.OpenOptions{Identities: ids})
			if err == nil && (string(content) != proposed || p.By != "x" || p.Path.Text() != "a" || place.State != cipher.PlaceSame) {
				t.Errorf("%v opens, by %q", p, p.By)
			}
		}
		if _, err := cipher.DropProposals(json.Format{}, changed, func(cipher.Proposal) bool { return true }); err != nil {
			t.Errorf("dropping: %v", err)
		}
	})
}
