package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/manifest"
	"github.com/gitseal/gitseal/cmd/internal/sealedsecret"
)

func importCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:  "import",
		Usage: "take over SealedSecrets, files of plain sops, and dotenv files",
		UsageText: "gitseal import --sealing-key FILE [FLAGS] SEALEDSECRET…\n" +
			"   gitseal import [FLAGS] SOPSFILE|FOLDER…\n" +
			"   gitseal import --as secret|yaml|json|dotenv [FLAGS] DOTENV…",
		Description: `What a file is, is told from its content. Plaintext is never written, and sources are left alone
unless --remove is given; files of plain sops get their sops.seal entry in place.

A Bitnami SealedSecret becomes a Secret, sealed by the rule of its new path: NAME.yaml beside the
source, or -o FILE. The private keys of its controller come from
   kubectl get secret -n kube-system -l sealedsecrets.bitnami.com/sealed-secrets-key -o yaml

Examples:
   gitseal import --sealing-key backup.yaml deploy/db-sealed.yaml
   gitseal import --sealing-key backup.yaml --manifest deploy/db-sealed.yaml
   gitseal import secrets/                             # all that plain sops sealed there
   gitseal import --as secret --name app -o app.yaml .env
   gitseal import --as yaml --remove prod.env          # prod.yaml, sealed; prod.env goes`,
		Flags: slices.Concat(importFlags(), readerFlags("instead of the rule's readers: seal for this", true), keyFlags(), inputFlags()),
		Action: func(c *cli.Context) error {
			u.quiet = c.Bool("quiet")
			ids, err := newIdentities(c, s, u)
			if err != nil {
				return err
			}
			r := &importRun{c: c, std: s, ui: u, ids: ids, seal: &sealRun{planner: planner{c: c, ids: ids}, std: s, ui: u}}
			return r.run(c.Context)
		},
	}
}

func importFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "from", Usage: "what the sources are: `KIND` sealedsecret, sops or dotenv; by their content otherwise"},
		&cli.StringSliceFlag{Name: "sealing-key", Usage: "`FILE` of the controller's private keys, PEM or a backup of its Secrets (repeatable)"},
		&cli.BoolFlag{Name: "string-data", Usage: "write values that are text under stringData, readable when unsealed, not as base64 under data"},
		&cli.BoolFlag{Name: "drop-templates", Usage: "leave out values of spec.template.data that are templates"},
		&cli.BoolFlag{Name: "manifest", Usage: "make SealedManifests of SealedSecrets, in place of Secrets"},
		scopeFlag(),
		&cli.StringFlag{Name: "as", Usage: "make of a dotenv file a sealed `KIND`: secret (of Kubernetes), yaml, json or dotenv"},
		&cli.StringFlag{Name: "name", Usage: "`NAME` of the Secret to make of a dotenv file"},
		&cli.StringFlag{Name: "namespace", Usage: "`NAMESPACE` of that Secret, or of SealedSecrets that leave it out"},
		&cli.BoolFlag{Name: "verbatim", Usage: "take dotenv values as sops and docker do: quotes and what follows # belong to them"},
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write to `FILE` (- for standard output) instead of beside the source"},
		&cli.BoolFlag{Name: "force", Usage: "replace files that exist already"},
		&cli.BoolFlag{Name: "remove", Usage: "remove the source once its sealed file is written and verified"},
		&cli.BoolFlag{Name: "ignore-rule", Usage: "keep readers and selector of files of plain sops even if their rule says otherwise"},
		&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "do everything but write"},
		&cli.BoolFlag{Name: "post-quantum", Usage: "if an identity has to be made, make it a hybrid post-quantum one"},
		jsonFlag(), quietFlag(),
	}
}

// importRun is one call of import.
type importRun struct {
	c    *cli.Context
	std  std
	ui   *ui
	ids  *identities
	keys sealedsecret.Keys
	// seal does the sealing, by the rules and flags that are those of seal.
	seal *sealRun
	// skipped are files of folders that are none of import's business.
	skipped []string
}

