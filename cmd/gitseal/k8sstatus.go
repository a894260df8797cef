package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cmd/internal/cluster"
)

func k8sStatusCommand(_ std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "status",
		Usage:     "list SealedManifests: which are open, which fail and why, by which key; and the keyrings",
		UsageText: "gitseal k8s status [-n NAMESPACE | -A] [FLAGS] [NAME]…",
		Description: `Of each SealedManifest: whether it is open, drifted, failing, suspended, or waiting for a
controller to see it; why, by which key, what was verified (its MAC, and its context: strict is
this name, namespace any name in it, keyring anywhere), and when an object was last written. What a
failing one had applied before is still there. Of each keyring: its keys, how many manifests each
opens, and which retiring ones nothing in the cluster needs any more. Of each controller that has a
Lease, and of each class (spec.class) of the manifests that are listed: which replica leads, and when
it was last heard of.

All else is what the controller has written into the objects' status: without one that runs, it
is what once was.

Exit code 3 if a manifest or a keyring is failing, or if no controller of a class that is listed has
renewed its lease. Leases that no listed manifest needs do not matter. Without any Lease of a class
nothing is known of its controller: that is said, and is no failure.

Examples:
   gitseal k8s status                      # in the namespace of the context
   gitseal k8s status -A --context prod
   gitseal k8s status -n web db
   gitseal k8s status -A --json | jq -r '.manifests[] | select(.state == "failing") | .name'`,
		Flags: slices.Concat([]cli.Flag{
			&cli.StringFlag{Name: "namespace", Aliases: []string{"n"}, Usage: "the `NAMESPACE`; by default that of the context"},
			&cli.BoolFlag{Name: "all-namespaces", Aliases: []string{"A"}, Usage: "all namespaces"},
			controllerNamespaceFlag(), jsonFlag(), quietFlag(),
		}, clusterFlags()),
		Action: func(c *cli.Context) error {
			u.quiet = c.Bool("quiet")
			return runK8sStatus(c, u)
		},
	}
}

// clusterStatus is what status tells.
type clusterStatus struct {
	manifests   []cluster.Manifest
	keyrings    []cluster.Keyring
	controllers controllersState
	// several namespaces are listed.
	wide bool
	now  time.Time
}

func runK8sStatus(c *cli.Context, u *ui) error {
	where := cluster.Where{Namespace: c.String("namespace"), All: c.Bool("all-namespaces"), Names: c.Args().Slice()}
	if where.All && (where.Namespace != "" || len(where.Names) > 0) {
		return usageError("-A goes neither with -n nor with names", "gitseal k8s status -n NAMESPACE NAME")
	}
	if err := objectNames(where.Names); err != nil {
		return err
	}
	kubectl := newKubectl(c)
	st := clusterStatus{wide: where.All}
	var err error
	if st.manifests, err = kubectl.Manifests(c.Context, where); err != nil {
		return explainCluster(err)
	}
	if st.keyrings, err = keyringsIfAllowed(c.Context, kubectl, u); err != nil {
		return err
	}
	if st.controllers, err = controllersIfSeen(c.Context, kubectl, c.String("controller-namespace"), st.manifests, u); err != nil {
		return err
	}
	st.now = time.Now()
	if c.Bool("json") {
		if err := u.json(st.json()); err != nil {
			return err
		}
	} else if !u.quiet {
		st.print(u)
	}
	return st.result(u)
}

// keyringsIfAllowed returns the keyrings. Who may read only a namespace does without.
func keyringsIfAllowed(ctx context.Context, k cluster.Kubectl, u *ui) ([]cluster.Keyring, error) {
	list, err := k.Keyrings(ctx)
	if cluster.ReasonOf(err) == cluster.Forbidden {
		u.note("the keyrings are not shown: you may not read SealKeyrings")
		return nil, nil
	}
	return list, explainCluster(err)
}

func (st clusterStatus) print(u *ui) {
	if len(st.manifests) > 0 {
		st.printManifests(u)
	}
	if len(st.keyrings) > 0 {
		if len(st.manifests) > 0 {
			fmt.Fprintln(u.out)
		}
		st.printKeyrings(u)
	}
	if len(st.manifests)+len(st.keyrings) > 0 && st.controllers.classes != nil {
		fmt.Fprintln(u.out)
	}
	waiting := make(map[string]int)
	for _, m := range st.manifests {
		if m.State == cluster.Waiting || m.Ready.Reason == "OtherClass" {
			waiting[m.Class]++
		}
	}
	st.controllers.print(u, waiting, st.now)
}

func (st clusterStatus) printManifests(u *ui) {
	rows := [][]string{{"NAMESPACE", "NAME", "STATE", "REASON", "KEY", "VERIFIED", "KEYRING", "APPLIED", "AGE"}}
	for _, m := range st.manifests {
		namespace := m.Namespace
		if !st.wide {
			namespace = ""
		}
		rows = append(rows, []string{
			namespace, m.Name, string(m.State), m.Ready.Reason, shortKeys(m.Keys), verified(m), m.Keyring, ago(m.Applied, st.now), ago(m.Created, st.now),
		})
	}
	u.table(rows)
	for _, m := range st.manifests {
		if !explained(m) {
			continue
		}
		name := m.Name
		if st.wide {
			name = m.Namespace + "/" + m.Name
		}
		fmt.Fprintf(u.out, "\n%s: %s\n", name, m.Ready.Message)
	}
}

