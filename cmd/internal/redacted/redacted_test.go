package redacted_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/redacted"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
)

// sealed is a file, sealed for an identity.
type sealed struct {
	format formats.Format
	id     age.Identity
	plain  string
	bytes  []byte
}

func seal(t testing.TB, format, plain string, opts cipher.SealOptions) *sealed {
	t.Helper()
	f, ok := all.ByName(format)
	if !ok {
		t.Fatalf("no format %s", format)
	}
	id, err := age.Generate(false)
	if err != nil {
		t.Fatal(err)
	}
	opts.Recipients = []keysources.Recipient{id.Recipient()}
	s, err := cipher.Seal(t.Context(), f, []byte(plain), opts)
	if err != nil {
		t.Fatal(err)
	}
	return &sealed{format: f, id: id, plain: plain, bytes: s.Bytes}
}

func (s *sealed) view(t testing.TB) *redacted.View {
	t.Helper()
	v, err := redacted.New(s.format, s.bytes)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (s *sealed) open(t testing.TB, data []byte) *cipher.Opened {
	t.Helper()
	o, err := cipher.Open(t.Context(), s.format, data, cipher.OpenOptions{Identities: []keysources.Identity{s.id}})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// edited reads the view's text after replacing some of it.
func (s *sealed) edited(t testing.TB, replace ...string) (*redacted.Draft, error) {
	t.Helper()
	v := s.view(t)
	text := strings.NewReplacer(replace...).Replace(string(v.Text))
	if text == string(v.Text) && len(replace) > 0 {
		t.Fatalf("nothing of %q is in the text:\n%s", replace, text)
	}
	return v.Read(s.format, []byte(text), generateNothing)
}

func generateNothing(string, int) (string, error) { return "", errors.New("nothing to generate") }

// examples have something of everything in each format.
var examples = map[string]string{
	"yaml": "# first\na: &x one  # beside\nb: 'two'\nn: 0x1F\nlong: |\n  line one\n  line two\nfold: >-\n  word\n  word\nm: {k: v, l: [1, \"2\", ~]}\n" +
		"again: *x\nopen_unencrypted: yes\nempty: \"\"\n---\na: other\n",
	"json":   "{\n  \"a\": \"one\",\n  \"n\": 1.50,\n  \"l\": [\"x\", {\"k\": true}, null],\n  \"open_unencrypted\": 1\n}\n",
	"dotenv": "# first\nA=one\nexport B=\"two\nlines\"\nOPEN_unencrypted=yes\n",
	"ini":    "; first\n[one]\nkey = value ; beside\n[two]\nkey: \"quoted\"\nopen_unencrypted = yes\n",
	"binary": "any bytes\x00\xff without a line break",
}

func TestUneditedTextGivesTheFileBack(t *testing.T) {
	for name, plain := range examples {
		t.Run(name, func(t *testing.T) {
			s := seal(t, name, plain, cipher.SealOptions{})
			v := s.view(t)
			for _, secret := range []string{"one", "two", "line", "word", "value", "quoted", "any bytes", "ENC["} {
				if bytes.Contains(v.Text, []byte(secret)) && name != "ini" {
					t.Errorf("the view shows %q:\n%s", secret, v.Text)
				}
			}
			d, err := s.edited(t)
			if err != nil {
				t.Fatal(err)
			}
			if len(d.New) > 0 {
				t.Errorf("%d new values", len(d.New))
			}
			got, err := s.open(t, s.bytes).Restore(d.Text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(plain, string(got)); diff != "" {
				t.Error(diff)
			}
			k, err := v.Keyless(s.format, d)
			if err != nil || k.Sealed != nil || len(k.Changes) > 0 {
				t.Errorf("keyless: %v, a new file: %v, %d changes", err, k != nil && k.Sealed != nil, len(k.Changes))
			}
		})
	}
}

// What stands between the marker of an INI comment and its text is no part of it, so that
// nothing of it may change.
func TestCommentsInINIGiveTheFileBack(t *testing.T) {
	for _, plain := range []string{
		"[a]\n;one\nk = v\n", "[a]\n#one\nk = v\n", "[a]\n;;one\nk = v\n", "[a]\n;#one\nk = v\n", "[a]\n#k=one\nk = v\n",
		"[a]\n; one\nk = v\n", "[a]\n;  one \nk = v\n", "[a]\n;\tone\nk = v\n", "[a]\n;one\n  #two\n\n;three\nk = v\n", "[a]\n;\n#\nk = v\n",
		"[a]\nk = v ;one\n", "[a]\nk = v #one\nj = `w` ;one\n", "[a]\r\n;one\r\n;two\r\nk = v\r\n", ";one\n[a]\nk = v\n;two\n", "k = ;one",
	} {
		s := seal(t, "ini", plain, cipher.SealOptions{})
		d, err := s.edited(t)
		if err != nil {
			t.Errorf("%q: %v", plain, err)
			continue
		}
		k, err := s.view(t).Keyless(s.format, d)
		if err != nil || k.Sealed != nil || len(k.Changes) > 0 || len(d.New) > 0 {
			t.Errorf("%q: %v, and something is new", plain, err)
		}
		got, err := s.open(t, s.bytes).Restore(d.Text)
		if err != nil || string(got) != plain {
			t.Errorf("%q: %v: %s", plain, err, cmp.Diff(plain, string(got)))
		}
	}
}

func TestDescribedTextIsReadAsTheOther(t *testing.T) {
	for name, plain := range examples {
		s := seal(t, name, plain, cipher.SealOptions{})
		v, err := redacted.Describe(s.format, s.bytes, []byte(plain))
		if err != nil {
			t.Fatal(name, err)
		}
		d, err := s.view(t).Read(s.format, v.Text, generateNothing)
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, v.Text)
		}
		got, err := s.open(t, s.bytes).Restore(d.Text)
		if err != nil || string(got) != plain {
			t.Errorf("%s: %v: %s", name, err, cmp.Diff(plain, string(got)))
		}
	}
}

func TestEditsWithAKey(t *testing.T) {
	const plain = "a: &x one  # beside\nb: 0x1F\nl:\n  - 'p'\n  - q\nopen_unencrypted: yes\n"
	s := seal(t, "yaml", plain, cipher.SealOptions{})
	v := s.view(t)
	token := func(path string) string {
		for i, info := range v.Leaves {
			if info.Path.Text() == path && info.Kind != formats.Comment {
				return v.Token(i)
			}
		}
		t.Fatal("no value at ", path)
		return ""
	}
	for name, tt := range map[string]struct {
		replace []string
		want    string
	}{
		"a plain value":    {[]string{"yes", "no"}, "a: &x one  # beside\nb: 0x1F\nl:\n  - 'p'\n  - q\nopen_unencrypted: no\n"},
		"a new value":      {[]string{token("b"), "7"}, "a: &x one  # beside\nb: 7\nl:\n  - 'p'\n  - q\nopen_unencrypted: yes\n"},
		"a key less":       {[]string{"b: " + token("b") + "\n", ""}, "a: &x one  # beside\nl:\n  - 'p'\n  - q\nopen_unencrypted: yes\n"},
		"a key more":       {[]string{"l:\n", "new: n\nl:\n"}, "a: &x one  # beside\nb: 0x1F\nnew: n\nl:\n  - 'p'\n  - q\nopen_unencrypted: yes\n"},
		"items in a list":  {[]string{token("l[0]"), token("l[1]"), token("l[1]"), token("l[0]")}, "a: &x one  # beside\nb: 0x1F\nl:\n  - 'q'\n  - p\nopen_unencrypted: yes\n"},
		"keys in an order": {[]string{"b: " + token("b") + "\n", "", "open_un", "b: " + token("b") + "\nopen_un"}, "a: &x one  # beside\nl:\n  - 'p'\n  - q\nb: 0x1F\nopen_unencrypted: yes\n"},
		"a comment":        {[]string{"open_un", "# see\nopen_un"}, "a: &x one  # beside\nb: 0x1F\nl:\n  - 'p'\n  - q\n# see\nopen_unencrypted: yes\n"},
	} {
		d, err := s.edited(t, tt.replace...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := s.open(t, s.bytes).Restore(d.Text)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: %v: %s", name, err, cmp.Diff(tt.want, string(got)))
		}
	}
}

func TestWhatIsNotAToken(t *testing.T) {
	const plain = "a: one\nb: two\nl: [p, q]\nopen_unencrypted: yes\n---\na: three\n"
	s := seal(t, "yaml", plain, cipher.SealOptions{})
	v := s.view(t)
	tokens := map[string]string{}
	for i, info := range v.Leaves {
		tokens[info.Path.Text()] = v.Token(i)
	}
	tampered := strings.Replace(tokens["a"], "string", "int", 1)
	tag := strings.TrimSuffix(strings.Fields(tokens["a"])[2], ">")
	const within = "a token is within other text here"
	for name, tt := range map[string]struct {
		replace []string
		want    string
	}{
		"copied":              {[]string{"yes", tokens["a"]}, "line 4: open_unencrypted: this token stands twice"},
		"aliased":             {[]string{"a: " + tokens["a"], "a: &x " + tokens["a"], "yes", "*x"}, "line 4: open_unencrypted: this token stands twice"},
		"at another key":      {[]string{"b: " + tokens["b"], "c: " + tokens["b"]}, "line 2: c: the value of this token is sealed for b"},
		"in another list":     {[]string{tokens["l[0]"], tokens["a"], "a: " + tokens["a"] + "\n", ""}, "l[0]: the value of this token is sealed for a"},
		"in another document": {[]string{"a: " + tokens["a"] + "\n", "", tokens["document 2: a"], tokens["a"]}, "the value of this token is sealed for a"},
		"another kind":        {[]string{tokens["a"], tampered}, "line 1: a: this is not quite a token"},
		"unknown":             {[]string{tokens["a"], "<sealed string aaaaaaaaaa>"}, "line 1: a: no sealed value of the file has this token"},
		"cut short":           {[]string{tokens["a"], "<sealed string"}, "line 1: a: this is not quite a token"},
		"ciphertext":          {[]string{tokens["a"], "ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:str]"}, "line 1: a: a sealed value was pasted here"},
		"not to be generated": {[]string{tokens["a"], "<generate>"}, "line 1: a: write <generate KIND>"},
		"within a value":      {[]string{tokens["b"], `"x` + tokens["b"] + `"`}, "line 2: b: " + within},
		"two in a value":      {[]string{tokens["a"], tokens["a"] + tokens["b"]}, "line 1: a: this is not quite a token"},
		"another's, within":   {[]string{tokens["a"], "'x <sealed string aaaaaaaaaa> y'"}, "line 1: a: " + within},
		"damaged, within":     {[]string{tokens["a"], "\"x <SEALED  string " + tag + "\""}, "line 1: a: " + within},
		"in a block":          {[]string{tokens["a"], "|\n  x\n  " + tokens["a"]}, "line 1: a: " + within},
		"its tag alone":       {[]string{tokens["a"], tag}, "line 1: a: " + within},
		"in a plain value":    {[]string{"yes", "yes " + tokens["a"]}, "line 4: open_unencrypted: " + within},
		"in a comment":        {[]string{"b: " + tokens["b"], "# b: " + tokens["b"]}, within},
	} {
		_, err := s.edited(t, tt.replace...)
		var e *redacted.Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s", name, err, tt.want)
		}
	}
	if _, err := v.Read(s.format, s.bytes, generateNothing); !errors.Is(err, cipher.ErrAlreadySealed) {
		t.Errorf("a sealed file: got %v", err)
	}
}

