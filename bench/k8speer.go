package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gitseal/gitseal/internal/toolcache"
)

const peerPath = "/apis/bitnami.com/v1alpha1/sealedsecrets"

// peerNamespace is where it keeps its key.
const peerNamespace = "kube-system"

// k8sPeer is a way to run the controller of sealed-secrets.
type k8sPeer struct {
	name      string
	manifests int
	flags     []string
}

// peerLane is one that runs.
type peerLane struct {
	*plane
	k8sPeer
	programs string
	// account is a folder as pods have it.
	account string
	secrets []secretOf
}

// peerScript runs a program that believes that it is in a pod. What is mounted is
// seen by nobody else, and gone with it.
const peerScript = `mount -t tmpfs none /var/run && mkdir -p /var/run/secrets/kubernetes.io &&
cp -r "$0" /var/run/secrets/kubernetes.io/serviceaccount && exec "$@"`

// runK8sPeer measures it.
func (b *bench) runK8sPeer(ctx context.Context, peer k8sPeer) (k8sLane, error) {
	ctx, cancel := context.WithCancel(ctx) // ends what still runs
	defer cancel()
	lane := k8sLane{Name: peer.name, Manifests: peer.manifests}
	if _, err := exec.LookPath("unshare"); err != nil || os.Geteuid() != 0 {
		lane.Skipped = "the controller believes only files below /var/run that it runs in a pod: this needs root, and unshare"
		fmt.Fprintf(b.log, "%s: left out: %s\n", k8sPeerName, lane.Skipped)
		return lane, nil
	}
	programs, crds, err := b.peerPrograms(ctx)
	if err != nil {
		return lane, err
	}
	p, err := b.startPlane(ctx, fmt.Sprintf("%s-%d", k8sPeerName, peer.manifests))
	if err != nil {
		return lane, err
	}
	defer p.Close()
	l := &peerLane{plane: p, k8sPeer: peer, programs: programs}
	if err := l.install(ctx, crds); err != nil {
		return lane, err
	}
	if err := l.fill(ctx); err != nil {
		return lane, err
	}
	if err := l.cold(ctx, &lane); err != nil {
		return lane, fmt.Errorf("cold start: %w", err)
	}
	if err := l.restart(ctx, &lane); err != nil {
		return lane, fmt.Errorf("restart: %w", err)
	}
	return lane, l.check(ctx, l.secrets)
}

// install gives the controller all rights: it uses what it needs.
func (l *peerLane) install(ctx context.Context, crds string) error {
	for _, args := range [][]string{
		{"apply", "--server-side", "-f", crds},
		{"wait", "--for=condition=Established", "--timeout=120s", "-f", crds},
		{"-n", peerNamespace, "create", "serviceaccount", "sealed-secrets"},
		{"create", "clusterrolebinding", "sealed-secrets", "--clusterrole=cluster-admin", "--serviceaccount=" + peerNamespace + ":sealed-secrets"},
	} {
		if _, err := l.kubectl(ctx, args...); err != nil {
			return err
		}
	}
	_, token, err := l.plane.account(ctx, peerNamespace, "sealed-secrets")
	if err != nil {
		return err
	}
	l.account = filepath.Join(l.dir, "serviceaccount")
	return errors.Join(os.Mkdir(l.account, 0o700), writeFiles(l.account, []file{
		{"token", []byte(token)}, {"namespace", []byte(peerNamespace)}, {"ca.crt", l.Config().CAData},
	}), l.namespaces(ctx))
}

// start runs the controller.
func (l *peerLane) start(ctx context.Context) (*controllerProcess, string, error) {
	listen, err := freeAddress()
	if err != nil {
		return nil, "", err
	}
	metrics, err := freeAddress()
	if err != nil {
		return nil, "", err
	}
	host, port, err := net.SplitHostPort(strings.TrimPrefix(l.Config().Host, "https://"))
	if err != nil {
		return nil, "", err
	}
	env := []string{"HOME=" + l.dir, "PATH=" + os.Getenv("PATH"), "KUBERNETES_SERVICE_HOST=" + host, "KUBERNETES_SERVICE_PORT=" + port, "POD_NAMESPACE=" + peerNamespace}
	args := append([]string{"unshare", "-m", "sh", "-c", peerScript, l.account, toolcache.Program(l.programs, "controller"),
		"--listen-addr=" + listen, "--listen-metrics-addr=" + metrics}, l.flags...)
	c, err := startController(ctx, filepath.Join(l.dir, "controller.log"), env, args...)
	if err != nil {
		return nil, "", err
	}
	c.metrics, c.health = "http://"+metrics+"/metrics", "http://"+listen+"/healthz"
	return c, "http://" + listen + "/v1/cert.pem", nil
}

