package helm_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/gitseal/gitseal/cmd/internal/helm"
)

func TestPathOf(t *testing.T) {
	for url, want := range map[string]string{
		"sealed://a.yaml": "a.yaml", "sealed://a/b.yaml": "a/b.yaml", "sealed:///a": "/a", "a.yaml": "a.yaml", "sealed://../a": "../a",
		"sealed://": "", "": "", "https://a/b": "",
	} {
		got, err := helm.PathOf(url)
		if got != want || (want == "") != errors.Is(err, helm.ErrURL) {
			t.Errorf("%q: got %q, %v", url, got, err)
		}
	}
}

func TestPluginsDirIsThatOfHelm(t *testing.T) {
	for _, tt := range []struct {
		goos string
		env  map[string]string
		want string
	}{
		{"linux", map[string]string{"HOME": "/h"}, "/h/.local/share/helm/plugins"},
		{"linux", map[string]string{"HOME": "/h", "XDG_DATA_HOME": "/d"}, "/d/helm/plugins"},
		{"linux", map[string]string{"HOME": "/h", "XDG_DATA_HOME": "/d", "HELM_DATA_HOME": "/e"}, "/e/plugins"},
		{"linux", map[string]string{"HELM_PLUGINS": "/p" + string(filepath.ListSeparator) + "/q", "HOME": "/h"}, "/p"},
		{"darwin", map[string]string{"HOME": "/h"}, "/h/Library/helm/plugins"},
		{"windows", map[string]string{"APPDATA": "/a", "USERPROFILE": "/h"}, "/a/helm/plugins"},
		{"linux", nil, ""},
	} {
		got := helm.PluginsDir(func(name string) string { return tt.env[name] }, tt.goos)
		if filepath.ToSlash(got) != tt.want {
			t.Errorf("%s, %v: got %q, want %q", tt.goos, tt.env, got, tt.want)
		}
	}
}

func TestMajor(t *testing.T) {
	for text, want := range map[string]int{"v3.22.0\n": 3, "v4.3.1": 4, "4.0.0": 4, "v3": 0, "v33.1": 0, "": 0, "v2.17.0": 0} {
		if got := helm.Major(text); got != want {
			t.Errorf("%q: got %d, want %d", text, got, want)
		}
	}
}

// TestLastErrorIsPrivate: it is readable by its owner alone, replaced by the next, and
// gone when forgotten.
func TestLastErrorIsPrivate(t *testing.T) {
	home := t.TempDir()
	file := helm.LastErrorFile(func(name string) string { return map[string]string{"HOME": home}[name] })
	for _, text := range []string{"one\n", "two\n"} {
		if err := helm.KeepError(file, text); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(file)
		info, statErr := os.Stat(file)
		if err != nil || statErr != nil || string(data) != text || info.Mode().Perm() != 0o600 {
			t.Errorf("%q, %v, %v", data, err, statErr)
		}
	}
	for range 2 {
		if err := helm.ForgetError(file); err != nil {
			t.Error(err)
		}
	}
	if got := helm.LastErrorFile(func(string) string { return "" }); got != "" {
		t.Errorf("without a home folder: %q", got)
	}
}
