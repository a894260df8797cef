package main

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/atomicfile"
	"github.com/gitseal/gitseal/cmd/internal/manifest"
	"github.com/gitseal/gitseal/cmd/internal/readers"
	"github.com/gitseal/gitseal/cmd/internal/redacted"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
	"github.com/gitseal/gitseal/formats/merge"
)

// runTextconv prints a file as git is to show it. git runs it for every version of a
// file, in a temporary folder of which only the base name tells anything, and breaks
// off its own work if it fails: whatever can be read is printed.
func runTextconv(c *cli.Context, s std) error {
	args := withoutSeparator(c.Args().Slice())
	if len(args) != 1 {
		return usageError("--textconv prints one file", "gitseal diff --textconv FILE")
	}
	data, err := readShown(args[0])
	if err != nil {
		return &fileError{name: args[0], err: plainPathError(err)}
	}
	if _, err := s.out.Write(textconv(args[0], c.String("format"), data)); err != nil {
		return fmt.Errorf("writing to standard output: %w", err)
	}
	return nil
}

// readShown reads a file that git hands over: a regular one, or the empty device in
// place of a side that is not there. To read a pipe could take forever, and git would
// wait.
func readShown(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		if empty, err := os.Stat(os.DevNull); err == nil && os.SameFile(info, empty) {
			return nil, nil
		}
		return nil, atomicfile.ErrNotRegular
	}
	return os.ReadFile(name)
}

// textconv returns a sealed file without its values, and anything else as it is.
func textconv(name, format string, data []byte) []byte {
	if !looksSealed(data) && !bytes.Contains(data, []byte(cipher.SealedPrefix)) || len(data) > formats.MaxSealed {
		return data
	}
	if text, ok := redactFile(name, format, data); ok {
		return text
	}
	if ours, theirs, ok := merge.Split(data); ok {
		ours, readA := redactFile(name, format, ours)
		theirs, readB := redactFile(name, format, theirs)
		if readA && readB {
			return merge.Mark(ours, theirs, merge.Labels{Ours: "ours", Theirs: "theirs"}, merge.MarkerSize)
		}
	}
	return redactLines(data)
}

// redactFile returns a sealed file without its values, and with a summary of its
// metadata block in the place of that; ok is false if it cannot be read as one.
func redactFile(name, format string, data []byte) (text []byte, ok bool) {
	for _, f := range formatsToTry(name, format) {
		inner, held := manifest.Inside(f, data)
		view, err := redacted.New(inner, held)
		if err != nil {
			continue
		}
		out := bytes.Clone(view.Text)
		if around, err := manifest.WithText(f, data, out); err == nil {
			out = bytes.Clone(around)
		}
		if len(out) > 0 && out[len(out)-1] != '\n' {
			out = append(out, '\n')
		}
		return append(out, summary(view)...), true
	}
	return nil, false
}

// formatsToTry returns the format that a file's name or the user says, and then all
// others: a rule may have given the file a format that its name does not tell.
func formatsToTry(name, format string) []formats.Format {
	if f, ok := all.ByName(format); ok {
		return []formats.Format{f}
	}
	first := all.NameForFile(name)
	var out []formats.Format
	for _, n := range append([]string{first}, "json", "yaml", "dotenv", "ini", "binary") {
		if f, ok := all.ByName(n); ok && (len(out) == 0 || n != first) {
			out = append(out, f)
		}
	}
	return out
}

var sealedText = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`ENC\[AES256_GCM,data:[^],\n]*,iv:[^],\n]*,tag:[^],\n]*,type:([a-z]+)\]`)
})

// redactLines puts tokens in place of sealed values in a text that cannot be read as
// a sealed file, such as one with the marks of a conflict.
func redactLines(data []byte) []byte {
	return sealedText().ReplaceAllFunc(data, func(m []byte) []byte {
		kind := string(sealedText().FindSubmatch(m)[1])
		if kind == "str" {
			kind = formats.String.String()
		}
		return []byte("<sealed " + kind + " " + redacted.Tag(string(m)) + ">")
	})
}

// summary tells what the metadata block says to people, without what changes with
// every sealing.
func summary(v *redacted.View) string {
	var b strings.Builder
	line := func(format string, args ...any) {
		fmt.Fprintf(&b, "# gitseal: "+"%s\n", oneLine(fmt.Sprintf(format, args...)))
	}
	m := v.Metadata
	for i, group := range m.Groups {
		where := ""
		if len(m.Groups) > 1 {
			where = fmt.Sprintf(" (key group %d)", i+1)
		}
		for _, s := range group {
			line("reader%s: %s", where, (&whoReader{key: readers.Canonical(s)}).text())
		}
	}
	if n := len(m.Groups); n > 1 {
		line("%d of %d key groups are needed", neededOf(m), n)
	}
	line("selector: %s", m.Selector)
	if m.MACOnlyEncrypted {
		line("plain values may be changed (mac_only_encrypted)")
	}
	if m.Seal == nil {
		line("only sops's MAC protects this file: it has no sops.seal entry")
	} else if m.Seal.Context != "" {
		line("context: %s", m.Seal.Context)
	}
	if m.Merged() != nil {
		line("half-merged: needs gitseal reseal")
	}
	list, _ := m.Proposals()
	for _, p := range list {
		line("proposal %s for %s by %s, %s", p.ID(), p.Path, byText(p.By), p.At.UTC().Format(time.RFC3339))
	}
	return b.String()
}
