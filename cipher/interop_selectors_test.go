package cipher_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cipher/sopstest"
	"github.com/gitseal/gitseal/formats"
)

// selectorDocument has something for each kind of selector, at every depth.
const selectorDocument = `# plain: the head
name: web
name_secret: n-canary
# seal this
token: t-canary
# plain
port: 8080
map_secret:
    a: a-canary
    # plain inside
    b_plain: b-canary
    deep:
        # seal this too
        c: c-canary
        d: d-canary
list:
    - l-canary
    # seal this
    - m-canary
    - k: v-canary
      x_secret: w-canary
items_plain:
    - y: y-canary
      z_secret: z-canary
# seal this
both: # plain
    e: e-canary
last: x-canary # seal this
`

// selectorFlags are the six selectors: our kind, the flag of sops, a pattern.
var selectorFlags = []struct {
	kind    cipher.SelectorKind
	flag    string
	pattern string
}{
	{cipher.UnencryptedSuffix, "--unencrypted-suffix", "_plain"},
	{cipher.EncryptedSuffix, "--encrypted-suffix", "_secret"},
	{cipher.UnencryptedRegex, "--unencrypted-regex", "^(name|port|list)$|plain"},
	{cipher.EncryptedRegex, "--encrypted-regex", "secret|^list$"},
	{cipher.UnencryptedCommentRegex, "--unencrypted-comment-regex", "plain"},
	{cipher.EncryptedCommentRegex, "--encrypted-comment-regex", "seal this"},
}

// sealedPlaces lists the leaves of a sealed file, the sealed ones marked. sops
// writes sealed comments of lists as items; those count as comments.
func sealedPlaces(d *formats.Document) []string {
	var out []string
	for _, l := range d.Leaves {
		mark := " plain"
		if wellFormed.MatchString(l.Text) {
			mark = " sealed"
		}
		where := strings.Join(l.Path.Keys(), ".")
		if l.Kind == formats.Comment || strings.HasSuffix(l.Text, "type:comment]") {
			where += " comment"
		}
		out = append(out, where+mark)
	}
	return out
}

// TestSelectorsSealWhatSopsSeals: with each kind of selector, both programs seal
// the same places and read each other's files. sops 3.8.1 knows neither the
// comment selectors nor mac_only_encrypted.
func TestSelectorsSealWhatSopsSeals(t *testing.T) {
	t.Parallel()
	for _, version := range sopstest.Versions {
		p := newPeer(t, version)
		for _, s := range selectorFlags {
			if strings.Contains(s.flag, "comment") && version == "3.8.1" {
				continue
			}
			for _, only := range []bool{false, true} {
				if only && version == "3.8.1" {
					continue
				}
				name := version + "/" + string(s.kind)
				flags := []string{s.flag, s.pattern}
				if only {
					name, flags = name+"/mac_only_encrypted", append(flags, "--mac-only-encrypted")
				}
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					src := []byte(selectorDocument)
					opts := cipher.SealOptions{Selector: selector(t, s.kind, s.pattern), MACOnlyEncrypted: only}
					theirs := p.Encrypt(t.Context(), "a.yaml", src, flags...)
					if err := theirs.Err(); err != nil {
						t.Fatal(err)
					}
					ours := mustSeal(t, "yaml", src, opts)
					if diff := cmp.Diff(sealedPlaces(parse(t, "yaml", theirs.Stdout)), sealedPlaces(parse(t, "yaml", ours.Bytes))); diff != "" {
						t.Errorf("what is sealed (-sops +ours):\n%s", diff)
					}
					if err := p.exchange(t, "yaml", src, opts, flags...); err != nil {
						t.Error(err)
					}
				})
			}
		}
	}
}

