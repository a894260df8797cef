package deploy_test

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/gitseal/gitseal/cipher"
	formatsyaml "github.com/gitseal/gitseal/formats/yaml"
	"github.com/gitseal/gitseal/k8s-controller/kubetest"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
)

// buildProgram returns the path of the real controller.
func buildProgram(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "gitseal-controller")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./cmd/gitseal-controller")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// checkProgram starts the program with the arguments of the Deployment and the rights
// of its service account, which have to be enough to make a Secret.
func checkProgram(t *testing.T, c *kubetest.Cluster, program string, args []string) {
	t.Helper()
	initialize(t, c, program)
	refused := forbidden(t, c)
	log := start(t, c, program, args)
	c.Kubectl(t, manifestFor(t, recipients(t, c)), "apply", "-f", "-")
	c.Kubectl(t, "", "-n", "team-a", "wait", "sealedmanifest/db", "--for=condition=Ready", "--timeout=1m")
	if got := c.Kubectl(t, "", "-n", "team-a", "get", "secret", "db", "-o", "jsonpath={.data.password}"); got != "aHVudGVyMg==" {
		t.Errorf("the Secret has the password %q", got)
	}
	if strings.Contains(strings.ToLower(log.String()), "forbidden") {
		t.Errorf("the program was not allowed something:\n%s", log)
	}
	if now := forbidden(t, c); !maps.Equal(now, refused) {
		t.Errorf("the API server said Forbidden, before: %v, now: %v", refused, now)
	}
}

// initialize makes the cluster's keyring and key.
func initialize(t *testing.T, c *kubetest.Cluster, program string) {
	t.Helper()
	if out, err := try(t, program, "init", "--kubeconfig", c.Kubeconfig(t), "--no-recovery", "--classic"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// output collects what a program writes.
type output struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// start runs the program as the Deployment would, until the test ends.
func start(t *testing.T, c *kubetest.Cluster, program string, args []string) *output {
	t.Helper()
	for i, a := range args {
		a = strings.ReplaceAll(a, "$(POD_NAMESPACE)", system)
		if flag, _, ok := strings.Cut(a, "-addr="); ok {
			a = flag + "-addr=127.0.0.1:0"
		}
		args[i] = a
	}
	account := c.ServiceAccountConfig(t, system, controller)
	cmd := exec.Command(program, append(slices.Clone(args), "--kubeconfig="+kubetest.WriteKubeconfig(t, account))...)
	log := &output{}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		err := cmd.Wait()
		if t.Failed() {
			t.Logf("the program ended with %v; its log:\n%s", err, log)
		}
	})
	return log
}

// recipients reads them as somebody who is known to the cluster and has no role.
func recipients(t *testing.T, c *kubetest.Cluster) string {
	t.Helper()
	anybody := kubetest.WriteKubeconfig(t, c.ConfigFor(t, "anybody"))
	var out string
	eventually(t, "recipients are published", func() bool {
		var err error
		out, err = c.TryKubectl(t, "", "--kubeconfig", anybody, "-n", system, "get", "configmap", "gitseal-recipients", "-o", "jsonpath={.data.default}")
		return err == nil && out != ""
	})
	return out
}

func manifestFor(t *testing.T, recipient string) string {
	t.Helper()
	r, err := age.ParseRecipient(recipient)
	if err != nil {
		t.Fatal(err)
	}
	plain := "apiVersion: gitseal.dev/v1alpha1\nkind: SealedManifest\nmetadata: {name: db, namespace: team-a}\nstringData: {password: hunter2}\n"
	sealed, err := cipher.Seal(t.Context(), formatsyaml.Format{}, []byte(plain), cipher.SealOptions{
		Recipients: []keysources.Recipient{r}, Selector: cipher.KubernetesSelector(), MACOnlyEncrypted: true, Context: "k8s:team-a/db",
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(sealed.Bytes)
}

// forbidden counts the answers 403 of the API server, by what was asked.
func forbidden(t *testing.T, c *kubetest.Cluster) map[string]string {
	t.Helper()
	text, err := c.Metrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^apiserver_request_total\{([^}]*code="403"[^}]*)\} (\S+)$`).FindAllStringSubmatch(text, -1) {
		out[m[1]] = m[2]
	}
	return out
}
