package kubetest

import (
	"context"
	"io"

	"github.com/gitseal/gitseal/internal/toolcache"
)

// Run starts a control plane that belongs to no test, for programs that people try
// things out with. Its data and logs are below dir. Programs that have to be built
// first are announced on log. The caller has to call [Cluster.Close].
func Run(ctx context.Context, dir string, log io.Writer, opts ...Option) (*Cluster, error) {
	programs, err := toolcache.Kube().Build(ctx, log)
	if err != nil {
		return nil, err
	}
	return start(programs, dir, opts)
}

// Close stops what [Run] started, and returns when the servers are gone.
func (c *Cluster) Close() { c.stop() }

// Program returns the path of one of the control plane's programs, such as kubectl.
func (c *Cluster) Program(name string) string { return toolcache.Program(c.programs, name) }
