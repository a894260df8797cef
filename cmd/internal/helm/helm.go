// Package helm knows Helm's plugins: where they lie, what their descriptions are for
// Helm 3 and 4, how values files are named to them, and how the last error is kept,
// since Helm 4 drops what a post-renderer says.
package helm

import (
	"cmp"
	"errors"
	"path/filepath"
	"strings"
)

// Protocol is the scheme of the URLs of values files.
const Protocol = "sealed"

// ErrURL: a URL names no file.
var ErrURL = errors.New("not of the form " + Protocol + "://PATH")

// PathOf returns the path in a URL, or the text itself if it is a path.
func PathOf(url string) (string, error) {
	path, isURL := strings.CutPrefix(url, Protocol+"://")
	if path == "" || !isURL && strings.Contains(path, "://") {
		return "", ErrURL
	}
	return path, nil
}

// PluginsDir returns the folder of Helm's plugins on an operating system (GOOS), "" if
// there is no place for one.
func PluginsDir(getenv func(string) string, goos string) string {
	if dirs := getenv("HELM_PLUGINS"); dirs != "" {
		return filepath.SplitList(dirs)[0]
	}
	data := getenv("HELM_DATA_HOME")
	if base := getenv("XDG_DATA_HOME"); data == "" && base != "" {
		data = filepath.Join(base, "helm")
	}
	home := cmp.Or(getenv("HOME"), getenv("USERPROFILE"))
	switch {
	case data != "":
	case goos == "windows" && getenv("APPDATA") != "":
		data = filepath.Join(getenv("APPDATA"), "helm")
	case home == "":
		return ""
	case goos == "darwin":
		data = filepath.Join(home, "Library", "helm")
	default:
		data = filepath.Join(home, ".local", "share", "helm")
	}
	return filepath.Join(data, "plugins")
}

// File is a file of a plugin, relative to the folder of plugins.
type File struct {
	Name       string
	Text       string
	Executable bool
	// Args are what the program is run with; the file is then a script that does it,
	// which the caller writes.
	Args []string
}

// version is that of the plugins, which Helm wants to be there. It changes when they do.
const version = "1.0.0"

// Plugins returns the files of the plugins for a major version of Helm. mark stands in
// each description. The getter's description is one that both versions read, since they
// share their folder; a post-renderer is a plugin to Helm 4 alone, and Helm 3 stops at
// its description.
func Plugins(major int, mark string) []File {
	const getter, renderer = "gitseal-get", "gitseal"
	out := []File{
		{Name: filepath.Join(getter, "plugin.yaml"), Text: "# " + mark + `
name: ` + getter + `
version: ` + version + `
usage: open sealed values files
description: "Opens values files that gitseal or sops sealed: helm … -f sealed://values.sealed.yaml"
command: "$HELM_PLUGIN_DIR/get"
downloaders:
  - command: get
    protocols:
      - ` + Protocol + `
`},
		{Name: filepath.Join(getter, "get"), Executable: true, Args: []string{"helm", "get"}},
	}
	const first = 4
	if major < first {
		return out
	}
	return append(out,
		File{Name: filepath.Join(renderer, "plugin.yaml"), Text: "# " + mark + `
apiVersion: v1
name: ` + renderer + `
version: ` + version + `
type: postrenderer/v1
runtime: subprocess
runtimeConfig:
  platformCommand:
    - command: "${HELM_PLUGIN_DIR}/post-render"
`},
		File{Name: filepath.Join(renderer, "post-render"), Executable: true, Args: []string{"helm", "post-render"}})
}

// Major reads the major version from what "helm version --template {{.Version}}"
// prints, 0 if it is not one.
func Major(text string) int {
	text = strings.TrimPrefix(strings.TrimSpace(text), "v")
	for _, major := range []int{3, 4} {
		if strings.HasPrefix(text, string(rune('0'+major))+".") {
			return major
		}
	}
	return 0
}
