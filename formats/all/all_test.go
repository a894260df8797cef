package all_test

import (
	"testing"

	"github.com/gitseal/gitseal/formats/all"
	"github.com/google/go-cmp/cmp"
)

func TestFormatFollowsFromTheFileName(t *testing.T) {
	tests := map[string]string{
		"a.yaml": "yaml", "dir/b.yml": "yaml", "C.YAML": "yaml", ".sops.yaml": "yaml", "a.enc.yaml": "yaml", ".yaml": "yaml",
		"a.json": "json", "a.JSON": "json", "a.tfvars.json": "json", ".env.json": "json",
		".env": "dotenv", "dir/.env": "dotenv", ".ENV": "dotenv", "prod.env": "dotenv", ".env.production": "dotenv",
		".env.local.example": "dotenv", ".env.Production.Local": "dotenv", "a.env.env": "dotenv",
		"a.ini": "ini", "a.INI": "ini", "php.d/10-x.ini": "ini",
		".envrc": "binary", "dir.yaml/file": "binary", "a.jsonc": "binary", "a.json5": "binary", "a.toml": "binary",
		"a.tfvars": "binary", "env": "binary", ".env.": "binary", "a.env.local": "dotenv", "docker.env.example": "dotenv", "a.env.js": "binary", ".env.gz": "binary", ".env.sh": "binary",
		".envs": "binary", "": "binary", "/": "binary", "a": "binary", "id_rsa": "binary", "a.yaml.age": "binary", "a.yaml.bak": "binary",
	}
	for file, want := range tests {
		if got := all.NameForFile(file); got != want {
			t.Errorf("%q: got %s, want %s", file, got, want)
		}
		named, _ := all.ByName(want)
		if got := all.ForFile(file); got != named {
			t.Errorf("%q: got format %T, want %T", file, got, named)
		}
	}
}

func TestEveryNameHasAFormat(t *testing.T) {
	if diff := cmp.Diff([]string{"yaml", "json", "dotenv", "ini", "binary"}, all.Names()); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	seen := map[any]string{}
	for _, name := range all.Names() {
		f, ok := all.ByName(name)
		if !ok || seen[f] != "" {
			t.Errorf("%s: found %v, the same as %q", name, ok, seen[f])
		}
		seen[f] = name
	}
	if _, ok := all.ByName("toml"); ok {
		t.Error("toml: got a format, want none")
	}
}
