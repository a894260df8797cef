package dotenv_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/dotenv"
	"github.com/gitseal/gitseal/formats/formatstest"
	"github.com/google/go-cmp/cmp"
)

// oracle is sops's rule: lines end at line feeds, empty ones are skipped, # in
// the first column begins a comment, else the key ends at the first =.
func oracle(src string) (leaves []string, ok bool) {
	for _, line := range strings.Split(src, "\n") {
		key, value, found := strings.Cut(line, "=")
		switch {
		case line == "":
		case line[0] == '#':
			leaves = append(leaves, "comment:"+line[1:])
		case !found:
			return nil, false
		default:
			leaves = append(leaves, key+"="+strings.ReplaceAll(value, `\n`, "\n"))
		}
	}
	return leaves, true
}

func describe(d *formats.Document) (leaves []string) {
	for _, l := range d.Leaves {
		if l.Kind == formats.Comment {
			leaves = append(leaves, "comment:"+l.Text)
			continue
		}
		leaves = append(leaves, l.Path.Key+"="+l.Text)
	}
	return leaves
}

// alike are files that sops reads, and reads as we do; others are beyond it.
var alike = []formatstest.Sample{
	{Name: "nothing", Source: ""},
	{Name: "blank lines", Source: "\n\n"},
	{Name: "one", Source: "A=b\n"},
	{Name: "no final line feed", Source: "A=b\nC=d"},
	{Name: "blank lines between", Source: "\nA=b\n\n\nC=d\n\n"},
	{Name: "comments", Source: "#\n# first\nA=b\n#B=c\n#!x"},
	{Name: "quotes stay", Source: "A=\"b c\"\nD='e \"f'\nG=\"h\\\"i\"\n"},
	{Name: "escapes", Source: "A=b\\nc\nD=\"e\\\\nf\\t\"\n"},
	{Name: "spaces stay", Source: "A = b \n  C=\td\n"},
	{Name: "export", Source: "export A=b\nexport\tC=d\n"},
	{Name: "inline comment is value", Source: "A=b # c\n"},
	{Name: "equal signs", Source: "A=b=c==\nD==\n"},
	{Name: "empty values", Source: "A=\nB=\nC="},
	{Name: "CRLF", Source: "A=b\r\n# c\r\nD=\r\n"},
	{Name: "indented comment with =", Source: "  # A=b\n"},
	{Name: "YAML-like", Source: "A: b=c\n"},
	{Name: "empty key", Source: "=b\n"},
	{Name: "quote that never closes", Source: "A=\"b\nC=d\nE='f\n"},
	{Name: "quote that closes amid text", Source: "A='tis\nB='tis too\n"},
	{Name: "apostrophe", Source: "A=it's\nB=x'\n"},
	{Name: "not UTF-8", Source: "A=\xff\x00\n\xfe=b\n"},
	{Name: "upper case prefix is a key", Source: "SOPS_X=b\nsops=c\n"},
}

var others = []formatstest.Sample{
	{Name: "byte order mark", Source: "\ufeffA=b\n"},
	{Name: "byte order mark alone", Source: "\ufeff"},
	{Name: "byte order mark, no line feed", Source: "\ufeff#x"},
	{Name: "several lines in double quotes", Source: "A=\"b\nc = \\\" d\\n\n\ne\"\nF=g\n"},
	{Name: "several lines in single quotes", Source: "A='b\n#c\\\n'\nF=g"},
	{Name: "several lines, comment behind", Source: "A= \"b\nc\" # d\nF=g"},
	{Name: "several lines with CRLF", Source: "A=\"b\r\nc\"\r\nF=g\r\n"},
	{Name: "private key", Source: "KEY=\"-----BEGIN KEY-----\nMIIE+/==\nabc=\n-----END KEY-----\"\n"},
	{Name: "indented comment", Source: "A=b\n  # c\n\t#\n"},
	{Name: "blank lines with CRLF", Source: "A=b\r\n\r\nC=d\r\n"},
	{Name: "lines of white space", Source: " \n\t \nA=b\n  "},
	{Name: "sealed by sops", Source: "A=ENC[AES256_GCM,data:eA==,iv:eA==,tag:eA==,type:str]\nsops_age__list_0__map_enc=a\\nb\nsops_mac=x\nsops_version=3.8.1\n"},
	{Name: "metadata amid values", Source: "sops_mac=x\nA=\"b\nsops_version=3\n#c"},
}

func TestLaws(t *testing.T) {
	formatstest.Run(t, dotenv.Format{}, alike)
	formatstest.Run(t, dotenv.Format{}, others)
}

