package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cmd/internal/cluster"
	"github.com/gitseal/gitseal/cmd/internal/readers"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
)

func k8sRecipientsCommand(_ std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "recipients",
		Usage:     "print whom to seal for, so that a cluster can open it",
		UsageText: "gitseal k8s recipients [--keyring NAME] [--rule | --json] [FLAGS]",
		Description: `Prints the recipients of a SealKeyring, one a line: the controller's newest key and the recovery
keys. They come from the ConfigMap gitseal-recipients, which everybody who is logged in to the
cluster may read, or else from the SealKeyring. They are as trustworthy as your way to the cluster
and those who may write there: compare them with what its administrator says before you commit them.

With --rule they are printed as a .sops.yaml for SealedManifests, which gitseal seal, keys sync and
check go by.

Examples:
   gitseal k8s recipients
   gitseal k8s recipients --rule > .sops.yaml
   gitseal k8s recipients --keyring prod --rule --path '^prod/.*\.yaml$'`,
		Flags: slices.Concat([]cli.Flag{
			&cli.StringFlag{Name: "keyring", Usage: "the `NAME` of the SealKeyring; needed if there are several"},
			&cli.BoolFlag{Name: "rule", Usage: "print a rule for .sops.yaml"},
			&cli.StringFlag{Name: "path", Usage: "the `REGEX` of files that the rule is for", Value: `\.sealed\.ya?ml$`},
			controllerNamespaceFlag(), jsonFlag(),
		}, clusterFlags()),
		Action: func(c *cli.Context) error { return runK8sRecipients(c, u) },
	}
}

func runK8sRecipients(c *cli.Context, u *ui) error {
	if c.Bool("rule") && c.Bool("json") {
		return usageError("--rule and --json exclude each other", "choose one")
	}
	if c.IsSet("path") && !c.Bool("rule") {
		return usageError("--path goes with --rule", "gitseal k8s recipients --rule --path REGEX")
	}
	if c.NArg() > 0 {
		return usageError("recipients takes no arguments", "gitseal k8s recipients --keyring "+c.Args().First())
	}
	all, err := publishedRecipients(c.Context, newKubectl(c), c.String("controller-namespace"))
	if err != nil {
		return explainCluster(err)
	}
	name, list, err := chooseKeyring(all, c.String("keyring"))
	if err != nil {
		return err
	}
	byType, err := recipientsByType(list)
	if err != nil {
		return failure("keyring "+name+": "+err.Error(), "ask the cluster's administrator: gitseal k8s status shows the keyring")
	}
	switch {
	case c.Bool("json"):
		return u.json(map[string]any{"keyring": name, "recipients": list})
	case c.Bool("rule"):
		_, err = fmt.Fprint(u.out, ruleText(name, c.String("path"), byType))
	default:
		_, err = fmt.Fprintln(u.out, strings.Join(list, "\n"))
	}
	return err
}

// publishedRecipients reads the ConfigMap, or else the keyrings themselves.
func publishedRecipients(ctx context.Context, k cluster.Kubectl, namespace string) (map[string][]string, error) {
	all, err := k.Published(ctx, namespace)
	switch cluster.ReasonOf(err) {
	case "":
		if err != nil || len(all) > 0 {
			return all, err
		}
	case cluster.NotFound, cluster.Forbidden:
	default:
		return nil, err
	}
	keyrings, err := k.Keyrings(ctx)
	if err != nil {
		return nil, err
	}
	all = make(map[string][]string)
	for _, kr := range keyrings {
		if len(kr.Recipients) > 0 {
			all[kr.Name] = kr.Recipients
		}
	}
	return all, nil
}

// chooseKeyring returns the keyring that was asked for, or the only one.
func chooseKeyring(all map[string][]string, name string) (string, []string, error) {
	names := slices.Sorted(maps.Keys(all))
	switch {
	case len(names) == 0:
		return "", nil, failure("no keyring of the cluster has recipients", "its administrator makes a key with gitseal-controller init; gitseal k8s status shows the keyrings")
	case name == "" && len(names) == 1:
		return names[0], all[names[0]], nil
	case name == "":
		return "", nil, usageError("the cluster has several keyrings", "choose one with --keyring: "+strings.Join(names, ", "))
	case len(all[name]) == 0:
		return "", nil, failure("there is no keyring "+quoted(name)+" with recipients", "there is: "+strings.Join(names, ", "))
	}
	return name, all[name], nil
}

// recipientsByType reads the recipients, so that nothing else is handed on as one.
func recipientsByType(list []string) (map[string][]string, error) {
	out := make(map[string][]string)
	for _, text := range list {
		key, err := readers.Parse(text)
		if err == nil && key.Type == keysources.TypeAge {
			_, err = age.ParseRecipient(text) // its checksum, too
		}
		if err != nil {
			return nil, fmt.Errorf("one of its recipients cannot be used: %w", err)
		}
		out[key.Type] = append(out[key.Type], readers.RuleText(key))
	}
	return out, nil
}

// ruleText is a .sops.yaml for what is sealed for a keyring.
func ruleText(keyring, path string, byType map[string][]string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "creation_rules:\n  # manifests for the SealKeyring %s\n  - path_regex: %s\n", keyring, yamlQuoted(path))
	b.WriteString("    encrypted_regex: ^(data|stringData)$\n    mac_only_encrypted: true\n")
	for _, typ := range keysources.Types() {
		list := byType[typ]
		switch {
		case len(list) == 0:
		case typ == keysources.TypeHCKMS: // sops wants a list of these, and one string of the others
			fmt.Fprintf(&b, "    %s:\n      - %s\n", readers.RuleKey(typ), strings.Join(list, "\n      - "))
		default:
			fmt.Fprintf(&b, "    %s: >-\n      %s\n", readers.RuleKey(typ), strings.Join(list, ",\n      "))
		}
	}
	return b.String()
}

// yamlQuoted is a text in YAML's single quotes.
func yamlQuoted(s string) string { return "'" + strings.ReplaceAll(oneLine(s), "'", "''") + "'" }
