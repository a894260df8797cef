package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/manifest"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
	"github.com/gitseal/gitseal/keysources"
)

// positional returns what can stand as the next argument that is no flag.
func (c *completer) positional() []candidate {
	n := len(c.args)
	switch c.path {
	case "seal":
		return c.files(c.cur, wantPlain)
	case "import":
		return c.files(c.cur, wantAny)
	case "get", "set", "log":
		if n == 1 {
			return c.keyPaths(c.args, c.cur)
		}
		if n > 1 {
			return nil
		}
	case "unset", "view":
		if n > 0 {
			return c.keyPaths(c.args[:1], c.cur)
		}
	case "exec":
		if c.ended {
			return c.program()
		}
	case "completion":
		if n == 0 {
			return plainCandidates("bash", "zsh", "fish", "powershell")
		}
		return nil
	case "init", "keyservice", "lsp", "git install", "git check", "git uninstall", "k8s status", "k8s recipients":
		return nil
	}
	return c.files(c.cur, wantSealed)
}

// program completes what exec is to run, and the names of files in its arguments.
func (c *completer) program() []candidate {
	if strings.Contains(c.cur, "/") || c.words[len(c.words)-1] != "--" {
		return c.files(c.cur, wantAny)
	}
	if c.cur == "" {
		return nil
	}
	var out []candidate
	seen := map[string]bool{}
	for _, dir := range filepath.SplitList(c.std.getenv("PATH")) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), c.cur) && !e.IsDir() && !seen[e.Name()] {
				seen[e.Name()] = true
				out = append(out, candidate{text: e.Name()})
			}
		}
	}
	return out
}

// placeholder finds what a flag's usage calls its value.
var placeholder = regexp.MustCompile("`([^`]+)`")

// values returns what can stand as the value of a flag, of which cur is typed.
func (c *completer) values(f cli.Flag, cur string) []candidate {
	d, ok := f.(cli.DocGenerationFlag)
	if !ok || !d.TakesValue() {
		return nil
	}
	name := f.Names()[0]
	if i := slices.IndexFunc(readerFlagList(), func(r readerFlag) bool { return r.name == name }); i >= 0 {
		return inList(cur, func(string) []candidate { return c.recipients(readerFlagList()[i].typ) })
	}
	switch c.path + " --" + name {
	case "exec --only":
		return inList(cur, func(cur string) []candidate { return c.keyPaths(c.args, cur) })
	case "exec --file":
		return c.keyPaths(c.args, cur)
	case "exec --mask":
		return plainCandidates("auto", "always", "never")
	case "import --from":
		return plainCandidates(fromSealedSecret, fromSops, fromDotenv)
	case "import --as":
		return plainCandidates(asSecret, "yaml", "json", "dotenv")
	case "set --type":
		return plainCandidates(valueTypes()...)
	case "set --generate":
		return generatorCandidates()
	case "accept --key", "accept --id":
		return c.proposals(name)
	}
	switch name {
	case "scope":
		return plainCandidates(string(manifest.Strict), string(manifest.Namespace), string(manifest.Keyring))
	case "reader":
		return append(c.namedReaders(), c.recipients("")...)
	case "group":
		return c.groups()
	case "allow":
		return allowCandidates()
	case "keyservice":
		return []candidate{{text: "unix://", more: true}, {text: "tcp://", more: true}}
	}
	return c.placeholderValues(d.GetUsage(), cur)
}

// placeholderValues goes by what a flag's usage calls its value.
func (c *completer) placeholderValues(usage, cur string) []candidate {
	what := ""
	if m := placeholder.FindStringSubmatch(usage); m != nil {
		what = m[1]
	}
	switch what {
	case "FILE", "PATH", "FOLDER":
		return c.files(cur, wantAny)
	case "FORMAT":
		return plainCandidates(all.Names()...)
	case "KEY.PATH":
		return c.keyPaths(c.args, cur)
	}
	return nil
}

