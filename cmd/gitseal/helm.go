package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cmd/internal/helm"
	"github.com/gitseal/gitseal/cmd/internal/kustomize/sealedobject"
	"github.com/gitseal/gitseal/formats"
)

// helmModeEnv says what becomes of values; a flag goes before it.
const helmModeEnv = "GITSEAL_HELM_MODE"

func helmCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "helm",
		Usage:     "open sealed manifests and values files for Helm 3 and 4",
		UsageText: "gitseal helm COMMAND [FLAGS]",
		Description: `As a post-renderer it opens the sealed Secrets and SealedManifests that a chart renders. As a
getter it opens values files. docs/helm.md tells the rest.

   gitseal helm install                 # once: the getter, and for Helm 4 the post-renderer
   helm upgrade app ./chart -f sealed://values.sealed.yaml
   helm upgrade app ./chart --post-renderer gitseal --post-renderer-args helm --post-renderer-args post-render   # Helm 3
   helm upgrade app ./chart --post-renderer gitseal                                                              # Helm 4`,
		Subcommands: []*cli.Command{
			helmPostRenderCommand(s, u), helmGetCommand(s, u), helmInstallCommand(s, u), helmUninstallCommand(s, u), helmLastErrorCommand(s, u),
		},
	}
}

func helmPostRenderCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "post-render",
		Usage:     "open the sealed Secrets in a chart's manifests",
		UsageText: "gitseal helm post-render [FLAGS] < manifests > manifests",
		Description: `Sealed Secrets and SealedManifests become Secrets; every other byte stays as it is. All manifests
are verified before anything is written. Helm 4 does not show what a post-renderer says when it
fails: gitseal helm last-error does.

Modes: plain; masked puts a token that changes with the value in its place (that is the default
where plaintext is refused, see gitseal doors); passthrough leaves all as it is.`,
		Flags: slices.Concat([]cli.Flag{modeFlag(helmModeEnv), contextNamespaceFlag(), requireIntegrityFlag(), quietFlag(),
			&cli.StringFlag{Name: "config", Usage: "rules `FILE` in place of the .sops.yaml above the current folder", EnvVars: []string{"SOPS_CONFIG"}}}, keyFlags()),
		Action: func(c *cli.Context) error {
			u.quiet = c.Bool("quiet")
			return keepingError(s, u, runHelmPostRender(c, s, u))
		},
	}
}

// nothingRendered is what becomes of no manifests at all: Helm 4 takes an empty answer
// for a failure.
const nothingRendered = "# no manifests\n"

func runHelmPostRender(c *cli.Context, s std, u *ui) error {
	p, err := newPlugin(c, s, u, doorHelmRender)
	if err != nil {
		return err
	}
	if c.NArg() > 0 {
		return usageError("gitseal helm post-render takes no arguments", "Helm gives it the manifests on standard input")
	}
	if err := p.settle("", ""); err != nil {
		return err
	}
	src, err := readLimited(s.in)
	if err != nil {
		return fmt.Errorf("reading standard input: %w", err)
	}
	if len(bytes.TrimSpace(src)) == 0 {
		return p.write([]byte(nothingRendered))
	}
	return p.stream(src)
}

func helmGetCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "get",
		Usage:     "open a values file",
		UsageText: "gitseal helm get [FLAGS] [CERT-FILE KEY-FILE CA-FILE] sealed://PATH",
		Description: `Helm runs it for URLs such as sealed://values.sealed.yaml, behind -f and --set-file, after gitseal helm
install. PATH is relative to the current folder, and leads nowhere else.`,
		Flags: slices.Concat([]cli.Flag{modeFlag(helmModeEnv), outsideFlag(), requireIntegrityFlag(), quietFlag(),
			&cli.StringFlag{Name: "config", Usage: "rules `FILE` in place of the .sops.yaml above the file", EnvVars: []string{"SOPS_CONFIG"}}}, keyFlags()),
		Action: func(c *cli.Context) error {
			u.quiet = c.Bool("quiet")
			return keepingError(s, u, runHelmGet(c, s, u))
		},
	}
}

func runHelmGet(c *cli.Context, s std, u *ui) error {
	p, err := newPlugin(c, s, u, doorHelmGet)
	if err != nil {
		return err
	}
	if p.asked == sealedobject.Passthrough {
		return usageError("--mode passthrough: values cannot be passed on sealed", "plain or masked")
	}
	const withCertificates = 4 // as Helm calls it
	if c.NArg() != 1 && c.NArg() != withCertificates {
		return usageError("name one file", "gitseal helm get sealed://values.sealed.yaml")
	}
	url := c.Args().Get(c.NArg() - 1)
	name, err := helm.PathOf(url)
	if err != nil {
		return usageError(quoted(url)+": "+err.Error(), "sealed://values.sealed.yaml")
	}
	if err := p.settle("", "", name); err != nil {
		return err
	}
	f, err := p.read(name)
	if err != nil {
		return &fileError{name: name, err: err}
	}
	o, err := p.forFile(f, p.opener)
	if err != nil {
		return err
	}
	content, err := o.Content(c.Context, f.Format, f.Data)
	if err != nil {
		return pluginError(&fileError{name: name, unsealing: true, err: err})
	}
	for i := range content.Warnings {
		content.Warnings[i] = name + ": " + content.Warnings[i]
	}
	p.warn(content.Warnings)
	out, err := valuesText(o.Mode, f.FormatName, content)
	if err != nil {
		return err
	}
	return p.write(out)
}

// valuesText is the opened file, or the masked one in its own structure if Helm could
// read that.
func valuesText(mode sealedobject.Mode, format string, c *sealedobject.Content) ([]byte, error) {
	if mode != sealedobject.Masked || format != "yaml" && format != "json" {
		return c.PlaintextBytes(), nil
	}
	if len(c.Documents) == 1 {
		return sealedobject.YAML(c.Documents[0])
	}
	return documents(append([]formats.Node(nil), c.Documents...))
}

func helmLastErrorCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:        "last-error",
		Usage:       "print what the last call by Helm said when it failed",
		UsageText:   "gitseal helm last-error",
		Description: "Helm 4 drops what a post-renderer says. It is kept until the next call that does not fail.",
		Action: func(c *cli.Context) error {
			if c.NArg() > 0 {
				return usageError("gitseal helm last-error takes no arguments", "it prints what the last call by Helm said")
			}
			file := helm.LastErrorFile(s.getenv)
			text, err := readFile(file)
			if file == "" || errors.Is(err, fs.ErrNotExist) {
				u.note("the last call by Helm did not fail, or there was none")
				return nil
			}
			if err != nil {
				return &fileError{name: file, err: err}
			}
			_, err = u.out.Write(text)
			return err
		},
	}
}

// keepingError keeps what a call by Helm says when it fails, and forgets it when one
// does not. That this did not work must not hide the error itself.
func keepingError(s std, u *ui, err error) error {
	file := helm.LastErrorFile(s.getenv)
	if file == "" {
		return err
	}
	if err == nil {
		_ = helm.ForgetError(file) // it is there for people only
		return nil
	}
	e := explain(err)
	lines := []string{time.Now().UTC().Format(time.RFC3339), "error: " + oneLine(e.text)}
	for _, h := range e.hints {
		lines = append(lines, "hint: "+oneLine(h))
	}
	if keepErr := helm.KeepError(file, strings.Join(lines, "\n")+"\n"); keepErr != nil {
		u.warn("this error could not be kept for gitseal helm last-error: " + keepErr.Error())
	}
	return err
}
