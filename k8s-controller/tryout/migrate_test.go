package main_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/gitseal/gitseal/internal/toolcache"
	main "github.com/gitseal/gitseal/k8s-controller/tryout"
)

// peer is the real controller of Sealed Secrets.
type peer struct {
	desk
	program string
	log     string
	running *main.Program
}

// inCluster runs a program where it finds what it finds in a Pod: a token and a
// certificate in /var/run, which is a mount of its own.
const inCluster = `mount -t tmpfs none "$(readlink -f /var/run)"
mkdir -p /var/run/secrets/kubernetes.io
cp -r "$ACCOUNT" /var/run/secrets/kubernetes.io/serviceaccount
exec "$@"`

// newPeer starts it, with all rights.
func newPeer(d desk) *peer {
	d.Helper()
	p := &peer{desk: d, program: toolcache.Program(toolcache.Kubeseal().Need(d.T), "controller"), log: filepath.Join(d.TempDir(), "peer.log")}
	if out, err := exec.CommandContext(d.Context(), "unshare", "--mount", "mount", "-t", "tmpfs", "none", "/run").CombinedOutput(); err != nil {
		toolcache.Unavailable(d.T, fmt.Errorf("a mount namespace, in which the controller of Sealed Secrets finds its token: %w: %s", err, out))
	}
	d.apply(peerCRD(d.T))
	d.must("kubectl", "wait", "--for=condition=Established", "--timeout=2m", "crd/sealedsecrets.bitnami.com")
	d.must("kubectl", "-n", "kube-system", "create", "serviceaccount", "peer")
	d.must("kubectl", "create", "clusterrolebinding", "peer", "--clusterrole=cluster-admin", "--serviceaccount=kube-system:peer")
	p.start()
	d.Cleanup(func() {
		p.running.Stop()
		if text, err := os.ReadFile(p.log); err == nil && d.Failed() {
			d.Logf("the log of Sealed Secrets:\n%s", text)
		}
	})
	return p
}

// peerCRD returns the definition of SealedSecrets, which is in the program's source.
func peerCRD(t *testing.T) string {
	t.Helper()
	cmd := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/bitnami/sealed-secrets")
	cmd.Dir = "../../testdata/tools/kubeseal"
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=readonly")
	dir, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "helm/sealed-secrets/crds/bitnami.com_sealedsecrets.yaml"))
	if err != nil {
		toolcache.Unavailable(t, fmt.Errorf("the source of Sealed Secrets: %w", err))
	}
	return string(text)
}

func (p *peer) start() {
	p.Helper()
	config := p.Cluster().Config()
	host, port, ok := strings.Cut(strings.TrimPrefix(config.Host, "https://"), ":")
	if !ok {
		p.Fatalf("the API server's address has no port: %s", config.Host)
	}
	account := p.TempDir()
	for name, text := range map[string]string{
		"token":  p.must("kubectl", "-n", "kube-system", "create", "token", "peer", "--duration=2h"),
		"ca.crt": string(config.CAData), "namespace": "kube-system",
	} {
		if err := os.WriteFile(filepath.Join(account, name), []byte(strings.TrimSpace(text)), 0o600); err != nil {
			p.Fatal(err)
		}
	}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command("unshare", "--mount", "sh", "-ec", inCluster, "sh", p.program, "--listen-addr=127.0.0.1:0", "--listen-metrics-addr=127.0.0.1:0")
	cmd.Env = append(p.Env(), "ACCOUNT="+account, "KUBERNETES_SERVICE_HOST="+host, "KUBERNETES_SERVICE_PORT="+port, "POD_NAMESPACE=kube-system")
	cmd.Stdout, cmd.Stderr = log, log
	if p.running, err = main.StartProgram(cmd); err != nil {
		p.Fatal(err)
	}
}

// restart has it look at every SealedSecret anew.
func (p *peer) restart() {
	p.Helper()
	p.running.Stop()
	p.start()
}

// certificate returns the file of the key that kubeseal is to seal for.
func (p *peer) certificate() string {
	p.Helper()
	var text string
	p.eventually("Sealed Secrets has a key", func() bool {
		text = p.must("kubectl", "-n", "kube-system", "get", "secret", "-l", "sealedsecrets.bitnami.com/sealed-secrets-key", "-o", `jsonpath={.items[*].data.tls\.crt}`)
		return text != ""
	})
	pem, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		p.Fatal(err)
	}
	path := filepath.Join(p.TempDir(), "cert.pem")
	if err := os.WriteFile(path, pem, 0o600); err != nil {
		p.Fatal(err)
	}
	return path
}

