package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitseal/gitseal/cmd/internal/readers"
	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/bootstrap"
	"github.com/gitseal/gitseal/k8s-controller/keyring"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
	"github.com/gitseal/gitseal/keysources/all"
)

// defaultRenewal is how old an identity gets: thirty days.
const defaultRenewal = 720 * time.Hour

const initDescription = `Run it once for each keyring, as an administrator with a kubeconfig. It makes the
namespace if it is not there, a private key in an immutable Secret, and a SealKeyring.
On stdout it prints the rule for .sops.yaml; everything else goes to stderr. A keyring
that is there already is left alone, unless its key is lost: then it gets a new one.
After a failure half-way, run it again.

Examples:

   # a cluster key, and a recovery key that never gets into the cluster
   gitseal-controller init --recovery-out recovery.txt >> .sops.yaml

   # everything is to be sealed for a key that you have already
   gitseal-controller init --recovery age1pq1…

   # the cluster keeps its key sealed for a key of AWS's: it is plain in memory only
   gitseal-controller init --recovery age1pq1… --kms arn:aws:kms:eu-west-1:…:key/…

   # what would be made
   gitseal-controller init --no-recovery --dry-run

The recovery key opens everything that is sealed by the rule. Keep it offline.

When a cluster is lost, make a new one and let it open what was sealed for the old:

   gitseal-controller init --import recovery.txt --recovery age1pq1…

and the same with a backup of the old cluster's keys in place of recovery.txt. To give
the new cluster a key of its own instead, run init as at first, put the new rule into
.sops.yaml, and have gitseal keys sync seal all files for it with the recovery key.`

func initCommand(s std) *cli.Command {
	return &cli.Command{
		Name:        "init",
		Usage:       "give a cluster its first key",
		Description: initDescription,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "kubeconfig", Usage: "`FILE` that says how to connect; KUBECONFIG or ~/.kube/config without it"},
			&cli.StringFlag{Name: "context", Usage: "`NAME` of a context in there; the current one without it"},
			&cli.StringFlag{Name: "namespace", Value: defaultNamespace, Usage: "the controller's own `NAMESPACE`"},
			&cli.StringFlag{Name: "keyring", Value: "default", Usage: "`NAME` of the SealKeyring"},
			&cli.StringFlag{Name: "namespace-selector", Usage: "`LABELS` of the namespaces that the keyring is for, such as team=a; all that no other keyring selects without it"},
			&cli.StringSliceFlag{Name: "recovery", Usage: "public `KEY` that everything is to be sealed for, too; may be repeated"},
			&cli.StringFlag{Name: "recovery-out", Usage: "make a recovery key and write it to `FILE`, and nowhere else"},
			&cli.BoolFlag{Name: "no-recovery", Usage: "do without: when the cluster's key is lost, all is lost"},
			&cli.StringFlag{Name: "import", Usage: "use the age identities in `FILE` (- for stdin) in place of a new one"},
			&cli.StringSliceFlag{Name: "kms", Usage: "keep the identity sealed for this `KEY` of a service (ARN, projects/…, URL of Vault or Azure); may be repeated"},
			&cli.DurationFlag{Name: "renew-every", Value: defaultRenewal, Usage: "have the controller make a new identity when the newest is that old; 0 for never"},
			&cli.BoolFlag{Name: "classic", Usage: "X25519 keys in place of post-quantum hybrid ones"},
			&cli.BoolFlag{Name: "dry-run", Usage: "print what would be made, without secrets, and ask no cluster"},
		},
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			o, err := initOptions(c, s)
			if err != nil {
				return err
			}
			if c.Bool("dry-run") {
				return printObjects(s.out, o)
			}
			return runInit(c, s, o)
		},
	}
}