// importItem is one file to be made.
type importItem struct {
	source *importSource
	// job seals it. Its input is the source itself for files of plain sops, and
	// else the result's: its path, and plain data once they are made.
	job sealJob
	// name, namespace and scope are those of a SealedSecret or Secret.
	name, namespace, scope string
	// values are the names of the values, keys or paths, as far as they are told.
	values   []string
	warnings []string
	// make returns the plain file; nil for files of plain sops.
	make func(context.Context) ([]byte, error)
}

func (r *importRun) run(ctx context.Context) error {
	if err := r.checkFlags(); err != nil {
		return err
	}
	if err := r.readKeys(); err != nil {
		return err
	}
	book, err := newRuleBook(r.c.String("config"))
	if err != nil {
		return err
	}
	r.seal.book = book
	sources, err := r.sources(book)
	if err != nil {
		return err
	}
	items, err := r.allItems(sources)
	if err != nil {
		return err
	}
	if err := r.produceAll(ctx, sources, items); err != nil {
		return err
	}
	if err := r.write(ctx, sources, items); err != nil {
		return err
	}
	return r.report(sources, items)
}

// allItems lists the files to be made and settles how each is sealed.
func (r *importRun) allItems(sources []*importSource) ([]*importItem, error) {
	var items []*importItem
	for _, s := range sources {
		more, err := r.items(s)
		if err != nil {
			return nil, &fileError{name: s.in.name, err: importError(err)}
		}
		items = append(items, more...)
	}
	if err := r.checkTargets(items); err != nil {
		return nil, err
	}
	for _, it := range items {
		if err := r.plan(it); err != nil {
			return nil, &fileError{name: it.target(), err: err}
		}
	}
	return items, nil
}

// produceAll makes the sealed form of all items in memory.
func (r *importRun) produceAll(ctx context.Context, sources []*importSource, items []*importItem) error {
	var err error
	if r.seal.prev, err = r.seal.findPrevious(ctx, nil); err != nil {
		return err
	}
	defer r.seal.prev.close()
	err = forAll(ctx, len(items), inFlight(inputsOf(sources)), func(i int) error {
		defer r.ui.step("importing", i+1, len(items))
		if err := r.produce(ctx, items[i]); err != nil {
			return &fileError{name: items[i].source.in.name, unsealing: items[i].make == nil, err: importError(err)}
		}
		return nil
	})
	r.ui.stepsDone()
	return err
}

func inputsOf(sources []*importSource) []input {
	in := make([]input, len(sources))
	for i, s := range sources {
		in[i] = s.in
	}
	return in
}

func (r *importRun) checkFlags() error {
	from, as := r.c.String("from"), r.c.String("as")
	switch {
	case from != "" && from != fromSealedSecret && from != fromSops && from != fromDotenv:
		return usageError("there is no --from "+quoted(from), "sealedsecret, sops or dotenv")
	case as != "" && as != asSecret && as != "yaml" && as != "json" && as != "dotenv":
		return usageError("there is no --as "+quoted(as), "secret, yaml, json or dotenv")
	case r.c.IsSet("name") && as != asSecret:
		return usageError("--name goes with --as secret", "a SealedSecret keeps its name")
	case as == asSecret && !sealedsecret.ValidName(r.c.String("name")):
		return usageError("--as secret needs a --name that Kubernetes allows", "lower case letters, digits, - and .: --name app-env")
	case r.c.String("namespace") != "" && !sealedsecret.ValidNamespace(r.c.String("namespace")):
		return usageError("--namespace is not a name that Kubernetes allows", "lower case letters, digits and -")
	case r.c.IsSet("scope") && !r.c.Bool("manifest"):
		return usageError("--scope goes with --manifest", "Secrets are not bound to a place")
	case r.c.Bool("manifest") && as != "" && as != asSecret:
		return usageError("--manifest goes with --as secret", "only Secrets become SealedManifests")
	case r.c.Bool("json") && r.c.String("output") == stdinArg:
		return usageError("--json does not go with standard output, which is the sealed file", "name a file with -o")
	case r.c.Bool("remove") && r.c.String("output") == stdinArg:
		return usageError("--remove does not go with standard output: nothing tells whether the sealed file arrives", "name a file with -o")
	}
	return nil
}

