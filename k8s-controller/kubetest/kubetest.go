// Package kubetest starts a real Kubernetes control plane for tests: etcd,
// kube-apiserver with RBAC, and kube-controller-manager if asked for, all on
// loopback. It is for tests only.
//
// It does what envtest does, and also what tests of failures need: the servers can
// be killed and started again with the same ports and data.
package kubetest

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/gitseal/gitseal/internal/toolcache"
)

// Cluster is a running control plane. Its methods are safe for concurrent use.
type Cluster struct {
	programs string // folder of the programs
	dir      string // folder of data, keys and logs
	opts     options
	ports    ports
	certs    *authority
	config   *rest.Config

	mu        sync.Mutex // guards the processes
	etcd      *process
	apiserver *process
	manager   *process
}

// Start starts a control plane of the test's own, and stops it when the test ends.
// The test is skipped if the programs cannot be built, see [toolcache.Tool.Need].
func Start(tb testing.TB, opts ...Option) *Cluster {
	tb.Helper()
	programs := toolcache.Kube().Need(tb)
	c, err := start(programs, tb.TempDir(), opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.stop)
	return c
}

// start tries again with other ports if some other process has taken one.
func start(programs, dir string, opts []Option) (*Cluster, error) {
	certs, err := newAuthority()
	if err != nil {
		return nil, fmt.Errorf("making certificates: %w", err)
	}
	var last error
	for try := range 5 {
		c := &Cluster{programs: programs, dir: filepath.Join(dir, fmt.Sprintf("try%d", try)), certs: certs}
		for _, o := range opts {
			o(&c.opts)
		}
		if last = c.up(); last == nil {
			return c, nil
		}
		c.stop()
		if !isPortTaken(last) {
			break
		}
	}
	return nil, fmt.Errorf("starting a control plane: %w", last)
}

func (c *Cluster) up() error {
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return err
	}
	var err error
	if c.ports, err = freePorts(); err != nil {
		return err
	}
	if err := c.writeFiles(); err != nil {
		return err
	}
	if c.config, err = c.clientConfig("kubetest-admin", "system:masters"); err != nil {
		return err
	}
	if err := c.startEtcd(); err != nil {
		return err
	}
	if err := c.startAPIServer(); err != nil {
		return err
	}
	if c.opts.manager {
		return c.startManager()
	}
	return nil
}

// Dir is the folder with the cluster's logs (etcd.log, kube-apiserver.log, …).
func (c *Cluster) Dir() string { return c.dir }

// AuditFile is the audit log that [WithAudit] asked for: one JSON object a line.
func (c *Cluster) AuditFile() string { return c.opts.auditFile(c.dir) }

// StopAPIServer ends the API server as an administrator does.
func (c *Cluster) StopAPIServer() { c.end(&c.apiserver, false) }

// KillAPIServer kills the API server with SIGKILL.
func (c *Cluster) KillAPIServer() { c.end(&c.apiserver, true) }

// KillEtcd kills etcd with SIGKILL.
func (c *Cluster) KillEtcd() { c.end(&c.etcd, true) }

// KillControllerManager kills kube-controller-manager, if the cluster has one: after etcd
// was set back, what it remembers is wrong, and it would delete what it takes for garbage.
func (c *Cluster) KillControllerManager() { c.end(&c.manager, true) }

// StartControllerManager starts it again. It panics if that fails.
func (c *Cluster) StartControllerManager() {
	if c.opts.manager {
		must(c.startManager())
	}
}

// StartAPIServer starts the API server again and returns when it is ready. It
// panics if that fails: nothing of the test makes sense then.
func (c *Cluster) StartAPIServer() { must(c.startAPIServer()) }

// EtcdData is the folder of etcd's data. While etcd is not running it may be copied, or
// replaced by an older copy.
func (c *Cluster) EtcdData() string { return filepath.Join(c.dir, "etcd") }

// StartEtcd starts etcd again, with the data that it had. It panics if that fails.
func (c *Cluster) StartEtcd() { must(c.startEtcd()) }

func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("kubetest: %v", err))
	}
}

func (c *Cluster) end(p **process, kill bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if *p == nil {
		return
	}
	(*p).stop(kill)
	*p = nil
}

// stop ends everything. An API server whose etcd is gone hangs for minutes, so it
// goes first.
func (c *Cluster) stop() {
	c.end(&c.manager, true)
	c.end(&c.apiserver, false)
	c.end(&c.etcd, true)
}
