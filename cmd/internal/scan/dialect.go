package scan

import (
	"path"
	"slices"
	"strings"
)

// dialect is how a text that no format reads writes keys and their values.
type dialect uint8

const (
	// noKeys: prose, or something whose keys are not known.
	noKeys dialect = iota
	// configText: "key: value" and "key = value", each on a line of its own.
	configText
	// envText is the same in files in which people keep secrets rather than prose.
	envText
	// shellText: NAME=value anywhere on a line.
	shellText
	// dockerText: ENV and ARG, and a shell's lines.
	dockerText
	// jsonText: "key": "value" anywhere.
	jsonText
	// terraformText: key = "value", and the default of a variable.
	terraformText
	// programText: a literal in quotes that is given to a name. Only what looks
	// generated counts, and it is weak.
	programText
	// blockText: a script, a configuration or prose. Only what looks generated counts.
	blockText
	// netrcText: machine, login and password as words in a row.
	netrcText
)

// dialectOf tells the dialect by the format that a file was meant for and did not fit,
// or by its name.
func dialectOf(name, format string) dialect {
	switch format {
	case "yaml", "ini":
		return configText
	case "json":
		return jsonText
	case "dotenv":
		return envText
	}
	base := strings.ToLower(path.Base(strings.ReplaceAll(name, `\`, "/")))
	switch base {
	case ".netrc", "_netrc", "netrc", ".authinfo":
		return netrcText
	case "dockerfile", "containerfile":
		return dockerText
	case ".envrc", ".bashrc", ".zshrc", ".profile", ".bash_profile", ".zprofile", ".zshenv", "makefile", "justfile":
		return shellText
	case ".npmrc", ".pypirc", ".yarnrc", ".my.cnf", ".pgpass":
		return configText
	}
	if strings.HasPrefix(base, "dockerfile.") || strings.HasPrefix(base, "containerfile.") {
		return dockerText
	}
	return dialectOfExt(path.Ext(base))
}

func dialectOfExt(ext string) dialect {
	switch ext {
	case ".toml", ".properties", ".tfvars", ".conf", ".cfg", ".cnf", ".ini", ".tpl", ".yaml", ".yml", ".j2", ".gotmpl":
		return configText
	case ".env":
		return envText
	case ".json", ".jsonc", ".json5", ".ipynb":
		return jsonText
	case ".sh", ".bash", ".zsh", ".ksh", ".fish", ".envrc", ".mk":
		return shellText
	case ".dockerfile":
		return dockerText
	case ".tf", ".hcl":
		return terraformText
	case ".py", ".js", ".mjs", ".cjs", ".jsx", ".ts", ".tsx", ".go", ".rb", ".php", ".java", ".kt", ".scala", ".groovy", ".cs", ".rs", ".swift", ".dart", ".lua", ".ex", ".exs", ".ps1":
		return programText
	}
	return noKeys
}

// isTest reports whether a name is that of a test, an example or the like, where made-up
// secrets are at home.
func isTest(name string) bool {
	name = strings.ReplaceAll(name, `\`, "/")
	folder, base := path.Split(name)
	for part := range strings.SplitSeq(strings.ToLower(folder), "/") {
		if slices.Contains([]string{"test", "tests", "testing", "testdata", "__tests__", "spec", "specs", "fixtures", "mock", "mocks", "example", "examples", "sample", "samples", "demo", "e2e"}, part) {
			return true
		}
	}
	for _, word := range splitWords(base) {
		if slices.Contains([]string{"test", "tests", "spec", "mock", "mocks", "example", "sample", "fixture", "fixtures", "conftest"}, word) {
			return true
		}
	}
	return false
}