// readKeys reads the controller's private keys.
func (r *importRun) readKeys() error {
	for _, name := range r.c.StringSlice("sealing-key") {
		data, err := readFile(name)
		if err != nil {
			return &fileError{name: name, err: err}
		}
		if err := r.keys.Add(data); err != nil {
			return &fileError{name: name, err: importError(err)}
		}
	}
	return nil
}

// plan settles for whom an item is sealed. The readers of files of plain sops stay.
func (r *importRun) plan(it *importItem) error {
	if it.make == nil {
		return r.checkRule(it)
	}
	if err := r.dryIdentity(it); err != nil {
		return err
	}
	var err error
	it.job.plan, err = r.seal.plan(it.job.in)
	if it.job.plan.wish.Scope == "" {
		it.job.plan.wish.Scope = scopeOf(it)
	}
	return err
}

// dryIdentity keeps a dry run from making an identity.
func (r *importRun) dryIdentity(it *importItem) error {
	if !r.c.Bool("dry-run") {
		return nil
	}
	if named, err := readersFromFlags(r.c); err != nil || len(named) > 0 {
		return err
	}
	if config, err := r.seal.book.config(it.job.in.rulePath); err != nil || config != nil {
		return err
	}
	if ids, err := r.ids.ring.Identities(); len(ids) > 0 || err != nil {
		return err
	}
	return failure("there is neither a rule nor an identity, and a dry run makes none", "gitseal init makes both, or name recipients with --age")
}

// produce makes the sealed form of an item.
func (r *importRun) produce(ctx context.Context, it *importItem) error {
	if it.make == nil {
		return r.reseal(ctx, it)
	}
	var err error
	if it.job.in.data, err = it.make(ctx); err != nil {
		return err
	}
	if r.c.Bool("manifest") && it.name != "" {
		if it.job.in.data, err = manifest.FromSecret(it.job.in.format, it.job.in.data); err != nil {
			return err
		}
	}
	if err := r.seal.seal(ctx, &it.job); err != nil {
		return err
	}
	if it.job.sealed == nil {
		// What was decrypted has a sops block of its own.
		return cipher.ErrAlreadySealed
	}
	it.job.action = actionImported
	return it.checkNothingPlain()
}

// scopeOf is how wide the SealedManifest that a SealedSecret becomes is sealed for: as
// wide as that was.
func scopeOf(it *importItem) manifest.Scope {
	return map[string]manifest.Scope{
		string(sealedsecret.NamespaceWide): manifest.Namespace, string(sealedsecret.ClusterWide): manifest.Keyring,
	}[it.scope]
}

// actionImported is what import reports of a file that it made.
const actionImported = "imported"

// checkNothingPlain refuses to leave a value of a Secret plain that was sealed
// before, or secret: a rule may be made for other files.
func (it *importItem) checkNothingPlain() error {
	if it.name == "" {
		return nil
	}
	report, err := cipher.Inspect(it.job.in.format, it.job.sealed.Bytes)
	if err != nil {
		return err
	}
	for _, v := range report.Values {
		keys := v.Path.Keys()
		if v.State == cipher.StatePlain && len(keys) > 1 && (keys[0] == "data" || keys[0] == "stringData") {
			return failure(fmt.Sprintf("%s would be plain: %s leaves it out", v.Path, it.job.sealed.Selector),
				"change the selector of its rule to encrypted_regex: ^(data|stringData)$, or write elsewhere with -o")
		}
	}
	return nil
}
