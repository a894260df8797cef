package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cmd/internal/check"
	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
	"github.com/gitseal/gitseal/cmd/internal/rules"
	"github.com/gitseal/gitseal/keysources"
)

func checkCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "check",
		Usage:     "look for plain secrets and for files that are not sealed as their rules say; no key needed",
		UsageText: "gitseal check [FLAGS] [FILES|FOLDERS]",
		Description: `Checks that every file that a rule says is sealed is sealed, completely, with the rule's selector
and for the rule's readers; that no sealed file is damaged or half-merged; and that no file, sealed
or not, holds what looks like a secret in plain text. Without arguments that is the repository
(what git tracks or would add), else the folder. --staged reads the index and not the work tree;
it and --range also find what was sealed before, here or elsewhere, and is plain now.

Plain secrets are looked for in all text files: known forms of tokens and keys anywhere, values
under names such as password in configuration, scripts, Dockerfiles and Terraform, and, as
warnings, in programs. Binary files and files over 16 MB (a warning) are not looked through, and
of one file at most 200 errors and 200 warnings are listed. docs/ci.md has the whole list.

A half-merged file in what is staged is a warning and no error while a merge, cherry-pick or
rebase is under way and no identity opens it: who has no key can commit the merge.

Nothing is asked and nobody is called. If one of your own age identities (no passphrase, no
plugin) opens a sealed file, its MACs are checked, too; --verify uses all your keys for that.

A comment gitseal:allow on the line lets what is found there pass, and so does .sops.yaml:
   gitseal:
       check:
           ignore:
               - path_regex: ^testdata/
                 id: [secret, not-sealed]     # or secret:PATTERN, as in secret:jwt

Exit code 3 if there are findings of the level of --fail-on (error), 0 if not.

Examples:
   gitseal check
   gitseal check --staged                     # in a pre-commit hook
   gitseal check --range origin/main..HEAD    # in CI
   gitseal check --sarif > gitseal.sarif`,
		Flags: checkFlags(),
		Action: func(c *cli.Context) error {
			u.quiet = c.Bool("quiet")
			switch {
			case c.Bool("list"):
				return listKinds(u, c.Bool("json"))
			case c.Bool("history"):
				return runCheckHistory(c, s, u)
			}
			return runCheck(c, s, u)
		},
	}
}

func checkFlags() []cli.Flag {
	return slices.Concat([]cli.Flag{
		&cli.BoolFlag{Name: "staged", Usage: "what the next commit would add or change, as it is in the index"},
		&cli.StringFlag{Name: "range", Usage: "what the commits `A..B` have added or changed, as it is at B"},
		&cli.BoolFlag{Name: "every-commit", Usage: "with --range: as it is in each of them, not only at B"},
		&cli.BoolFlag{Name: "history", Usage: "earlier versions, in which files that are sealed now were plain"},
		&cli.BoolFlag{Name: "all", Usage: "with --history: of all branches and tags"},
		&cli.BoolFlag{Name: "verify", Usage: "open the sealed files with whatever keys you have, to check their MACs; may ask and use the network"},
		&cli.BoolFlag{Name: "keyless", Usage: "open nothing, even if an identity is there"},
		&cli.StringFlag{Name: "fail-on", Usage: "the least `LEVEL` that makes the command fail: error, warning, note", Value: "error"},
		&cli.BoolFlag{Name: "notes", Usage: "show notes, too"},
		&cli.BoolFlag{Name: "list", Usage: "list all kinds of findings and stop"},
		&cli.BoolFlag{Name: "sarif", Usage: "print the result as SARIF 2.1.0"},
		jsonFlag(),
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print no findings; the exit code tells"},
		&cli.StringFlag{Name: "config", Usage: "rules `FILE` in place of the .sops.yaml above each file", EnvVars: []string{"SOPS_CONFIG"}},
	}, keyFlags())
}

func runCheck(c *cli.Context, s std, u *ui) error {
	failOn, ok := check.ParseLevel(c.String("fail-on"))
	if !ok {
		return usageError("there is no level "+quoted(c.String("fail-on")), "error, warning or note")
	}
	if err := checkModes(c); err != nil {
		return err
	}
	ids, err := checkIdentities(c, s, u)
	if err != nil {
		return err
	}
	set, err := checkSet(c)
	if err != nil {
		return err
	}
	merging, err := isMerging(c)
	if err != nil {
		return err
	}
	report, err := check.Run(c.Context, set, check.RunOptions{
		Identities: ids, Merging: merging, Opened: c.Bool("verify"), Timeout: c.Duration("timeout"),
		Step: func(done, total int) { u.step("checking", done, total) },
	})
	u.stepsDone()
	if err = errors.Join(err, set.Close()); err != nil {
		return err
	}
	if err := printCheck(c, s, u, report); err != nil {
		return err
	}
	return checkResult(u, report, failOn)
}

// checkModes refuses flags that exclude each other.
func checkModes(c *cli.Context) error {
	only := func(names ...string) string {
		var set []string
		for _, n := range names {
			if c.IsSet(n) && (c.Bool(n) || c.String(n) != "false") {
				set = append(set, "--"+n)
			}
		}
		if len(set) > 1 {
			return strings.Join(set, " and ")
		}
		return ""
	}
	for _, names := range [][]string{{"staged", "range"}, {"json", "sarif"}, {"verify", "keyless"}} {
		if both := only(names...); both != "" {
			return usageError(both+" exclude each other", "choose one")
		}
	}
	if c.Bool("every-commit") && c.String("range") == "" {
		return usageError("--every-commit goes with --range", "gitseal check --range A..B --every-commit")
	}
	return nil
}

