package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cmd/internal/helm"
)

func helmFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "plugins", Usage: "Helm's plugin `FOLDER`, in place of $HELM_PLUGINS or the one in Helm's data folder"},
		&cli.IntFlag{Name: "helm", Usage: "`3` or 4; the one that is installed, if you do not say"},
		quietFlag(),
	}
}

func helmInstallCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "install",
		Usage:     "make gitseal a getter, and for Helm 4 a post-renderer",
		UsageText: "gitseal helm install [FLAGS]",
		Description: `It writes folders with a description and a script of one line each into Helm's plugin folder:
gitseal-get for Helm 3 and 4, gitseal for Helm 4 alone. (Helm 3 takes any program as a post-renderer,
and stops at descriptions of Helm 4: do not let both use one folder with the post-renderer in it.)`,
		Flags: append(helmFlags(), programFlag()),
		Action: func(c *cli.Context) error {
			u.quiet = c.Bool("quiet")
			return runHelmInstall(c, s, u)
		},
	}
}

func helmUninstallCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "uninstall",
		Usage:     "take back what install did",
		UsageText: "gitseal helm uninstall [FLAGS]",
		Flags:     helmFlags(),
		Action: func(c *cli.Context) error {
			u.quiet = c.Bool("quiet")
			return runHelmUninstall(c, s, u)
		},
	}
}

func helmPluginsDir(c *cli.Context, s std) (string, error) {
	if c.NArg() > 0 {
		return "", usageError(c.Command.HelpName+" takes no arguments", "--plugins names the folder")
	}
	dir := c.String("plugins")
	if dir == "" {
		dir = helm.PluginsDir(s.getenv, runtime.GOOS)
	}
	if dir == "" {
		return "", failure("there is no home folder", "name Helm's plugin folder with --plugins")
	}
	return dir, nil
}

// helmMajor returns the version of Helm that is meant.
func helmMajor(c *cli.Context) (int, error) {
	const oldest, newest = 3, 4
	if v := c.Int("helm"); c.IsSet("helm") {
		if v != oldest && v != newest {
			return 0, usageError("--helm is 3 or 4", "helm version tells which one you have")
		}
		return v, nil
	}
	ctx, cancel := context.WithTimeout(c.Context, defaultTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, "helm", "version", "--template", "{{.Version}}").Output()
	if major := helm.Major(string(out)); err == nil && major > 0 {
		return major, nil
	}
	return 0, failure("helm cannot be asked for its version", "say which it is: --helm 3 or --helm 4")
}

func runHelmInstall(c *cli.Context, s std, u *ui) error {
	dir, err := helmPluginsDir(c, s)
	if err != nil {
		return err
	}
	major, err := helmMajor(c)
	if err != nil {
		return err
	}
	program, err := programPath(c)
	if err != nil {
		return err
	}
	for _, f := range helm.Plugins(major, pluginMark) {
		text, perm := []byte(f.Text), os.FileMode(0o644)
		if f.Executable {
			text, perm = runScript(program, f.Args...), 0o755
		}
		file := filepath.Join(dir, f.Name)
		if err := writePluginFile(file, text, perm); err != nil {
			return err
		}
		u.note(file + ": written")
	}
	return nil
}

func runHelmUninstall(c *cli.Context, s std, u *ui) error {
	dir, err := helmPluginsDir(c, s)
	if err != nil {
		return err
	}
	const newest = 4
	any := false
	for _, f := range helm.Plugins(newest, pluginMark) {
		file := filepath.Join(dir, f.Name)
		found, err := removePluginFile(file)
		if err != nil {
			return err
		}
		if any = any || found; !found {
			continue
		}
		u.note(file + ": removed")
		if err := os.Remove(filepath.Dir(file)); err != nil && !errors.Is(err, os.ErrNotExist) && !isNotEmpty(filepath.Dir(file)) {
			return &fileError{name: filepath.Dir(file), err: plainPathError(err)}
		}
	}
	if !any {
		u.note(dir + ": nothing of gitseal is there")
	}
	return nil
}

func isNotEmpty(dir string) bool {
	list, err := os.ReadDir(dir)
	return err == nil && len(list) > 0
}
