package cipher_test

import (
	"context"
	"testing"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/json"
)

// FuzzProposal: whatever stands in the list of proposals, the file opens as without
// it, and nothing but what was proposed is accepted.
func FuzzProposal(f *testing.F) {
	sealed := mustSeal(f, "json", []byte(`{"a": "b"}`), cipher.SealOptions{}).Bytes
	with := mustPropose(f, "json", sealed, "a", "x")
	entry := parse(f, "json", with).Meta.Get("seal").Get("proposals").Items[0]
	text := func(key string) string { return entry.Get(key).Text }
	f.Add(text("path"), text("by"), text("at"), text("value"), entry.Get("age").Items[0].Get("enc").Text)
	f.Add(`document 2: a."b\n"[7]`, "", "2026-01-01T00:00:00+02:00", "ENC[AES256_GCM,data:,iv:,tag:,type:str]", "")
	ids := identities(f, aliceKey)
	f.Fuzz(func(t *testing.T, path, by, at, value, enc string) {
		changed := changeProposals(t, "json", with, func(list *formats.Meta) {
			it := &list.Items[0]
			it.Get("path").Text, it.Get("by").Text, it.Get("at").Text, it.Get("value").Text = path, by, at, value
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
		for _, p := range list {
			content, err := p.Open(context.Background(), o.Metadata, cipher.OpenOptions{Identities: ids})
			if err == nil && (string(content) != proposed || p.By != "x" || p.Path.Text() != "a") {
				t.Errorf("%v opens, by %q", p, p.By)
			}
		}
		if _, err := cipher.DropProposals(json.Format{}, changed, func(cipher.Proposal) bool { return true }); err != nil {
			t.Errorf("dropping: %v", err)
		}
	})
}
