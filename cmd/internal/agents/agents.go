// Package agents tells whether an AI coding agent runs this program. It is a hint
// and no boundary: who runs as the same user can hide it.
package agents

import (
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Process is one of the programs that this one was started by, directly or not.
type Process struct {
	// Name is the program as the system calls it; systems cut it short.
	Name string
	// Args is its command line, nil if that cannot be seen.
	Args []string
}

// Surroundings is what an agent gives itself away by. Of what is nil, nothing is known.
type Surroundings struct {
	Getenv func(name string) string
	// Ancestors are the parent, its parent, and so on.
	Ancestors iter.Seq[Process]
	// Exists reports whether there is a file of a name.
	Exists func(name string) bool
}

// OfProcess are the real surroundings of this process.
func OfProcess(getenv func(string) string) Surroundings {
	exists := func(name string) bool {
		_, err := os.Lstat(name)
		return err == nil
	}
	return Surroundings{Getenv: getenv, Ancestors: ancestors, Exists: exists}
}

// variables are set by agents for the programs that they run, and by nobody else.
func variables() []string {
	return []string{
		"AI_AGENT", "CLAUDECODE", "CLAUDE_CODE", "CURSOR_AGENT", "CODEX_SANDBOX", "CODEX_THREAD_ID", "CODEX_CI", "GEMINI_CLI",
		"COPILOT_CLI", "OPENCODE", "GOOSE_TERMINAL", "AUGMENT_AGENT", "CLINE_ACTIVE", "QWEN_CODE", "AMP_CURRENT_THREAD_ID",
	}
}

// programs are the agents by the names of their programs. Editors that have an
// agent built in are not among them: people use their terminals, too.
func programs() []string {
	return []string{
		"claude", "codex", "cursor-agent", "aider", "opencode", "goose", "gemini", "copilot", "amp", "qwen", "cline", "devin", "droid", "crush", "auggie",
	}
}

// packages are the agents whose program is a script, by where its package is
// installed.
func packages() []string {
	return []string{
		"/@anthropic-ai/claude-code/", "/@openai/codex/", "/@google/gemini-cli/", "/@github/copilot/", "/@qwen-code/qwen-code/", "/@sourcegraph/amp/",
		"/opencode-ai/", "/@augmentcode/auggie/",
	}
}

// devinFolder is there on the machines of the agent Devin.
const devinFolder = "/opt/.devin"

// Detect returns what gave an agent away, in a few words, such as the name of a
// variable.
func Detect(s Surroundings) (sign string, found bool) {
	if s.Getenv != nil {
		if sign, found = byVariable(s.Getenv); found {
			return sign, true
		}
	}
	if s.Exists != nil && s.Exists(devinFolder) {
		return "this machine has " + devinFolder, true
	}
	if s.Ancestors == nil {
		return "", false
	}
	for p := range s.Ancestors {
		if name, ok := agentOf(p); ok {
			return "it was started by " + name, true
		}
	}
	return "", false
}

func byVariable(getenv func(string) string) (string, bool) {
	for _, name := range variables() {
		if isOn(getenv(name)) {
			return name + " is set", true
		}
	}
	// Many a program calls something an agent: the word alone says nothing.
	if value := strings.ToLower(getenv("AGENT")); slices.Contains(programs(), value) || value == "claude-code" {
		return "AGENT is " + value, true
	}
	return "", false
}

// isOn reports whether a variable says yes.
func isOn(value string) bool {
	switch strings.ToLower(value) {
	case "", "0", "false", "no", "off":
		return false
	}
	return true
}

// agentOf returns the name of the agent that a process is.
func agentOf(p Process) (string, bool) {
	if name := programName(p.Name); slices.Contains(programs(), name) {
		return name, true
	}
	if len(p.Args) == 0 {
		return "", false
	}
	// What a program calls itself is its first argument, maybe with more behind it.
	first, _, _ := strings.Cut(p.Args[0], " ")
	if name := programName(first); slices.Contains(programs(), name) {
		return name, true
	}
	script := scriptOf(p.Args)
	if name := programName(script); slices.Contains(programs(), name) {
		return name, true
	}
	for _, folder := range packages() {
		if strings.Contains(filepath.ToSlash(script), folder) {
			return strings.Trim(folder, "/"), true
		}
	}
	return "", false
}

// programName returns the name of a program without its folder and extension.
func programName(path string) string {
	name := strings.ToLower(path[strings.LastIndexAny(path, `/\`)+1:])
	for _, ext := range []string{".exe", ".js", ".mjs", ".cjs", ".py"} {
		name = strings.TrimSuffix(name, ext)
	}
	return name
}

// scriptOf returns what an interpreter was told to run, "" if p is none.
func scriptOf(args []string) string {
	interpreter := programName(args[0])
	isPython := strings.HasPrefix(interpreter, "python")
	if !isPython && !slices.Contains([]string{"node", "nodejs", "bun", "deno", "npx", "uv", "uvx"}, interpreter) {
		return ""
	}
	for i, a := range args[1:] {
		switch {
		case isPython && a == "-m" && i+2 < len(args):
			return args[i+2]
		case strings.HasPrefix(a, "-"), a == "run", a == "exec", a == "x", a == "tool":
			continue
		}
		return a
	}
	return ""
}