func TestReadsAsSopsDoes(t *testing.T) {
	for _, s := range alike {
		t.Run(s.Name, func(t *testing.T) {
			d, err := dotenv.Format{}.Parse([]byte(s.Source))
			if err != nil {
				t.Fatal(err)
			}
			want, ok := oracle(s.Source)
			if diff := cmp.Diff(want, describe(d)); diff != "" || !ok {
				t.Errorf("readable %v, leaves (-want +got):\n%s", ok, diff)
			}
		})
	}
}

func TestReadsBeyondSops(t *testing.T) {
	tests := []struct {
		name, src string
		want      []string
	}{
		{"several lines are one value", "A=\"b\nC=d\\ne\"\nF=g", []string{"A=\"b\nC=d\ne\"", "F=g"}},
		{"escaped quotes do not close", "A=\"b\\\"\nc\"\nF=g", []string{"A=\"b\\\"\nc\"", "F=g"}},
		{"single quotes have no escapes", "A='b\nc\\'\nF=g", []string{"A='b\nc\\'", "F=g"}},
		{"inline comment belongs to the value", "A='b\nc' # d\nF=g", []string{"A='b\nc' # d", "F=g"}},
		{"indented comment", "  # c\nF=g", []string{"comment:  # c", "F=g"}},
		{"blank line in CRLF", "F=g\r\n\r\n", []string{"F=g\r", "comment:\r"}},
		{"mark is skipped", "\ufeffA=b", []string{"A=b"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, err := dotenv.Format{}.Parse([]byte(tt.src))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, describe(d)); diff != "" {
				t.Errorf("leaves (-want +got):\n%s", diff)
			}
		})
	}
}

// checkAgainstOracle checks what sops sees in a file that we sealed.
func TestSealedFileIsReadableBySops(t *testing.T) {
	for _, s := range append(alike, others...) {
		t.Run(s.Name, func(t *testing.T) {
			f := dotenv.Format{}
			d, err := f.Parse([]byte(s.Source))
			if err != nil {
				t.Fatal(err)
			}
			e := formats.Edit{Meta: formats.MetaEdit{Set: &formats.Meta{Items: []formats.Meta{{Key: "mac", Kind: formats.MetaString, Text: "a\nb"}}}}}
			var want []string
			for i, l := range d.Leaves {
				text := "ENC[" + string(rune('a'+i)) + "]"
				name := "comment:"
				if l.Kind != formats.Comment {
					name = l.Path.Key + "="
				}
				if l.Text == "" {
					want = append(want, name)
					continue
				}
				e.Values = append(e.Values, formats.Value{Leaf: i, Scalar: formats.Scalar{Kind: formats.Sealed, Text: text}})
				want = append(want, name+text)
			}
			out, err := f.Rewrite(d, e)
			if err != nil {
				t.Fatal(err)
			}
			got, ok := oracle(string(out))
			sortless := func(leaves []string) (kept []string) {
				for _, l := range leaves {
					if !strings.HasPrefix(l, "sops_") {
						kept = append(kept, l)
					}
				}
				return kept
			}
			if diff := cmp.Diff(want, sortless(got)); diff != "" || !ok || !strings.Contains(strings.Join(got, "\x00"), "sops_mac=a\nb") {
				t.Errorf("readable %v, %q: (-want +got):\n%s", ok, out, diff)
			}
		})
	}
}

func TestRefuses(t *testing.T) {
	tests := []struct {
		name, src string
		want      error
		line      int
	}{
		{"neither", "A=b\nsecret\n", formats.ErrSyntax, 2},
		{"export alone", "export secret", formats.ErrSyntax, 1},
		{"rest of a value", "A=\"b\" \"\nsecret\"", formats.ErrSyntax, 2},
		{"key twice", "secret=b\nC=d\nsecret=e", formats.ErrDuplicate, 3},
		{"metadata twice", "sops_mac=secret\nsops_mac=b", formats.ErrDuplicate, 2},
		{"list with a gap", "sops_age__list_1__map_enc=secret\nsops_mac=x", formats.ErrMetadata, 0},
		{"value and map", "sops_a=secret\nsops_a__map_b=c", formats.ErrMetadata, 0},
		{"value too long", "A=" + strings.Repeat("x", formats.MaxValue+1), formats.ErrLimit, 1},
		{"too many", strings.Repeat("#\n", formats.MaxLeaves+1), formats.ErrLimit, formats.MaxLeaves + 1},
		{"sealed, its line ends changed", "A=secret\r\nsops_mac=x\r\nsops_version=y\r\n", formats.ErrLineEnds, 2},
		{"several lines in a sealed file", "A=\"b\nsecret\"\nsops_mac=x", formats.ErrSyntax, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := dotenv.Format{}.Parse([]byte(tt.src))
			var e *formats.Error
			if !errors.As(err, &e) || !errors.Is(err, tt.want) || e.Line != tt.line {
				t.Fatalf("got %v, want %v in line %d", err, tt.want, tt.line)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error shows the input: %v", err)
			}
		})
	}
}

