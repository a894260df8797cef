// Package all knows all formats by name and by the names of files.
package all

import (
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/binary"
	"github.com/gitseal/gitseal/formats/dotenv"
	"github.com/gitseal/gitseal/formats/ini"
	"github.com/gitseal/gitseal/formats/json"
	"github.com/gitseal/gitseal/formats/yaml"
)

// table lists the formats in the order in which help shows them.
var table = []struct {
	name   string
	format formats.Format
}{
	{"yaml", yaml.Format{}},
	{"json", json.Format{}},
	{"dotenv", dotenv.Format{}},
	{"ini", ini.Format{}},
	{"binary", binary.Format{}},
}

// Names returns the names of all formats.
func Names() []string {
	names := make([]string, len(table))
	for i, f := range table {
		names[i] = f.name
	}
	return names
}

// ByName returns the format with a name of [Names].
func ByName(name string) (formats.Format, bool) {
	for _, f := range table {
		if f.name == name {
			return f.format, true
		}
	}
	return nil, false
}

// ForFile returns the format of a file by its name. Whatever is not known to be
// another format is binary: a file in a similar language, such as JSON with
// comments, TOML or a shell script, must not be read as something that it is not.
func ForFile(file string) formats.Format {
	name := NameForFile(file)
	f, _ := ByName(name)
	return f
}

// NameForFile returns the name of what [ForFile] returns.
func NameForFile(file string) string {
	base := strings.ToLower(path.Base(filepath.ToSlash(file)))
	switch path.Ext(base) {
	case ".yaml", ".yml":
		return "yaml"
	case ".json":
		return "json"
	case ".env":
		return "dotenv"
	case ".ini":
		return "ini"
	}
	if isDotenv(base) {
		return "dotenv"
	}
	return "binary"
}

// isDotenv reports whether base is .env or NAME.env with the names of an
// environment or a machine behind it, as in .env.production.local, rather than with
// the extension of another language.
func isDotenv(base string) bool {
	_, rest, ok := strings.Cut(base, ".env.")
	if !ok || rest == "" {
		return false
	}
	return !slices.Contains(otherLanguages, path.Ext(base))
}

// otherLanguages are extensions of files that are known not to be dotenv.
var otherLanguages = []string{
	".age", ".asc", ".bash", ".bz2", ".cjs", ".enc", ".fish", ".go", ".gpg", ".gz", ".js", ".json5", ".jsonc", ".md", ".mjs",
	".nix", ".php", ".ps1", ".py", ".rb", ".sh", ".tar", ".toml", ".ts", ".vault", ".xml", ".xz", ".zip", ".zsh", ".zst",
}
