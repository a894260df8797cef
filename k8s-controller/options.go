package controller

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"
)

// SecretAccess is what the controller may do with Secrets.
type SecretAccess string

// The kinds of access.
const (
	// SecretAccessFull: get, list, watch, create, patch and delete. The controller
	// watches the metadata of the Secrets that it keeps.
	SecretAccessFull SecretAccess = "full"
	// SecretAccessWriteOnly: create, patch and delete. Secrets are applied again at
	// times, since nothing says when somebody changed them.
	SecretAccessWriteOnly SecretAccess = "write-only"
)

// ErrOptions is wrapped by errors about options that cannot be.
var ErrOptions = errors.New("wrong options")

// DefaultResync is how often what cannot be watched is applied again.
const DefaultResync = 10 * time.Minute

// DefaultMaxConcurrent is how many manifests are worked on at a time. More CPUs are no
// reason for more: most of the time is the API server's, and a large manifest takes
// 10 MiB, of the 512 that deploy gives a Pod.
const DefaultMaxConcurrent = 16

// Options say what a controller does. Only Config and KeyringNamespace are needed.
type Options struct {
	// Config is the connection to the API server.
	Config *rest.Config
	// KeyringNamespace is the controller's own namespace: the identities' Secrets, the
	// lease and the ConfigMap of recipients are there. All controllers of a cluster have
	// the same, since they have the same SealKeyrings.
	KeyringNamespace string

	// Class of the SealedManifests to handle: those whose spec.class is equal.
	Class string
	// Namespaces to watch; all if empty.
	Namespaces []string
	// LabelSelector chooses among SealedManifests, nil takes all. Of the others, too, the
	// cache has all that is not sealed: they may be of ours that lost a label.
	LabelSelector labels.Selector
	// SecretAccess is SecretAccessFull if empty.
	SecretAccess SecretAccess
	// Resync is how often what cannot be watched is applied again, DefaultResync if 0.
	Resync time.Duration
	// Rollout lets manifests restart workloads (spec.rollout).
	Rollout bool
	// Impersonate lets manifests name service accounts (spec.serviceAccountName).
	Impersonate bool
	// MaxConcurrent is the number of manifests worked on at a time, DefaultMaxConcurrent
	// if 0.
	MaxConcurrent int

	// LeaderElect lets one of several replicas work, the others stand by: those with the
	// same class and label selector. Without it, nothing keeps two controllers apart.
	LeaderElect bool
	// Lease says how fast leadership is given up and taken; zero fields are 15, 10 and
	// 2 seconds.
	Lease LeaseTimes

	// MetricsAddr and HealthAddr are addresses to listen on; none if empty.
	MetricsAddr, HealthAddr string
	// MetricsPlain serves metrics by HTTP to everybody, in place of HTTPS for those
	// whom the API server knows and allows. It needs a loopback address.
	MetricsPlain bool

	// Log takes what the controller has to say: no values.
	Log logr.Logger
	// Env is the environment that key sources take their credentials from; os.Getenv
	// if nil.
	Env func(string) string
	// Version of the program.
	Version string
	// Registry takes the metrics; controller-runtime's, which MetricsAddr serves, if
	// nil.
	Registry prometheus.Registerer

	// These are the constants of the same names, if 0.
	watchGrace, listGrace, leaveGrace time.Duration
}

// LeaseTimes are those of leader election. Duration is how long others wait for a
// leader that they do not hear of, Renew how long a leader tries to be heard before
// it stops, Retry the pause between tries.
type LeaseTimes struct{ Duration, Renew, Retry time.Duration }

// complete fills in defaults and reports what cannot be.
func (o Options) complete() (Options, error) {
	if o.SecretAccess == "" {
		o.SecretAccess = SecretAccessFull
	}
	if o.Resync == 0 {
		o.Resync = DefaultResync
	}
	if o.MaxConcurrent == 0 {
		o.MaxConcurrent = DefaultMaxConcurrent
	}
	or(&o.watchGrace, watchGrace)
	or(&o.listGrace, listGrace)
	or(&o.leaveGrace, leaveGrace)
	o.Lease = o.Lease.complete()
	if o.Env == nil {
		o.Env = os.Getenv
	}
	if o.Log.GetSink() == nil {
		o.Log = logr.Discard()
	}
	if err := o.check(); err != nil {
		return o, fmt.Errorf("%w: %w", ErrOptions, err)
	}
	return o, nil
}

func (l LeaseTimes) complete() LeaseTimes {
	or(&l.Duration, 15*time.Second)
	or(&l.Renew, 10*time.Second)
	or(&l.Retry, 2*time.Second)
	return l
}

// or makes d the default if it is 0.
func or(d *time.Duration, def time.Duration) {
	if *d == 0 {
		*d = def
	}
}

func (o Options) check() error {
	if o.Config == nil {
		return errors.New("no connection to an API server is given")
	}
	if o.SecretAccess != SecretAccessFull && o.SecretAccess != SecretAccessWriteOnly {
		return fmt.Errorf("access to secrets is %q: it has to be %s or %s", o.SecretAccess, SecretAccessFull, SecretAccessWriteOnly)
	}
	for _, ns := range append(slices.Clone(o.Namespaces), o.KeyringNamespace) {
		if len(validation.IsDNS1123Label(ns)) > 0 {
			return fmt.Errorf("%q is no name of a namespace", ns)
		}
	}
	// The class is part of the lease's name.
	if o.Class != "" && len(validation.IsDNS1123Label(o.Class)) > 0 {
		return fmt.Errorf("%q is no class: it has to be like the name of a namespace", o.Class)
	}
	if o.Resync < time.Second {
		return fmt.Errorf("the resync of %s is too short: a second is the least", o.Resync)
	}
	if o.MaxConcurrent < 1 {
		return fmt.Errorf("%d manifests at a time are too few", o.MaxConcurrent)
	}
	// Kubernetes counts the lease in whole seconds.
	if o.Lease.Duration < time.Second || o.Lease.Duration%time.Second != 0 {
		return fmt.Errorf("the lease's duration %s is not in whole seconds", o.Lease.Duration)
	}
	if o.Lease.Duration <= o.Lease.Renew || o.Lease.Renew <= o.Lease.Retry*6/5 || o.Lease.Retry <= 0 {
		return fmt.Errorf("the lease's times %s, %s, %s are in the wrong order: the duration has to be longer than the renew deadline, and that than 1.2 times the retry period", o.Lease.Duration, o.Lease.Renew, o.Lease.Retry)
	}
	if o.MetricsPlain && !isLoopback(o.MetricsAddr) {
		return fmt.Errorf("metrics without TLS are for a loopback address, not for %q", o.MetricsAddr)
	}
	return nil
}

func (o Options) writeOnly() bool { return o.SecretAccess == SecretAccessWriteOnly }

// isLoopback reports whether nobody on another machine can connect to an address.
func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
