package rescue_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cmd/internal/rescue"
)

// TestStore: what was kept comes back, in order, until it is dropped; nobody else
// can read it.
func TestStore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "rescue")
	s := rescue.New(dir)
	if list, err := s.List(); err != nil || len(list) != 0 {
		t.Errorf("before: %v, %v", list, err)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	second := rescue.Copy{File: "/b.json", Format: "json", At: at.Add(time.Hour), Text: []byte("sealed b"), Redacted: true}
	first := rescue.Copy{File: "/a.yaml", Format: "yaml", At: at, Base: []byte("sealed base\x00\xff"), Text: []byte("sealed a")}
	for _, c := range []*rescue.Copy{&second, &first} {
		var err error
		if c.ID, err = s.Save(*c); err != nil || len(c.ID) != 8 {
			t.Fatalf("%q, %v", c.ID, err)
		}
		info, err := os.Stat(filepath.Join(dir, c.ID+".json"))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	first.Text = []byte("sealed again")
	if id, err := s.Save(first); err != nil || id != first.ID {
		t.Errorf("%q, %v", id, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "abcdefgh.json"), []byte(`{"v":1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := s.List()
	if diff := cmp.Diff([]rescue.Copy{first, second}, list); err != nil || diff != "" {
		t.Errorf("%v, %s", err, diff)
	}
	got, err := s.Load(first.ID)
	if diff := cmp.Diff(&first, got); err != nil || diff != "" {
		t.Errorf("%v, %s", err, diff)
	}
	if _, err := s.Load("abcdefgh"); !errors.Is(err, rescue.ErrMalformed) {
		t.Errorf("not a copy: %v", err)
	}
	if err := s.Drop(first.ID); err != nil {
		t.Error(err)
	}
	for _, id := range []string{first.ID, "", "../abcde", "ABCDEFGH", "abcdefghi"} {
		if _, err := s.Load(id); !errors.Is(err, rescue.ErrNone) {
			t.Errorf("%q: %v", id, err)
		}
		if err := s.Drop(id); !errors.Is(err, rescue.ErrNone) {
			t.Errorf("dropping %q: %v", id, err)
		}
	}
	if _, err := rescue.New("").Save(first); err == nil {
		t.Error("saved nowhere")
	}
}

func TestDefaultDir(t *testing.T) {
	for _, tt := range []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{"HOME": "/h", "XDG_STATE_HOME": "/s"}, "/s/gitseal/rescue"},
		{map[string]string{"HOME": "/h", "XDG_STATE_HOME": "relative"}, "/h/.local/state/gitseal/rescue"},
		{map[string]string{"HOME": "/h"}, "/h/.local/state/gitseal/rescue"},
		{map[string]string{"HOME": "h"}, ""},
		{nil, ""},
	} {
		if got := rescue.DefaultDir(func(name string) string { return tt.env[name] }); filepath.ToSlash(got) != tt.want {
			t.Errorf("%v: got %q, want %q", tt.env, got, tt.want)
		}
	}
}

// FuzzLoad: no file among the copies does any harm; what is read as one can be kept
// again.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(`{"v":1,"file":"/a","format":"yaml","at":"2026-01-02T03:04:05Z","base":"AA==","text":"AA=="}`))
	f.Add([]byte(`{"v":1,"file":"a","text":"AA=="}`))
	f.Add([]byte(`{"v":2}{}`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, "abcdefgh.json"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		s := rescue.New(dir)
		c, err := s.Load("abcdefgh")
		if err != nil {
			if !errors.Is(err, rescue.ErrMalformed) {
				t.Errorf("%v", err)
			}
			return
		}
		if _, err := s.Save(*c); err != nil {
			t.Error(err)
		}
		again, err := s.Load("abcdefgh")
		if diff := cmp.Diff(c, again); err != nil || diff != "" {
			t.Errorf("%v, %s", err, diff)
		}
	})
}