// explained reports whether the message of a manifest says what there is to know.
func explained(m cluster.Manifest) bool {
	switch m.State {
	case cluster.Failing, cluster.Drifted:
		return m.Ready.Message != ""
	case cluster.Waiting:
		return m.Ready.Status == "Unknown" && m.Ready.Message != ""
	}
	return false
}

// verified says what of a manifest was: its MAC and its context.
func verified(m cluster.Manifest) string {
	var out []string
	switch m.MAC {
	case "":
	case "Verified":
		out = append(out, "mac")
	case "SopsOnly":
		out = append(out, "sops-mac-only")
	default:
		out = append(out, strings.ToLower(m.MAC))
	}
	if m.Context != "" {
		out = append(out, "context:"+strings.ToLower(m.Context))
	}
	return strings.Join(out, " ")
}

func (st clusterStatus) printKeyrings(u *ui) {
	rows := [][]string{{"KEYRING", "KEY", "TYPE", "STATE", "AGE", "MANIFESTS", "ADVICE"}}
	for _, kr := range st.keyrings {
		if len(kr.Identities) == 0 {
			rows = append(rows, []string{kr.Name, "none", "", keyringState(kr), "", "", ""})
		}
		for _, id := range kr.Identities {
			rows = append(rows, []string{
				kr.Name, shortKey(id.ID), id.Type, identityState(id), ago(id.Created, st.now), fmt.Sprint(id.Manifests), advice(id),
			})
		}
	}
	u.table(rows)
	for _, kr := range st.keyrings {
		if failingKeyring(kr) {
			fmt.Fprintf(u.out, "\nkeyring %s: %s %s\n", kr.Name, kr.Ready.Reason, kr.Ready.Message)
		}
	}
}

func identityState(id cluster.Identity) string {
	switch {
	case id.Retiring:
		return "retiring"
	case id.Missing:
		return "missing"
	}
	return "active"
}

func keyringState(kr cluster.Keyring) string {
	if failingKeyring(kr) {
		return "failing"
	}
	if kr.Ready.Status == "" {
		return "waiting"
	}
	return ""
}

func failingKeyring(kr cluster.Keyring) bool { return kr.Ready.Status == "False" }

// advice says what to do about a key that is on its way out. What git holds, the
// cluster does not know.
func advice(id cluster.Identity) string {
	switch {
	case id.Unused():
		return "may be retired, if git has nothing that is sealed for it (gitseal who)"
	case id.Retiring:
		return "still needed: gitseal keys sync, then apply"
	case id.Missing:
		return "not in use: see what the keyring says"
	}
	return ""
}

// result says how many there are of what, and whether that is a failure.
func (st clusterStatus) result(u *ui) error {
	count := map[cluster.State]int{}
	for _, m := range st.manifests {
		count[m.State]++
	}
	if len(st.manifests) == 0 {
		u.note("there are no SealedManifests here; -n names another namespace, -A looks in all")
	}
	if n := count[cluster.Waiting]; n > 0 {
		u.note(fmt.Sprintf("%s waiting for a controller to see the current version; kubectl -n %s get pods shows whether it runs", are(n, "SealedManifest"), st.controllers.home))
	}
	keyrings := 0
	for _, kr := range st.keyrings {
		if failingKeyring(kr) {
			keyrings++
		}
	}
	text := fmt.Sprintf("%s: %d open, %d failing", counted(len(st.manifests), "SealedManifest"), count[cluster.Open]+count[cluster.Drifted], count[cluster.Failing])
	for _, s := range []cluster.State{cluster.Drifted, cluster.Suspended, cluster.Waiting, cluster.Deleting} {
		if count[s] > 0 {
			text += fmt.Sprintf(", %d %s", count[s], s)
		}
	}
	if keyrings > 0 {
		text += fmt.Sprintf("; %s failing", counted(keyrings, "keyring"))
	}
	lost := st.controllers.lost(st.now)
	if lost != "" {
		text += "; " + lost
	}
	if count[cluster.Failing] == 0 && keyrings == 0 && lost == "" {
		if len(st.manifests) > 0 {
			u.note(text)
		}
		return nil
	}
	hint := "docs/kubernetes.md lists the reasons and what to do; what was applied before is still there"
	if lost != "" {
		hint = "what was applied before is still there, but nobody keeps it; kubectl -n " + st.controllers.home + " get pods shows what the controller does"
	}
	return &commandError{code: exitWrongState, text: text, hint: hint}
}

func are(n int, noun string) string {
	if n == 1 {
		return counted(n, noun) + " is"
	}
	return counted(n, noun) + " are"
}
