package yaml_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/formats/formatstest"
	"github.com/gitseal/gitseal/formats/yaml"
)

// generator writes random files: what mutation of bytes seldom finds are odd
// combinations of structure, comments, anchors and styles.
type generator struct {
	*rand.Rand
	b       strings.Builder
	anchors []string
	keys    int
}

func generate(seed uint64) string {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 7))}
	for n := range 1 + g.IntN(5)/3 {
		g.anchors = nil
		if n > 0 || g.IntN(6) == 0 {
			g.b.WriteString("---" + g.pick("", "", " # doc", " &root") + "\n")
		}
		g.comments(0)
		if g.IntN(8) == 0 {
			g.b.WriteString(g.flowMap(0) + "\n")
		} else {
			g.blockMap(g.IntN(8)/7*2, 0)
		}
		g.comments(g.IntN(3))
		if g.IntN(8) == 0 {
			g.b.WriteString("...\n")
		}
	}
	s := g.b.String()
	if g.IntN(5) == 0 {
		s = strings.TrimRight(s, "\n")
	}
	if g.IntN(8) == 0 {
		s = strings.ReplaceAll(s, "\n", "\r\n")
	}
	return s
}

func (g *generator) pick(of ...string) string { return of[g.IntN(len(of))] }

func (g *generator) comments(indent int) {
	for range g.IntN(9) / 6 * g.IntN(4) {
		g.b.WriteString(g.pick("\n", g.pad(indent)+"# note\n", g.pad(indent)+"#x: y\n", g.pad(indent+g.IntN(4))+"# deep\n", g.pad(max(indent-2, 0))+"# out\n"))
	}
}

func (g *generator) pad(n int) string { return strings.Repeat(" ", n) }

func (g *generator) key() string {
	g.keys++
	k := "k" + strconv.Itoa(g.keys)
	return g.pick(k, k, k, k, `"`+k+`"`, "'"+k+"'", "? "+k+"\n", "!!str "+k)
}

func (g *generator) blockMap(indent, depth int) {
	for n := range 1 + g.IntN(4) {
		if n > 0 {
			g.comments(indent)
			g.b.WriteString(g.pad(indent))
		} else if depth == 0 {
			g.b.WriteString(g.pad(indent))
		}
		k := g.key()
		if strings.HasPrefix(k, "? ") {
			k += g.pad(indent)
		}
		g.b.WriteString(k + ":")
		g.value(indent, depth+1, true)
	}
}

// value writes a value behind a colon or dash, up to the end of its last line.
func (g *generator) value(indent, depth int, inMap bool) {
	switch n := g.IntN(12); {
	case n < 3 && depth < 5:
		g.b.WriteString(g.anchor() + g.pick("", "", " # line") + "\n")
		inner := indent + 1 + g.IntN(4)
		g.comments(inner)
		g.b.WriteString(g.pad(inner))
		g.blockMap(inner, depth)
	case n < 5 && depth < 5:
		g.b.WriteString(g.anchor() + g.pick("", "", " # line") + "\n")
		inner := indent + g.IntN(4)
		if !inMap {
			inner++
		}
		g.blockList(inner, depth)
	case n == 5 && !inMap && depth < 5:
		g.b.WriteString(" ")
		g.blockMap(indent+2, depth)
	default:
		g.b.WriteString(g.anchor() + g.scalar(indent, depth) + "\n")
	}
}

func (g *generator) anchor() string {
	if g.IntN(6) > 0 {
		return ""
	}
	name := "a" + strconv.Itoa(g.IntN(9))
	// Known only to what follows its node, which is near enough.
	defer func() { g.anchors = append(g.anchors, name) }()
	return " &" + name
}

func (g *generator) blockList(indent, depth int) {
	for n := range 1 + g.IntN(3) {
		if n > 0 {
			g.comments(indent)
		}
		g.b.WriteString(g.pad(indent) + "-")
		g.value(indent, depth+1, false)
	}
}