// fill has the controller make its key, seals for it, and makes the objects while no
// controller runs.
func (l *peerLane) fill(ctx context.Context) error {
	c, certificate, err := l.start(ctx)
	if err != nil {
		return err
	}
	if err := c.ready(ctx); err != nil {
		return err
	}
	var pem string
	err = until(ctx, 100*time.Millisecond, "the controller has a certificate", func() (bool, error) {
		pem, err = fetch(ctx, certificate)
		return err == nil, c.ended()
	})
	c.stop()
	if err != nil {
		return err
	}
	path := filepath.Join(l.dir, "certificate")
	if err := os.WriteFile(path, []byte(pem), 0o600); err != nil {
		return err
	}
	var plain bytes.Buffer
	for i := range l.manifests {
		l.secrets = append(l.secrets, secretAt(i))
		plain.WriteString("---\n")
		plain.Write(l.secrets[i].yaml("v1", "Secret"))
	}
	cmd := exec.CommandContext(ctx, toolcache.Program(l.programs, "kubeseal"), "--cert", path, "--format", "json")
	cmd.Env, cmd.Stdin = l.env(), &plain
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("kubeseal: %w", err)
	}
	objects, err := jsonDocuments(out)
	if err != nil {
		return fmt.Errorf("reading what kubeseal wrote: %w", err)
	}
	if len(objects) != l.manifests {
		return fmt.Errorf("%w: kubeseal made %d of %d", errWrong, len(objects), l.manifests)
	}
	return l.createAll(ctx, peerPath, l.secrets, objects)
}

// jsonDocuments splits a stream.
func jsonDocuments(text []byte) ([][]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(bytes.ReplaceAll(text, []byte("\n---\n"), []byte("\n"))))
	var out [][]byte
	for {
		var one json.RawMessage
		err := dec.Decode(&one)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
}

func (l *peerLane) cold(ctx context.Context, lane *k8sLane) error {
	w, err := l.api.startWatch(ctx, peerPath, "Synced")
	if err != nil {
		return err
	}
	if err := w.known(ctx, l.manifests); err != nil {
		return err
	}
	return l.run(ctx, &lane.Cold, func(*controllerProcess) (time.Time, error) { return w.allReady(ctx, l.manifests) })
}

// restart waits until everything has been unsealed, as the controller counts; it
// writes some more after that.
func (l *peerLane) restart(ctx context.Context, lane *k8sLane) error {
	return l.run(ctx, &lane.Restart, func(c *controllerProcess) (time.Time, error) {
		err := until(ctx, 50*time.Millisecond, "all is unsealed again", func() (bool, error) {
			text, err := c.scrape(ctx)
			return int(total(text, "sealed_secrets_controller_unseal_requests_total")) >= l.manifests, err
		})
		return time.Now(), err
	})
}

// run starts the controller and measures until wait says when it was done.
func (l *peerLane) run(ctx context.Context, ph *k8sPhase, wait func(*controllerProcess) (time.Time, error)) error {
	before, err := l.snapshot(ctx, nil)
	if err != nil {
		return err
	}
	c, _, err := l.start(ctx)
	if err != nil {
		return err
	}
	defer c.stop()
	end, err := wait(c)
	if err != nil {
		return errors.Join(err, c.ended())
	}
	if err := pause(ctx, 2*time.Second); err != nil {
		return err
	}
	if *ph, err = l.phase(ctx, c, before); err != nil {
		return err
	}
	ph.Wall, ph.Writes, ph.Decrypts = end.Sub(c.started), -1, -1
	l.log("%s: %s", l.name, ph.Wall.Round(time.Millisecond))
	return nil
}
