package main

import (
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cmd/internal/nearest"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
)

// version is the release; the build sets it with -ldflags "-X main.version=…".
var version = ""

func versionText() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

func newApp(s std, u *ui) *cli.App {
	app := &cli.App{
		Name:                   "gitseal",
		HelpName:               "gitseal",
		Usage:                  "keep secrets in git, with only their values sealed",
		UsageText:              "gitseal COMMAND [FLAGS] [FILES]",
		Version:                versionText(),
		Description:            appDescription(),
		Reader:                 s.in,
		Writer:                 u.out,
		ErrWriter:              s.err,
		UseShortOptionHandling: true,
		HideHelpCommand:        true,
		// A flag's value may hold commas; exit codes are main's business.
		DisableSliceFlagSeparator: true,
		ExitErrHandler:            func(*cli.Context, error) {},
		OnUsageError:              onUsageError,
		Action:                    unknownCommand,
		Commands: []*cli.Command{
			sealCommand(s, u), unsealCommand(s, u), initCommand(s, u), inspectCommand(s, u), execCommand(s, u), importCommand(s, u),
			getCommand(s, u), setCommand(s, u), unsetCommand(s, u), acceptCommand(s, u),
			mergeCommand(s, u), resolveCommand(s, u), resealCommand(s, u),
			whoCommand(s, u), keysCommand(s, u), rotateCommand(s, u), groupsCommand(s, u), keyserviceCommand(s), completionCommand(u),
			checkCommand(s, u),
			lspCommand(s),
			logCommand(s, u), reportCommand(s, u),
			k8sCommand(s, u),
			doorsCommand(s, u), viewCommand(s, u),
			editCommand(s, u), editGuardCommand(s),
			diffCommand(s, u), gitCommand(s, u),
			kustomizeCommand(s, u), helmCommand(s, u),
		},
	}
	setUpAll(app.Commands)
	return app
}

// setUpAll gives commands and their subcommands what all have in common.
func setUpAll(commands []*cli.Command) {
	for _, c := range commands {
		c.OnUsageError = onUsageError
		// A file may well be called "help".
		c.HideHelpCommand = true
		if len(c.Subcommands) > 0 && c.Action == nil {
			c.Action = unknownSubcommand
		}
		setUpAll(c.Subcommands)
	}
}

func appDescription() string {
	return fmt.Sprintf(`A quick start, in a git repository:

   gitseal init                 make an identity and rules
   gitseal seal secret.yaml     seal the file's values, in place
   gitseal unseal secret.yaml   print the plain file

Limits: plain files up to %d MiB (binary: 64 MiB), sealed ones up to %d MiB,
nesting up to %d, up to %d values and comments, single values up to %d MiB.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 wrong state (not sealed, sealed
already, not as its rule says, in conflict, proposals left, findings), 4 no identity,
5 the file was tampered with, 6 refused (gitseal doors), 130 interrupted.`,
		formats.MaxSource>>20, formats.MaxSealed>>20, formats.MaxDepth, formats.MaxLeaves, formats.MaxValue>>20)
}

func onUsageError(c *cli.Context, err error, _ bool) error {
	where := "gitseal"
	if c.Command != nil && c.Command.Name != "" && c.Command.Name != "gitseal" {
		where = c.Command.HelpName
	}
	return usageError(err.Error(), "see "+where+" --help")
}

// unknownCommand is what runs if the first argument is not a command.
func unknownCommand(c *cli.Context) error {
	if !c.Args().Present() {
		return cli.ShowAppHelp(c)
	}
	return noCommand("gitseal", c.Args().First(), c.App.Commands)
}

// unknownSubcommand is what runs if the argument of a command that has subcommands
// is none of them.
func unknownSubcommand(c *cli.Context) error {
	if !c.Args().Present() {
		return cli.ShowSubcommandHelp(c)
	}
	return noCommand(c.Command.HelpName, c.Args().First(), c.Command.Subcommands)
}

// noCommand says that there is no command of a name behind the words of parent, and
// which may have been meant.
func noCommand(parent, name string, commands []*cli.Command) error {
	hint := "see " + parent + " --help"
	best := 3
	for _, cmd := range commands {
		if d := nearest.Distance(name, cmd.Name); d < best {
			best, hint = d, "did you mean "+parent+" "+cmd.Name+"?"
		}
	}
	return usageError("there is no command "+quoted(name), hint)
}

func quoted(s string) string { return fmt.Sprintf("%q", s) }

func formatNames() string { return strings.Join(all.Names(), ", ") }
