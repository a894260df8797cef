package kubetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"k8s.io/client-go/rest"

	"github.com/gitseal/gitseal/internal/toolcache"
)

type ports struct{ etcd, peer, apiserver int }

// The range that ports are taken from lies below those that systems give to
// outgoing connections, so that nobody takes one while a server is down.
const firstPort, lastPort = 20000, 32000

var errNoPort = errors.New("no free port")

func freePorts() (ports, error) {
	var got [3]int
	for i := range got {
		var err error
		if got[i], err = freePort(got[:i]); err != nil {
			return ports{}, err
		}
	}
	return ports{etcd: got[0], peer: got[1], apiserver: got[2]}, nil
}

func freePort(taken []int) (int, error) {
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		l, err := net.Listen("tcp", address(port))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			return 0, err
		}
		free := true
		for _, t := range taken {
			free = free && t != port
		}
		if free {
			return port, nil
		}
	}
	return 0, errNoPort
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// writeFiles writes keys, certificates and configuration into the cluster's folder.
func (c *Cluster) writeFiles() error {
	cert, key, err := c.certs.server()
	if err != nil {
		return err
	}
	public, err := c.certs.publicPEM()
	if err != nil {
		return err
	}
	policy, err := json.Marshal(c.opts.auditPolicy())
	if err != nil {
		return err
	}
	files := map[string][]byte{
		"ca.crt": c.certs.certPEM, "ca.key": c.certs.keyPEM, "serving.crt": cert, "serving.key": key,
		"sa.pub": public, "sa.key": c.certs.keyPEM, "audit-policy.json": policy,
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(c.dir, name), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) startEtcd() error {
	client, peer := "http://"+address(c.ports.etcd), "http://"+address(c.ports.peer)
	return c.launch(&c.etcd, "etcd", func() error { return probe(http.DefaultClient, client+"/readyz") },
		"--name=kubetest", "--data-dir="+c.EtcdData(), "--unsafe-no-fsync",
		"--listen-client-urls="+client, "--advertise-client-urls="+client,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=kubetest="+peer)
}

func (c *Cluster) startAPIServer() error {
	client, err := rest.HTTPClientFor(c.config)
	if err != nil {
		return err
	}
	file := func(name string) string { return filepath.Join(c.dir, name) }
	args := []string{
		"--etcd-servers=http://" + address(c.ports.etcd),
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--secure-port=" + strconv.Itoa(c.ports.apiserver),
		// There is no node that could reach loopback.
		"--endpoint-reconciler-type=none", "--service-cluster-ip-range=10.0.0.0/24",
		"--cert-dir=" + c.dir, "--tls-cert-file=" + file("serving.crt"), "--tls-private-key-file=" + file("serving.key"),
		"--client-ca-file=" + file("ca.crt"), "--authorization-mode=RBAC",
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + file("sa.pub"), "--service-account-signing-key-file=" + file("sa.key"),
	}
	if log := c.AuditFile(); log != "" {
		// The default mode may lose entries when the server is killed.
		args = append(args, "--audit-policy-file="+file("audit-policy.json"), "--audit-log-path="+log,
			"--audit-log-mode=blocking-strict", "--audit-log-format=json", "--audit-log-maxsize=10000")
	}
	return c.launch(&c.apiserver, "kube-apiserver", func() error { return probe(client, c.config.Host+"/readyz") },
		append(args, c.opts.apiserver...)...)
}

func (c *Cluster) startManager() error {
	config, err := c.kubeconfig()
	if err != nil {
		return err
	}
	path := filepath.Join(c.dir, "admin.kubeconfig")
	if err := os.WriteFile(path, config, 0o600); err != nil {
		return err
	}
	return c.launch(&c.manager, "kube-controller-manager", func() error { return nil },
		"--kubeconfig="+path, "--leader-elect=false", "--secure-port=0", "--cert-dir="+c.dir,
		"--service-account-private-key-file="+filepath.Join(c.dir, "sa.key"), "--root-ca-file="+filepath.Join(c.dir, "ca.crt"),
		"--kube-api-qps=500", "--kube-api-burst=500", "--controllers="+strings.Join(c.opts.controllers, ","))
}

// launch starts a server that is not running, and waits until it is ready.
func (c *Cluster) launch(slot **process, name string, ready func() error, args ...string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if *slot != nil {
		return fmt.Errorf("%s runs already", name)
	}
	p, err := run(c.dir, toolcache.Program(c.programs, name), args...)
	if err != nil {
		return err
	}
	if err := p.wait(ready); err != nil {
		p.stop(true)
		return err
	}
	*slot = p
	return nil
}

// probe asks a server's own check.
func probe(client *http.Client, url string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, res.Status)
	}
	return nil
}
