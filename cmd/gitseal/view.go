package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/redacted"
	"github.com/gitseal/gitseal/formats"
)

func viewCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "view",
		Usage:     "show a sealed file without its values; no key needed",
		UsageText: "gitseal view [FLAGS] FILE [KEY.PATH…]\n   gitseal view --path NAME - < sealed",
		Description: `The file as it is, with its comments and plain values, and with tokens such as
<sealed string 3fz7q2abcd> where sealed values stand. The ten letters name the ciphertext: they
change when the value is sealed anew. With key paths, only what is there, a line for each value.
What is printed can be edited and handed to gitseal edit --redacted --from.
Without a key nothing is verified; opening the file does that.

With --describe the file is opened, in memory only, and verified, and tokens tell what a value
looks like: its format (pem rsa-2048 private key; jwt, expires 2027-01-01; url, postgres, with a
password), whether it is long, and which values are equal. Never a host, a name, a length or a
part of one. Who can also set values can find out by that whether a guess is right.

` + pathHelp + `

Examples:
   gitseal view prod.yaml
   gitseal view --describe prod.yaml db
   gitseal view --json prod.yaml`,
		Flags: slices.Concat([]cli.Flag{
			&cli.BoolFlag{Name: "describe", Aliases: []string{"d"}, Usage: "open the file, and tell what values look like"},
			jsonFlag(), quietFlag(),
		}, keyFlags(), inputFlags()),
		Action: func(c *cli.Context) error {
			u.quiet = c.Bool("quiet")
			return runView(c, s, u)
		},
	}
}

// viewed is the JSON form of what view shows.
type viewed struct {
	File string `json:"file"`
	// Digest names the sealed file, for edit --redacted --if-unchanged.
	Digest       string    `json:"digest"`
	Format       string    `json:"format"`
	Readers      []string  `json:"readers"`
	LastModified time.Time `json:"last_modified"`
	// Proposals counts those that are open.
	Proposals int           `json:"proposals"`
	Text      string        `json:"text,omitempty"`
	Values    []viewedValue `json:"values"`
}

type viewedValue struct {
	Path  string       `json:"path"`
	State cipher.State `json:"state"`
	Kind  string       `json:"kind"`
	// Token stands for a sealed value.
	Token string `json:"token,omitempty"`
	Looks string `json:"looks,omitempty"`
	Same  int    `json:"same,omitempty"`
	// Value is that of a plain one.
	Value json.RawMessage `json:"value,omitempty"`
}

func runView(c *cli.Context, s std, u *ui) error {
	if c.NArg() == 0 {
		return usageError("name a file", "gitseal view FILE [KEY.PATH…]")
	}
	var paths []*formats.Path
	for _, arg := range c.Args().Tail() {
		path, err := parsePath(arg)
		if err != nil {
			return err
		}
		paths = append(paths, path)
	}
	in, err := loadSealed(c, s, c.Args().First())
	if err != nil {
		return err
	}
	v, err := newView(c, s, u, in)
	if err != nil {
		return err
	}
	shown, err := shownLeaves(in, v, paths)
	if err != nil {
		return &fileError{name: in.name, err: err}
	}
	warnOfExposed(u, in, v)
	if c.Bool("json") {
		return u.json(viewResult(in, v, shown, len(paths) > 0))
	}
	text := v.Text
	if len(paths) > 0 {
		text = listing(v, shown)
	}
	if isTerminal(s.out) {
		text = forTerminal(text, s.getenv("NO_COLOR") == "" && s.getenv("TERM") != "dumb")
	}
	if _, err := s.out.Write(text); err != nil {
		return fmt.Errorf("writing to standard output: %w", err)
	}
	u.note(in.name + ": " + summaryOf(v))
	return nil
}

// newView makes the view of a file, with descriptions if they are asked for.
func newView(c *cli.Context, s std, u *ui, in input) (*redacted.View, error) {
	var v *redacted.View
	var err error
	if c.Bool("describe") {
		ids, idsErr := newIdentities(c, s, u)
		if idsErr != nil {
			return nil, idsErr
		}
		o, openErr := openToRead(c.Context, c, u, ids, in)
		if openErr != nil {
			return nil, openErr
		}
		v, err = redacted.Describe(in.format, in.data, o.PlaintextBytes())
	} else {
		v, err = redacted.New(in.format, in.data)
	}
	if err != nil {
		return nil, &fileError{name: in.name, unsealing: true, err: err}
	}
	return v, nil
}

