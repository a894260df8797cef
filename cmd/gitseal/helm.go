package main

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cmd/internal/helm"
	"github.com/gitseal/gitseal/cmd/internal/kustomize"
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
are verified before anything is written. Helm 4 does not show what a post-renderer says: gitseal
helm last-error does. A sealed value that nothing opens is an error in the mode plain.

Modes: plain; masked puts a token that changes with the value in its place (that is the default
where plaintext is refused, see gitseal doors); passthrough leaves all as it is.`,
		Flags: slices.Concat([]cli.Flag{modeFlag(helmModeEnv), contextNamespaceFlag(), unboundFlag(), requireIntegrityFlag(), quietFlag(),
			&cli.StringFlag{Name: "config", Usage: "rules `FILE` in place of the .sops.yaml above the current folder", EnvVars: []string{"SOPS_CONFIG"}}}, keyFlags()),
		Action: func(c *cli.Context) error {
			u.quiet = c.Bool("quiet")
			return keepingWords(c, s, u, doorHelmRender, runHelmPostRender)
		},
	}
}

// nothingRendered is what becomes of no manifests at all: Helm 4 takes an empty answer
// for a failure.
const nothingRendered = "# no manifests\n"

func runHelmPostRender(p *plugin) error {
	if p.c.NArg() > 0 {
		return usageError("gitseal helm post-render takes no arguments", "Helm gives it the manifests on standard input")
	}
	if err := p.settle("", ""); err != nil {
		return err
	}
	src, err := readLimited(p.std.in)
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
		Flags: slices.Concat([]cli.Flag{getModeFlag(s), outsideFlag(), unboundFlag(), requireIntegrityFlag(), quietFlag(),
			&cli.StringFlag{Name: "config", Usage: "rules `FILE` in place of the .sops.yaml above the file", EnvVars: []string{"SOPS_CONFIG"}}}, keyFlags()),
		Action: func(c *cli.Context) error {
			u.quiet = c.Bool("quiet")
			return keepingWords(c, s, u, doorHelmGet, runHelmGet)
		},
	}
}

// getModeFlag is modeFlag without passthrough, which is for manifests alone. The variable
// may say that for both commands; then it says nothing to this one.
func getModeFlag(s std) cli.Flag {
	f := &cli.StringFlag{Name: "mode", Usage: "what becomes of values: `MODE` is plain or masked", EnvVars: []string{helmModeEnv}}
	if s.getenv != nil && s.getenv(helmModeEnv) == string(sealedobject.Passthrough) {
		f.EnvVars = nil
	}
	return f
}

func runHelmGet(p *plugin) error {
	c := p.c
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
		return pluginError(&kustomize.FileError{Name: name, Err: err})
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
