package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
	"github.com/gitseal/gitseal/cmd/internal/kustomize"
)

func kustomizeCheckCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "check",
		Usage:     "say whether a kustomization's Secrets would be missing or sealed; no key needed",
		UsageText: "gitseal kustomize check [FLAGS] FOLDER\n   kustomize build … | gitseal kustomize check --built - FOLDER",
		Description: `Without --enable-exec, kustomize leaves exec functions out, says nothing, and ends with exit code 0:
Secrets are missing from what it builds, or sealed. This command reads the kustomization and says
which functions it has, and what is wrong with their files. With --built it also compares what was
built with what should be there. No value is shown. Findings, and that means also bases that cannot be
read: exit code 3.

Examples:
   gitseal kustomize check overlays/prod
   kustomize build --enable-alpha-plugins --enable-exec overlays/prod > out.yaml
   gitseal kustomize check --built out.yaml overlays/prod && kubectl apply -f out.yaml`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "built", Usage: "compare with `FILE`, what kustomize has built (- is standard input)"},
			&cli.StringFlag{Name: "root", Usage: "look at nothing outside of `FOLDER`; by default the git repository around the kustomization, or without one everything"},
			&cli.BoolFlag{Name: "ignore-remote", Usage: "no finding for remote bases, which are not read"},
			jsonFlag(), quietFlag(),
		},
		Action: func(c *cli.Context) error {
			u.quiet = c.Bool("quiet")
			return runKustomizeCheck(c, s, u)
		},
	}
}

func runKustomizeCheck(c *cli.Context, s std, u *ui) error {
	if c.NArg() != 1 {
		return usageError("name the folder of one kustomization", "gitseal kustomize check FOLDER")
	}
	o, end, err := checkOptions(c, s)
	if err != nil {
		return err
	}
	defer end()
	report, err := kustomize.Check(o)
	if errors.Is(err, kustomize.ErrNoKustomization) {
		return failure(err.Error(), "name the folder of a kustomization")
	}
	if err != nil {
		return pluginError(err)
	}
	if name := c.String("built"); name != "" {
		built, err := readNamed(s, name)
		if err != nil {
			return &fileError{name: name, err: err}
		}
		report.Findings = append(report.Findings, report.CheckBuilt(name, built)...)
	}
	if c.Bool("json") {
		err = u.json(report)
	} else {
		printKustomizeReport(u, report)
	}
	if err == nil && len(report.Findings) > 0 {
		err = &commandError{code: exitWrongState, text: counted(len(report.Findings), "finding"), hint: report.Findings[0].Hint}
	}
	return err
}

// checkOptions finds the folder that everything lies in. end closes it.
func checkOptions(c *cli.Context, s std) (o kustomize.CheckOptions, end func(), err error) {
	dir, err := realFolder(c.Args().First())
	if err != nil {
		return o, nil, err
	}
	root, err := rootAbove(c, dir)
	if err != nil {
		return o, nil, err
	}
	o = kustomize.CheckOptions{Mode: s.getenv(kustomizeModeEnv), IgnoreRemote: c.Bool("ignore-remote")}
	if o.Dir, err = filepath.Rel(root, dir); err != nil || !filepath.IsLocal(o.Dir) {
		return o, nil, usageError(c.Args().First()+" lies outside of --root "+c.String("root"), "name a folder above it with --root, or leave --root out")
	}
	o.Dir = filepath.ToSlash(o.Dir)
	current, err := realFolder(".")
	o.Show = func(name string) string {
		if shown, err := filepath.Rel(current, filepath.Join(root, filepath.FromSlash(name))); err == nil {
			return filepath.ToSlash(shown)
		}
		return name
	}
	if err != nil {
		return o, nil, err
	}
	if root == everything(dir) {
		o.Root = os.DirFS(root) // no link leads out of that
		return o, func() {}, nil
	}
	open, err := os.OpenRoot(root)
	if err != nil {
		return o, nil, &fileError{name: root, err: plainPathError(err)}
	}
	o.Root = open.FS()
	return o, func() { _ = open.Close() }, nil
}

func everything(dir string) string { return filepath.VolumeName(dir) + string(filepath.Separator) }

// rootAbove returns what --root names, or the repository around a folder, or everything.
func rootAbove(c *cli.Context, dir string) (string, error) {
	if name := c.String("root"); name != "" {
		return realFolder(name)
	}
	if repo, ok := gitrepo.Root(dir); ok {
		return repo, nil
	}
	return everything(dir), nil
}

// realFolder returns the absolute path of a folder, links followed.
func realFolder(name string) (string, error) {
	path, err := filepath.Abs(name)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return "", &fileError{name: name, err: plainPathError(err)}
	}
	return path, nil
}

// readNamed reads a file, or standard input.
func readNamed(s std, name string) ([]byte, error) {
	if name == stdinArg {
		return readLimited(s.in)
	}
	return readFile(name)
}

func printKustomizeReport(u *ui, r *kustomize.Report) {
	exec := false
	for _, f := range r.Functions {
		how := "legacy plugin"
		if f.Exec {
			how, exec = "exec function", true
		}
		fmt.Fprintln(u.out, oneLine(fmt.Sprintf("%s: %s: %s, %s", f.File, f.Field, f.Name, how)))
	}
	for _, name := range r.Secrets {
		fmt.Fprintln(u.out, oneLine("Secret "+name))
	}
	for _, f := range r.Findings {
		fmt.Fprintln(u.out, oneLine("finding: "+f.File+": "+f.Msg))
	}
	if exec {
		u.note("build it with --enable-alpha-plugins --enable-exec: without the second, kustomize leaves exec functions out and says nothing")
	} else if len(r.Functions) > 0 {
		u.note("build it with --enable-alpha-plugins")
	}
}
