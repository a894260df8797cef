package vault_test

import (
	"testing"
	"time"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/keysourcestest"
	"github.com/gitseal/gitseal/keysources/vault"
)

func TestLaws(t *testing.T) {
	s := server(t)
	uri := s.CreateKey(t, "laws")
	token := s.Token(t, time.Hour, "transit/encrypt/laws=update", "transit/decrypt/laws=update")
	other := s.Token(t, time.Hour, "transit/decrypt/another=update")
	me := vault.New(s.Env(token))
	// The client, and the token in it, are there from the first use on.
	wrap(t, me, uri)
	keysourcestest.Source{
		Recipient: recipient(t, me, key(t, uri)),
		Identity:  me,
		Stranger:  denied{vault.New(s.Env(other))},
		Secrets:   []string{token, token[4:], other, other[4:]},
	}.Run(t)
}

func TestSourceAsksAnotherMachine(t *testing.T) {
	if !keysources.IsRemote(vault.New(env())) {
		t.Error("it says that it does not")
	}
}

func TestStanzaIsWhatSopsWrites(t *testing.T) {
	s := server(t)
	st := wrap(t, vault.New(s.Env(s.Root)), s.CreateKey(t, "fields"))
	var names []string
	for _, f := range st.Fields {
		names = append(names, f.Name)
	}
	want := []string{"created_at", "enc", "engine_path", "key_name", "vault_address"}
	if len(names) != len(want) {
		t.Fatalf("fields: got %v, want %v", names, want)
	}
	for i := range want {
		if names[i] != want[i] {
			t.Fatalf("fields: got %v, want %v", names, want)
		}
	}
	if at, err := time.Parse(time.RFC3339, st.Get("created_at")); err != nil || at.Location() != time.UTC || time.Since(at) > time.Minute {
		t.Errorf("created_at: got %q", st.Get("created_at"))
	}
	if got, want := st.Reader(), s.URI("fields"); got != want {
		t.Errorf("reader: got %q, want %q", got, want)
	}
	if !keysources.IsFor(recipient(t, vault.New(env()), st.Key()), st) {
		t.Error("what was wrapped for the recipient is not for it")
	}
	if k := st.Key(); k.Get("enc") != "" || k.Get("created_at") != "" || len(k.Fields) != 3 {
		t.Errorf("the key: got %v", k)
	}
}

// TestManyCallsAtATime unwraps 64 times at once, as files of a folder are opened.
func TestManyCallsAtATime(t *testing.T) {
	s := server(t)
	source := vault.New(s.Env(s.Root))
	st := wrap(t, source, s.CreateKey(t, "many"))
	for _, err := range parallel(64, func() error {
		key, err := source.Unwrap(t.Context(), st)
		if err == nil && string(key) != string(dataKey()) {
			t.Error("another key")
		}
		return err
	}) {
		t.Error(err)
	}
}
