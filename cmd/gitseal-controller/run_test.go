package main_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/gitseal/gitseal/cipher"
	main "github.com/gitseal/gitseal/cmd/gitseal-controller"
	formatsyaml "github.com/gitseal/gitseal/formats/yaml"
	"github.com/gitseal/gitseal/k8s-controller/kubetest"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
)

// again says that the test binary is to be the program.
const again = "GITSEAL_CONTROLLER_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(again) != "" {
		main.Main()
		return
	}
	os.Exit(m.Run())
}

// program is a running gitseal-controller.
type program struct {
	t       *testing.T
	cmd     *exec.Cmd
	log     *output
	metrics string
	health  string
	exited  chan error
}

// output collects what a program writes.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// startProgram runs the program as a process of its own, until the test ends.
func startProgram(t *testing.T, kubeconfig string, args ...string) *program {
	t.Helper()
	p := &program{t: t, log: &output{}, metrics: freeAddr(t), health: freeAddr(t), exited: make(chan error, 1)}
	all := append([]string{"--kubeconfig", kubeconfig, "--metrics-addr", p.metrics, "--health-addr", p.health, "--log-level", "debug"}, args...)
	p.cmd = exec.Command(os.Args[0], all...)
	p.cmd.Env = append(os.Environ(), again+"=1")
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.exited <- p.cmd.Wait() }()
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	return p
}

// get asks one of the endpoints.
func (p *program) get(url, token string) (int, string) {
	p.t.Helper()
	client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true, // self-signed, on loopback
	}}
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, url, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := client.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(90 * time.Second); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain until", what)
		}
	}
}

// sealedSecret seals a SealedManifest for the readers that init published.
func sealedSecret(t *testing.T, c *kubetest.Cluster, ns, name, value string) string {
	t.Helper()
	var readers []keysources.Recipient
	for text := range strings.SplitSeq(c.Kubectl(t, "", "get", "sealkeyring", "default", "-o", "jsonpath={.status.recipients[*]}"), " ") {
		r, err := age.ParseRecipient(text)
		if err != nil {
			t.Fatal(err)
		}
		readers = append(readers, r)
	}
	selector, err := cipher.NewSelector(cipher.EncryptedRegex, `^(data|stringData)$`)
	if err != nil {
		t.Fatal(err)
	}
	plain := fmt.Sprintf("apiVersion: gitseal.dev/v1alpha1\nkind: SealedManifest\nmetadata:\n  name: %s\n  namespace: %s\nstringData:\n  a: %s\n", name, ns, value)
	s, err := cipher.Seal(t.Context(), formatsyaml.Format{}, []byte(plain), cipher.SealOptions{
		Recipients: readers, Selector: selector, MACOnlyEncrypted: true, Context: "k8s:" + ns + "/" + name,
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(s.Bytes)
}

func (p *program) ready() bool {
	code, _ := p.get("http://"+p.health+"/readyz", "")
	return code == http.StatusOK
}

func TestProgram(t *testing.T) {
	c := kubetest.Start(t)
	kubeconfig := c.Kubeconfig(t)
	code, _, text := main.Invoke(t.Context(), "", "run", "--kubeconfig", kubeconfig, "--leader-elect=false", "--metrics-addr=", "--health-addr=")
	if code != 3 || !strings.Contains(text, "CustomResourceDefinitions") || !strings.Contains(text, "hint: ") {
		t.Fatalf("without CustomResourceDefinitions: %d, %s", code, text)
	}
	c.InstallCRDs(t)
	c.Kubectl(t, "", "create", "namespace", "gitseal-system")
	lease := []string{"--lease-duration", "4s", "--lease-renew", "3s", "--lease-retry", "300ms"}
	first := startProgram(t, kubeconfig, lease...)
	eventually(t, "it answers", func() bool {
		code, _ := first.get("http://"+first.health+"/healthz", "")
		return code == http.StatusOK
	})
	if code, text := first.get("http://"+first.health+"/readyz?verbose", ""); code == http.StatusOK {
		t.Errorf("it is ready without an identity: %s", text)
	}
	eventually(t, "the log says what to do", func() bool { return strings.Contains(first.log.String(), "gitseal-controller init") })
	if code, _, text := main.Invoke(t.Context(), "", "init", "--kubeconfig", kubeconfig, "--no-recovery", "--classic"); code != 0 {
		t.Fatal(text)
	}
	eventually(t, "it is ready with an identity", first.ready)
	eventually(t, "the recipients are published", func() bool {
		return c.Kubectl(t, "", "get", "sealkeyring", "default", "-o", "jsonpath={.status.recipients}") != ""
	})
	ns := c.Namespace(t)
	await := func(name, value string) {
		t.Helper()
		c.Kubectl(t, sealedSecret(t, c, ns, name, value), "apply", "-f", "-")
		c.Kubectl(t, "", "wait", "-n", ns, "--for=condition=Ready", "--timeout=90s", "smf/"+name)
	}
	await("one", "canary-one")
	checkMetrics(t, c, first)
	// A standby takes over when the leader is killed, and the leader's successor stops
	// in order.
	second := startProgram(t, kubeconfig, append(lease, "--metrics-secure=false")...)
	eventually(t, "the standby is ready", second.ready)
	if err := first.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	await("two", "canary-two")
	if code, text := second.get("http://"+second.metrics+"/metrics", ""); code != http.StatusOK || !strings.Contains(text, `gitseal_manifests{ready="True",reason="Applied"} 2`) {
		t.Errorf("plain metrics: %d", code)
	}
	stopped(t, second)
	checkLog(t, first.log.String()+second.log.String())
}

// checkMetrics asks for metrics as nobody, as somebody, and as one who may.
func checkMetrics(t *testing.T, c *kubetest.Cluster, p *program) {
	t.Helper()
	c.Kubectl(t, `{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"scrape"},"rules":[{"nonResourceURLs":["/metrics"],"verbs":["get"]}]}`, "apply", "-f", "-")
	token := func(name string) string {
		return c.ServiceAccountConfig(t, "default", name).BearerToken
	}
	c.Kubectl(t, "", "create", "clusterrolebinding", "scrape", "--clusterrole=scrape", "--serviceaccount=default:prometheus")
	url := "https://" + p.metrics + "/metrics"
	for who, want := range map[string]int{"": http.StatusUnauthorized, "somebody": http.StatusForbidden, "prometheus": http.StatusOK} {
		bearer := ""
		if who != "" {
			bearer = token(who)
		}
		code, text := p.get(url, bearer)
		if code != want {
			t.Errorf("metrics for %q: %d, want %d", who, code, want)
		}
		if code == http.StatusOK && !strings.Contains(text, "gitseal_build_info") {
			t.Error("the metrics have nothing of ours")
		}
		if strings.Contains(text, "canary") {
			t.Error("the metrics hold a value")
		}
	}
	if code, _ := p.get("https://"+p.metrics+"/debug/pprof/", token("prometheus")); code == http.StatusOK {
		t.Error("there are profiles")
	}
}

// stopped ends a program with SIGTERM.
func stopped(t *testing.T, p *program) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-p.exited:
		if err != nil {
			t.Errorf("after SIGTERM: %v\n%s", err, p.log)
		}
	case <-time.After(90 * time.Second):
		t.Fatal("it does not end")
	}
}

