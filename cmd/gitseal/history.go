package main

import (
	"context"
	"path/filepath"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
	"github.com/gitseal/gitseal/cmd/internal/history"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
	"github.com/gitseal/gitseal/keysources"
)

// historyKeysHelp says which keys the commands use that look at history.
const historyKeysHelp = `No key is needed. A new data key gives every value a new ciphertext, whether or not the value
has changed: there, age and ssh identities that need nobody to be asked are used to compare
the values, which are never shown. With --verify, all others are, too: those that ask for a
passphrase, run a program, or ask a key service.`

// historyRun reads the histories of files.
type historyRun struct {
	c      *cli.Context
	std    std
	ui     *ui
	book   *ruleBook
	census *census
	// all: all branches and tags.
	all bool
	// open opens versions; nil if nobody here can.
	open history.Opener
	// key makes the values of several repositories comparable.
	key history.Key
}

// pastFile is a file with its history.
type pastFile struct {
	in   input
	repo *history.Repo
	*history.File
}

// newHistoryRun prepares a call. It takes the flags --verify, those of keyFlags and
// those of inputFlags.
func newHistoryRun(c *cli.Context, s std, u *ui) (*historyRun, error) {
	book, err := newRuleBook(c.String("config"))
	if err != nil {
		return nil, err
	}
	h := &historyRun{c: c, std: s, ui: u, book: book, census: newCensus(book), key: history.NewKey()}
	h.open, err = h.opener()
	return h, err
}

func verifyFlag() cli.Flag {
	return &cli.BoolFlag{Name: "verify", Usage: "compare values with every key there is, also those that ask somebody or another machine"}
}

// opener returns what opens old versions in this call.
func (h *historyRun) opener() (history.Opener, error) {
	var opts cipher.OpenOptions
	if h.c.Bool("verify") {
		ids, err := newIdentities(h.c, h.std, h.ui)
		if err != nil {
			return nil, err
		}
		opts = ids.openOptions()
	} else {
		ids, err := h.silentIdentities()
		if err != nil || len(ids) == 0 {
			return nil, err
		}
		opts = cipher.OpenOptions{Identities: ids}
	}
	opts.PlainOnly = true
	return func(ctx context.Context, f formats.Format, sealed []byte) ([]byte, error) {
		o, err := cipher.Open(ctx, f, sealed, opts)
		if err != nil {
			return nil, err
		}
		return o.PlaintextBytes(), nil
	}, nil
}

// silentIdentities are those that ask nobody, run nothing and send nothing.
func (h *historyRun) silentIdentities() ([]keysources.Identity, error) {
	if h.c.Bool("keyless") || !h.c.Bool("enable-local-keyservice") {
		return nil, nil
	}
	found, err := newKeyring(h.c, h.std, h.ui).Identities()
	if err != nil && h.c.IsSet("identity") {
		return nil, err
	}
	var out []keysources.Identity
	for _, id := range found {
		if id.Recipient().Plugin() == "" {
			out = append(out, keysources.Once(id))
		}
	}
	return out, nil
}

// past reads the histories of files, with those of one repository in one go. use gets
// the files in the order of in.
func (h *historyRun) past(ctx context.Context, in []input, use func([]pastFile) error) error {
	out := make([]pastFile, len(in))
	byRoot := map[string][]int{}
	var roots []string
	for i, f := range in {
		root, ok := gitrepo.Root(filepath.Dir(f.path))
		if !ok {
			return &fileError{name: f.name, err: failure("it lies in no git repository, so there is no history", "run the command in a clone of the repository")}
		}
		if byRoot[root] == nil {
			roots = append(roots, root)
		}
		byRoot[root] = append(byRoot[root], i)
	}
	for _, root := range roots {
		repo, err := history.Open(ctx, history.Options{Root: root, Format: h.formatIn(root), Open: h.open, All: h.all, Key: h.key})
		if err != nil {
			return err
		}
		defer repo.Close()
		if err := h.readAll(repo, root, in, byRoot[root], out); err != nil {
			return err
		}
	}
	return use(out)
}

