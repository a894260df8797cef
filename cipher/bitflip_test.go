package cipher_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/keysources"
)

// flipFiles are the small files whose every bit is flipped.
func flipFiles(tb testing.TB) []lawCase {
	regex := func(p string) cipher.SealOptions {
		return cipher.SealOptions{Selector: selector(tb, cipher.EncryptedRegex, p), Context: "test"}
	}
	return []lawCase{
		{"yaml", []byte("# keep-this-note\npassword: hunter2-canary\nport: 0x1F90\nhosts: [alpha-canary, beta-canary]\nreplicas_unencrypted: 12\nname_unencrypted: 3\n"), cipher.SealOptions{}},
		{"yaml", []byte("a: one-canary\n---\na: two-canary\nb:\n"), cipher.SealOptions{Context: "prod/db"}},
		{"yaml", []byte("apiVersion: v1\nkind: Secret\nmetadata: {name: db-name, namespace: production}\nstringData:\n  password: |\n    hunter2-canary\n  empty: \"\"\n"), cipher.SealOptions{}},
		{"json", []byte("{\n\t\"user\": \"alice-canary\",\n\t\"password\": \"hunter2-canary\",\n\t\"n\": 12345678,\n\t\"on_unencrypted\": true\n}\n"), cipher.SealOptions{}},
		{"json", []byte("{\"plain\": {\"a\": \"12\", \"b\": \"3\"}, \"secret\": [\"hunter2-canary\", 1.50]}"), regex("^secret$")},
		{"dotenv", []byte("# keep-this-note\nUSER_unencrypted=root-user\nPASSWORD=hunter2-canary\nEMPTY=\n"), cipher.SealOptions{}},
		{"ini", []byte("; keep-this-note\n[db]\nuser_unencrypted = root-user\npassword = hunter2-canary\n"), cipher.SealOptions{}},
		{"binary", []byte("hunter2-canary\x00\xff\n"), cipher.SealOptions{}},
	}
}

// flips counts what became of damaged files.
type flips struct {
	mu sync.Mutex // guards the fields below
	// tried are all; refused is those that gave an error, same those with the very
	// plain bytes, respelled those with equal data in other bytes, different those
	// with other data: none must be.
	tried, refused, same, respelled, different int
	problems                                   []string
}

func (f *flips) String() string {
	return fmt.Sprintf("%d tried: %d refused, %d with the same bytes, %d with the same data, %d with other data",
		f.tried, f.refused, f.same, f.respelled, f.different)
}

func (f *flips) note(o *int, problem string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tried++
	*o++
	if problem != "" && len(f.problems) < 20 {
		f.problems = append(f.problems, problem)
	}
}

// damageTest opens damaged variants of one sealed file.
type damageTest struct {
	format formats.Format
	plain  *formats.Document
	ids    []keysources.Identity
	quiet  *quietness
	result *flips
}

// try opens one variant.
func (d damageTest) try(what string, sealed []byte) {
	defer func() {
		if p := recover(); p != nil {
			d.result.note(&d.result.refused, fmt.Sprintf("%s: panic: %v", what, p))
		}
	}()
	o, err := cipher.Open(context.Background(), d.format, sealed, cipher.OpenOptions{Identities: d.ids})
	if err != nil {
		d.result.note(&d.result.refused, d.quiet.check(what, err))
		return
	}
	if bytes.Equal(o.PlaintextBytes(), d.plain.Source) {
		d.result.note(&d.result.same, "")
		return
	}
	if got, err := d.format.Parse(o.PlaintextBytes()); err == nil && sameData(got, d.plain) {
		d.result.note(&d.result.respelled, "")
		return
	}
	d.result.note(&d.result.different, "")
}

// quietness knows what no message may hold: plain values, their hashes, and
// pieces of ciphertext.
type quietness struct {
	needles []string
	pieces  map[string]bool
}

const pieceSize = 12

var base64Run = regexp.MustCompile(`[A-Za-z0-9+/]{12,}`)

func newQuietness(d *formats.Document, sealed []byte) *quietness {
	q := &quietness{pieces: map[string]bool{}}
	all := sha512.New()
	for _, l := range d.Leaves {
		if l.Kind != formats.Comment {
			all.Write([]byte(l.Text))
		}
		if len(l.Text) < 6 {
			continue
		}
		s256, s512 := sha256.Sum256([]byte(l.Text)), sha512.Sum512([]byte(l.Text))
		for _, h := range [][]byte{s256[:], s512[:]} {
			q.needles = append(q.needles, hex.EncodeToString(h)[:16], base64.StdEncoding.EncodeToString(h)[:16])
		}
		q.needles = append(q.needles, strings.TrimSpace(l.Text), base64.StdEncoding.EncodeToString([]byte(l.Text))[:8])
	}
	q.needles = append(q.needles, hex.EncodeToString(all.Sum(nil))[:16])
	for _, run := range base64Run.FindAllString(string(sealed), -1) {
		if strings.ToLower(run) == run {
			continue // a word or a recipient
		}
		for i := 0; i+pieceSize <= len(run); i++ {
			q.pieces[run[i:i+pieceSize]] = true
		}
	}
	return q
}

