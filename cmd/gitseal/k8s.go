package main

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cmd/internal/cluster"
)

func k8sCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "k8s",
		Usage:     "ask a cluster how its SealedManifests are, and whom to seal for",
		UsageText: "gitseal k8s COMMAND [FLAGS] [NAME]…",
		Description: `Runs kubectl, so that what gets you into the cluster is what always does. Only
SealedManifests, SealKeyrings, one ConfigMap and the controller's Lease are read: no Secret, and
nothing is written.

A SealedManifest in a file is looked at by gitseal check, without a cluster.`,
		Subcommands: []*cli.Command{k8sStatusCommand(s, u), k8sRecipientsCommand(s, u)},
	}
}

// clusterFlags say which cluster is meant.
func clusterFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "context", Usage: "the `CONTEXT` of the kubeconfig, as kubectl has it"},
		&cli.StringFlag{Name: "kubeconfig", Usage: "the kubeconfig `FILE`, in place of KUBECONFIG and ~/.kube/config"},
		&cli.StringFlag{Name: "kubectl", Usage: "the `PROGRAM` to run", Value: "kubectl", EnvVars: []string{"KUBECTL"}},
	}
}

// newKubectl is what the flags ask for. Of the environment it gets all but what is ours
// and sops's: cloud credentials may be what it logs in with, keys of sealed files are not.
func newKubectl(c *cli.Context) cluster.Kubectl {
	env := slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return strings.HasPrefix(entry, "SOPS_") || strings.HasPrefix(entry, "GITSEAL_")
	})
	return cluster.Kubectl{Program: c.String("kubectl"), Kubeconfig: c.String("kubeconfig"), Context: c.String("context"), Env: env}
}

// explainCluster gives errors about a cluster their way out.
func explainCluster(err error) error {
	hint := map[cluster.Reason]string{
		cluster.NoKubectl:    "install kubectl, or name it with --kubectl or KUBECTL",
		cluster.NoContext:    "kubectl config get-contexts lists the clusters you know; choose one with --context, and another file with --kubeconfig",
		cluster.Unreachable:  "kubectl version shows whether the cluster answers; --context chooses another",
		cluster.Unauthorized: "log in to the cluster again, as for kubectl",
		cluster.Forbidden:    "ask an administrator for the ClusterRole gitseal-view, or name a namespace that you may read with -n",
		cluster.NotInstalled: "gitseal-controller is not installed there: docs/kubernetes.md says how; --context chooses another cluster",
		cluster.NotFound:     "gitseal k8s status -A lists what there is",
		cluster.BadAnswer:    "run kubectl get sealedmanifests.gitseal.dev -o json to see what it says",
		cluster.Failed:       "run kubectl get sealedmanifests.gitseal.dev to see whether it works alone",
	}[cluster.ReasonOf(err)]
	if hint == "" {
		return err
	}
	return failure(err.Error(), hint)
}

// objectNames checks the names of objects in arguments. They are given to another
// program.
func objectNames(names []string) error {
	for _, n := range names {
		if n == "" || strings.Trim(n, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" || strings.HasPrefix(n, "-") {
			return usageError(quoted(n)+" is no name of an object", "gitseal k8s status -A lists them")
		}
	}
	return nil
}

// table prints rows in columns, the first row being the head. Columns that are empty
// but for their head are left out.
func (u *ui) table(rows [][]string) {
	width := make([]int, len(rows[0]))
	for _, row := range rows[1:] {
		for i, cell := range row {
			width[i] = max(width[i], len([]rune(cell)))
		}
	}
	for i, head := range rows[0] {
		if width[i] > 0 {
			width[i] = max(width[i], len(head))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			if width[i] > 0 {
				line.WriteString(cell + strings.Repeat(" ", width[i]-len([]rune(cell))+2))
			}
		}
		_, _ = u.out.Write([]byte(strings.TrimRight(line.String(), " ") + "\n"))
	}
}

// ago says how long ago a moment was, as kubectl does: in the largest unit that gives
// at least two of it.
func ago(at, now time.Time) string {
	if at.IsZero() {
		return ""
	}
	d := max(now.Sub(at), 0)
	for _, unit := range []struct {
		name   string
		length time.Duration
	}{{"y", 365 * day}, {"d", day}, {"h", time.Hour}, {"m", time.Minute}} {
		if n := d / unit.length; n >= 2 {
			return strconv.Itoa(int(n)) + unit.name
		}
	}
	return strconv.Itoa(int(d/time.Second)) + "s"
}

// shortKey abbreviates a key's ID for a table; the JSON has what the cluster has. Of
// age's the beginning and the end tell them apart, as who and inspect show it of the
// long ones; of these, a manifest's status has no more, with three dots between. In those
// of services the middle does: they are short enough.
func shortKey(id string) string {
	most := 120
	if strings.HasPrefix(id, "age1") {
		id, most = strings.Replace(id, "...", "…", 1), 40
	}
	if r := []rune(id); len(r) > most {
		return string(r[:24]) + "…" + string(r[len(r)-8:])
	}
	return id
}

// shortKeys lists keys without saying one twice.
func shortKeys(keys []cluster.Key) string {
	var out []string
	for _, k := range keys {
		if s := shortKey(k.ID); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return strings.Join(out, ",")
}
