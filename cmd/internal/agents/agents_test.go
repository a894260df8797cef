package agents_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitseal/gitseal/cmd/internal/agents"
)

// helperEnv makes the test program say what it detects, and no more.
const helperEnv = "GITSEAL_TEST_DETECT"

func TestMain(m *testing.M) {
	if os.Getenv(helperEnv) != "" {
		sign, found := agents.Detect(agents.OfProcess(func(string) string { return "" }))
		if found {
			os.Stdout.WriteString("found: " + sign)
		}
		return
	}
	os.Exit(m.Run())
}

func TestVariablesGiveAgentsAway(t *testing.T) {
	for _, tt := range []struct {
		name, value, want string
	}{
		{"CLAUDECODE", "1", "CLAUDECODE is set"},
		{"AI_AGENT", "some", "AI_AGENT is set"},
		{"CODEX_THREAD_ID", "0199", "CODEX_THREAD_ID is set"},
		{"AGENT", "goose", "AGENT is goose"},
		{"AGENT", "Amp", "AGENT is amp"},
		// A build machine may call itself an agent, and a variable may say no.
		{"AGENT", "linux-7", ""},
		{"AGENT", "1", ""},
		{"CLAUDECODE", "0", ""},
		{"CLAUDECODE", "", ""},
		{"REPL_ID", "x", ""},
	} {
		s := agents.Surroundings{Getenv: func(name string) string {
			if name == tt.name {
				return tt.value
			}
			return ""
		}}
		if got, found := agents.Detect(s); got != tt.want || found != (tt.want != "") {
			t.Errorf("%s=%s: got %q, %v, want %q", tt.name, tt.value, got, found, tt.want)
		}
	}
}

func TestAncestorsGiveAgentsAway(t *testing.T) {
	for _, tt := range []struct {
		process agents.Process
		want    string
	}{
		{agents.Process{Name: "claude", Args: []string{"claude"}}, "claude"},
		{agents.Process{Name: "node", Args: []string{"node", "/usr/local/bin/claude", "--resume"}}, "claude"},
		{agents.Process{Name: "node", Args: []string{"/usr/bin/node", "--no-warnings", "/usr/lib/node_modules/@anthropic-ai/claude-code/cli.js"}}, "@anthropic-ai/claude-code"},
		{agents.Process{Name: "MainThread", Args: []string{"node", `C:\npm\node_modules\@openai\codex\bin\codex.js`}}, "codex"},
		{agents.Process{Name: "python3", Args: []string{"/usr/bin/python3", "/home/u/.local/bin/aider"}}, "aider"},
		{agents.Process{Name: "python3.12", Args: []string{"python3.12", "-m", "aider", "--yes"}}, "aider"},
		{agents.Process{Name: "cursor-agent"}, "cursor-agent"},
		{agents.Process{Name: "gemini --yolo", Args: []string{"gemini --yolo"}}, "gemini"},
		// People's own terminals, and their own scripts.
		{agents.Process{Name: "cursor", Args: []string{"/opt/cursor/cursor"}}, ""},
		{agents.Process{Name: "windsurf"}, ""},
		{agents.Process{Name: "bash", Args: []string{"bash", "claude.txt"}}, ""},
		{agents.Process{Name: "vim", Args: []string{"vim", "/home/u/claude"}}, ""},
		{agents.Process{Name: "node", Args: []string{"node", "/home/u/codex/server.js"}}, ""},
		{agents.Process{Name: "node", Args: []string{"node", "server.js", "claude"}}, ""},
		{agents.Process{Name: "python3", Args: []string{"python3", "-m"}}, ""},
		{agents.Process{}, ""},
	} {
		list := []agents.Process{{Name: "bash", Args: []string{"-bash"}}, tt.process, {Name: "sshd"}}
		sign, found := agents.Detect(agents.Surroundings{Ancestors: slices.Values(list)})
		if found != (tt.want != "") || !strings.HasSuffix(sign, tt.want) {
			t.Errorf("%q: got %q, want %q", tt.process, sign, tt.want)
		}
	}
}

func TestAFolderGivesDevinAway(t *testing.T) {
	exists := func(name string) bool { return name == "/opt/.devin" }
	if _, found := agents.Detect(agents.Surroundings{Exists: exists}); !found {
		t.Error("not found")
	}
}

func TestNothingIsKnownNothingIsFound(t *testing.T) {
	if sign, found := agents.Detect(agents.Surroundings{}); found {
		t.Errorf("found %q", sign)
	}
}

// TestRealAncestorsAreFound runs this program below a script that is called claude,
// with a shell in between, and below one of an innocent name.
func TestRealAncestorsAreFound(t *testing.T) {
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		t.Skip("ancestors are not known on " + runtime.GOOS)
	}
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	below := func(name string) string {
		t.Helper()
		script := filepath.Join(t.TempDir(), name)
		// The last command of a shell may take its place; so there is one more.
		text := "#!" + sh + "\n" + sh + " -c '\"$0\"; true' \"$1\"\ntrue\n"
		if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(script, self)
		cmd.Env = append(os.Environ(), helperEnv+"=1")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	if runtime.GOOS == "linux" { // which calls a script by its own name
		if got := below("claude"); got != "found: it was started by claude" {
			t.Errorf("below claude: got %q", got)
		}
	}
	if innocent := below("make"); strings.Contains(innocent, "make") {
		t.Errorf("below make: got %q", innocent)
	}
}

func TestDetectionIsFast(t *testing.T) {
	s := agents.OfProcess(func(string) string { return "" })
	best := time.Hour
	for range 20 {
		start := time.Now()
		agents.Detect(s)
		best = min(best, time.Since(start))
	}
	if best > 5*time.Millisecond {
		t.Errorf("took %v at best", best)
	}
}

func BenchmarkDetect(b *testing.B) {
	for b.Loop() {
		agents.Detect(agents.OfProcess(func(string) string { return "" }))
	}
}
