package controller

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/kubernetes"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/fence"
	"github.com/gitseal/gitseal/k8s-controller/metrics"
)

// Run runs a controller until ctx ends; then it finishes what it is at, lets another
// replica lead, and returns nil. It returns an error if it cannot start, or has lost
// the lead, or does not come to an end in time: the process has to end then, whatever
// is still running in it. That may be so after nil, too, if it had not started yet.
func Run(ctx context.Context, o Options) error {
	o, err := o.complete()
	if err != nil {
		return err
	}
	working, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- run(ctx, o, working) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case <-working:
	default:
		// Without an API server, starting waits for it and may not hear that it is to stop.
		// There is nothing to finish, and that it did not come to its end is no error.
		_ = within(done, startGrace, nil)
		return nil
	}
	return within(done, stopGrace+startGrace, errStuck)
}

// How long stopping takes at most: of what is under way, and of what waits to start.
const (
	stopGrace  = 30 * time.Second
	startGrace = 2 * time.Second
)

var errStuck = errors.New("what was under way did not end in time")

// within returns what comes out of done in time, else late.
func within(done <-chan error, patience time.Duration, late error) error {
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		return late
	}
}

// run is Run, but may not hear of the end of ctx until it has closed working: caches
// are filled then.
func run(ctx context.Context, o Options, working chan<- struct{}) error {
	registry := o.Registry
	if registry == nil {
		registry = ctrlmetrics.Registry
	}
	m, err := metrics.New(registry, metrics.Options{Version: o.Version})
	if err != nil {
		return err
	}
	connection := rest.CopyConfig(o.Config)
	connection.QPS = -1 // the API server has its own ways to share itself out
	connection.UserAgent = name + "/" + o.Version
	opts, err := managerOptions(o)
	if err != nil {
		return err
	}
	seen := &watching{log: o.Log.WithName("watching"), watchGrace: o.watchGrace, listGrace: o.listGrace, report: m.WatchesFailing}
	connection.Wrap(seen.locate)
	opts.Cache.NewInformer, opts.Cache.DefaultWatchErrorHandler = seen.newInformer(len(o.Namespaces) > 1), seen.tried
	if o.LeaderElect {
		f := fence.New(fence.Options{Refused: m.WriteRefused})
		connection.Wrap(f.Wrap)
		lock, err := newLock(connection, o)
		if err != nil {
			return fmt.Errorf("setting up leader election: %w", err)
		}
		opts.LeaderElectionResourceLockInterface = f.Watch(lock)
	}
	mgr, err := manager.New(connection, opts)
	if err != nil {
		return explained("connecting to the API server", err)
	}
	seen.exists = existsIn(mgr.GetCache())
	if err := setup(ctx, mgr, o, m, seen); err != nil {
		return err
	}
	err = mgr.Add(always(func(context.Context) error { close(working); return nil }))
	if err != nil {
		return err
	}
	return mgr.Start(ctx)
}

// newScheme returns the types that the controller reads and writes.
func newScheme() *runtime.Scheme {
	s := runtime.NewScheme()
	utilruntime.Must(clientscheme.AddToScheme(s))
	utilruntime.Must(v1alpha1.AddToScheme(s))
	return s
}

func managerOptions(o Options) (manager.Options, error) {
	yes, grace := true, stopGrace
	return manager.Options{
		Scheme: newScheme(),
		Logger: o.Log,
		Cache:  cacheOptions(o),
		// Nothing is read through the cache that is not in it: a Secret that was looked up
		// by mistake would otherwise have all Secrets listed and kept.
		Client:                        client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}, &corev1.ConfigMap{}}}},
		LeaderElection:                o.LeaderElect,
		LeaderElectionReleaseOnCancel: true,
		GracefulShutdownTimeout:       &grace,
		LeaseDuration:                 &o.Lease.Duration,
		RenewDeadline:                 &o.Lease.Renew,
		RetryPeriod:                   &o.Lease.Retry,
		Metrics:                       metricsOptions(o),
		HealthProbeBindAddress:        orNone(o.HealthAddr),
		PprofBindAddress:              "0",
		Controller: config.Controller{
			// A standby has its caches full and its queue filled when it takes over.
			EnableWarmup: &yes,
			// Several controllers in one process are for tests.
			SkipNameValidation: &yes,
		},
	}, nil
}

// cacheOptions keep the cache to what the controller works on.
func cacheOptions(o Options) cache.Options {
	var namespaces map[string]cache.Config
	for _, ns := range o.Namespaces {
		if namespaces == nil {
			namespaces = make(map[string]cache.Config)
		}
		namespaces[ns] = cache.Config{}
	}
	return cache.Options{
		ReaderFailOnMissingInformer: true,
		DefaultTransform:            strip,
		ByObject: map[client.Object]cache.ByObject{
			&v1alpha1.SealedManifest{}: {Namespaces: namespaces, Transform: o.stripManifest},
			&corev1.Secret{}:           {Label: labels.SelectorFromSet(managedLabels()), Namespaces: namespaces, Transform: stripSecret},
		},
	}
}

func metricsOptions(o Options) server.Options {
	s := server.Options{BindAddress: orNone(o.MetricsAddr), SecureServing: !o.MetricsPlain}
	if s.SecureServing {
		s.FilterProvider = filters.WithAuthenticationAndAuthorization
		// HTTP/2 lets one connection open and drop requests without bound.
		s.TLSOpts = []func(*tls.Config){func(c *tls.Config) { c.NextProtos, c.MinVersion = []string{"http/1.1"}, tls.VersionTLS12 }}
	}
	return s
}

// orNone returns an address as controller-runtime wants it, which listens on a port of
// its own choice if none is named.
func orNone(addr string) string {
	if addr == "" {
		return "0"
	}
	return addr
}

// leaseName returns the name of the lease of the controllers with the same class and
// label selector, of which one is to work: gitseal-controller[-CLASS][.DIGITS]. The
// namespaces are not in it: replicas may differ in them while a list is being extended.
func (o Options) leaseName() string {
	lease := name
	if o.Class != "" {
		lease += "-" + o.Class
	}
	if o.LabelSelector != nil && !o.LabelSelector.Empty() {
		sum := sha256.Sum256([]byte(o.LabelSelector.String()))
		lease += "." + hex.EncodeToString(sum[:5]) // no class has a dot
	}
	return lease
}

// newLock returns the lease that the leader holds.
func newLock(c *rest.Config, o Options) (resourcelock.Interface, error) {
	c = rest.AddUserAgent(rest.CopyConfig(c), "leader-election")
	// One hung request must not cost the lead. This is for the lease only: it would end
	// watches, too, and a long list never came to its end.
	c.Timeout = max(o.Lease.Renew/2, time.Second)
	clients, err := kubernetes.NewForConfig(c)
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	return resourcelock.New(resourcelock.LeasesResourceLock, o.KeyringNamespace, o.leaseName(), clients.CoreV1(), clients.CoordinationV1(),
		resourcelock.ResourceLockConfig{Identity: host + "_" + string(uuid.NewUUID())})
}
