package cipher_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/keysources"
)

// TestMalformedProposals: an entry that is none is counted, does no harm, and goes
// with the next change of the list.
func TestMalformedProposals(t *testing.T) {
	sealed := mustSeal(t, "yaml", []byte("a: b\n"), cipher.SealOptions{}).Bytes
	with := mustPropose(t, "yaml", mustPropose(t, "yaml", sealed, "a", "x"), "a", "y")
	text := func(key, text string) formats.Meta {
		return formats.Meta{Key: key, Kind: formats.MetaString, Text: text}
	}
	replace := func(key, text string) func(*formats.Meta) { return func(e *formats.Meta) { e.Get(key).Text = text } }
	for name, change := range map[string]func(e *formats.Meta){
		"text":        func(e *formats.Meta) { *e = text("", "x") },
		"empty map":   func(e *formats.Meta) { *e = formats.Meta{Kind: formats.MetaMap} },
		"list":        func(e *formats.Meta) { *e = formats.Meta{Kind: formats.MetaList, Items: []formats.Meta{text("", "x")}} },
		"bad path":    replace("path", "a..b"),
		"no path":     replace("path", ""),
		"bad time":    replace("at", "yesterday"),
		"plain value": replace("value", "canary"),
		"no base":     replace("base", ""),
		"bad base":    func(e *formats.Meta) { e.Get("base").Text += "\n" },
		"short base":  replace("base", base64.StdEncoding.EncodeToString(make([]byte, 2*32))),
		"long base":   replace("base", base64.StdEncoding.EncodeToString(make([]byte, 5*32))),
		"number": func(e *formats.Meta) {
			v := e.Get("value")
			v.Text = strings.Replace(v.Text, "type:str", "type:int", 1)
		},
		"no stanzas": func(e *formats.Meta) {
			e.Items = slices.DeleteFunc(e.Items, func(m formats.Meta) bool { return m.Key == "age" })
		},
		"map as value": func(e *formats.Meta) { *e.Get("value") = formats.Meta{Key: "value", Kind: formats.MetaMap} },
	} {
		t.Run(name, func(t *testing.T) {
			bad := changeProposals(t, "yaml", with, func(l *formats.Meta) { change(&l.Items[0]) })
			o := mustOpen(t, "yaml", bad)
			if string(o.PlaintextBytes()) != "a: b\n" {
				t.Errorf("the file opens to %q", o.PlaintextBytes())
			}
			list, malformed := o.Metadata.Proposals()
			if len(list) != 1 || malformed != 1 || list[0].By != "y" {
				t.Errorf("got %v and %d malformed", list, malformed)
			}
			clean, err := cipher.DropProposals(format(t, "yaml"), bad, func(cipher.Proposal) bool { return false })
			if err != nil {
				t.Fatal(err)
			}
			if list, _ := proposalsIn(t, "yaml", clean); len(list) != 1 || list[0].By != "y" {
				t.Errorf("afterwards: %v", list)
			}
		})
	}
}

// TestSealKeepsProposals: the next version has those that are not settled, in every
// format, as long as the readers stay.
func TestSealKeepsProposals(t *testing.T) {
	for name, src := range map[string][2]string{
		"yaml": {"a: b\n", "a: c\n"}, "json": {`{"a": "b"}`, `{"a": "c"}`}, "dotenv": {"a=b\n", "a=c\n"}, "ini": {"[s]\na = b\n", "[s]\na = c\n"}, "binary": {"b", "c"},
	} {
		t.Run(name, func(t *testing.T) {
			sealed := mustSeal(t, name, []byte(src[0]), cipher.SealOptions{}).Bytes
			previous := mustOpen(t, name, mustPropose(t, name, mustPropose(t, name, sealed, "x", "one"), "x", "two"))
			list, _ := previous.Metadata.Proposals()
			next := mustSeal(t, name, []byte(src[1]), cipher.SealOptions{Previous: previous}).Bytes
			kept, m := proposalsIn(t, name, next)
			if len(kept) != 2 || kept[0].ID() != list[0].ID() {
				t.Fatalf("kept %v", kept)
			}
			if _, err := openProposal(t, kept[1], m); err != nil {
				t.Error(err)
			}
			same := mustSeal(t, name, []byte(src[0]), cipher.SealOptions{Previous: previous})
			if !same.Unchanged {
				t.Error("sealing what has not changed changes the file")
			}
			one := mustSeal(t, name, []byte(src[1]), cipher.SealOptions{Previous: previous, Settled: []string{list[0].ID()}})
			if left, _ := proposalsIn(t, name, one.Bytes); len(left) != 1 || left[0].By != "two" {
				t.Errorf("after settling one: %v", left)
			}
			none := mustSeal(t, name, []byte(src[0]), cipher.SealOptions{Previous: previous, Settled: []string{list[0].ID(), list[1].ID(), "unknown"}})
			if none.Unchanged || bytes.Contains(none.Bytes, []byte("proposals")) {
				t.Error("settling all leaves some")
			}
		})
	}
}

// TestProposalsHoldTheReaders: while proposals are open, neither readers nor data
// key change, because the proposals would be lost without a word.
func TestProposalsHoldTheReaders(t *testing.T) {
	sealed := mustSeal(t, "yaml", []byte("a: b\n"), cipher.SealOptions{Recipients: recipients(t, aliceKey, bobKey)}).Bytes
	with, err := tryPropose(t, "yaml", sealed, cipher.ProposeOptions{Path: pathOf(t, "a"), Recipients: recipients(t, aliceKey, bobKey)})
	if err != nil {
		t.Fatal(err)
	}
	previous := mustOpen(t, "yaml", with)
	list, _ := previous.Metadata.Proposals()
	for name, opts := range map[string]cipher.SealOptions{
		"a reader joins":  {Recipients: recipients(t, aliceKey, bobKey, carolKey)},
		"a reader leaves": {Recipients: recipients(t, aliceKey)},
		"new data key":    {Recipients: recipients(t, aliceKey, bobKey), NewKey: true},
		"key groups":      {Groups: [][]keysources.Recipient{recipients(t, aliceKey), recipients(t, bobKey)}},
	} {
		opts.Previous = previous
		if _, err := trySeal(t, "yaml", []byte("a: c\n"), opts); !errors.Is(err, cipher.ErrProposals) {
			t.Errorf("%s: got %v, want ErrProposals", name, err)
		}
		opts.Settled = []string{list[0].ID()}
		if _, err := trySeal(t, "yaml", []byte("a: c\n"), opts); err != nil {
			t.Errorf("%s, settled: %v", name, err)
		}
	}
}

// TestProposalPrintsRedacted: nothing of what is proposed is printed by accident.
func TestProposalPrintsRedacted(t *testing.T) {
	sealed := mustSeal(t, "yaml", []byte("a: b\n"), cipher.SealOptions{}).Bytes
	list, _ := proposalsIn(t, "yaml", mustPropose(t, "yaml", sealed, "a", "x"))
	for _, text := range []string{fmt.Sprint(list[0]), fmt.Sprintf("%#v %+v %q", list[0], list[0], list[0])} {
		if strings.Contains(text, "ENC[") || strings.Contains(text, "AGE ENC") {
			t.Errorf("got %s", text)
		}
	}
}