func TestRewriteRefusesWhatWouldReadAsSomethingElse(t *testing.T) {
	scalar := func(k formats.Kind, text string) formats.Scalar { return formats.Scalar{Kind: k, Text: text} }
	tests := []struct {
		name, src string
		edit      formats.Edit
	}{
		{"comment with a line feed", "#c\nA=b", formats.Edit{Values: []formats.Value{{Leaf: 0, Scalar: scalar(formats.Comment, "x\nB=secret")}}}},
		{"quote that swallows the next line", "A=b\nC=d\"", formats.Edit{Values: []formats.Value{{Leaf: 0, Scalar: scalar(formats.String, `"secret`)}}}},
		{"comment for a value", "A=b", formats.Edit{Values: []formats.Value{{Leaf: 0, Scalar: scalar(formats.Comment, "secret")}}}},
		{"value for a comment", "#b", formats.Edit{Values: []formats.Value{{Leaf: 0, Scalar: scalar(formats.String, "secret")}}}},
		{"map", "A=b", formats.Edit{Values: []formats.Value{{Leaf: 0, Scalar: scalar(formats.EmptyMap, "")}}}},
		{"block beside a plain value of several lines", "A=\"b\nsecret\"", formats.Edit{Meta: formats.MetaEdit{Set: &formats.Meta{}}}},
		{"block beside an indented comment", " #secret", formats.Edit{Meta: formats.MetaEdit{Set: &formats.Meta{}}}},
		{"block with a key like a path", "A=b", formats.Edit{Meta: formats.MetaEdit{Set: &formats.Meta{Items: []formats.Meta{{Key: "a__map_b", Kind: formats.MetaString}}}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, err := dotenv.Format{}.Parse([]byte(tt.src))
			if err != nil {
				t.Fatal(err)
			}
			_, err = dotenv.Format{}.Rewrite(d, tt.edit)
			var e *formats.Error
			if !errors.As(err, &e) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v, want a *formats.Error", err)
			}
		})
	}
}

func TestQuotesAreMatchedInLinearTime(t *testing.T) {
	for _, unit := range []string{"A%=\"x\n", "A%='x\n", "A%=\"\\\n", "A%='\\\"x\n"} {
		var b strings.Builder
		for i := range 100_000 {
			b.WriteString(strings.Replace(unit, "%", strings.Repeat("k", i%7)+string(rune('a'+i%26))+time.Duration(i).String(), 1))
		}
		start := time.Now()
		if _, err := (dotenv.Format{}).Parse([]byte(b.String())); err != nil && !errors.Is(err, formats.ErrSyntax) {
			t.Errorf("%q: %v", unit, err)
		}
		// A quadratic reader takes minutes.
		if d := time.Since(start); d > 10*time.Second {
			t.Errorf("%q: took %v", unit, d)
		}
	}
}

func FuzzLaws(f *testing.F) {
	var seeds []string
	for _, s := range append(alike, others...) {
		seeds = append(seeds, s.Source)
	}
	formatstest.Fuzz(f, dotenv.Format{}, seeds)
}

// FuzzParse compares with sops's rule on files without quotes: those may be read
// as values over several lines.
func FuzzParse(f *testing.F) {
	for _, s := range alike {
		f.Add(s.Source)
	}
	f.Fuzz(func(t *testing.T, src string) {
		d, err := dotenv.Format{}.Parse([]byte(src))
		want, ok := oracle(src)
		if !ok || strings.ContainsAny(src, `"'`) || strings.Contains(src, "sops_") || strings.HasPrefix(src, "\ufeff") {
			return
		}
		if err != nil {
			if !errors.Is(err, formats.ErrDuplicate) {
				t.Fatalf("refused what sops reads: %v", err)
			}
			return
		}
		if diff := cmp.Diff(want, describe(d)); diff != "" {
			t.Errorf("leaves (-want +got):\n%s", diff)
		}
	})
}

// TestCorpus takes a folder of real files from GITSEAL_CORPUS.
func TestCorpus(t *testing.T) {
	corpus := os.Getenv("GITSEAL_CORPUS")
	if corpus == "" {
		t.Skip("GITSEAL_CORPUS is not set")
	}
	n := 0
	err := filepath.WalkDir(corpus, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || filepath.Ext(path) != ".env" {
			return err
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := (formatstest.Suite{Format: dotenv.Format{}}).Check(src); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		n++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d files", n)
}
