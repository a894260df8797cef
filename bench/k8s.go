package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gitseal/gitseal/internal/toolcache"
	"github.com/gitseal/gitseal/k8s-controller/kubetest"
)

// What selects the controllers with -only: ours, and the one of sealed-secrets. They
// take long, so they are not measured unless they are named.
const (
	k8sName     = "k8s-gitseal"
	k8sPeerName = "k8s-sealed-secrets"
)

const (
	defaultManifests = 10_000
	k8sNamespaces    = 50
	// The other controller keeps itself to five requests a second, so that fewer
	// manifests say the same.
	peerShare        = 100
	peerUnlimitShare = 10
)

// wantsK8s reports whether -only names one of the controllers.
func wantsK8s(only, name string) bool {
	return only != "" && len(selectCases([]benchCase{{name: name}}, only)) > 0
}

// k8sPhase is what happened between two moments.
type k8sPhase struct {
	Wall time.Duration `json:"wall_ns"`
	// CPU is that of the controller, ServerCPU of the API server.
	CPU       time.Duration `json:"cpu_ns"`
	ServerCPU time.Duration `json:"server_cpu_ns"`
	// Memory is the peak of the controller's process.
	Memory int64 `json:"memory_bytes"`
	// Calls of the API server by verb and resource, without leases, watches, and what
	// the benchmark itself asked for.
	Calls map[string]int64 `json:"calls"`
	// Writes and Decrypts are the controller's own count, -1 if it has none.
	Writes   int64 `json:"writes"`
	Decrypts int64 `json:"decrypts"`
}

// k8sLane is one controller.
type k8sLane struct {
	Name      string   `json:"name"`
	Manifests int      `json:"manifests"`
	Cold      k8sPhase `json:"cold"`
	Restart   k8sPhase `json:"restart"`
	Skipped   string   `json:"skipped,omitempty"`
}

// k8sReport is what came of the controllers.
type k8sReport struct {
	Lanes []k8sLane  `json:"lanes"`
	Ours  *k8sDetail `json:"ours,omitempty"`
}

// runK8s runs each controller in a control plane of its own.
func (b *bench) runK8s(ctx context.Context) (*k8sReport, error) {
	rep := &k8sReport{}
	n := b.options.manifests
	if b.options.small {
		n = max(1, n/smallDivisor)
	}
	var wrong error
	if wantsK8s(b.options.only, k8sName) {
		lane, detail, err := b.k8sOurs(ctx, n)
		if err != nil {
			wrong = fmt.Errorf("%s: %w", k8sName, err)
			fmt.Fprintln(b.log, "bench: error:", wrong)
		} else {
			rep.Lanes, rep.Ours = append(rep.Lanes, lane), detail
		}
	}
	if !wantsK8s(b.options.only, k8sPeerName) {
		return rep, wrong
	}
	for _, p := range []k8sPeer{
		{name: "sealed-secrets", manifests: max(10, n/peerShare)},
		{name: "sealed-secrets `--kubeclient-qps=1000`", manifests: max(10, n/peerUnlimitShare), flags: []string{"--kubeclient-qps=1000", "--kubeclient-burst=1000"}},
	} {
		lane, err := b.runK8sPeer(ctx, p)
		if err != nil {
			err = fmt.Errorf("%s: %w", k8sPeerName, err)
			fmt.Fprintln(b.log, "bench: error:", err)
			wrong = errors.Join(wrong, err)
			continue
		}
		rep.Lanes = append(rep.Lanes, lane)
	}
	return rep, wrong
}

// plane is a running control plane and what is known of it.
type plane struct {
	*kubetest.Cluster
	api api
	dir string
	log func(format string, args ...any)
	// kubeconfig is the administrator's.
	kubeconfig string
}

// startPlane starts one in a folder of its own. close has to be called.
func (b *bench) startPlane(ctx context.Context, name string) (*plane, error) {
	dir := filepath.Join(b.dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	fmt.Fprintf(b.log, "%s: starting etcd and kube-apiserver\n", name)
	c, err := kubetest.Run(ctx, dir, b.log)
	if err != nil {
		return nil, err
	}
	p := &plane{Cluster: c, dir: dir, kubeconfig: filepath.Join(dir, "kubeconfig"), log: func(format string, args ...any) {
		fmt.Fprintf(b.log, "  "+format+"\n", args...)
	}}
	text, err := kubetest.Kubeconfig(c.Config())
	if err == nil {
		err = os.WriteFile(p.kubeconfig, text, 0o600)
	}
	if err == nil {
		p.api, err = newAPI(c.Config())
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return p, nil
}

// kubectl runs the real one as the administrator.
func (p *plane) kubectl(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, p.Program("kubectl"), args...)
	cmd.Env = p.env()
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return string(out), err
}

func (p *plane) env() []string {
	return []string{"KUBECONFIG=" + p.kubeconfig, "HOME=" + p.dir, "TMPDIR=" + p.dir, "PATH=" + os.Getenv("PATH")}
}

// account writes a kubeconfig of a service account, and returns its name.
func (p *plane) account(ctx context.Context, namespace, name string) (file, token string, err error) {
	token, err = p.kubectl(ctx, "-n", namespace, "create", "token", name, "--duration=24h")
	if err != nil {
		return "", "", err
	}
	token = strings.TrimSpace(token)
	config := p.Config()
	config.CertData, config.KeyData, config.BearerToken = nil, nil, token
	text, err := kubetest.Kubeconfig(config)
	if err != nil {
		return "", "", err
	}
	file = filepath.Join(p.dir, "account")
	return file, token, os.WriteFile(file, text, 0o600)
}

// build makes gitseal-controller as it is released.
func (p *plane) build(ctx context.Context) (string, error) {
	bin := filepath.Join(p.dir, "gitseal-controller")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags", buildTag, "-ldflags", "-s -w", "-o", bin, "github.com/gitseal/gitseal/cmd/gitseal-controller")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building gitseal-controller: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return bin, nil
}

// peerPrograms returns the folder of kubeseal and controller, and the definition of
// SealedSecrets.
func (b *bench) peerPrograms(ctx context.Context) (dir, crds string, err error) {
	if dir, err = toolcache.Kubeseal().Build(ctx, b.log); err != nil {
		return "", "", err
	}
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/gitseal/gitseal").Output()
	if err != nil {
		return "", "", fmt.Errorf("looking for the repository: %w", err)
	}
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/bitnami/sealed-secrets")
	cmd.Dir = filepath.Join(strings.TrimSpace(string(root)), "testdata", "tools", "kubeseal")
	module, err := cmd.Output()
	if err != nil {
		return "", "", fmt.Errorf("looking for the source of sealed-secrets: %w", err)
	}
	return dir, filepath.Join(strings.TrimSpace(string(module)), "helm", "sealed-secrets", "crds"), nil
}
