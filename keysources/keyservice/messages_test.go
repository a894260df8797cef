package keyservice_test

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/keyservice"
)

func stanza(typ string, kv ...string) keysources.Stanza {
	s := keysources.Stanza{Type: typ}
	for i := 0; i < len(kv); i += 2 {
		s.Fields = append(s.Fields, keysources.Field{Name: kv[i], Value: kv[i+1]})
	}
	return s
}

// TestMessagesAreThoseOfTheProtocol has the bytes that protoc makes of the same
// messages.
func TestMessagesAreThoseOfTheProtocol(t *testing.T) {
	kms := stanza("kms", "arn", "a", "role", "r", "aws_profile", "p")
	kms.Context = []keysources.Field{{Name: "k", Value: "v"}, {Name: "l", Value: ""}}
	for _, tt := range []struct {
		key  keysources.Stanza
		want string
	}{
		{kms, "0a1a" + "0a18" + "0a0161" + "120172" + "1a06" + "0a016b120176" + "1a05" + "0a016c1200" + "220170"},
		{stanza("pgp", "fp", "F"), "0a05" + "1203" + "0a0146"},
		{stanza("gcp_kms", "resource_id", "g"), "0a05" + "1a03" + "0a0167"},
		{stanza("azure_kv", "vault_url", "u", "name", "n", "version", "1"), "0a0b" + "2209" + "0a0175" + "12016e" + "1a0131"},
		{stanza("hc_vault", "vault_address", "u", "engine_path", "e", "key_name", "k"), "0a0b" + "2a09" + "0a0175" + "120165" + "1a016b"},
		{stanza("age", "recipient", "r"), "0a05" + "3203" + "0a0172"},
		{stanza("hckms", "key_id", "h"), "0a05" + "3a03" + "0a0168"},
	} {
		t.Run(tt.key.Type, func(t *testing.T) {
			b := keyservice.EncodeRequest(tt.key, []byte{1, 2})
			if got, want := hex.EncodeToString(b), tt.want+"12020102"; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			key, payload, err := keyservice.DecodeRequest(b)
			if err != nil || string(payload) != "\x01\x02" {
				t.Errorf("decoded: %d bytes, error %v", len(payload), err)
			}
			if diff := cmp.Diff(tt.key, key); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMessagesAreReadAsProtobufIs(t *testing.T) {
	age := "0a05" + "3203" + "0a0172"
	for _, tt := range []struct {
		name, hex string
		want      string // the type of the key; "error" if it is not a message
	}{
		{"empty", "", ""},
		{"an unknown field", age + "1a0178" + "2001", "age"},
		{"an unknown type of key", "0a05" + "4203" + "0a0172", ""},
		{"an unknown field of a key", "0a08" + "3206" + "0a0172" + "120178", "age"},
		{"a number for a key", "0801", ""},
		{"two keys", age + age, "error"},
		{"two types of key", "0a0a" + "3203" + "0a0172" + "3a03" + "0a0168", "error"},
		{"cut off", age[:8], "error"},
		{"a name that is not UTF-8", "0a05" + "3203" + "0a01ff", "error"},
		{"a context that is not UTF-8", "0a07" + "0a05" + "1a03" + "0a01ff", "error"},
		{"field number 0", "0001", "error"},
		{"a length beyond the end", "0aff01", "error"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, err := hex.DecodeString(tt.hex)
			if err != nil {
				t.Fatal(err)
			}
			key, _, err := keyservice.DecodeRequest(b)
			if (err != nil) != (tt.want == "error") || err == nil && key.Type != tt.want {
				t.Errorf("got %v, error %v, want %q", key, err, tt.want)
			}
		})
	}
}

func TestMessagesPrintRedacted(t *testing.T) {
	for _, v := range keyservice.Printed([]byte("canary-canary")) {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			out := fmt.Sprintf(verb, v)
			if strings.Contains(out, "canary") || strings.Contains(out, "63616e") || strings.Contains(out, "99 97 110") || strings.Contains(out, "0x63") {
				t.Errorf("%s of %T: %s", verb, v, out)
			}
		}
	}
}

func FuzzMessages(f *testing.F) {
	kms := stanza("kms", "arn", "a", "role", "r", "aws_profile", "p")
	kms.Context = []keysources.Field{{Name: "k", Value: "v"}}
	f.Add(keyservice.EncodeRequest(kms, []byte("payload")))
	f.Add(keyservice.EncodeRequest(stanza("azure_kv", "vault_url", "u", "name", "n"), nil))
	f.Add([]byte{0x0a, 0x05, 0x32, 0x03, 0x0a, 0x01, 0x72})
	f.Fuzz(func(t *testing.T, b []byte) {
		if result, err := keyservice.DecodeResponse(b); err != nil && result != nil && len(result) > len(b) {
			t.Error("more came out than went in")
		}
		key, payload, err := keyservice.DecodeRequest(b)
		if err != nil {
			return
		}
		// What was read is written and read again as the same.
		again, data, err := keyservice.DecodeRequest(keyservice.EncodeRequest(key, payload))
		if err != nil || string(data) != string(payload) {
			t.Fatalf("again: error %v", err)
		}
		if key.Type != "" {
			if diff := cmp.Diff(key, again, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		}
	})
}