func (g *generator) scalar(indent, depth int) string {
	in := "\n" + g.pad(indent+1+g.IntN(3))
	line := g.pick("", "", "", " # line", "  #x")
	switch g.IntN(9) {
	case 0:
		return " " + g.pick("|", ">", "|-", ">-", "|+", ">+") + line + in + "text" + in + g.pick("more", " more", "\tmore") + g.pick("", "\n", "\n\n")
	case 1:
		return " " + g.flowMap(depth) + line
	case 2:
		return " " + g.flowList(depth) + line
	case 3:
		if len(g.anchors) > 0 {
			return " *" + g.pick(g.anchors...) + line
		}
		return g.pick("", " ~", " {}", " []") + line
	case 4:
		return " one" + in + "two" + g.pick("", "\n"+in[1:]+"three") + line
	case 5:
		return ` "a` + in + g.pick(`b"`, `\tb\`+in+`c"`) + line
	}
	return " " + g.atom() + line
}

func (g *generator) atom() string {
	return g.pick("x", "5", "1.5", "true", "2020-01-02", "'q'", `"d\n"`, "''", "!!str 5", "!!int \"7\"", "!c d", "0x1F", "a b", "null", "a#b", "http://x:80/", "-x", "é", `"\u00e9"`)
}

func (g *generator) flowMap(depth int) string {
	var parts []string
	for range g.IntN(4) {
		g.keys++
		parts = append(parts, g.pick("k", `"k`)+strconv.Itoa(g.keys))
		last := &parts[len(parts)-1]
		if strings.HasPrefix(*last, `"`) {
			*last += `"`
		}
		*last += ": " + g.flowValue(depth+1)
	}
	return g.flow("{", "}", parts)
}

func (g *generator) flowList(depth int) string {
	var parts []string
	for range g.IntN(4) {
		parts = append(parts, g.flowValue(depth+1))
	}
	return g.flow("[", "]", parts)
}

func (g *generator) flow(open, end string, parts []string) string {
	sep := g.pick(", ", ", ", ",\n      ", ", # c\n      ", "\n      , ")
	tail := ""
	if len(parts) > 0 {
		tail = g.pick("", "", ",", "\n      ", " # d\n      ")
	}
	return open + g.pick("", " ", "\n      ") + strings.Join(parts, sep) + tail + end
}

func (g *generator) flowValue(depth int) string {
	switch n := g.IntN(10); {
	case n == 0 && depth < 6:
		return g.flowMap(depth)
	case n == 1 && depth < 6:
		return g.flowList(depth)
	case n == 2 && len(g.anchors) > 0:
		return "*" + g.pick(g.anchors...) + " "
	}
	return g.anchor() + " " + g.atom()
}

// generatedFiles is how many files a normal run checks; GITSEAL_GENERATE sets
// another number.
const generatedFiles = 1500

func TestGeneratedFiles(t *testing.T) {
	n := generatedFiles
	if s := os.Getenv("GITSEAL_GENERATE"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	accepted, sealed, failures := 0, 0, 0
	for seed := range n {
		src := generate(uint64(seed))
		ok, err := checkGenerated(src)
		if ok {
			accepted++
		}
		var refused *formatstest.Refused
		switch {
		case err == nil:
			sealed++
		case errors.As(err, &refused):
			t.Logf("seed %d: %v", seed, err)
		default:
			t.Errorf("seed %d: %v\n%s", seed, err, src)
			if failures++; failures > 3 {
				t.FailNow()
			}
		}
	}
	t.Logf("%d files, %d accepted, %d sealed", n, accepted, sealed)
	if sealed < n/3 {
		t.Errorf("only %d of %d files could be sealed: the generator is no good", sealed, n)
	}
}

// checkGenerated checks one file; accepted says whether it could be parsed.
func checkGenerated(src string) (accepted bool, err error) {
	want, oracleErr := oracle([]byte(src))
	d, err := yaml.Format{}.Parse([]byte(src))
	switch {
	case err != nil && oracleErr == nil:
		return false, fmt.Errorf("refused: %w, but yaml.v3 accepts it", err)
	case err != nil:
		return false, nil
	case oracleErr != nil:
		return true, fmt.Errorf("accepted, but yaml.v3 says %w", oracleErr)
	}
	if diff := cmp.Diff(want, valuesOf(d)); diff != "" {
		return true, fmt.Errorf("values (-want +got):\n%s", diff)
	}
	return true, formatstest.Suite{Format: yaml.Format{}}.Check([]byte(src))
}
