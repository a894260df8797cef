package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/go-logr/logr"
	"github.com/urfave/cli/v2"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	controller "github.com/gitseal/gitseal/k8s-controller"
)

// namespaceFile says, in a pod, in which namespace that is.
const namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// defaultNamespace is where the controller lives if nothing says otherwise.
const defaultNamespace = "gitseal-system"

func runCommand(s std) *cli.Command {
	return &cli.Command{
		Name:  "run",
		Usage: "open SealedManifests and keep their Secrets (the default)",
		Description: `It connects to the cluster that it runs in, or that --kubeconfig names, and works
until it is told to stop.

Examples:

   # one of two replicas works, the other stands by
   gitseal-controller run --leader-elect

   # without the right to read Secrets: they are applied again every five minutes
   gitseal-controller run --secret-access write-only --resync 5m

   # for two namespaces, where RBAC gives rights in no other; if they are missing in
   # one, it works in the other, and is not ready
   gitseal-controller run --namespaces shop,blog

   # on your own machine, for a look
   gitseal-controller run --kubeconfig ~/.kube/config --leader-elect=false \
       --metrics-secure=false --metrics-addr 127.0.0.1:8080

/healthz says that it runs, /readyz that it has a key that opens manifests and sees
what it keeps; /readyz/watches says what it cannot watch, and why. Metrics are served
by HTTPS to those who may get /metrics. No endpoint decrypts.

In a container with a memory limit, the garbage collector keeps below nine tenths of
it; GOMEMLIMIT says otherwise.`,
		Flags: slices.Concat(scopeFlags(), rightFlags(), serverFlags(), leaseFlags()),
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			limitMemory(s.getenv)
			return runController(c.Context, c, s)
		},
	}
}

