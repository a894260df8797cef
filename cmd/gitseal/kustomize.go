package main

import (
	"fmt"

	"slices"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cmd/internal/kustomize"
	"github.com/gitseal/gitseal/cmd/internal/kustomize/sealedobject"
	"github.com/gitseal/gitseal/formats"
)

// kustomizeModeEnv says what becomes of values; a flag goes before it.
const kustomizeModeEnv = "GITSEAL_KUSTOMIZE_MODE"

func kustomizeCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "kustomize",
		Usage:     "open sealed Secrets in kustomize build: a KRM function",
		UsageText: "gitseal kustomize [FLAGS]               run by kustomize, as an exec function\n   gitseal kustomize [FLAGS] CONFIG        run by kustomize, as a legacy exec plugin\n   gitseal kustomize COMMAND",
		Description: `It reads a ResourceList and writes one. In the folder of a kustomization.yaml:

   generators: [secrets.yaml]       # kustomize build --enable-alpha-plugins --enable-exec

and in secrets.yaml:

   apiVersion: gitseal.dev/v1alpha1
   kind: Unseal
   metadata:
     name: secrets
     annotations:
       config.kubernetes.io/function: |
         exec: {path: gitseal, args: [kustomize]}
   files: [db.sealed.yaml]          # sealed Secrets, SealedManifests
   secrets:                         # like secretGenerator, of any sealed files
     - name: app
       files: [tls.key=app.key]
       envs: [app.env]

Without files and secrets, listed under transformers, it opens the sealed Secrets among the
resources. WITHOUT --enable-exec KUSTOMIZE LEAVES IT OUT AND SAYS NOTHING: gitseal kustomize check
finds out. Paths are relative to the kustomization, and lead nowhere else.

Modes: plain; masked puts a token that changes with the value in its place (that is the default
where plaintext is refused, see gitseal doors); passthrough leaves it to the cluster to open.
docs/kustomize.md tells the rest: all fields, name prefixes, Argo CD, Flux.`,
		Flags: slices.Concat([]cli.Flag{modeFlag(kustomizeModeEnv), outsideFlag(), contextNamespaceFlag(), unboundFlag(), requireIntegrityFlag(), quietFlag(),
			&cli.StringFlag{Name: "config", Usage: "rules `FILE` in place of the .sops.yaml above each file", EnvVars: []string{"SOPS_CONFIG"}}}, keyFlags()),
		Subcommands: []*cli.Command{kustomizeCheckCommand(s, u), kustomizeInstallCommand(s, u), kustomizeUninstallCommand(s, u)},
		Action:      func(c *cli.Context) error { return runKustomize(c, s, u) },
	}
}

func modeFlag(env string) cli.Flag {
	return &cli.StringFlag{Name: "mode", Usage: "what becomes of values: `MODE` is plain, masked or passthrough", EnvVars: []string{env}}
}

func outsideFlag() cli.Flag {
	return &cli.BoolFlag{Name: "allow-outside", Usage: "open files outside of the current folder, too: absolute paths, .. and links"}
}

func contextNamespaceFlag() cli.Flag {
	return &cli.StringFlag{Name: "context-namespace", Usage: "refuse what is not sealed for `NAMESPACE`, whatever an object says of itself"}
}

func unboundFlag() cli.Flag {
	return &cli.BoolFlag{Name: "allow-unbound", Usage: "open SealedManifests that are sealed for no namespace, too: sops.seal may have been removed to move them"}
}

func requireIntegrityFlag() cli.Flag {
	return &cli.BoolFlag{Name: "require-integrity", Usage: "refuse files without a sops.seal entry, which only sops's own MAC protects"}
}

func runKustomize(c *cli.Context, s std, u *ui) error {
	u.quiet = c.Bool("quiet")
	p, err := newPlugin(c, s, u, doorKustomize)
	if err != nil {
		return err
	}
	switch {
	case c.NArg() == 0 && isTerminal(s.in):
		return cli.ShowSubcommandHelp(c)
	case c.NArg() == 0:
		return p.krm()
	case s.getenv("KUSTOMIZE_PLUGIN_CONFIG_ROOT") != "" || s.getenv("KUSTOMIZE_PLUGIN_CONFIG_STRING") != "":
		return p.legacy(c.Args().First())
	}
	return noCommand(c.Command.HelpName, c.Args().First(), c.Command.Subcommands)
}