// initOptions reads the flags, and the file to be imported.
func initOptions(c *cli.Context, s std) (bootstrap.Options, error) {
	o := bootstrap.Options{
		Namespace: c.String("namespace"), Keyring: c.String("keyring"), Classic: c.Bool("classic"),
		Keys: c.StringSlice("kms"), RenewEvery: c.Duration("renew-every"),
	}
	if err := recoveryChosen(c); err != nil {
		return o, err
	}
	if text := c.String("namespace-selector"); text != "" {
		selector, err := metav1.ParseToLabelSelector(text)
		if err != nil {
			return o, usageError("--namespace-selector: not a selector of labels", "as kubectl's -l takes it: team=a, or env in (prod,test)")
		}
		o.NamespaceSelector = selector
	}
	for _, text := range c.StringSlice("recovery") {
		r, err := recoveryKey(text)
		if err != nil {
			return o, usageError("--recovery: "+err.Error(), "name a public key: age1…, or the key of a service")
		}
		o.Recovery = append(o.Recovery, r)
	}
	if err := o.Check(); err != nil {
		return o, usageError(err.Error(), "see gitseal-controller init --help")
	}
	if len(o.Keys) > 0 {
		o.Sources = all.Sources(s.getenv)
	}
	var err error
	if name := c.String("import"); name != "" {
		o.Import, err = importIdentities(name, s.in)
	}
	return o, err
}

// recoveryChosen checks that somebody has thought about losing the cluster.
func recoveryChosen(c *cli.Context) error {
	some := len(c.StringSlice("recovery")) > 0 || c.IsSet("recovery-out")
	switch {
	case !some && !c.Bool("no-recovery"):
		return usageError("nobody but the cluster could open what is sealed for it", "add --recovery-out FILE or --recovery KEY, or say --no-recovery")
	case some && c.Bool("no-recovery"):
		return usageError("--no-recovery contradicts the other flags", "leave it out")
	case c.IsSet("recovery-out") && (c.String("recovery-out") == "" || c.String("recovery-out") == "-"):
		return usageError("--recovery-out needs the name of a file", "a private key is not for the screen")
	}
	return nil
}

// recoveryKey checks a public key. The error does not repeat what may be a private one.
func recoveryKey(text string) (string, error) {
	key, err := readers.Parse(text)
	if err != nil {
		return "", err
	}
	if key.Type == keysources.TypeAge {
		if _, err := age.ParseRecipient(key.Reader()); err != nil {
			return "", errors.New("not a well-formed recipient of age's")
		}
	}
	return readers.RuleText(key), nil
}

// runInit makes what is to be made, and says so.
func runInit(c *cli.Context, s std, o bootstrap.Options) error {
	cl, where, err := dial(c.String("kubeconfig"), c.String("context"))
	if err != nil {
		return err
	}
	note := func(format string, args ...any) {
		fmt.Fprintln(s.err, "gitseal-controller: "+oneLine(fmt.Sprintf(format, args...)))
	}
	note("cluster: %s", where)
	lost, err := bootstrap.Absent(c.Context, cl, o)
	if err == nil && lost != nil && c.IsSet("recovery-out") {
		err = fmt.Errorf("%w: %s", bootstrap.ErrRecovery, o.Keyring)
	}
	if err != nil {
		return initError(err, o)
	}
	if name := c.String("recovery-out"); name != "" {
		r, fresh, err := recoveryFile(name, o)
		if err != nil {
			return err
		}
		o.Recovery = append(o.Recovery, r)
		if fresh {
			note("wrote the recovery key to %s: keep it offline; it opens everything that is sealed for %s", name, o.Keyring)
		} else {
			note("the recovery key is the one that %s holds already", name)
		}
	}
	made, err := bootstrap.Run(c.Context, cl, o)
	if err != nil {
		return initError(err, o)
	}
	reportInit(note, o, made)
	rule := keyring.Rules([]keyring.Rule{{Keyring: o.Keyring, Recipients: made.Recipients}})
	if head := "creation_rules:\n"; hasRules(rulesFile) {
		note("%s has creation_rules already: only the new rule is printed. It belongs under them, before any rule that fits the same files", rulesFile)
		rule = strings.TrimPrefix(rule, head)
	}
	_, err = io.WriteString(s.out, rule)
	return err
}

// rulesFile is where people append the rule to.
const rulesFile = ".sops.yaml"

// hasRules reports whether a file has a list of rules. Appending a second one would make
// it unreadable.
func hasRules(name string) bool {
	data, err := os.ReadFile(name)
	return err == nil && slices.ContainsFunc(strings.Split(string(data), "\n"), func(line string) bool {
		return strings.HasPrefix(line, "creation_rules:")
	})
}