// TestSelectorsInOtherFormats does it for the formats with comments but without
// nesting, and for JSON.
func TestSelectorsInOtherFormats(t *testing.T) {
	t.Parallel()
	p := newPeer(t, sopstest.Versions[0])
	docs := map[string]string{
		"json":   `{"a": "1", "b_secret": {"c_plain": "2", "d": [3, {"e_secret": "4"}]}, "f_plain": {"g_secret": "5"}, "list": ["6"], "name": "7"}`,
		"dotenv": "A=1\n# seal this\nB_secret=2\n# plain\nC_plain=3\nD=4\nlist=5\n",
		"ini":    "[a]\nb = 1\n; seal this\nb_secret = 2\n[c_secret]\n; plain\nd_plain = 3\ne = 4\n[list]\nf = 5\n",
	}
	for name, src := range docs {
		for _, s := range selectorFlags {
			t.Run(name+"/"+string(s.kind), func(t *testing.T) {
				t.Parallel()
				opts := cipher.SealOptions{Selector: selector(t, s.kind, s.pattern)}
				theirs := p.Encrypt(t.Context(), fileName(name), []byte(src), s.flag, s.pattern)
				if err := theirs.Err(); err != nil {
					t.Fatal(err)
				}
				if _, err := trySeal(t, name, []byte(src), opts); errors.Is(err, cipher.ErrNothingSelected) {
					// JSON has no comments, and in INI sops walks a comment behind the
					// key that it stands in front of. There sops says nothing.
					if values, _, _ := bytes.Cut(theirs.Stdout, []byte("sops")); bytes.Contains(values, []byte("type:str]")) {
						t.Errorf("nothing is selected, but sops seals:\n%s", values)
					}
					return
				}
				ours := mustSeal(t, name, []byte(src), opts)
				if diff := cmp.Diff(sealedPlaces(parse(t, name, theirs.Stdout)), sealedPlaces(parse(t, name, ours.Bytes))); diff != "" {
					t.Errorf("what is sealed (-sops +ours):\n%s", diff)
				}
				if err := p.exchange(t, name, []byte(src), opts, s.flag, s.pattern); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestCommentsGoBothWays compares the texts of the comments, in order, which
// EqualData leaves out. sops gives a sealed comment behind a value back as one
// before it; the order stays. Of two comments at one value of an INI file it shows
// only the first if they are sealed apart, as ours are.
func TestCommentsGoBothWays(t *testing.T) {
	t.Parallel()
	texts := func(d *formats.Document) (out []string) {
		for _, l := range d.Leaves {
			if l.Kind == formats.Comment {
				out = append(out, strings.TrimSpace(l.Text))
			}
		}
		return out
	}
	docs := map[string]string{
		"yaml":   "# head\n\n# of a\na: b # behind\n# of c\nc:\n  # of d\n  d: e\n  # after d\n# of f\nf:\n  # of g\n  - g # behind g\n  # after g\n  - h\n",
		"dotenv": "# head\nA=b\n#\n# of c\nC=d\n#tight\n",
		"ini":    "; of s\n[s]\n; of a\na = b\n; of c\nc = d\ne = f ; behind\n",
	}
	for _, version := range sopstest.Versions {
		p := newPeer(t, version)
		for name, src := range docs {
			t.Run(version+"/"+name, func(t *testing.T) {
				t.Parallel()
				theirs := p.Encrypt(t.Context(), fileName(name), []byte(src))
				if err := theirs.Err(); err != nil {
					t.Fatal(err)
				}
				opened, err := tryOpen(t, name, theirs.Stdout, p.openOptions(t))
				if err != nil {
					t.Fatal(err)
				}
				ours := mustSeal(t, name, []byte(src), p.sealOptions(t))
				alone, got := p.Decrypt(t.Context(), fileName(name), theirs.Stdout), p.Decrypt(t.Context(), fileName(name), ours.Bytes)
				want := texts(parse(t, name, alone.Stdout))
				if len(want) < 3 {
					t.Fatalf("sops keeps only the comments %q", want)
				}
				if diff := cmp.Diff(want, texts(parse(t, name, opened.PlaintextBytes()))); diff != "" {
					t.Errorf("sealed by sops, opened by us (-sops +ours):\n%s", diff)
				}
				if diff := cmp.Diff(want, texts(parse(t, name, got.Stdout))); diff != "" {
					t.Errorf("sealed by us, opened by sops (-alone +ours):\n%s\n%s", diff, clip(ours.Bytes))
				}
			})
		}
	}
}

// TestFileThatSopsChanged: sops drops what it does not know of the metadata, so a
// file of ours that it changed opens with a warning, and is refused where the
// seal entry is required. Sealing it again gives it back.
func TestFileThatSopsChanged(t *testing.T) {
	t.Parallel()
	changes := map[string]struct{ index, src string }{
		"yaml":   {`["a"]`, "a: one\nb: 0x1F\n"},
		"json":   {`["a"]`, `{"a": "one", "b": 2}`},
		"dotenv": {`["a"]`, "a=one\nb=2\n"},
		"ini":    {`["s"]["a"]`, "[s]\na = one\nb = 2\n"},
	}
	for _, version := range sopstest.Versions {
		p := newPeer(t, version)
		for name, c := range changes {
			t.Run(version+"/"+name, func(t *testing.T) {
				t.Parallel()
				sealed := mustSeal(t, name, []byte(c.src), p.sealOptions(t))
				set := p.Set(t.Context(), fileName(name), sealed.Bytes, c.index, `"changed"`)
				rotated := p.Rotate(t.Context(), fileName(name), sealed.Bytes)
				for what, out := range map[string][]byte{"changed": set.File, "one": rotated.Stdout} {
					o, err := tryOpen(t, name, out, p.openOptions(t))
					if err != nil {
						t.Fatalf("%s: %v\n%s%s", what, err, set.Stderr, rotated.Stderr)
					}
					if !bytes.Contains(o.PlaintextBytes(), []byte(what)) || len(o.Warnings) == 0 || o.Metadata.Seal != nil {
						t.Errorf("%s: got %q with warnings %v", what, o.PlaintextBytes(), o.Warnings)
					}
					opts := p.openOptions(t)
					opts.RequireSeal = true
					if _, err := tryOpen(t, name, out, opts); outcome(err) != "no-seal" {
						t.Errorf("%s, with the seal entry required: got %v", what, err)
					}
					sealOpts := p.sealOptions(t)
					sealOpts.Previous = o
					again := mustSeal(t, name, o.PlaintextBytes(), sealOpts)
					if _, err := tryOpen(t, name, again.Bytes, opts); err != nil || again.NewKey || again.Reused != again.Values {
						t.Errorf("%s, sealed again: %v, new key %v, reused %d of %d", what, err, again.NewKey, again.Reused, again.Values)
					}
				}
			})
		}
	}
}

// TestMoreReadersThanOne: a file for several readers, ours among them, is for sops
// and us the same.
func TestMoreReadersThanOne(t *testing.T) {
	p := newPeer(t, sopstest.Versions[0])
	opts := p.sealOptions(t)
	opts.Recipients = slices.Concat(recipients(t, bobKey), opts.Recipients)
	sealed := mustSeal(t, "yaml", []byte("a: b\n"), opts)
	if r := p.Decrypt(t.Context(), "a.yaml", sealed.Bytes); r.Err() != nil || string(r.Stdout) != "a: b\n" {
		t.Errorf("opened by sops: %v, %q", r.Err(), r.Stdout)
	}
	theirs := p.Encrypt(t.Context(), "a.yaml", []byte("a: b\n"), "--age", recipients(t, bobKey)[0].String()+","+p.Key.Recipient)
	if err := theirs.Err(); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{bobKey, p.Key.Identity} {
		if o, err := tryOpen(t, "yaml", theirs.Stdout, cipher.OpenOptions{Identities: identities(t, key)}); err != nil || string(o.PlaintextBytes()) != "a: b\n" {
			t.Errorf("opened by us: %v", err)
		}
	}
}