// seal makes a SealedSecret with kubeseal, applies it, and waits for the Secret.
func (p *peer) seal(cert, namespace, name, password string) string {
	p.Helper()
	plain, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "Secret",
		"metadata":   map[string]any{"name": name, "namespace": namespace, "labels": map[string]string{"app": namespace}},
		"stringData": map[string]string{"user": name, "password": password}})
	if err != nil {
		p.Fatal(err)
	}
	sealed, err := p.Must(p.Context(), string(plain), "kubeseal", "--cert", cert, "--format", "yaml")
	if err != nil {
		p.Fatal(err)
	}
	p.apply(sealed)
	p.eventually("Sealed Secrets has made "+name, func() bool { _, found := p.secret(namespace, name); return found })
	return sealed
}

// witness sees all that happens to a Secret.
type witness struct {
	mu     sync.Mutex // guards events
	events []string   // that must not be
	seen   int
}

// watch has a witness look at a Secret until the test ends.
func (d desk) watch(ctx context.Context, namespace, name string) *witness {
	d.Helper()
	clients, err := kubernetes.NewForConfig(d.Cluster().Config())
	if err != nil {
		d.Fatal(err)
	}
	first, err := clients.CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		d.Fatal(err)
	}
	stream, err := clients.CoreV1().Secrets(namespace).Watch(ctx, metav1.ListOptions{
		FieldSelector: "metadata.name=" + name, ResourceVersion: first.ResourceVersion,
	})
	if err != nil {
		d.Fatal(err)
	}
	w := &witness{}
	go func() {
		for e := range stream.ResultChan() {
			w.mu.Lock()
			w.seen++
			s, ok := e.Object.(*corev1.Secret)
			if !ok || e.Type != "MODIFIED" || s.UID != first.UID || s.DeletionTimestamp != nil || !maps.EqualFunc(s.Data, first.Data, bytes.Equal) {
				w.events = append(w.events, fmt.Sprintf("%s: uid and data, or the Secret, did not stay", e.Type))
			}
			w.mu.Unlock()
		}
	}()
	d.Cleanup(stream.Stop)
	return w
}

// TestMigratePage: what docs/migrate.md shows moves Secrets from the real Sealed Secrets
// to ours. The Secret is there all the time, with its uid and data.
func TestMigratePage(t *testing.T) {
	d := newDesk(t, map[string]toolcache.Tool{"kubeseal": toolcache.Kubeseal()})
	p := newPeer(d)
	d.install()
	for _, ns := range []string{"shop", "blog"} {
		d.must("kubectl", "create", "namespace", ns)
	}
	cert := p.certificate()
	d.write("shop/db.yaml", p.seal(cert, "shop", "db", "correct-horse"))
	p.seal(cert, "blog", "web", "battery")
	p.seal(cert, "blog", "api", "staple")
	before, _ := d.secret("shop", "db")
	w := d.watch(t.Context(), "shop", "db")
	d.rules()
	d.follow("migrate.md", func(command string) {
		switch {
		case strings.Contains(command, "annotate --overwrite sealedmanifest db"):
			p.restart() // at the moment when nobody owns the Secret
		case strings.Contains(command, "delete sealedsecret db"):
			p.restart()
		case strings.Contains(command, "get sealedsecrets -A"):
			d.must("kubectl", "delete", "sealedsecrets", "-n", "blog", "--all", "--cascade=orphan")
		case strings.Contains(command, "kubectl -n blog get sealedsecrets"):
			p.seal(cert, "blog", "web", "battery")
			p.seal(cert, "blog", "api", "staple")
		}
	})
	after, found := d.secret("shop", "db")
	if !found || after.Metadata.UID != before.Metadata.UID || string(after.Data["password"]) != "correct-horse" {
		t.Errorf("the Secret is another one: %+v, then %+v", before.Metadata, after.Metadata)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.events) > 0 || w.seen == 0 {
		t.Errorf("of %d events these must not be: %q", w.seen, w.events)
	}
}

// rules makes the rule of init one for all files of the page.
func (d desk) rules() {
	d.Helper()
	path := filepath.Join(d.Work, ".sops.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		d.Fatal(err)
	}
	d.write(".sops.yaml", strings.Replace(string(text), `\.sealed\.ya?ml$`, `\.(ya?ml|json)$`, 1))
}
