package gcpkms_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/keysources/gcpkms/gcpkmstest"
)

// runHelper opens a stanza of the server in another process with nearly nothing in
// its environment, and returns the line that it prints.
func runHelper(t *testing.T, server *gcpkmstest.Server, env ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append([]string{
		helperEnv + "=" + wrapped(t, server).Get("enc"), "SOPS_GCP_KMS_ENDPOINT=" + server.URL, "HOME=" + t.TempDir(),
	}, env...)
	out, err := cmd.CombinedOutput()
	if err != nil && len(out) == 0 {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
