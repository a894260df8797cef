package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/sealedsecret"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/dotenv"
)

// asSecret is the value of --as that makes a Secret of Kubernetes. The others are
// names of formats.
const asSecret = "secret"

// dotenvPair is a variable. It may be a secret: it prints redacted.
type dotenvPair struct {
	key, value string
	// odd says in what programs that read dotenv files do not agree about it.
	odd string
}

func (p dotenvPair) String() string { return p.key + "=<value>" }

// GoString is String: %#v must not print a value either.
func (p dotenvPair) GoString() string { return p.String() }

// dotenvItem makes one file of a dotenv file.
func (r *importRun) dotenvItem(s *importSource) (*importItem, error) {
	as := r.c.String("as")
	if as == "" {
		return nil, usageError("what is to become of a dotenv file?", "--as secret --name NAME, --as yaml, --as json or --as dotenv")
	}
	doc, err := dotenv.Format{}.Parse(s.in.data)
	if err != nil {
		return nil, err
	}
	if doc.Meta != nil {
		return nil, cipher.ErrAlreadySealed
	}
	pairs, err := readDotenv(doc, r.c.Bool("verbatim"))
	if err != nil {
		return nil, err
	}
	if as == "dotenv" && r.c.String("output") == "" && s.in.path != "" {
		return nil, usageError("--as dotenv needs a name for the sealed file", "name it with -o, or seal in place: gitseal seal "+s.in.name)
	}
	it, err := r.newItem(s, r.dotenvTarget(s, as))
	if err != nil {
		return nil, err
	}
	if as == asSecret {
		err = it.checkManifestFormat(1)
	} else if it.job.in.formatName != as {
		err = usageError(quoted(it.target())+" is no name for a "+as+" file", "the name decides how everybody reads it; name another with -o")
	}
	it.warnings = dotenvWarnings(doc, pairs, as)
	for _, p := range pairs {
		it.values = append(it.values, p.key)
	}
	if as == asSecret {
		it.name, it.namespace = r.c.String("name"), r.c.String("namespace")
	}
	it.make = func(context.Context) ([]byte, error) { return it.fromDotenv(as, s.in.data, pairs) }
	return it, err
}

// dotenvTarget names the file beside a dotenv file that is made of it.
func (r *importRun) dotenvTarget(s *importSource, as string) string {
	if as == asSecret {
		return r.c.String("name") + ".yaml"
	}
	base := filepath.Base(s.in.rulePath)
	if stem := strings.TrimSuffix(base, ".env"); stem != "" {
		base = stem
	}
	return strings.TrimPrefix(base, ".") + "." + as
}

// dotenvWarnings are what of a dotenv file is not carried over, or could be meant
// in another way.
func dotenvWarnings(doc *formats.Document, pairs []dotenvPair, as string) []string {
	if as == "dotenv" {
		return nil
	}
	comments := 0
	for _, l := range doc.Leaves {
		if l.Kind == formats.Comment && strings.TrimSpace(l.Text) != "" {
			comments++
		}
	}
	var out []string
	if comments > 0 {
		out = append(out, counted(comments, "comment")+" not carried over")
	}
	for _, p := range pairs {
		if p.odd != "" {
			out = append(out, p.key+": "+p.odd)
		}
	}
	return out
}