// checkSet finds the files that are to be checked.
func checkSet(c *cli.Context) (*check.Set, error) {
	var o check.Options
	if name := c.String("config"); name != "" {
		var err error
		if o.Config, err = rules.Load(name); err != nil {
			return nil, err
		}
	}
	args := c.Args().Slice()
	span := c.String("range")
	if !c.Bool("staged") && span == "" {
		return checkWorkTree(c, args, o)
	}
	var set *check.Set
	bare, isBare := gitrepo.Bare(".")
	root, err := checkRoot()
	switch {
	case isBare && span != "":
		set, err = checkRange(c, bare, span, o)
	case isBare:
		return nil, bareError()
	case err != nil:
		return nil, err
	case span == "":
		set, err = check.Staged(c.Context, root, o)
	default:
		set, err = checkRange(c, root, span, o)
	}
	if err != nil {
		return nil, explainGit(err)
	}
	if len(args) > 0 {
		set.Only(args)
	}
	return set, nil
}

// checkWorkTree finds the files in a work tree, or that are named.
func checkWorkTree(c *cli.Context, args []string, o check.Options) (*check.Set, error) {
	if len(args) == 0 {
		args = []string{"."}
		if root, ok := gitrepo.Root("."); ok {
			args[0] = root
		}
		if _, bare := gitrepo.Bare("."); bare {
			return nil, bareError()
		}
	}
	for _, arg := range args {
		_, bare := gitrepo.Bare(arg)
		if _, inTree := gitrepo.Root(arg); bare && !inTree {
			return nil, bareError() // one that a work tree holds is files of that, too
		}
	}
	return check.WorkTree(c.Context, args, o)
}

// bareText says why a command finds nothing in a bare repository.
const bareText = "this is a bare repository: it has no files but those of commits"

func bareError() error {
	return failure(bareText, "gitseal check --range A..B checks what commits change, --range ..BRANCH all that a branch has")
}

// isMerging reports whether what is staged is to be committed as a merge: somebody
// without a key has to be able to do that.
func isMerging(c *cli.Context) (bool, error) {
	if !c.Bool("staged") {
		return false, nil
	}
	root, err := checkRoot()
	if err != nil {
		return false, err
	}
	merging, err := gitrepo.Merging(c.Context, root)
	return merging, explainGit(err)
}

// checkRoot returns the top of the work tree that one stands in.
func checkRoot() (string, error) {
	wd, err := os.Getwd()
	if err == nil {
		wd, err = filepath.EvalSymlinks(wd)
	}
	if err != nil {
		return "", err
	}
	root, ok := gitrepo.Root(wd)
	if !ok {
		return "", failure("this is not the work tree of a git repository", "go to one; gitseal check FILES needs none")
	}
	return root, nil
}

func checkRange(c *cli.Context, root, span string, o check.Options) (*check.Set, error) {
	from, to, found := strings.Cut(span, "..")
	if !found {
		return nil, usageError("--range wants two revisions: A..B", "for all that is on this branch and not on main: --range main..HEAD")
	}
	to = strings.TrimPrefix(to, ".") // A...B means the same here
	if to == "" {
		to = "HEAD"
	}
	return check.Range(c.Context, root, check.RangeOptions{Options: o, From: from, To: to, Each: c.Bool("every-commit")})
}

// explainGit gives errors of git their way out.
func explainGit(err error) error {
	switch {
	case errors.Is(err, gitrepo.ErrNone):
		return failure(strings.TrimSuffix(err.Error(), ": "+gitrepo.ErrNone.Error()), "fetch it first; CI often clones only the last commit (fetch-depth: 0 in GitHub's checkout)")
	case errors.Is(err, exec.ErrNotFound):
		return failure("git is not installed", "gitseal check FILES needs none")
	}
	return err
}

// checkIdentities returns what opens files to check their MACs: all keys if the user
// has asked for that, else only those age identities that ask nobody.
func checkIdentities(c *cli.Context, s std, u *ui) ([]keysources.Identity, error) {
	switch {
	case c.Bool("keyless"):
		return nil, nil
	case c.Bool("verify"):
		ids, err := newIdentities(c, s, u)
		if err != nil {
			return nil, err
		}
		return ids.list(), nil
	}
	// What cannot be read is no reason to fail where nobody asked for it.
	found, _ := newKeyring(c, s, u).Identities()
	var out []keysources.Identity
	for _, id := range found {
		if id.Recipient().Plugin() == "" {
			out = append(out, keysources.Once(id))
		}
	}
	return out, nil
}

// checkResult says what was found, and whether that is a failure.
func checkResult(u *ui, r *check.Report, failOn check.Level) error {
	errs, warnings := check.AtLeast(r.Findings, check.Error), check.AtLeast(r.Findings, check.Warning)
	text := fmt.Sprintf("%s, %s, %s in %s", counted(errs, "error"), counted(warnings-errs, "warning"), counted(len(r.Findings)-warnings, "note"), counted(r.Files, "file"))
	text += fmt.Sprintf(" (%d sealed, %d opened)", r.Sealed, r.Opened)
	if check.AtLeast(r.Findings, failOn) == 0 {
		u.note("checked: " + text)
		return nil
	}
	return &commandError{code: exitWrongState, text: text, hint: "gitseal check --list says what the findings mean, gitseal check --help how to let one pass"}
}