// TestTextAboutTokens: what the file itself says about tokens stays, and comments may
// say what they like about those of no value of the file.
func TestTextAboutTokens(t *testing.T) {
	const about = "# see: <sealed string aaaaaaaaaa>\na: one\nhow_unencrypted: as <sealed string bbbbbbbbbb> in it\nopen_unencrypted: yes\n"
	selector, err := cipher.NewSelector(cipher.EncryptedRegex, "^a$")
	if err != nil {
		t.Fatal(err)
	}
	s := seal(t, "yaml", about, cipher.SealOptions{Selector: selector})
	d, err := s.edited(t, "yes", "no", "a: ", "# and <sealed string cccccccccc>, abcdefghij\na: ")
	if err != nil {
		t.Fatal(err)
	}
	if len(d.New) > 0 {
		t.Errorf("%d new values", len(d.New))
	}
}

// TestGeneratorsLimit: the generator is asked about any length, and what it says is
// said of the place.
func TestGeneratorsLimit(t *testing.T) {
	s := seal(t, "yaml", "a: one\n", cipher.SealOptions{})
	errLimit := errors.New("that is too long")
	for _, length := range []string{"100000000", strings.Repeat("9", 40)} {
		asked := 0
		_, err := s.view(t).Read(s.format, []byte("b: <generate hex "+length+">\n"), func(_ string, length int) (string, error) {
			asked = length
			return "", errLimit
		})
		if !errors.Is(err, errLimit) || err.Error() != "line 1: b: that is too long" || asked < 100000000 {
			t.Errorf("%s: got %v, asked for %d", length, err, asked)
		}
	}
}

