package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cmd/internal/atomicfile"
	"github.com/gitseal/gitseal/cmd/internal/kustomize"
)

func pluginDirFlag() cli.Flag {
	return &cli.StringFlag{Name: "dir", Usage: "kustomize's plugin `FOLDER`, in place of $KUSTOMIZE_PLUGIN_HOME, $XDG_CONFIG_HOME/kustomize/plugin or ~/.config/kustomize/plugin"}
}

func kustomizeInstallCommand(_ std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "install",
		Usage:     "make gitseal a legacy exec plugin of kustomize, which needs no --enable-exec",
		UsageText: "gitseal kustomize install [FLAGS]",
		Description: `It writes a script of one line, Unseal, which runs this program. Configurations of kind Unseal
without the annotation config.kubernetes.io/function then run it; kustomize build needs only
--enable-alpha-plugins, and fails if the plugin is missing.

Example, in an init container whose volume is mounted as kustomize's plugin folder:
   gitseal kustomize install --dir /plugins`,
		Flags: []cli.Flag{pluginDirFlag(), programFlag(), quietFlag()},
		Action: func(c *cli.Context) error {
			u.quiet = c.Bool("quiet")
			return runKustomizeInstall(c, u)
		},
	}
}

// programFlag is for set-ups where the program will be somewhere else when it runs.
func programFlag() cli.Flag {
	return &cli.StringFlag{Name: "program", Usage: "run the program at `PATH`, not this one"}
}

func kustomizeUninstallCommand(_ std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "uninstall",
		Usage:     "take back what install did",
		UsageText: "gitseal kustomize uninstall [FLAGS]",
		Flags:     []cli.Flag{pluginDirFlag(), quietFlag()},
		Action: func(c *cli.Context) error {
			u.quiet = c.Bool("quiet")
			return runKustomizeUninstall(c, u)
		},
	}
}

// pluginMark is in every script and plugin.yaml that install commands write: nothing
// without it is overwritten or removed.
const pluginMark = "written by gitseal"

// runScript returns a script that runs the program with some words in front.
func runScript(program string, words ...string) []byte {
	return []byte("#!/bin/sh\n# " + pluginMark + "\nexec " + shellWord(program) + " " + strings.Join(words, " ") + " \"$@\"\n")
}

func shellWord(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// programPath returns where the program is that plugins run.
func programPath(c *cli.Context) (string, error) {
	if p := c.String("program"); p != "" {
		return p, nil
	}
	own, err := os.Executable()
	if err != nil {
		return "", err
	}
	if strings.Contains(filepath.ToSlash(own), "/go-build") {
		return "", failure("this program is one that go run made, and will be gone", "install gitseal first, or name it with --program")
	}
	return own, nil
}

func kustomizePluginFile(c *cli.Context) (dir, file string, err error) {
	if c.NArg() > 0 {
		return "", "", usageError(c.Command.HelpName+" takes no arguments", "--dir names the plugin folder")
	}
	if dir = c.String("dir"); dir == "" {
		dir = kustomize.PluginDir(os.Getenv)
	}
	if dir == "" {
		return "", "", failure("there is no home folder", "name kustomize's plugin folder with --dir")
	}
	return dir, kustomize.PluginFile(dir), nil
}

func runKustomizeInstall(c *cli.Context, u *ui) error {
	_, file, err := kustomizePluginFile(c)
	if err != nil {
		return err
	}
	program, err := programPath(c)
	if err != nil {
		return err
	}
	if err := writePluginFile(file, runScript(program, "kustomize"), 0o755); err != nil {
		return err
	}
	u.note(file + ": written; it runs " + program + " kustomize")
	return nil
}

// writePluginFile writes a file of ours, and refuses to replace one of somebody else's.
func writePluginFile(file string, text []byte, perm os.FileMode) error {
	old, err := readFile(file)
	if err == nil && !bytes.Contains(old, []byte(pluginMark)) {
		return failure(file+" is there already, and not of gitseal", "move it away")
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return &fileError{name: file, err: err}
	}
	const folder = 0o755
	if err := os.MkdirAll(filepath.Dir(file), folder); err != nil {
		return &fileError{name: filepath.Dir(file), err: plainPathError(err)}
	}
	expect := atomicfile.Absent()
	if err == nil {
		expect = atomicfile.Holding(old)
	}
	_, err = atomicfile.Write(file, text, atomicfile.Options{Expect: expect, Perm: perm})
	return err
}

// removePluginFile removes a file of ours. found is false if there is none.
func removePluginFile(file string) (found bool, err error) {
	old, err := readFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err == nil && !bytes.Contains(old, []byte(pluginMark)) {
		return false, failure(file+" is not of gitseal", "remove it yourself, if you mean to")
	}
	if err == nil {
		err = os.Remove(file)
	}
	if err != nil {
		return false, &fileError{name: file, err: plainPathError(err)}
	}
	return true, nil
}

func runKustomizeUninstall(c *cli.Context, u *ui) error {
	dir, file, err := kustomizePluginFile(c)
	if err != nil {
		return err
	}
	found, err := removePluginFile(file)
	if err != nil {
		return err
	}
	if !found {
		u.note(file + ": not there")
		return nil
	}
	kustomize.RemoveEmpty(dir)
	u.note(file + ": removed")
	return nil
}