// reportInit says what there is now, and what comes next.
func reportInit(note func(string, ...any), o bootstrap.Options, made *bootstrap.Result) {
	if made.NewNamespace {
		note("made the namespace %s", o.Namespace)
	}
	how := "made"
	if !made.NewSecret {
		how = "found (and use)"
	}
	note("%s the identity %s in the Secret %s/%s", how, keyring.Short(made.Recipients[0]), o.Namespace, made.Secret)
	switch {
	case made.Restored:
		note("the SealKeyring %s was there, and has a key again. What was sealed for the lost one needs gitseal keys sync, with a recovery key", o.Keyring)
	case o.NamespaceSelector != nil:
		note("made the SealKeyring %s, for namespaces with %s", o.Keyring, metav1.FormatLabelSelector(o.NamespaceSelector))
	default:
		note("made the SealKeyring %s, for all namespaces that no other selects", o.Keyring)
	}
	if mixed(made.Recipients) {
		note("warning: some of the keys are post-quantum and some are not, so that what is sealed for all is not")
	}
	note("next: commit the rule that follows to .sops.yaml; gitseal seal --manifest SECRET.yaml seals by it")
}

// mixed reports whether some recipients withstand quantum computers and others do not.
func mixed(recipients []string) bool {
	strong := 0
	for _, r := range recipients {
		if parsed, err := age.ParseRecipient(r); err == nil && parsed.PostQuantum() {
			strong++
		}
	}
	return strong > 0 && strong < len(recipients)
}

// initError adds what to do about an error.
func initError(err error, o bootstrap.Options) error {
	e := &commandError{error: err, code: exitFailed}
	switch {
	case errors.Is(err, bootstrap.ErrExists):
		e.code = exitWrongState
		e.hint = "kubectl get sealkeyring " + o.Keyring + " -o yaml shows it; take another --keyring with a --namespace-selector, or add identities to its spec"
	case errors.Is(err, bootstrap.ErrAmbiguous):
		e.code = exitWrongState
		e.hint = "give this one a --namespace-selector, such as team=a: it goes before the one for all"
	case errors.Is(err, bootstrap.ErrRecovery):
		e.code = exitWrongState
		e.hint = "its identity is lost, and init makes a new one: leave its recovery keys as they are, with --no-recovery"
	case errors.Is(err, bootstrap.ErrSecret):
		e.code = exitWrongState
		e.hint = "it may be a key that something was sealed for: back it up before you move it away, or take another --keyring"
	case errors.Is(err, bootstrap.ErrNotInstalled):
		e.hint = "install them first: kubectl apply --server-side -k k8s-controller/deploy/crd"
	case apierrors.IsForbidden(err):
		e.hint = "an administrator of the cluster has to run this: it creates SealKeyrings, and Secrets in " + o.Namespace
	case errors.Is(err, context.Canceled):
		e.code = exitInterrupted
	case keysources.ReasonOf(err) != "":
		e.hint = "the identity is sealed here and now: this needs credentials that may encrypt with the key"
	}
	return e
}

// dial returns a client of the cluster that a kubeconfig names, and what to call it.
func dial(file, kubeContext string) (client.Client, string, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = file
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: kubeContext})
	config, err := loader.ClientConfig()
	if err != nil {
		return nil, "", &commandError{error: fmt.Errorf("reading the kubeconfig: %w", err), code: exitFailed, hint: "see --kubeconfig and --context, or set KUBECONFIG"}
	}
	const patience = 30 * time.Second
	config.Timeout, config.WarningHandler = patience, rest.NoWarnings{}
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, "", err
	}
	cl, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, "", fmt.Errorf("connecting to %s: %w", config.Host, err)
	}
	where := config.Host
	if raw, err := loader.RawConfig(); err == nil && kubeContext == "" && raw.CurrentContext != "" {
		kubeContext = raw.CurrentContext
	}
	if kubeContext != "" {
		where = strings.Join([]string{where, "context " + kubeContext}, ", ")
	}
	return cl, where, nil
}