// readAll reads the histories of the files with some numbers.
func (h *historyRun) readAll(repo *history.Repo, root string, in []input, numbers []int, out []pastFile) error {
	var paths []string
	current := map[string][]byte{}
	for _, i := range numbers {
		rel, err := filepath.Rel(root, in[i].path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		paths = append(paths, rel)
		if in[i].data != nil {
			current[rel] = in[i].data
		}
	}
	files, err := repo.Files(paths, current)
	if err != nil {
		return err
	}
	for n, i := range numbers {
		out[i] = pastFile{in: in[i], repo: repo, File: files[n]}
	}
	return nil
}

// formatIn returns the formats of the files of a repository, by flag, configuration
// or name.
func (h *historyRun) formatIn(root string) func(string) formats.Format {
	return func(rel string) formats.Format {
		path := filepath.Join(root, filepath.FromSlash(rel))
		name := h.c.String("format")
		if name == "" {
			// A configuration that cannot be read is told of elsewhere.
			name, _ = h.book.format(path)
		}
		if name == "" {
			name = all.NameForFile(path)
		}
		f, _ := all.ByName(name)
		return f
	}
}

// sealedFiles finds the sealed files that the arguments mean, all below the current
// folder if there are none, and reads them.
func (h *historyRun) sealedFiles(ctx context.Context) ([]input, error) {
	args := h.c.Args().Slice()
	if len(args) == 0 {
		args = []string{"."}
	}
	return h.sealedAmong(ctx, args)
}

// sealedAmong is sealedFiles for some arguments.
func (h *historyRun) sealedAmong(ctx context.Context, args []string) ([]input, error) {
	if slices.Contains(args, stdinArg) {
		return nil, usageError("standard input has no history", "name the file")
	}
	for _, arg := range args {
		if _, bare := gitrepo.Bare(arg); bare {
			return nil, failure(bareText, "run the command in a clone of it; gitseal check --range ..BRANCH --every-commit works here")
		}
	}
	who := newWhoRun(h.c, h.std, h.ui, h.book, args)
	found, err := who.find(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range who.skipped {
		// Without its rules nobody knows what a file is, nor what is overdue in it.
		if path, err := filepath.Abs(s.File); err == nil {
			if _, err := h.book.config(path); err != nil {
				return nil, &fileError{name: s.File, err: err}
			}
		}
		h.ui.warn(s.File + " was left out: " + s.Error)
	}
	var out []input
	for _, f := range found {
		in := f.in
		if _, err := h.book.config(in.rulePath); err != nil {
			return nil, &fileError{name: in.name, err: err}
		}
		if in.data, err = readFile(in.path); err != nil {
			return nil, &fileError{name: in.name, err: err}
		}
		out = append(out, in)
	}
	return out, nil
}

// reader returns a reader with the name that the rules of a file give them.
func (h *historyRun) reader(in input, s keysources.Stanza) (*whoReader, error) {
	config, err := h.book.config(in.rulePath)
	if err != nil {
		return nil, err
	}
	if _, err := h.census.namesOf(config); err != nil {
		return nil, err
	}
	return h.census.reader(s.Key(), h.census.named[config]), nil
}

// wantedReader returns the keys that --reader means, nil without it.
func (h *historyRun) wantedReader(in []input) ([]keysources.Stanza, error) {
	if !h.c.IsSet("reader") {
		return nil, nil
	}
	for _, f := range in {
		config, err := h.book.config(f.rulePath)
		if err != nil {
			return nil, err
		}
		if _, err := h.census.namesOf(config); err != nil {
			return nil, err
		}
	}
	return newWhoRun(h.c, h.std, h.ui, h.book, nil).wanted(h.census, h.c.String("reader"))
}

// meansAny reports whether a reader is among those that somebody named.
func meansAny(keys []keysources.Stanza, r keysources.Stanza) bool {
	return slices.ContainsFunc(keys, func(k keysources.Stanza) bool { return meansReader(k, r) })
}

// shortHash is how many digits of a commit's name are shown.
const shortHash = 10

// commitText names a step's commit.
func commitText(s history.Step) string {
	if s.Commit == nil {
		return "uncommitted"
	}
	return s.Commit.Hash[:min(shortHash, len(s.Commit.Hash))]
}

// timeOf is when a step was made: now, if it is not committed.
func timeOf(s history.Step) time.Time {
	if s.Commit == nil {
		return time.Now().UTC()
	}
	return s.Commit.Time
}

func dateText(s history.Step) string { return timeOf(s).Format(time.DateOnly) }

// commitJSON names a step.
type commitJSON struct {
	// Commit is empty for what is not committed.
	Commit string    `json:"commit,omitempty"`
	Date   time.Time `json:"date"`
	Author string    `json:"author,omitempty"`
}

func newCommitJSON(s history.Step) commitJSON {
	out := commitJSON{Date: timeOf(s)}
	if s.Commit != nil {
		out.Commit, out.Author = s.Commit.Hash, s.Commit.Author
	}
	return out
}

// warnShallow says that a history ends early.
func (h *historyRun) warnShallow(files []pastFile) {
	for _, f := range files {
		if f.Shallow {
			h.ui.warn(f.in.name + ": its history ends at a shallow boundary of this clone; git fetch --unshallow gets the rest")
		}
	}
}