// checkLog finds lines that are no JSON, and values.
func checkLog(t *testing.T, log string) {
	t.Helper()
	if strings.Contains(log, "canary") || strings.Contains(log, "AGE-SECRET-KEY") {
		t.Error("the log holds a value")
	}
	for lines := bufio.NewScanner(strings.NewReader(log)); lines.Scan(); {
		if !json.Valid(lines.Bytes()) {
			t.Errorf("no JSON: %s", lines.Text())
		}
	}
}

func TestRunUsage(t *testing.T) {
	for _, bad := range []struct {
		args []string
		says string
	}{
		{[]string{"--nonsense"}, "nonsense"},
		{[]string{"run", "x"}, `unexpected argument "x"`},
		{[]string{"walk"}, `no command "walk"`},
		{[]string{"run", "--label-selector", "a in ("}, "--label-selector"},
		{[]string{"run", "--log-level", "trace"}, "--log-level"},
		{[]string{"run", "--log-format", "xml"}, "--log-format"},
		{[]string{"run", "--resync", "0s"}, "--resync"},
	} {
		code, _, text := main.Invoke(t.Context(), "", bad.args...)
		if code != 2 || !strings.Contains(text, bad.says) || !strings.Contains(text, "hint: ") {
			t.Errorf("%v: %d, %s", bad.args, code, text)
		}
	}
	// What only the options know is wrong needs a connection to be described.
	kubeconfig := kubetest.WriteKubeconfig(t, &rest.Config{Host: "https://127.0.0.1:1"})
	for _, args := range [][]string{
		{"--secret-access", "some"}, {"--namespaces", "a,,b"}, {"--class", "A B"}, {"--metrics-secure=false"}, {"--lease-renew", "1h"}, {"--max-concurrent", "-3"},
	} {
		code, _, text := main.Invoke(t.Context(), "", append([]string{"--kubeconfig", kubeconfig}, args...)...)
		if code != 2 || !strings.Contains(text, "hint: ") {
			t.Errorf("%v: %d, %s", args, code, text)
		}
	}
	code, _, text := main.Invoke(t.Context(), "", "--kubeconfig", t.TempDir()+"/none")
	if code != 1 || !strings.Contains(text, "--kubeconfig") {
		t.Errorf("a missing kubeconfig: %d, %s", code, text)
	}
}

func TestVariablesAreFlags(t *testing.T) {
	t.Setenv("GITSEAL_CONTROLLER_LOG_FORMAT", "xml")
	code, _, text := main.Invoke(t.Context(), "", "run")
	if code != 2 || !strings.Contains(text, `"xml"`) {
		t.Errorf("%d, %s", code, text)
	}
}

func TestHelpAndVersion(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"run", "--help"}, {"init", "--help"}, {"version"}, {"--version"}} {
		code, out, text := main.Invoke(context.Background(), "", args...)
		if code != 0 || out == "" || text != "" {
			t.Errorf("%v: %d, %q, %s", args, code, out, text)
		}
	}
	_, out, _ := main.Invoke(t.Context(), "", "run", "--help")
	for _, flag := range []string{
		"class", "namespaces", "label-selector", "secret-access", "leader-elect", "metrics-addr", "metrics-secure", "health-addr", "keyring-namespace",
		"resync", "rollout", "impersonate", "lease-duration", "lease-renew", "lease-retry", "max-concurrent", "kubeconfig", "log-format", "log-level",
	} {
		if !strings.Contains(out, "--"+flag+" ") || !strings.Contains(out, "$GITSEAL_CONTROLLER_"+strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))) {
			t.Errorf("the help has no --%s, or no variable for it", flag)
		}
	}
}

func TestMemoryLimit(t *testing.T) {
	for text, want := range map[string]int64{"536870912\n": 536870912, "max\n": 0, "": 0, "-1": 0, "0": 0} {
		if got, ok := main.ParseLimit(text); ok != (want > 0) || ok && got != want {
			t.Errorf("%q: %d, %v", text, got, ok)
		}
	}
}