// krm is one call as an exec function.
func (p *plugin) krm() error {
	src, err := readLimited(p.std.in)
	if err != nil {
		return fmt.Errorf("reading standard input: %w", err)
	}
	out, err := p.answer(src)
	if err != nil {
		err = pluginError(err)
		e := explain(err)
		// For tools that read results; kustomize shows what is on standard error.
		_, _ = p.std.out.Write(kustomize.Failed(oneLine(e.text), e.hints...))
		return err
	}
	return p.write(out)
}

func (p *plugin) write(out []byte) error {
	if _, err := p.std.out.Write(out); err != nil {
		return fmt.Errorf("writing to standard output: %w", err)
	}
	return nil
}

// answer returns the ResourceList that a ResourceList is answered with.
func (p *plugin) answer(src []byte) ([]byte, error) {
	list, err := kustomize.ReadList(src)
	if err != nil {
		return nil, &commandError{code: exitFailed, text: "standard input: " + err.Error(), hint: "kustomize runs this command; see gitseal kustomize --help"}
	}
	config, err := kustomize.ReadConfig(&list.Config)
	if err != nil {
		return nil, err
	}
	if err := p.settle(config.Mode, config.Namespace, filesOf(config)...); err != nil {
		return nil, err
	}
	r := p.runner()
	switch {
	case !config.Generates() && list.IsGeneratorCall():
		return nil, failure("there is nothing to generate: the configuration "+quoted(config.Name)+" has neither files nor secrets",
			"name some, or list it under transformers: to open sealed objects among the resources")
	case !config.Generates():
		out, warnings, err := r.Transform(p.c.Context, list)
		p.warn(warnings)
		return out, err
	case list.OtherItems():
		return nil, failure("a configuration with files or secrets generates objects, but it was called to transform others",
			"list "+quoted(config.Name)+" under generators:")
	}
	res, err := r.Generate(p.c.Context, config)
	if err != nil {
		return nil, err
	}
	p.warn(res.Warnings)
	return kustomize.NewList(res.Objects)
}

// legacy is one call as an exec plugin of the old kind, which is given a file with the
// configuration, and, as a transformer, objects on standard input.
func (p *plugin) legacy(configFile string) error {
	text, err := readFile(configFile)
	if err != nil {
		return &fileError{name: configFile, err: err}
	}
	node, err := sealedobject.ParseYAML(text)
	if err != nil {
		return &fileError{name: configFile, err: err}
	}
	config, err := kustomize.ReadConfig(&node)
	if err != nil {
		return pluginError(err)
	}
	if err := p.settle(config.Mode, config.Namespace, filesOf(config)...); err != nil {
		return err
	}
	if !config.Generates() {
		src, err := readLimited(p.std.in)
		if err != nil {
			return fmt.Errorf("reading standard input: %w", err)
		}
		return p.stream(src)
	}
	res, err := p.runner().Generate(p.c.Context, config)
	if err != nil {
		return pluginError(err)
	}
	p.warn(res.Warnings)
	out, err := documents(res.Objects)
	if err != nil {
		return err
	}
	return p.write(out)
}

// documents writes objects as a stream.
func documents(objects []formats.Node) ([]byte, error) {
	var out []byte
	for _, n := range objects {
		text, err := sealedobject.YAML(n)
		if err != nil {
			return nil, err
		}
		out = append(append(out, "---\n"...), text...)
	}
	return out, nil
}

// stream opens the sealed objects in a stream of YAML documents.
func (p *plugin) stream(src []byte) error {
	out, warnings, err := sealedobject.Stream(p.c.Context, &p.opener, src, forSome)
	if err != nil {
		return pluginError(err)
	}
	p.warn(warnings)
	return p.write(out)
}

func filesOf(c *kustomize.Config) []string {
	out := slices.Clone(c.Files)
	for _, s := range c.Secrets {
		out = append(out, s.Envs...)
		for _, f := range s.Files {
			out = append(out, kustomize.PathOf(f))
		}
	}
	return out
}
