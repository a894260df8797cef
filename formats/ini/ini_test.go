package ini_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/formatstest"
	"github.com/gitseal/gitseal/formats/ini"
	"github.com/google/go-cmp/cmp"
	oracle "gopkg.in/ini.v1"
)

// load reads a file as sops does.
func load(src []byte) (*oracle.File, error) {
	return oracle.LoadSources(oracle.LoadOptions{AllowNonUniqueSections: true}, src)
}

// oracleValues lists section, key and value as sops sees them, and the sections
// that have no keys. The unnamed section is always there and is no such one.
func oracleValues(src []byte) ([]string, error) {
	f, err := load(src)
	if err != nil {
		return nil, err
	}
	var values []string
	for _, s := range f.Sections() {
		for _, k := range s.Keys() {
			values = append(values, s.Name()+"\x00"+k.Name()+"\x00"+k.Value())
		}
		if len(s.Keys()) == 0 && s.Name() != oracle.DefaultSection && s.Name() != "sops" {
			values = append(values, "\x00"+s.Name()+"\x00")
		}
	}
	return values, nil
}

// oracleComments lists the sections and texts of comments as sops sees them.
func oracleComments(src []byte) (comments []string) {
	f, err := load(src)
	if err != nil {
		return nil
	}
	add := func(section, text string) {
		if text != "" {
			comments = append(comments, section+"\x00"+strings.TrimLeft(text, text[:1]+" "))
		}
	}
	for _, s := range f.Sections() {
		add(s.Name(), s.Comment)
		for _, k := range s.Keys() {
			add(s.Name(), k.Comment)
		}
	}
	return comments
}

func values(d *formats.Document) (values, comments []string) {
	for _, l := range d.Leaves {
		if l.Kind == formats.Comment {
			comments = append(comments, l.Path.Key+"\x00"+l.Text)
			continue
		}
		values = append(values, l.Path.Parent.Key+"\x00"+l.Path.Key+"\x00"+l.Text)
	}
	return values, comments
}

var samples = []formatstest.Sample{
	{Name: "one section", Source: "[a]\nb = c\n"},
	{Name: "no section", Source: "b=c\nd : e"},
	{Name: "both", Source: "b=c\n\n[a]\nb=d\n\n[a.b]\nc=\n"},
	{Name: "explicit DEFAULT", Source: "[DEFAULT]\na=b\n[c]\nd=e\n"},
	{Name: "child sections", Source: "[a]\nx=1\n[a.b]\ny=%(x)s\n[a.b.c]\n"},
	{Name: "spaces", Source: "  [ a ]  \n\t b  c =\t d e \t\n"},
	{Name: "delimiters in values", Source: "a=b=c:d\ne:f=g\n"},
	{Name: "quotes", Source: "a='b c'\nd=\" e \"\nf=`#g;`\nh=\"\"\"i\"j\"\"\"\nk='it's'\nl=\"\"\nm='\n"},
	{Name: "lines in quotes", Source: "a=`b\n  c\n\n[d]\n`\ne=\"\"\"f\n#g\"h\"\"\"\ni=j\n"},
	{Name: "continued lines", Source: "a=b \\\n  c\\\n  d\ne=f\\\n\ng=h\\"},
	{Name: "comment after lines in quotes", Source: "a=`b\nc` ; d\ne=f\n"},
	{Name: "section comments", Source: "; file\n\n[a]\nb=c\n"},
	{Name: "key comments", Source: "[a]\n# above\n  ;more\nb=c\n\n## third\nd=e # behind\n#\nf=g\n"},
	{Name: "comments at the end", Source: "[a]\nb=c\n; end\n\n# of file"},
	{Name: "comment alone", Source: "# x"},
	{Name: "nothing", Source: ""},
	{Name: "blank lines", Source: "\n\n"},
	{Name: "CRLF", Source: "; x\r\n[a]\r\nb=c\r\n\r\nd=`e\r\nf`\r\n"},
	{Name: "byte order mark", Source: "\ufeff[a]\nb=c\n"},
	{Name: "odd keys", Source: "[a]\n`b:c`=d\n\"e=f\"=g\n\"\"\"h\"i`j\"\"\"=k\n"},
	{Name: "ends in blank lines", Source: "[a]\nb=c\n\n\n"},
	{Name: "ends in CRLF blank line", Source: "[a]\r\nb=c\r\n\r\n"},
	{Name: "mixed line ends", Source: "[a]\r\nb=c\n"},
	{Name: "not UTF-8", Source: "[\xff]\n\xfe=\x01\xfd\n"},
	{Name: "other white space", Source: "a=\u00a0b\u2003\n\u0085c=\vd\f\n"},
	{Name: "no value", Source: "[a]\nb=\nc=   \nd= ; x\n"},
	{Name: "sealed by sops", Source: "[a]\n; ENC[AES256_GCM,data:eA==,iv:eA==,tag:eA==,type:comment]\nb = ENC[AES256_GCM,data:eA==,iv:eA==,tag:eA==,type:str]\n\n[sops]\nage__list_0__map_enc = x\\ny\nlastmodified         = 2026-01-02T03:04:05Z\nversion              = 3.8.1\n"},
	{Name: "metadata first", Source: "[sops]\nmac = x\n; gone\n[a]\nb=c\n"},
	{Name: "metadata last, comments", Source: "[a]\nb=c\n; stays\n\n[sops]\n# gone\nmac = x\n# gone too"},
}

