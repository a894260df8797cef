package kustomize

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
)

// PluginDir returns the folder in which kustomize looks for legacy plugins, "" if there
// is no place for one.
func PluginDir(getenv func(string) string) string {
	if home := getenv("KUSTOMIZE_PLUGIN_HOME"); home != "" {
		return home
	}
	if config := getenv("XDG_CONFIG_HOME"); config != "" {
		return filepath.Join(config, "kustomize", "plugin")
	}
	if home := cmp.Or(getenv("HOME"), getenv("USERPROFILE")); home != "" {
		return filepath.Join(home, ".config", "kustomize", "plugin")
	}
	return ""
}

// PluginFile returns where the plugin is below a plugin folder: group, version, the kind
// in lower case, and the kind.
func PluginFile(dir string) string {
	return filepath.Join(dir, "gitseal.dev", "v1alpha1", "unseal", "Unseal")
}

// RemoveEmpty removes the folders of the plugin that nothing is left in, up to dir.
func RemoveEmpty(dir string) {
	for at := filepath.Dir(PluginFile(dir)); at != dir && len(at) > len(dir); at = filepath.Dir(at) {
		err := os.Remove(at)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return // something else is in it
		}
	}
}