// TestSelectorsByCommentAreNoWayOut: who may edit comments must not be able to have a
// value sealed no more.
func TestSelectorsByCommentAreNoWayOut(t *testing.T) {
	selector, err := cipher.NewSelector(cipher.EncryptedCommentRegex, "secret")
	if err != nil {
		t.Fatal(err)
	}
	s := seal(t, "yaml", "# secret\na: one\nb: two\n", cipher.SealOptions{Selector: selector})
	_, err = s.edited(t, "# secret", "# open")
	if err == nil || !strings.Contains(err.Error(), "the file's selector would leave this value plain here") {
		t.Errorf("got %v", err)
	}
}

func TestWithoutAKey(t *testing.T) {
	const plain = "a: one\nm:\n  k: v\nl: [p]\nopen_unencrypted: yes\n"
	s := seal(t, "yaml", plain, cipher.SealOptions{})
	v := s.view(t)
	text := string(v.Text)
	try := func(text string) (*redacted.Keyless, error) {
		d, err := v.Read(s.format, []byte(text), generateNothing)
		if err != nil {
			t.Fatal(err)
		}
		return v.Keyless(s.format, d)
	}
	k, err := try(text + "\n\nnew:\n  x: 1\n  y: [2]\n")
	if err != nil || len(k.Changes) != 1 || k.Changes[0].Path.Text() != "new" || len(k.Changes[0].Value.Items) != 2 {
		t.Errorf("a new map: %v, %d changes", err, len(k.Changes))
	}
	k, err = try(strings.Replace(text, "m:\n", "m:\n\n\n", 1))
	if err != nil || len(k.Changes) != 0 || k.Sealed == nil {
		t.Fatalf("blank lines: %v", err)
	}
	if got := string(s.open(t, k.Sealed).PlaintextBytes()); got != strings.Replace(plain, "m:\n", "m:\n\n\n", 1) {
		t.Errorf("blank lines: got\n%s", got)
	}
	for name, text := range map[string]string{
		"a plain value":   strings.Replace(text, "yes", "no", 1),
		"a comment":       "# new\n" + text,
		"a key less":      text[strings.Index(text, "\n")+1:],
		"a plain key":     text + "more_unencrypted: 1\n",
		"mixed new":       text + "new: {a: 1, b_unencrypted: 2}\n",
		"an explicit tag": strings.Replace(text, "yes", "!!str yes", 1),
	} {
		k, err := try(text)
		if !errors.Is(err, redacted.ErrNeedsKey) && (err != nil || k.NeedsKey == nil || k.Sealed != nil) {
			t.Errorf("%s: got %v, want %v", name, err, redacted.ErrNeedsKey)
		}
	}
}

