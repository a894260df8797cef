package cipher_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cipher/sopstest"
	"github.com/gitseal/gitseal/formats/all"
	"github.com/gitseal/gitseal/keysources"
)

// fileName returns a name from which sops recognizes the format.
func fileName(format string) string {
	return "file" + map[string]string{"yaml": ".yaml", "json": ".json", "dotenv": ".env", "ini": ".ini", "binary": ".bin"}[format]
}

// peer is a released sops and its key as ours.
type peer struct {
	sopstest.Sops
	version string
}

func newPeer(t *testing.T, version string) peer {
	t.Helper()
	return peer{Sops: sopstest.New(t, version), version: version}
}

func (p peer) sealOptions(tb testing.TB) cipher.SealOptions {
	return cipher.SealOptions{Recipients: []keysources.Recipient{identityOf(tb, p.Key.Identity).Recipient()}}
}

func (p peer) openOptions(tb testing.TB) cipher.OpenOptions {
	return cipher.OpenOptions{Identities: []keysources.Identity{identityOf(tb, p.Key.Identity)}}
}

// exchange seals a file with both programs and opens both results with both. The
// data must be what sops makes of the file when it is alone, as it changes some
// values (integers beyond 64 bits), or that of the file itself: 3.8.1 and 3.9.4
// read integers in JSON as floats, which loses digits, and write block scalars
// without the empty lines that they begin with. We do neither.
func (p peer) exchange(t *testing.T, format string, src []byte, opts cipher.SealOptions, flags ...string) error {
	t.Helper()
	name := fileName(format)
	theirs := p.Encrypt(t.Context(), name, src, flags...)
	if err := theirs.Err(); err != nil {
		return fmt.Errorf("sealed by sops: %w", err)
	}
	alone := p.Decrypt(t.Context(), name, theirs.Stdout)
	if err := alone.Err(); err != nil {
		return fmt.Errorf("sealed and opened by sops: %w", err)
	}
	opened, err := tryOpen(t, format, theirs.Stdout, p.openOptions(t))
	if err != nil {
		return fmt.Errorf("sealed by sops, opened by us: %w\n%s", err, clip(theirs.Stdout))
	}
	if len(opened.Warnings) == 0 {
		return fmt.Errorf("sealed by sops, opened by us: no warning")
	}
	if err := sameFile(format, opened.PlaintextBytes(), alone.Stdout, src); err != nil {
		return fmt.Errorf("sealed by sops, opened by us: %w\nsops: %s\nours: %s", err, clip(alone.Stdout), clip(opened.PlaintextBytes()))
	}
	return p.reads(t, format, src, alone.Stdout, opts)
}

// reads seals a file with us and opens it with sops, which must find the data of
// want.
func (p peer) reads(t *testing.T, format string, src, want []byte, opts cipher.SealOptions) error {
	t.Helper()
	opts.Recipients = p.sealOptions(t).Recipients
	ours, err := trySeal(t, format, src, opts)
	if err != nil {
		return fmt.Errorf("sealing: %w", err)
	}
	got := p.Decrypt(t.Context(), fileName(format), ours.Bytes)
	if err := got.Err(); err != nil {
		return fmt.Errorf("sealed by us, opened by sops: %w\n%s", err, clip(ours.Bytes))
	}
	if err := sameFile(format, got.Stdout, want, src); err != nil {
		return fmt.Errorf("sealed by us, opened by sops: %w\nwant: %s\ngot: %s", err, clip(want), clip(got.Stdout))
	}
	return nil
}

// sameFile reports if a file has not the data of any of the others, or if values
// or comments were left sealed in it.
func sameFile(format string, got []byte, wants ...[]byte) error {
	if bytes.Contains(got, []byte("ENC[AES256_GCM")) {
		return errors.New("something is still sealed")
	}
	var first error
	for _, want := range wants {
		err := sopstest.EqualData(format, want, got)
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// limit is a sample that some released sops do not seal, and what they find when
// we do.
type limit struct {
	format, sample string
	// versions are those that it is about; empty: all.
	versions []string
	// why says what sops does.
	why string
	// want is the data that sops must find in our file, if it is not that of the
	// sample itself, which sops may not even be able to parse.
	want string
	// unreadable: sops cannot open our file either.
	unreadable bool
}

// limits lists them all; the test fails for one that is out of date.
var limits = []limit{
	{format: "yaml", sample: "empty file", why: "File cannot be completely empty", want: "{}\n"},
	{format: "yaml", sample: "comments alone", why: "File cannot be completely empty", want: "{}\n"},
	{format: "yaml", sample: "big integers", why: "unknown type: uint64, for integers from 2^63 to 2^64-1; we seal them as floats",
		want: "n: 123456789012345678901234567890\no: 9223372036854775808.0\np: -1e20\nq: 18446744073709551615.0\n"},
	{format: "yaml", sample: "dates", versions: []string{"3.8.1", "3.9.4"}, why: "unknown type: time.Time; these versions do not know type:time",
		unreadable: true},
	{format: "json", sample: "byte order mark", why: "invalid character", want: `{"a": "b"}`},
	{format: "dotenv", sample: "byte order mark", why: "takes the mark for a part of the first key; we leave it out and put it back", want: "A=b\n"},
	{format: "dotenv", sample: "several lines", why: "invalid dotenv input line", want: `A="one\ntwo\n\nthree"` + "\nB=x\n"},
	{format: "dotenv", sample: "blank lines and indented comments", why: "invalid dotenv input line", want: "A=b\nD=e\n"},
}

func limitOf(format, sample, version string) *limit {
	for i := range limits {
		l := &limits[i]
		if l.format == format && l.sample == sample && (len(l.versions) == 0 || slices.Contains(l.versions, version)) {
			return l
		}
	}
	return nil
}

// check tries a file that is beyond a limit of sops.
func (l *limit) check(t *testing.T, p peer, src []byte) error {
	t.Helper()
	opts := cipher.SealOptions{Selector: cipher.DefaultSelector()}
	if err := p.exchange(t, l.format, src, opts); err == nil {
		return errors.New("sops " + p.version + " can do this; the limit is out of date")
	}
	want := src
	if l.want != "" {
		want = []byte(l.want)
	}
	err := p.reads(t, l.format, src, want, opts)
	if l.unreadable {
		if err == nil {
			return errors.New("sops " + p.version + " can read our file; the limit is out of date")
		}
		return nil
	}
	return err
}

// TestSamplesGoBothWays exchanges every sample with every released sops.
func TestSamplesGoBothWays(t *testing.T) {
	t.Parallel()
	versions := sopstest.Versions
	if testing.Short() {
		versions = versions[:1]
	}
	for _, version := range versions {
		p := newPeer(t, version)
		for _, name := range all.Names() {
			for i, s := range samples(name) {
				if testing.Short() && i%4 != 0 {
					continue
				}
				t.Run(strings.Join([]string{version, name, s.name}, "/"), func(t *testing.T) {
					t.Parallel()
					check := func() error {
						return p.exchange(t, name, []byte(s.source), cipher.SealOptions{Selector: cipher.DefaultSelector()})
					}
					if l := limitOf(name, s.name, version); l != nil {
						check = func() error { return l.check(t, p, []byte(s.source)) }
					}
					if err := check(); err != nil {
						t.Error(err)
					}
				})
			}
		}
	}
}