// inList completes the last item of a list that is separated by commas.
func inList(cur string, items func(cur string) []candidate) []candidate {
	at := strings.LastIndexByte(cur, ',') + 1
	out := items(cur[at:])
	for i := range out {
		out[i].text = cur[:at] + out[i].text
	}
	return out
}

func generatorCandidates() []candidate {
	var out []candidate
	for _, g := range generators() {
		out = append(out, candidate{text: g.kind, about: g.what})
	}
	return out
}

func allowCandidates() []candidate {
	var out []candidate
	for _, kind := range []string{
		keysources.UseVault, keysources.UseAzure, keysources.UseKMSRole, keysources.UseKMSProfile, keysources.UseKMSRegion, keysources.UseAgePlugin,
	} {
		out = append(out, candidate{text: kind + "=", more: true})
	}
	return out
}

// groups are the numbers of the key groups of the files that were named.
func (c *completer) groups() []candidate {
	var out []candidate
	for _, f := range c.sealedArgs() {
		for i := len(out); i < len(f.meta.Groups); i++ {
			about := ""
			for _, s := range f.meta.Groups[i] {
				about += shortReader(s.Reader()) + " "
			}
			out = append(out, candidate{text: strconv.Itoa(i + 1), about: strings.TrimSpace(about)})
		}
	}
	return out
}

// proposals are the places, or the numbers, of the proposals in the files that were
// named.
func (c *completer) proposals(flag string) []candidate {
	var out []candidate
	for _, f := range c.sealedArgs() {
		list, _ := f.meta.Proposals()
		for _, p := range list {
			cand := candidate{text: p.Path.Text(), about: "proposed by " + p.By}
			if flag == "id" {
				cand = candidate{text: p.ID(), about: p.Path.String()}
			}
			out = append(out, cand)
		}
	}
	return out
}

// argument is a file that the command line names.
type argument struct {
	in  input
	doc *formats.Document
	// meta is nil if the file is not sealed.
	meta *cipher.Metadata
}

// maxCompleted is the size up to which a file is parsed to complete a word.
const maxCompleted = 512 << 10

// argument reads a file, as far as that is quick.
func (c *completer) argument(name string) (argument, bool) {
	a := argument{in: input{name: name, rulePath: name}}
	path := c.expand(name)
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxCompleted {
		return a, false
	}
	if a.in.rulePath, err = filepath.Abs(path); err != nil {
		return a, false
	}
	if a.in.data, err = readFile(path); err != nil {
		return a, false
	}
	format := ""
	if given := c.flags["format"]; len(given) > 0 {
		format = given[len(given)-1]
	}
	if err := a.in.settleFormat(format, c.book()); err != nil {
		return a, false
	}
	a.in = a.in.inner()
	if a.doc, err = a.in.format.Parse(a.in.data); err != nil {
		return a, false
	}
	a.meta, err = cipher.ParseMetadata(a.doc)
	return a, err == nil || isNotSealed(err)
}

// sealedArgs reads those of the arguments that are sealed files.
func (c *completer) sealedArgs() []argument {
	var out []argument
	for _, name := range c.args {
		if a, ok := c.argument(name); ok && a.meta != nil {
			out = append(out, a)
		}
	}
	return out
}

// book finds rules as the command will.
func (c *completer) book() *ruleBook {
	config := c.std.getenv("SOPS_CONFIG")
	if given := c.flags["config"]; len(given) > 0 {
		config = c.expand(given[len(given)-1])
	}
	book, err := newRuleBook(config)
	if err != nil {
		book, _ = newRuleBook("")
	}
	return book
}

// expand follows the shell's notation for the home folder.
func (c *completer) expand(name string) string {
	if rest, ok := strings.CutPrefix(name, "~/"); ok && c.std.getenv("HOME") != "" {
		return filepath.Join(c.std.getenv("HOME"), rest)
	}
	return name
}
