package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cmd/internal/atomicfile"
	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
	"github.com/gitseal/gitseal/cmd/internal/readers"
	"github.com/gitseal/gitseal/cmd/internal/rules"
	"github.com/gitseal/gitseal/keysources"
)

// configName is the file that rules stand in; sops reads the same.
const configName = ".sops.yaml"

func initCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "init",
		Usage:     "make an identity, if you have none, and rules for this repository",
		UsageText: "gitseal init [FLAGS] [FOLDER]",
		Description: `Writes .sops.yaml at the root of the repository (or in FOLDER) and says what is in it.
An existing .sops.yaml and existing identities are left alone. Who has a .sops.yaml and no
identity gets one, and the command by which a colleague lets its recipient in.

With --agents, nothing of that is done, but AGENTS.md tells AI coding agents how to work on
sealed files without seeing values. What else is in the file stays.

Examples:
   gitseal init
   gitseal init --agents
   gitseal init --age age1alice… --age age1bob…
   gitseal init --kms arn:aws:kms:… --age age1offline…`,
		Flags: slices.Concat(readerFlags("instead of your own identities: seal for this", false), []cli.Flag{
			&cli.BoolFlag{Name: "post-quantum", Usage: "if an identity has to be made, make it a hybrid post-quantum one"},
			&cli.BoolFlag{Name: "agents", Usage: "write instructions for AI coding agents into AGENTS.md, or bring them up to date"},
			quietFlag(),
		}, keyFlags()),
		Action: func(c *cli.Context) error {
			u.quiet = c.Bool("quiet")
			return runInit(c, s, u)
		},
	}
}

func runInit(c *cli.Context, s std, u *ui) error {
	if c.NArg() > 1 {
		return usageError("name at most one folder", "gitseal init [FOLDER]")
	}
	folder := "."
	if c.NArg() == 1 {
		folder = c.Args().First()
	} else if root, ok := gitrepo.Root("."); ok {
		folder = root
	}
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		return failure(folder+" is not a folder", "make it first, or leave it out")
	}
	if c.Bool("agents") {
		return initAgents(u, folder)
	}
	name := filepath.Join(folder, configName)
	if _, err := os.Lstat(name); err == nil {
		return initIdentity(c, s, u, name)
	}
	if err := notLeftOut(c.Context, name, name+" exists already, and is left out of the sparse checkout"); err != nil {
		return err
	}
	set, err := initialReaders(c, s, u)
	if err != nil {
		return err
	}
	recipients := set.all()
	_, err = atomicfile.Write(name, []byte(initialConfig(set.keys[0])), atomicfile.Options{
		Expect: atomicfile.Absent(), Perm: atomicfile.Umasked(0o666),
	})
	if errors.Is(err, atomicfile.ErrChanged) {
		return failure(name+" appeared just now", "look at it, and run the command again")
	}
	if err != nil {
		return err
	}
	warnOfMix(u, name, recipients)
	u.note("wrote " + name + ":")
	u.note(fmt.Sprintf("  files under secrets/, and those named *secret*, .env, .env.production and the like, *.env, are sealed for %s", counted(len(recipients), "recipient")))
	u.note("  of Kubernetes Secrets, data and stringData are sealed; of everything else, every value")
	u.note("next: gitseal seal FILE, then commit it together with " + configName)
	return nil
}

// initIdentity makes an identity for somebody who has none, where rules are there already:
// a newcomer, whom those who can open the files have to let in.
func initIdentity(c *cli.Context, s std, u *ui, rulesFile string) error {
	if _, err := rules.Load(rulesFile); err != nil {
		return err // no colleague could let anybody in by these
	}
	there := &commandError{code: exitWrongState, text: rulesFile + " exists already, and is left as it is",
		hint: "edit it to change rules; gitseal seal FILE uses it"}
	named, err := readersFromFlags(c)
	if err != nil {
		return err
	}
	ids, err := newIdentities(c, s, u)
	if err != nil {
		return err
	}
	own, err := ids.ring.Recipients(c.Context)
	if len(named)+len(own) > 0 || err != nil || s.getenv("SOPS_AGE_KEY_CMD") != "" {
		return there
	}
	made, err := ids.ownRecipients(c.Context, c.Bool("post-quantum"))
	if err != nil {
		return err
	}
	u.note(rulesFile + " exists already, and is left as it is")
	u.note("next: have somebody who can open the files run this, and commit it:")
	u.note("  gitseal keys add --age " + made[0].String() + " ./")
	return nil
}

// initialRule selects what people most often keep secrets in.
const initialRule = `(?i)(^|/)(secrets/.*|[^/]*secret[^/]*\.(ya?ml|json|env|ini|txt|pem|key|conf|toml|properties)|` +
	`\.env(\.(dev|development|test|ci|staging|prod|production))?(\.local)?|[^/]+\.env)$`

// initialReaders are those whom flags name, or else the user's own identities.
func initialReaders(c *cli.Context, s std, u *ui) (readerSet, error) {
	ids, err := newIdentities(c, s, u)
	if err != nil {
		return readerSet{}, err
	}
	keys, err := readersFromFlags(c)
	if err != nil {
		return readerSet{}, err
	}
	if slices.ContainsFunc(keys, func(k keysources.Stanza) bool { return len(k.Context) > 0 }) {
		return readerSet{}, usageError("--encryption-context does not fit into a simple rule", "write the rule with key_groups, see the README")
	}
	if len(keys) > 0 {
		return recipientsOf([][]keysources.Stanza{keys}, 0, ids.named)
	}
	own, err := ids.ownRecipients(c.Context, c.Bool("post-quantum"))
	if err != nil {
		return readerSet{}, err
	}
	for _, r := range own {
		keys = append(keys, keysources.Stanza{Type: keysources.TypeAge, Fields: []keysources.Field{{Name: "recipient", Value: r.String()}}})
	}
	return readerSet{keys: [][]keysources.Stanza{keys}, groups: [][]keysources.Recipient{own}}, nil
}

// initialConfig returns a configuration with one rule for these readers.
func initialConfig(keys []keysources.Stanza) string {
	var b strings.Builder
	b.WriteString("# Which files are sealed, and for whom. gitseal and sops both read this file.\n")
	b.WriteString("# The first rule whose path_regex matches a file's path from here applies.\n")
	b.WriteString("creation_rules:\n")
	b.WriteString("    - path_regex: '" + initialRule + "'\n")
	b.WriteString("      # Recipients are public keys: gitseal keys add gives a colleague access, gitseal keys sync applies changes made here.\n")
	for _, typ := range keysources.Types() {
		var names []string
		for _, k := range keys {
			if k.Type == typ {
				names = append(names, readers.RuleText(k))
			}
		}
		if len(names) > 0 {
			b.WriteString(ruleField(typ, names))
		}
	}
	if i := slices.IndexFunc(keys, func(k keysources.Stanza) bool { return k.Get("aws_profile") != "" }); i >= 0 {
		b.WriteString("      aws_profile: " + strconv.Quote(keys[i].Get("aws_profile")) + "\n")
	}
	return b.String()
}

// ruleField writes the readers of one type as one folded string and not as a list:
// versions of sops before 3.10 want that. Huawei's has to be a list.
func ruleField(typ string, names []string) string {
	name := readers.RuleKey(typ)
	if typ == keysources.TypeHCKMS {
		return "      " + name + ":\n          - " + strings.Join(names, "\n          - ") + "\n"
	}
	return "      " + name + ": >-\n          " + strings.Join(names, ",\n          ") + "\n"
}
