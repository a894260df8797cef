package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cmd/internal/atomicfile"
	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
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
An existing .sops.yaml and existing identities are left alone.

Examples:
   gitseal init
   gitseal init --age age1alice… --age age1bob…`,
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "age", Usage: "seal for this age `RECIPIENT` (repeatable) instead of your own identities"},
			&cli.BoolFlag{Name: "post-quantum", Usage: "if an identity has to be made, make it a hybrid post-quantum one"},
			identityFlag(), quietFlag(),
		},
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
	name := filepath.Join(folder, configName)
	if _, err := os.Lstat(name); err == nil {
		return &commandError{code: exitWrongState, text: name + " exists already, and is left as it is",
			hint: "edit it to change rules; gitseal seal FILE uses it"}
	}
	recipients, err := parseRecipients(c.StringSlice("age"))
	if err == nil && len(recipients) == 0 {
		recipients, err = newIdentities(c, s, u).ownRecipients(c.Bool("post-quantum"))
	}
	if err != nil {
		return err
	}
	_, err = atomicfile.Write(name, []byte(initialConfig(recipients)), atomicfile.Options{
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

// initialRule selects what people most often keep secrets in.
const initialRule = `(?i)(^|/)(secrets/.*|[^/]*secret[^/]*\.(ya?ml|json|env|ini|txt|pem|key|conf|toml|properties)|` +
	`\.env(\.(dev|development|test|ci|staging|prod|production))?(\.local)?|[^/]+\.env)$`

func initialConfig(recipients []keysources.Recipient) string {
	var b strings.Builder
	b.WriteString("# Which files are sealed, and for whom. gitseal and sops both read this file.\n")
	b.WriteString("# The first rule whose path_regex matches a file's path from here applies.\n")
	b.WriteString("creation_rules:\n")
	b.WriteString("    - path_regex: '" + initialRule + "'\n")
	b.WriteString("      # Recipients are public keys: add a colleague's here, then unseal and seal the files.\n")
	// One folded string and not a list: versions of sops before 3.10 want that.
	b.WriteString("      age: >-\n")
	for i, r := range recipients {
		b.WriteString("          " + r.String())
		if i < len(recipients)-1 {
			b.WriteString(",")
		}
		b.WriteString("\n")
	}
	return b.String()
}