// check says what is wrong with an error's text, "" if nothing is. Keys may be
// shown, and in a damaged file a piece of ciphertext may have become part of one.
func (q *quietness) check(what string, err error) string {
	msg := err.Error()
	low := strings.ToLower(msg)
	for _, n := range q.needles {
		if strings.Contains(low, strings.ToLower(n)) {
			return fmt.Sprintf("%s: the error holds a plain value or a hash of it: %q", what, msg)
		}
	}
	var tampered *cipher.TamperedError
	var format *formats.Error
	switch {
	case errors.As(err, &tampered) && tampered.Path != nil:
		msg = strings.Replace(msg, tampered.Path.String(), "", 1)
	case errors.As(err, &format) && format.Path != nil:
		msg = strings.Replace(msg, format.Path.String(), "", 1)
	}
	for i := 0; i+pieceSize <= len(msg); i++ {
		if q.pieces[msg[i:i+pieceSize]] {
			return fmt.Sprintf("%s: the error holds a piece of the file: %q", what, msg)
		}
	}
	return ""
}

// damageAll tries every bit of every step-th byte flipped, and every fourth of
// those bytes replaced by others, deleted and doubled.
func (d damageTest) damageAll(sealed []byte, step int) {
	var wg sync.WaitGroup
	const workers = 4
	for w := range workers {
		wg.Go(func() {
			for i := w * step; i < len(sealed); i += workers * step {
				d.damageByte(sealed, i)
			}
		})
	}
	wg.Wait()
}

func (d damageTest) damageByte(sealed []byte, i int) {
	for bit := range 8 {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1 << bit
		d.try(fmt.Sprintf("bit %d of byte %d", bit, i), bad)
	}
	if i%4 > 0 {
		return
	}
	for _, c := range []byte{0x00, 0xff, sealed[i] + 1} {
		bad := bytes.Clone(sealed)
		bad[i] = c
		d.try(fmt.Sprintf("byte %d replaced", i), bad)
	}
	d.try(fmt.Sprintf("byte %d deleted", i), append(bytes.Clone(sealed[:i]), sealed[i+1:]...))
	d.try(fmt.Sprintf("byte %d doubled", i), append(bytes.Clone(sealed[:i+1]), sealed[i:]...))
}

// TestDamagedBytesNeverChangeThePlaintext: whatever bit or byte of a sealed file
// is changed, the result is an error that shows nothing, or the same data.
func TestDamagedBytesNeverChangeThePlaintext(t *testing.T) {
	t.Parallel()
	step, want := 1, 70_000
	if testing.Short() {
		step, want = 29, 70_000/40
	}
	var total flips
	for i, c := range flipFiles(t) {
		sealed := mustSeal(t, c.format, c.source, c.opts).Bytes
		var result flips
		d := damageTest{
			format: format(t, c.format), plain: parse(t, c.format, c.source), ids: identities(t, aliceKey),
			quiet: newQuietness(parse(t, c.format, c.source), sealed), result: &result,
		}
		d.damageAll(sealed, step)
		t.Logf("%s, file %d: %s", c.format, i, &result)
		for _, p := range result.problems {
			t.Errorf("%s, file %d: %s", c.format, i, p)
		}
		if result.different > 0 {
			t.Errorf("%s, file %d: %d damaged files gave other data", c.format, i, result.different)
		}
		total.tried += result.tried
	}
	t.Logf("%d damaged files in all", total.tried)
	if total.tried < want {
		t.Errorf("only %d damaged files were tried, want %d", total.tried, want)
	}
}

// TestDamageIsFoundWithoutSeal is the control: the same harness must find changed
// plaintext in files that only sops's MAC protects.
func TestDamageIsFoundWithoutSeal(t *testing.T) {
	t.Parallel()
	step := 1
	if testing.Short() {
		step = 3
	}
	for _, i := range []int{0, 5, 6} {
		c := flipFiles(t)[i]
		sealed := withoutSeal(t, c.format, mustSeal(t, c.format, c.source, c.opts).Bytes)
		var result flips
		d := damageTest{
			format: format(t, c.format), plain: parse(t, c.format, c.source), ids: identities(t, aliceKey),
			quiet: newQuietness(parse(t, c.format, c.source), sealed), result: &result,
		}
		end := bytes.Index(sealed, []byte("sops"))
		for at := 0; at < end; at += step {
			d.damageByte(sealed, at)
		}
		t.Logf("%s: %s", c.format, &result)
		if result.different == 0 {
			t.Errorf("%s: no change was found in %d files; the harness is blind", c.format, result.tried)
		}
	}
}