// FuzzRead: whatever people make of the text, a sealed value is at its own key or
// nowhere, what is restored holds no more values than there are tokens, and nothing
// panics.
func FuzzRead(f *testing.F) {
	s := seal(f, "yaml", "a: one\nl: [p, q]\nopen_unencrypted: yes\n", cipher.SealOptions{})
	v := s.view(f)
	o := s.open(f, s.bytes)
	f.Add(string(v.Text))
	f.Add("a: &x " + v.Token(0) + "\nb: *x\n")
	f.Add("a: |\n  " + v.Token(0) + "\nnew: <generate x 3>\n# " + v.Token(1) + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := v.Read(s.format, []byte(text), func(string, int) (string, error) { return "made", nil })
		if err != nil {
			return
		}
		if strings.Count(string(d.Text), "ENC[AES256_GCM,") > 3 && !strings.Contains(text, "ENC[") {
			t.Errorf("more sealed values than there were")
		}
		if _, err := v.Keyless(s.format, d); err != nil {
			var needs *redacted.NeedsKeyError
			var format *formats.Error
			if !errors.As(err, &needs) && !errors.As(err, &format) {
				t.Errorf("keyless: %v", err)
			}
		}
		plain, err := o.Restore(d.Text)
		if err != nil {
			return
		}
		if bytes.Contains(plain, []byte("ENC[AES256_GCM,")) && !strings.Contains(text, "ENC[") {
			t.Error("a sealed value was left")
		}
	})
}
