package editors_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/internal/toolcache"
)

// nodeTests returns a command that runs tests of the VS Code extension with gitseal
// as it was built.
func nodeTests(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(need(t, "node"), append([]string{"--test", "--test-reporter=tap"}, args...)...)
	cmd.Dir = "vscode"
	// Nothing of whoever runs the tests: identities, rules, or that it is an agent.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "HOME=" + t.TempDir(), "TMPDIR=" + t.TempDir(),
		"GITSEAL_TEST_PROGRAM=" + program, "GITSEAL_TEST_CANARY=" + canary, toolcache.NoSkipEnv + "=1"}
	return cmd
}

// TestVSCode runs the extension's own tests.
func TestVSCode(t *testing.T) {
	out, err := nodeTests(t).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for what, least := range map[string]int{"pass": 30, "skipped": 0} {
		m := regexp.MustCompile(`(?m)^# ` + what + ` (\d+)$`).FindSubmatch(out)
		if m == nil {
			t.Fatalf("no number of tests: %s\n%s", what, out)
		}
		if n, _ := strconv.Atoi(string(m[1])); n < least || what == "skipped" && n > 0 {
			t.Errorf("%s: %d", what, n)
		}
	}
}

// TestVSCodeWritesNoPlaintext: a file is opened, edited, backed up, restored, saved
// and saved as another one, and values are set and copied.
func TestVSCodeWritesNoPlaintext(t *testing.T) {
	for _, name := range []string{"editor", "extension"} {
		t.Run(name, func(t *testing.T) {
			cmd, trace := traced(t, nodeTests(t, filepath.Join("test", name+".test.js")))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			checkTrace(t, trace)
		})
	}
}

// TestVSCodeSourcesHoldNoCanary: else traces would show it where it is harmless.
func TestVSCodeSourcesHoldNoCanary(t *testing.T) {
	for _, name := range leaks(t, "vscode") {
		t.Errorf("%s holds the canary", strings.TrimPrefix(name, "vscode/"))
	}
}
