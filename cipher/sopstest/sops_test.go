package sopstest_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/gitseal/gitseal/cipher/sopstest"
)

// samples has one plain file of each format; secret is a value in each.
var samples = []struct{ format, name, secret, src string }{
	{"yaml", "a.yaml", "hunter2-yaml", "a: hunter2-yaml\nn: 12\nf: 1.5\nb: true\nl:\n    - x\n    - y\n---\nsecond: document\n"},
	{"json", "a.json", "hunter2-json", "{\n\t\"a\": \"hunter2-json\",\n\t\"n\": 12,\n\t\"l\": [1, 2.5, true, null]\n}\n"},
	{"dotenv", "a.env", "hunter2-dotenv", "# note\nA=hunter2-dotenv\nB=two\\nlines\n"},
	{"ini", "a.ini", "hunter2-ini", "[section]\na = hunter2-ini\nb = `with # mark`\n"},
	{"binary", "a.bin", "hunter2-binary", "\x00\x01hunter2-binary\xff\xfe"},
}

func TestEncryptThenDecryptGivesTheData(t *testing.T) {
	for _, version := range sopstest.Versions {
		t.Run(version, func(t *testing.T) {
			sops := sopstest.New(t, version)
			for _, s := range samples {
				t.Run(s.format, func(t *testing.T) {
					sealed := sops.Encrypt(t.Context(), s.name, []byte(s.src))
					if err := sealed.Err(); err != nil {
						t.Fatal(err)
					}
					if bytes.Contains(sealed.Stdout, []byte(s.secret)) || !bytes.Contains(sealed.Stdout, []byte("ENC[AES256_GCM,")) {
						t.Fatal("the result is not encrypted")
					}
					open := sops.Decrypt(t.Context(), s.name, sealed.Stdout)
					if err := open.Err(); err != nil {
						t.Fatal(err)
					}
					if err := sopstest.EqualData(s.format, []byte(s.src), open.Stdout); err != nil {
						t.Error(err)
					}
				})
			}
		})
	}
}

func TestSetAndRotateAndDecryptTo(t *testing.T) {
	for _, version := range sopstest.Versions {
		t.Run(version, func(t *testing.T) {
			sops := sopstest.New(t, version)
			sealed := sops.Encrypt(t.Context(), "a.yaml", []byte("a: one\nb: {c: two}\n"))
			set := sops.Set(t.Context(), "a.yaml", sealed.Stdout, `["b"]["c"]`, `"three"`)
			rotated := sops.Rotate(t.Context(), "a.yaml", set.File)
			open := sops.DecryptTo(t.Context(), "a.yaml", rotated.Stdout, "json")
			for what, r := range map[string]sopstest.Result{"encrypt": sealed, "set": set, "rotate": rotated, "decrypt": open} {
				if err := r.Err(); err != nil {
					t.Errorf("%s: %v", what, err)
				}
			}
			if err := sopstest.EqualData("json", []byte(`{"a": "one", "b": {"c": "three"}}`), open.Stdout); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestConfigIsReadFromTheFileFolder(t *testing.T) {
	sops := sopstest.New(t, sopstest.Versions[0])
	sops.Config = []byte("creation_rules:\n  - encrypted_regex: ^secret$\n    age: " + sops.Key.Recipient + "\n")
	r := sops.Run(t.Context(), t.TempDir(), "--version")
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	sealed := sops.Encrypt(t.Context(), "a.yaml", []byte("secret: s\nopen: o\n"))
	if err := sealed.Err(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(sealed.Stdout, []byte("open: o\n")) || bytes.Contains(sealed.Stdout, []byte("secret: s\n")) {
		t.Errorf("the rule was not followed:\n%s", sealed.Stdout)
	}
}

func TestOtherKeysDoNotOpen(t *testing.T) {
	sops := sopstest.New(t, sopstest.Versions[0])
	t.Setenv("SOPS_AGE_KEY", sops.Key.Identity) // must not reach the other one
	sealed := sops.Encrypt(t.Context(), "a.yaml", []byte("a: b\n"))
	if err := sealed.Err(); err != nil {
		t.Fatal(err)
	}
	key, err := sopstest.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	other := sops
	other.Key, other.Home = key, t.TempDir()
	if r := other.Decrypt(t.Context(), "a.yaml", sealed.Stdout); r.Exit <= 0 || len(r.Stdout) > 0 {
		t.Errorf("exit code %d and %d bytes, want a failure and none", r.Exit, len(r.Stdout))
	}
}

func TestRunWithoutBinaryIsAFailure(t *testing.T) {
	r := sopstest.Sops{Bin: "/nonexistent/sops", Home: t.TempDir()}.Decrypt(context.Background(), "a.yaml", nil)
	if r.Exit != -1 || r.Err() == nil {
		t.Errorf("got exit code %d, error %v", r.Exit, r.Err())
	}
}

// TestReadsINIAsSopsDoes holds the comparison's reading of INI against sops's:
// whatever is misread in the original is something else in sops's own spelling.
func TestReadsINIAsSopsDoes(t *testing.T) {
	sops := sopstest.New(t, sopstest.Versions[0])
	for _, tt := range []struct{ name, src string }{
		{"before any section", "a = 1\nb: 2\n[s]\nc = 3\n"},
		{"white space", "  [s] \n\n\ta  =   x y  \n   b=\n"},
		{"comments", "# one\n; two\n[s] ; three\na = x # four\nb = y;five\n"},
		{"quotes", "[s]\na = \"x # y\"\nb = 'q'\nc = `x ; y`\nd = \"\"\"x\"\"\"\ne = \"x\" \"y\"\nf = 'x\ng = \"\"\n"},
		{"quotes with comments", "[s]\na = \"x\" ; c\nb = `x` ; c\nc = \"\"\"x\"\"\" # `c`\nd = 'it''s'\n"},
		{"several lines", "[s]\na = \"\"\"one\ntwo\n  three\"\"\"\nb = `one\n\ntwo` ; c\nc = 1\n"},
		{"continued", "[s]\na = one \\\n  two \\\n three\nb = 1\nc = x \\\n\nd = 2\n"},
		{"odd keys", "[s]\n\"a=b\" = 1\n`c:d` = 2\n\"\"\"e\"\"\" = 3\nf g = 4\n"},
		{"double keys", "[s]\na = 1\nb = 2\na = 3\n"},
		{"delimiters in values", "[s]\na = b=c\nd: e:f\ng=h:i\n"},
		{"percent", "[s]\na = 1\nb = %(a)s\n"},
		{"carriage returns", "[s]\r\na = x\r\nb = 'y'\r\n"},
		{"byte order mark", "\ufeff[s]\na = x\n"},
		{"no last line feed", "[s]\na = x"},
		{"child sections", "[a]\nk = 1\n[a.b]\nj = 2\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sealed := sops.Encrypt(t.Context(), "a.ini", []byte(tt.src))
			if err := sealed.Err(); err != nil {
				t.Fatal(err)
			}
			open := sops.Decrypt(t.Context(), "a.ini", sealed.Stdout)
			if err := open.Err(); err != nil {
				t.Fatal(err)
			}
			if err := sopstest.EqualData("ini", []byte(tt.src), open.Stdout); err != nil {
				t.Errorf("%v\nsops gives:\n%s", err, open.Stdout)
			}
		})
	}
}
