package age_test

import (
	"bytes"
	"compress/zlib"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"strings"
	"testing"

	agetest "c2sp.org/CCTV/age"
	fage "filippo.io/age"
	"filippo.io/age/armor"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
)

// vector is one file of the age test vectors of C2SP's CCTV.
type vector struct {
	expect, payload string
	identities      []age.Identity
	passphrase      bool
	armored         bool
	file            []byte
}

func readVector(t *testing.T, text []byte) vector {
	t.Helper()
	v := vector{}
	header, file, ok := bytes.Cut(text, []byte("\n\n"))
	if !ok {
		t.Fatal("the vector has no header")
	}
	v.file = file
	for _, line := range strings.Split(string(header), "\n") {
		key, value, _ := strings.Cut(line, ": ")
		switch key {
		case "expect":
			v.expect = value
		case "payload":
			v.payload = value
		case "identity":
			v.identities = append(v.identities, identity(t, value))
		case "passphrase":
			v.passphrase = true
		case "armored":
			v.armored = true
		case "compressed":
			r, err := zlib.NewReader(bytes.NewReader(v.file))
			if err != nil {
				t.Fatal(err)
			}
			if v.file, err = io.ReadAll(r); err != nil {
				t.Fatal(err)
			}
		}
	}
	return v
}

// stanza gives the vector the form in which data keys are kept.
func (v vector) stanza(t *testing.T) keysources.Stanza {
	t.Helper()
	enc := string(v.file)
	if !v.armored {
		var b bytes.Buffer
		w := armor.NewWriter(&b)
		if _, err := w.Write(v.file); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		enc = b.String()
	}
	return keysources.Stanza{Type: keysources.TypeAge, Fields: []keysources.Field{{Name: "enc", Value: enc}}}
}

// unwrap tries the vector's identities, or some other one if it has none.
func (v vector) unwrap(t *testing.T) (key []byte, err error) {
	t.Helper()
	ids := v.identities
	if len(ids) == 0 {
		ids = []age.Identity{identity(t, key1)}
	}
	for _, id := range ids {
		if key, err = id.Unwrap(t.Context(), v.stanza(t)); err == nil {
			return key, nil
		}
	}
	return key, err
}

// isKeySized asks the age library itself how long the payload is.
func (v vector) isKeySized(t *testing.T) bool {
	t.Helper()
	var ids []fage.Identity
	for _, id := range v.identities {
		parsed, err := fage.ParseIdentities(strings.NewReader(id.SecretText()))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, parsed...)
	}
	var in io.Reader = bytes.NewReader(v.file)
	if v.armored {
		in = armor.NewReader(in)
	}
	r, err := fage.Decrypt(in, ids...)
	if err != nil {
		t.Fatalf("the age library: %v", err)
	}
	payload, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("the age library: %v", err)
	}
	return len(payload) <= 33
}

// TestC2SPVectors runs the age test vectors through Unwrap. What is encrypted to
// a passphrase must fail, and so must a payload that is longer than any data key.
func TestC2SPVectors(t *testing.T) {
	files, err := fs.ReadDir(agetest.Vectors, ".")
	if err != nil {
		t.Fatal(err)
	}
	opened, refused, long := 0, 0, 0
	for _, f := range files {
		t.Run(f.Name(), func(t *testing.T) {
			text, err := fs.ReadFile(agetest.Vectors, f.Name())
			if err != nil {
				t.Fatal(err)
			}
			v := readVector(t, text)
			key, err := v.unwrap(t)
			sum := sha256.Sum256(key)
			switch {
			case err != nil && key != nil:
				t.Errorf("got %d bytes and error %v", len(key), err)
			case err == nil && (v.expect != "success" || v.passphrase || hex.EncodeToString(sum[:]) != v.payload):
				t.Errorf("got %d bytes, want %s", len(key), v.expect)
			case err == nil:
				opened++
			case v.expect != "success" || v.passphrase:
				refused++
			case v.isKeySized(t):
				t.Errorf("got error %v, want success", err)
			default:
				long++
			}
		})
	}
	if opened != 16 || long != 8 || refused != 123 || len(files) != 147 {
		t.Errorf("got %d opened, %d refused, %d too long, of %d", opened, refused, long, len(files))
	}
}
