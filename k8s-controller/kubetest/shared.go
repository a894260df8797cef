package kubetest

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/gitseal/gitseal/internal/toolcache"
)

// shared is the cluster of the test binary. It has to be a variable: tests have
// nothing else in common.
var shared struct {
	mu      sync.Mutex
	opts    []Option
	cluster *Cluster
	dir     string
	err     error
}

// Main is the TestMain of a package whose tests use [Shared]. It runs the tests,
// stops the cluster, and exits. The options are for the shared cluster.
func Main(m *testing.M, opts ...Option) {
	shared.mu.Lock()
	shared.opts = opts
	shared.mu.Unlock()
	code := m.Run()
	stopShared()
	os.Exit(code)
}

// Shared returns the one cluster of the test binary, which is started when it is
// first asked for, with the CustomResourceDefinitions installed. Tests have to use
// namespaces of their own. It is stopped by [Main], which the package's TestMain has
// to call.
func Shared(tb testing.TB) *Cluster {
	tb.Helper()
	programs := toolcache.Kube().Need(tb)
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.cluster == nil && shared.err == nil {
		shared.cluster, shared.err = startShared(programs)
		if shared.err == nil {
			shared.err = shared.cluster.installCRDs(tb)
		}
	}
	if shared.err != nil {
		tb.Fatal(shared.err)
	}
	return shared.cluster
}

// startShared makes a folder that outlives the first test that asks.
func startShared(programs string) (*Cluster, error) {
	dir, err := os.MkdirTemp("", "kubetest-")
	if err != nil {
		return nil, fmt.Errorf("starting a shared control plane: %w", err)
	}
	shared.dir = dir
	return start(programs, dir, shared.opts)
}

func stopShared() {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.cluster != nil {
		shared.cluster.stop()
	}
	if shared.dir == "" {
		return
	}
	if err := os.RemoveAll(shared.dir); err != nil {
		fmt.Fprintln(os.Stderr, "kubetest:", err)
	}
}