// env returns the variable of a flag.
func env(flag string) []string {
	return []string{"GITSEAL_CONTROLLER_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))}
}

func text(name, value, usage string) cli.Flag {
	return &cli.StringFlag{Name: name, Value: value, Usage: usage, EnvVars: env(name)}
}

func yesNo(name string, value bool, usage string) cli.Flag {
	return &cli.BoolFlag{Name: name, Value: value, Usage: usage, EnvVars: env(name)}
}

func scopeFlags() []cli.Flag {
	return []cli.Flag{
		text("kubeconfig", "", "`FILE` that says how to connect; without it, the cluster that this runs in"),
		text("class", "", "handle SealedManifests whose spec.class is `NAME`; those without a class if it is empty"),
		text("namespaces", "", "`LIST` of namespaces to watch, with commas between; all if it is empty"),
		text("label-selector", "", "handle only SealedManifests that `SELECTOR` selects"),
		text("keyring-namespace", "", "the controller's own `NAMESPACE`, with the identities; that of the pod, or "+defaultNamespace),
	}
}

func rightFlags() []cli.Flag {
	return []cli.Flag{
		text("secret-access", string(controller.SecretAccessFull), "`full`, or write-only: Secrets are never read, and applied again at each resync"),
		&cli.DurationFlag{Name: "resync", Value: controller.DefaultResync, Usage: "how often what cannot be watched is applied again", EnvVars: env("resync")},
		yesNo("rollout", false, "restart workloads where spec.rollout asks for it"),
		yesNo("impersonate", false, "apply other kinds than Secrets in the name of spec.serviceAccountName"),
		&cli.IntFlag{Name: "max-concurrent", Usage: fmt.Sprintf("work on `N` manifests at a time; 0 is %d", controller.DefaultMaxConcurrent), EnvVars: env("max-concurrent")},
	}
}

func serverFlags() []cli.Flag {
	return []cli.Flag{
		text("metrics-addr", ":8443", "`ADDRESS` for metrics; empty: none"),
		yesNo("metrics-secure", true, "serve metrics by HTTPS, to those who may get /metrics; false needs a loopback address"),
		text("health-addr", ":8081", "`ADDRESS` for /healthz and /readyz; empty: none"),
		text("log-format", "json", "`json` or text"),
		text("log-level", "info", "`debug`, info, warn or error"),
	}
}

func leaseFlags() []cli.Flag {
	var zero controller.LeaseTimes
	return []cli.Flag{
		yesNo("leader-elect", true, "let one of several replicas work, while the others stand by"),
		&cli.DurationFlag{Name: "lease-duration", Value: zero.Duration, DefaultText: "15s", Usage: "how long the others wait for a leader that is not heard of", EnvVars: env("lease-duration")},
		&cli.DurationFlag{Name: "lease-renew", Value: zero.Renew, DefaultText: "10s", Usage: "how long a leader that is not heard goes on", EnvVars: env("lease-renew")},
		&cli.DurationFlag{Name: "lease-retry", Value: zero.Retry, DefaultText: "2s", Usage: "pause between tries to renew or take the lease", EnvVars: env("lease-retry")},
	}
}

// runController runs the controller until the context ends.
func runController(ctx context.Context, c *cli.Context, s std) error {
	o, err := optionsOf(c, s)
	if err != nil {
		return err
	}
	if o.Log, err = newLog(s.err, c.String("log-format"), c.String("log-level")); err != nil {
		return err
	}
	setLoggers(o.Log)
	if o.Config, err = connect(c.String("kubeconfig")); err != nil {
		return err
	}
	err = controller.Run(ctx, o)
	switch {
	case errors.Is(err, controller.ErrOptions):
		return usageError(err.Error(), "see gitseal-controller run --help")
	case errors.Is(err, controller.ErrNotInstalled):
		return &commandError{error: err, code: exitWrongState, hint: "install them first: kubectl apply --server-side -k k8s-controller/deploy/crd"}
	}
	return err
}

// optionsOf reads the flags.
func optionsOf(c *cli.Context, s std) (controller.Options, error) {
	o := controller.Options{
		KeyringNamespace: ownNamespace(c.String("keyring-namespace")),
		Class:            c.String("class"),
		Namespaces:       list(c.String("namespaces")),
		SecretAccess:     controller.SecretAccess(c.String("secret-access")),
		Resync:           c.Duration("resync"),
		Rollout:          c.Bool("rollout"),
		Impersonate:      c.Bool("impersonate"),
		MaxConcurrent:    c.Int("max-concurrent"),
		LeaderElect:      c.Bool("leader-elect"),
		Lease: controller.LeaseTimes{
			Duration: c.Duration("lease-duration"), Renew: c.Duration("lease-renew"), Retry: c.Duration("lease-retry"),
		},
		MetricsAddr:  c.String("metrics-addr"),
		MetricsPlain: !c.Bool("metrics-secure"),
		HealthAddr:   c.String("health-addr"),
		Env:          s.getenv,
		Version:      versionText(),
	}
	if o.Resync == 0 {
		return o, usageError("--resync 0s: what cannot be watched has to be applied again at times", "leave --resync out for "+controller.DefaultResync.String())
	}
	if text := c.String("label-selector"); text != "" {
		selector, err := labels.Parse(text)
		if err != nil {
			return o, usageError(fmt.Sprintf("--label-selector: %v", err), "write it as kubectl --selector has it: team=shop,env in (prod,test)")
		}
		o.LabelSelector = selector
	}
	return o, nil
}

// list splits a list at its commas.
func list(text string) []string {
	if text == "" {
		return nil
	}
	var out []string
	for name := range strings.SplitSeq(text, ",") {
		out = append(out, strings.TrimSpace(name))
	}
	return out
}

// ownNamespace returns the namespace of the controller.
func ownNamespace(flag string) string {
	if flag != "" {
		return flag
	}
	if text, err := os.ReadFile(namespaceFile); err == nil {
		return strings.TrimSpace(string(text))
	}
	return defaultNamespace
}

// connect returns the connection that a file describes, or that of the pod.
func connect(kubeconfig string) (*rest.Config, error) {
	if kubeconfig != "" {
		config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
		if err != nil {
			return nil, &commandError{error: fmt.Errorf("reading --kubeconfig: %w", err), code: exitFailed, hint: "it has to be a file that kubectl takes, too"}
		}
		return config, nil
	}
	config, err := rest.InClusterConfig()
	if err != nil {
		return nil, &commandError{error: fmt.Errorf("connecting to the cluster that this runs in: %w", err), code: exitFailed, hint: "outside of a cluster, give --kubeconfig FILE"}
	}
	return config, nil
}

// setLoggers gives the libraries the same log. They have no other way.
func setLoggers(l logr.Logger) {
	ctrl.SetLogger(l)
	klog.SetLogger(l)
}