// shownLeaves returns the indexes of the values at or below the paths, in the order
// of the file; those of all values if there are no paths.
func shownLeaves(in input, v *redacted.View, paths []*formats.Path) ([]int, error) {
	wanted := make([]bool, len(v.Leaves))
	for _, path := range paths {
		path = in.pathIn(v.Document, path)
		found := false
		for i := range v.Leaves {
			if v.Document.Leaves[i].Kind != formats.Comment && isWithin(v.Leaves[i].Path, path) {
				wanted[i], found = true, true
			}
		}
		if !found {
			return nil, noSuchPath(in, v.Document, path)
		}
	}
	var out []int
	for i := range v.Leaves {
		if wanted[i] || len(paths) == 0 && v.Document.Leaves[i].Kind != formats.Comment {
			out = append(out, i)
		}
	}
	return out, nil
}

// warnOfExposed tells of values that the file's selector wants sealed and that are not.
func warnOfExposed(u *ui, in input, v *redacted.View) {
	n := 0
	for _, info := range v.Leaves {
		if info.State == cipher.StateExposed || info.State == cipher.StateMalformed {
			n++
		}
	}
	if n > 0 {
		u.warn(in.name + ": " + counted(n, "value") + " not sealed as the file's selector says; it will not open")
	}
}

// summaryOf says whom the file is sealed for.
func summaryOf(v *redacted.View) string {
	n := 0
	for _, info := range v.Leaves {
		if info.State == cipher.StateSealed && info.Kind != formats.Comment {
			n++
		}
	}
	text := fmt.Sprintf("%s sealed for %s; changed %s", counted(n, "value"), readersText(v.Metadata.Readers()), v.Metadata.LastModified.UTC().Format(time.RFC3339))
	if m := v.Metadata; m.Seal != nil && m.Seal.Context != "" {
		text += "; for " + m.Seal.Context
	}
	if list, _ := v.Metadata.Proposals(); len(list) > 0 {
		text += "; " + counted(len(list), "open proposal")
	}
	return text
}

func viewResult(in input, v *redacted.View, shown []int, some bool) viewed {
	list, _ := v.Metadata.Proposals()
	out := viewed{
		File: in.name, Digest: digestOf(in.file()), Format: in.formatName, Readers: v.Metadata.Readers(), LastModified: v.Metadata.LastModified,
		Proposals: len(list), Values: []viewedValue{},
	}
	if !some {
		out.Text = string(v.Text)
	}
	for _, i := range shown {
		info := v.Leaves[i]
		value := viewedValue{Path: info.Path.Text(), State: info.State, Kind: info.Kind.String()}
		if info.State == cipher.StateSealed {
			value.Token = v.Token(i)
			if v.Descriptions != nil {
				value.Looks, value.Same = v.Descriptions[i].Looks, v.Descriptions[i].Same
			}
		} else {
			value.Value = plainJSON(v.Document, i)
		}
		out.Values = append(out.Values, value)
	}
	return out
}

// plainJSON returns a plain value as JSON, nil if JSON cannot hold it.
func plainJSON(doc *formats.Document, i int) json.RawMessage {
	node, ok := doc.Node(doc.Leaves[i].Path)
	if !ok {
		return nil
	}
	text, err := node.JSON()
	if err != nil {
		return nil
	}
	return text
}

// listing shows values by their paths, a line each.
func listing(v *redacted.View, shown []int) []byte {
	var b bytes.Buffer
	for _, i := range shown {
		text := v.Token(i)
		if v.Leaves[i].State != cipher.StateSealed {
			text = string(plainJSON(v.Document, i))
		}
		fmt.Fprintf(&b, "%s: %s\n", v.Leaves[i].Path.Text(), text)
	}
	return b.Bytes()
}

// forTerminal takes what could steer a terminal out of a text, and gives tokens a
// colour.
func forTerminal(text []byte, colored bool) []byte {
	out := strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
			if r == '\r' {
				return -1
			}
			return '?'
		}
		return r
	}, string(text))
	if colored {
		const yellow = "\x1b[33m$0\x1b[0m"
		out = regexp.MustCompile(`<sealed [^<>\n]*>`).ReplaceAllString(out, yellow)
	}
	return []byte(out)
}
