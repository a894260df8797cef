package kubetest_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/internal/toolcache"
)

const aloneEnv = "KUBETEST_RUN_FAILING_TEST"

// runsAlone is true in a second process, in which the test is meant to fail. In the
// first it starts that process and checks what it says.
func runsAlone(t *testing.T) bool {
	t.Helper()
	if os.Getenv(aloneEnv) != "" {
		return true
	}
	toolcache.Kube().Need(t)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), aloneEnv+"=1")
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatalf("starting with a bad flag succeeded:\n%s", out)
	}
	if !strings.Contains(string(out), "kube-apiserver: the server ended") || !strings.Contains(string(out), "unknown flag: --no-such-flag") {
		t.Errorf("the failure does not say why:\n%s", out)
	}
	return false
}