// variableName is what programs that read dotenv files agree on.
var variableName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`) })

// readDotenv returns the variables of a dotenv file: with quotes, escapes and
// comments as most programs mean them, or verbatim as sops and docker read them.
// Errors name the line, and never a key that is none.
func readDotenv(doc *formats.Document, verbatim bool) ([]dotenvPair, error) {
	var out []dotenvPair
	seen := map[string]bool{}
	for i, l := range doc.Leaves {
		if l.Kind == formats.Comment {
			continue
		}
		p := dotenvPair{key: l.Path.Key, value: strings.TrimSuffix(l.Text, "\r")}
		msg := ""
		if !verbatim {
			p.key = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(p.key), "export "))
			p.value, p.odd, msg = dotenvValue(doc.Text(i))
		}
		switch {
		case !variableName().MatchString(p.key):
			msg = "not the name of a variable"
		case seen[p.key]:
			msg = "the variable stands twice"
		}
		if msg != "" {
			return nil, formats.ErrorAt(formats.ErrSyntax, doc.Source, l.Start, nil, msg)
		}
		seen[p.key] = true
		out = append(out, p)
	}
	return out, nil
}

// The remarks on values that programs read in different ways.
const (
	oddDollar = "holds a $, which some programs expand; it is taken as it is"
	oddHash   = "holds a #, behind which some programs see a comment; it is taken as it is"
)

// dotenvValue reads what stands behind the = of an assignment. msg says what is
// wrong with it.
func dotenvValue(raw string) (value, odd, msg string) {
	text := strings.TrimSpace(raw)
	if text != "" && (text[0] == '"' || text[0] == '\'') {
		return quotedValue(text)
	}
	if strings.HasPrefix(text, "#") && raw[0] != '#' {
		return "", "", ""
	}
	for i := 1; i < len(text); i++ {
		if text[i] == '#' && (text[i-1] == ' ' || text[i-1] == '\t') {
			text = strings.TrimSpace(text[:i])
			break
		}
	}
	switch {
	case strings.Contains(text, "$"):
		odd = oddDollar
	case strings.Contains(text, "#"):
		odd = oddHash
	}
	return text, odd, ""
}

// quotedValue reads a value that begins with a quote.
func quotedValue(text string) (value, odd, msg string) {
	quote := text[0]
	var b strings.Builder
	i := 1
	for ; i < len(text) && text[i] != quote; i++ {
		c := text[i]
		if quote == '\'' || c != '\\' || i+1 == len(text) {
			if c == '$' && quote == '"' {
				odd = oddDollar
			}
			b.WriteByte(c)
			continue
		}
		i++
		b.WriteString(unescaped(text[i]))
	}
	if i >= len(text) {
		return "", "", "a quote is not closed; --verbatim takes it as it is"
	}
	if rest := strings.TrimSpace(text[i+1:]); rest != "" && rest[0] != '#' {
		return "", "", "text behind a closing quote; --verbatim takes it as it is"
	}
	return strings.ReplaceAll(b.String(), "\r\n", "\n"), odd, ""
}

// unescaped returns what a backslash and c mean between double quotes.
func unescaped(c byte) string {
	switch c {
	case 'n':
		return "\n"
	case 'r':
		return "\r"
	case 't':
		return "\t"
	case '"', '\\', '$', '\'', '`':
		return string(c)
	}
	return `\` + string(c)
}

// fromDotenv returns the plain form of what is made of a dotenv file.
func (it *importItem) fromDotenv(as string, src []byte, pairs []dotenvPair) ([]byte, error) {
	switch as {
	case "dotenv":
		return src, nil
	case asSecret:
		return it.dotenvSecret(pairs)
	}
	for _, p := range pairs {
		if !utf8.ValidString(p.value) {
			return nil, failure(p.key+": not UTF-8, which "+as+" cannot hold", "convert the file, or seal it as it is: --as dotenv")
		}
	}
	if as == "yaml" {
		return sealedsecret.PlaintextMapYAML(len(pairs), func(i int) (string, string) { return pairs[i].key, pairs[i].value })
	}
	return dotenvJSON(pairs)
}

func (it *importItem) dotenvSecret(pairs []dotenvPair) ([]byte, error) {
	s := &sealedsecret.Secret{
		Name: it.name, Namespace: it.namespace, Type: "Opaque", Data: map[string][]byte{}, StringData: map[string]string{},
	}
	for _, p := range pairs {
		if !sealedsecret.ValidKey(p.key) {
			return nil, failure(p.key+": not a key that a Secret can have", "rename the variable")
		}
		s.Data[p.key] = []byte(p.value)
	}
	s.PreferText()
	return it.manifest([]*sealedsecret.Secret{s})
}

// dotenvJSON writes variables as one JSON object, in their order.
func dotenvJSON(pairs []dotenvPair) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("{")
	for i, p := range pairs {
		if i > 0 {
			b.WriteString(",")
		}
		for j, text := range []string{p.key, p.value} {
			var quoted bytes.Buffer
			e := json.NewEncoder(&quoted)
			e.SetEscapeHTML(false)
			if err := e.Encode(text); err != nil {
				return nil, fmt.Errorf("writing JSON: %w", err)
			}
			b.WriteString([]string{"\n  ", ": "}[j])
			b.Write(bytes.TrimSuffix(quoted.Bytes(), []byte("\n")))
		}
	}
	b.WriteString("\n}\n")
	return b.Bytes(), nil
}
