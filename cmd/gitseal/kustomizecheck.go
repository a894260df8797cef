package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

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
built with what should be there. No value is shown. Findings: exit code 3.

Examples:
   gitseal kustomize check overlays/prod
   kustomize build --enable-alpha-plugins --enable-exec overlays/prod > out.yaml
   gitseal kustomize check --built out.yaml overlays/prod && kubectl apply -f out.yaml`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "built", Usage: "compare with `FILE`, what kustomize has built (- is standard input)"},
			&cli.StringFlag{Name: "root", Usage: "the kustomizations it refers to lie in `FOLDER`; the current one if it lies there", Value: "."},
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
	root, err := os.OpenRoot(c.String("root"))
	if err != nil {
		return &fileError{name: c.String("root"), err: plainPathError(err)}
	}
	defer root.Close()
	report, err := kustomize.Check(root.FS(), c.Args().First())
	if errors.Is(err, kustomize.ErrNoKustomization) {
		return failure(err.Error(), "name the folder of a kustomization; it has to lie in --root")
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
