package cipher_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cipher"
)

// update writes the vectors that are missing and removes those that are no longer
// listed. Sealing is randomized, so one that is there stays as it is: delete it
// first to have it made anew.
var update = flag.Bool("update", false, "write missing test vectors")

// vectorDir holds the vectors: files that say what they are, for this and other
// implementations. Each is a header of "key: value" lines, an empty line, and a
// sealed file as it is, to the end. The keys are
//
//	format    yaml, json, dotenv, ini or binary
//	expect    ok, or how opening must fail (see outcome)
//	identity  the age identity to open it with, or several
//	context   what the file must be sealed for, if anything
//	require   "seal" if a file without the entry sops.seal is to be refused
//	comment   what the vector is about
//
// Beside one that opens stands its plain file under the same name with .plain: the
// very bytes of it, if it was sealed by us; for a file sealed by sops what the
// format makes of it without anything to go by.
const vectorDir = "../testdata/vectors"

// vector is one of them.
type vector struct {
	format, expect, identity, context, require, comment string
	sealed                                              []byte
}

func (v vector) bytes() []byte {
	var b bytes.Buffer
	for _, f := range [][2]string{{"format", v.format}, {"expect", v.expect}, {"identity", v.identity}, {"context", v.context},
		{"require", v.require}, {"comment", v.comment}} {
		if f[1] != "" {
			fmt.Fprintf(&b, "%s: %s\n", f[0], f[1])
		}
	}
	b.WriteByte('\n')
	b.Write(v.sealed)
	return b.Bytes()
}

func readVector(name string) (vector, error) {
	b, err := os.ReadFile(filepath.Join(vectorDir, name+".txt"))
	if err != nil {
		return vector{}, err
	}
	header, sealed, ok := bytes.Cut(b, []byte("\n\n"))
	if !ok {
		return vector{}, fmt.Errorf("%s has no header", name)
	}
	v := vector{sealed: sealed}
	fields := map[string]*string{"format": &v.format, "expect": &v.expect, "identity": &v.identity, "context": &v.context,
		"require": &v.require, "comment": &v.comment}
	for _, line := range strings.Split(string(header), "\n") {
		key, value, _ := strings.Cut(line, ": ")
		f := fields[key]
		if f == nil {
			return vector{}, fmt.Errorf("%s has the unknown key %q", name, key)
		}
		*f = value
	}
	return v, nil
}

// open opens a vector as its header says.
func (v vector) open(tb testing.TB) (*cipher.Opened, error) {
	return tryOpen(tb, v.format, v.sealed, cipher.OpenOptions{
		Identities: identities(tb, strings.Fields(v.identity)...), Context: v.context, RequireSeal: v.require == "seal",
	})
}

func TestVectors(t *testing.T) {
	listed := listVectors(t)
	if *update {
		updateVectors(t, listed)
	}
	good, bad := 0, map[string]int{}
	for _, l := range listed {
		t.Run(l.name, func(t *testing.T) {
			v, err := readVector(l.name)
			if err != nil {
				t.Fatal(err)
			}
			if v.format != l.format || v.expect != l.expect {
				t.Errorf("the file is for %s, %s; the list says %s, %s", v.format, v.expect, l.format, l.expect)
			}
			o, err := v.open(t)
			if got := outcome(err); got != v.expect {
				t.Fatalf("got %s (%v), want %s", got, err, v.expect)
			}
			if err != nil {
				bad[v.expect]++
				return
			}
			good++
			want, err := os.ReadFile(filepath.Join(vectorDir, l.name+".plain"))
			if err != nil || !bytes.Equal(o.PlaintextBytes(), want) {
				t.Errorf("got %q, want %q (%v)", clip(o.PlaintextBytes()), clip(want), err)
			}
			if (o.Metadata.Seal == nil) != strings.HasPrefix(l.name, "sops-") || (len(o.Warnings) > 0) != (o.Metadata.Seal == nil) {
				t.Errorf("seal entry %v, warnings %v", o.Metadata.Seal, o.Warnings)
			}
		})
	}
	t.Logf("%d good ones, bad ones: %v", good, bad)
	for _, r := range []cipher.Reason{cipher.ReasonMetadata, cipher.ReasonMalformedValue, cipher.ReasonPlainValue, cipher.ReasonValue,
		cipher.ReasonType, cipher.ReasonMAC, cipher.ReasonSealMAC, cipher.ReasonComments} {
		if bad[string(r)] == 0 {
			t.Errorf("no vector for %s", r)
		}
	}
	if want := len(vectorFiles(t)); good < 40 || len(bad) < 15 || want != 2*good+len(listed)-good {
		t.Errorf("%d files for %d good ones of %d and %d ways of being wrong", want, good, len(listed), len(bad))
	}
}

// vectorFiles lists the files of the folder.
func vectorFiles(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, ext := range []string{"*.txt", "*.plain"} {
		files, err := filepath.Glob(filepath.Join(vectorDir, ext))
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, files...)
	}
	return names
}

// updateVectors writes what is missing.
func updateVectors(t *testing.T, listed []listedVector) {
	t.Helper()
	if err := os.MkdirAll(vectorDir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, l := range listed {
		name := filepath.Join(vectorDir, l.name)
		if _, err := os.Stat(name + ".txt"); err == nil {
			continue
		}
		v := l.vector
		v.sealed = l.seal(t)
		writeFile(t, name+".txt", v.bytes())
		o, err := v.open(t)
		if outcome(err) != v.expect {
			t.Fatalf("%s: got %v, want %s", l.name, err, v.expect)
		}
		if err == nil {
			writeFile(t, name+".plain", o.PlaintextBytes())
		}
	}
	for _, f := range vectorFiles(t) {
		base := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(f), ".txt"), ".plain")
		if !slices.ContainsFunc(listed, func(l listedVector) bool { return l.name == base }) {
			if err := os.Remove(f); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func writeFile(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
}