func TestLaws(t *testing.T) { formatstest.Run(t, ini.Format{}, samples) }

func TestReadsAsSopsDoes(t *testing.T) {
	for _, s := range samples {
		t.Run(s.Name, func(t *testing.T) {
			d, err := ini.Format{}.Parse([]byte(s.Source))
			if err != nil {
				t.Fatal(err)
			}
			want, err := oracleValues([]byte(s.Source))
			if err != nil {
				t.Fatal(err)
			}
			var plain []string
			for _, v := range want {
				if !strings.HasPrefix(v, "sops\x00") {
					plain = append(plain, v)
				}
			}
			got, _ := values(d)
			if diff := cmp.Diff(plain, got); diff != "" {
				t.Errorf("values (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCommentsAreTheOnesOfSops(t *testing.T) {
	for _, src := range []string{
		"; file\n[a]\n# one\nb=c\n",
		"[a] ; behind\nb=c # d\n",
		"[a]\n# one\n\n  ; two\n\n## three \nb=c\n",
		"#\n# one\n[a]\n;;; two ; \nb=c\n",
		"# one\r\n# two\r\n[a]\r\nb=c\r\n",
		"[a]\nb=`c\nd` ; e\n",
		"# one\na=b\n",
	} {
		d, err := ini.Format{}.Parse([]byte(src))
		if err != nil {
			t.Errorf("%q: %v", src, err)
			continue
		}
		_, got := values(d)
		if diff := cmp.Diff(oracleComments([]byte(src)), got); diff != "" {
			t.Errorf("%q: comments (-want +got):\n%s", src, diff)
		}
	}
}

func TestSealedFileIsReadableBySops(t *testing.T) {
	const enc = "ENC[AES256_GCM,data:+/==,iv:+/==,tag:+/==,type:str]"
	for _, s := range samples {
		t.Run(s.Name, func(t *testing.T) {
			f := ini.Format{}
			d, err := f.Parse([]byte(s.Source))
			if err != nil {
				t.Fatal(err)
			}
			e := formats.Edit{Meta: formats.MetaEdit{Set: &formats.Meta{Items: []formats.Meta{{Key: "mac", Kind: formats.MetaString, Text: "a\nb # `c"}}}}}
			want, wantComments := values(d)
			for i, l := range d.Leaves {
				if l.Text != "" {
					e.Values = append(e.Values, formats.Value{Leaf: i, Scalar: formats.Scalar{Kind: formats.Sealed, Text: enc}})
				}
			}
			for i, v := range want {
				if !strings.HasSuffix(v, "\x00") {
					want[i] = v[:strings.LastIndex(v, "\x00")+1] + enc
				}
			}
			out, err := f.Rewrite(d, e)
			if err != nil {
				t.Fatal(err)
			}
			got, err := oracleValues(out)
			if err != nil {
				t.Fatal(err)
			}
			var plain, meta []string
			for _, v := range got {
				if strings.HasPrefix(v, "sops\x00") {
					meta = append(meta, v)
				} else {
					plain = append(plain, v)
				}
			}
			if diff := cmp.Diff(want, plain); diff != "" {
				t.Errorf("%q: (-want +got):\n%s", out, diff)
			}
			if diff := cmp.Diff([]string{"sops\x00mac\x00a\\nb # `c"}, meta); diff != "" {
				t.Errorf("%q: metadata (-want +got):\n%s", out, diff)
			}
			for _, c := range oracleComments(out) {
				if !strings.HasPrefix(c, "sops\x00") && !strings.Contains(c, enc) && strings.Trim(c[strings.Index(c, "\x00"):], "\x00#; \r\n") != "" {
					t.Errorf("%q: sops sees comment %q in clear (of %q)", out, c, wantComments)
				}
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
		{"section does not end", "\n[secret\n", formats.ErrSyntax, 2},
		{"section without a name", "[]\n", formats.ErrSyntax, 1},
		{"brackets in a section", "[a[secret]]\n", formats.ErrNotSealable, 1},
		{"text behind a section", "[a] secret\n", formats.ErrNotSealable, 1},
		{"key without value", "[a]\nsecret\n", formats.ErrSyntax, 2},
		{"value without key", "= secret\n", formats.ErrNotSealable, 1},
		{"numbered key", "- = secret\n", formats.ErrNotSealable, 1},
		{"quoted key without a name", "`` = secret\n", formats.ErrNotSealable, 1},
		{"quoted key does not end", "`secret = a\n", formats.ErrSyntax, 1},
		{"text behind a quoted key", "`a` secret = b\n", formats.ErrNotSealable, 1},
		{"key twice", "secret=1\n[b]\nsecret=2\nsecret=3\n", formats.ErrDuplicate, 4},
		{"section twice", "[secret]\na=b\n[c]\n[secret]\n", formats.ErrDuplicate, 4},
		{"DEFAULT twice", "a=b\n[DEFAULT]\nc=secret\n", formats.ErrDuplicate, 2},
		{"metadata twice", "[sops]\na=b\n[sops]\nc=secret\n", formats.ErrDuplicate, 3},
		{"metadata ambiguous", "[sops]\na=secret\na__map_b=c\n", formats.ErrMetadata, 0},
		{"password with a #", "a = secret#1\n", formats.ErrNotSealable, 1},
		{"# in double quotes", "a = \"secret # 1\"\n", formats.ErrNotSealable, 1},
		{"; in single quotes", "a = 'secret ; 1'\n", formats.ErrNotSealable, 1},
		{"backquote does not end", "a = `secret\nb = c\n", formats.ErrSyntax, 1},
		{"triple quote does not end", "a = \"\"\"secret\"\nb = c\n", formats.ErrSyntax, 1},
		{"text behind a quoted value", "a = `b` secret\n", formats.ErrNotSealable, 1},
		{"text behind lines in quotes", "a = `b\nc` \\\nsecret=`\n", formats.ErrNotSealable, 2},
		{"UTF-16", "\xff\xfea\x00=\x00", formats.ErrSyntax, 1},
		{"value too long", "a=" + strings.Repeat("x", formats.MaxValue+1), formats.ErrLimit, 1},
		{"too many", strings.Repeat("[a]#x\n", 1) + manyKeys(formats.MaxLeaves), formats.ErrLimit, formats.MaxLeaves + 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ini.Format{}.Parse([]byte(tt.src))
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

// manyKeys returns n keys.
func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		for j := i; ; j /= 26 {
			b.WriteByte('a' + byte(j%26))
			if j < 26 {
				break
			}
		}
		b.WriteString("=1\n")
	}
	return b.String()
}

func TestSpellMeansTheText(t *testing.T) {
	d, err := ini.Format{}.Parse([]byte("[a]\nb=c\nd=e\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"", "x", "two words", " x ", "#", "a;b", "a\nb", "a\r\nb\n", "\n", "`", "``", "a`b#c", `"""`, `"""a`, `a"""`, `"""a"""#`, `'a'`, `"a"`, `""`, `'`,
		`a\`, `a\\`, "a\\\nb", "[x]", "b=c", "a`\n\"", "\xff\x00", "a`b\nc\"\"", "\u00a0x", "é",
	} {
		out, err := ini.Format{}.Rewrite(d, formats.Edit{Values: []formats.Value{{Leaf: 0, Scalar: formats.Scalar{Kind: formats.String, Text: text}}}})
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		got, err := oracleValues(out)
		if diff := cmp.Diff([]string{"a\x00b\x00" + text, "a\x00d\x00e"}, got); diff != "" || err != nil {
			t.Errorf("%q: %q: error %v (-want +got):\n%s", text, out, err, diff)
		}
	}
}

func TestRewriteRefusesWhatWouldReadAsSomethingElse(t *testing.T) {
	scalar := func(k formats.Kind, text string) formats.Scalar { return formats.Scalar{Kind: k, Text: text} }
	tests := []struct {
		name string
		edit formats.Edit
	}{
		{"text without a spelling", formats.Edit{Values: []formats.Value{{Leaf: 0, Scalar: scalar(formats.String, "`\"\"\"\nsecret")}}}},
		{"comment with a plain line", formats.Edit{Values: []formats.Value{{Leaf: 1, Scalar: scalar(formats.Comment, "x\nsecret=1")}}}},
		{"comment for a value", formats.Edit{Values: []formats.Value{{Leaf: 0, Scalar: scalar(formats.Comment, "secret")}}}},
		{"value for a comment", formats.Edit{Values: []formats.Value{{Leaf: 1, Scalar: scalar(formats.String, "secret")}}}},
		{"null", formats.Edit{Values: []formats.Value{{Leaf: 0, Scalar: scalar(formats.Null, "")}}}},
		{"block with an odd key", formats.Edit{Meta: formats.MetaEdit{Set: &formats.Meta{Items: []formats.Meta{{Key: "a`b", Kind: formats.MetaString}}}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, err := ini.Format{}.Parse([]byte("[a]\n# x\nb=c\n"))
			if err != nil {
				t.Fatal(err)
			}
			_, err = ini.Format{}.Rewrite(d, tt.edit)
			var e *formats.Error
			if !errors.As(err, &e) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v, want a *formats.Error", err)
			}
		})
	}
}

func TestCommentBehindASectionCannotBeSealed(t *testing.T) {
	d, err := ini.Format{}.Parse([]byte("[a] ; secret\nb=c\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range d.Leaves {
		if l.Kind != formats.Comment {
			continue
		}
		_, err := ini.Format{}.Rewrite(d, formats.Edit{Values: []formats.Value{{Leaf: 0, Scalar: formats.Scalar{Kind: formats.Sealed, Text: "ENC[x]"}}}})
		var e *formats.Error
		if !errors.As(err, &e) || e.Line != 1 || strings.Contains(err.Error(), "secret") {
			t.Errorf("got %v, want a *formats.Error for line 1", err)
		}
		return
	}
	t.Error("the comment is no leaf")
}

// That a section is there means something, even if it is empty, and what means
// something is authenticated: such a section is a leaf.
func TestEmptySectionsAreLeaves(t *testing.T) {
	d, err := ini.Format{}.Parse([]byte("a = 1\n[one]\n; c\n[two]\nb = 2\n[three]\n"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range d.Leaves {
		if l.Kind == formats.EmptyMap {
			got = append(got, l.Path.String())
		}
	}
	if diff := cmp.Diff([]string{"one", "three"}, got); diff != "" {
		t.Error(diff)
	}
}
