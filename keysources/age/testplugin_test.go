package age_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	fage "filippo.io/age"
	"filippo.io/age/plugin"
)

// pluginMain is the plugin of these tests. The data of its identities and
// recipients is a word that says how it behaves, and a native age key.
func pluginMain(name string) int {
	p, err := plugin.New(name)
	if err != nil {
		return 1
	}
	p.HandleRecipient(func(data []byte) (fage.Recipient, error) {
		how, key, _ := strings.Cut(string(data), " ")
		r, err := fage.ParseX25519Recipient(key)
		return testRecipient{p, how, r}, err
	})
	p.HandleIdentity(func(data []byte) (fage.Identity, error) {
		how, key, _ := strings.Cut(string(data), " ")
		id, err := fage.ParseX25519Identity(key)
		return testIdentity{p, how, id}, err
	})
	return p.Main()
}

type testRecipient struct {
	p   *plugin.Plugin
	how string
	key *fage.X25519Recipient
}

func (r testRecipient) Wrap(fileKey []byte) ([]*fage.Stanza, error) {
	if err := behave(r.p, r.how); err != nil {
		return nil, err
	}
	stanzas, err := r.key.Wrap(fileKey)
	if err == nil {
		stanzas[0].Type = r.p.Name()
	}
	return stanzas, err
}

type testIdentity struct {
	p   *plugin.Plugin
	how string
	key *fage.X25519Identity
}

func (i testIdentity) Unwrap(stanzas []*fage.Stanza) ([]byte, error) {
	if i.how == "lies" {
		return bytes.Repeat([]byte{1}, 16), nil
	}
	if i.how == "fails" || i.how == "hangs" {
		return nil, behave(i.p, i.how)
	}
	if len(stanzas) != 1 || stanzas[0].Type != i.p.Name() {
		return nil, fage.ErrIncorrectIdentity
	}
	native := *stanzas[0]
	native.Type = "X25519"
	key, err := i.key.Unwrap([]*fage.Stanza{&native})
	if err != nil {
		return nil, err
	}
	return key, behave(i.p, i.how)
}

// behave does what is not about keys.
func behave(p *plugin.Plugin, how string) error {
	switch how {
	case "hangs":
		time.Sleep(time.Minute)
	case "fails":
		return errors.New("no device\x1b[2J hunter2-hunter2")
	case "asks":
		pin, err := p.RequestValue("PIN of the device", true)
		if err != nil || pin != "123456" {
			return errors.New("wrong PIN")
		}
	case "confirms":
		yes, err := p.Confirm("really?", "yes", "no")
		if err != nil || !yes {
			return errors.New("not confirmed")
		}
	case "says":
		return p.DisplayMessage("touch\x1b[2J me")
	}
	return nil
}

// installPlugin puts this program into PATH as a plugin.
func installPlugin(t *testing.T, name string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := "age-plugin-" + name
	if runtime.GOOS == "windows" {
		file += ".exe"
	}
	dir := t.TempDir()
	if err := os.Link(self, filepath.Join(dir, file)); err != nil {
		data, err := os.ReadFile(self)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, file), data, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// pluginKey returns the two sides of a key of the test plugin.
func pluginKey(name, how, key string) (recipient, identityText string) {
	id, err := fage.ParseX25519Identity(key)
	if err != nil {
		panic(err)
	}
	return plugin.EncodeRecipient(name, []byte("plain "+id.Recipient().String())), plugin.EncodeIdentity(name, []byte(how+" "+key))
}
