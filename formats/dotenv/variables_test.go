package dotenv_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/formats/dotenv"
)

// TestVariablesAreLiteral: what stands in the file is the value, as for kustomize.
func TestVariablesAreLiteral(t *testing.T) {
	src := "# c\nP=C:\\new\\dir\nK=\"-----BEGIN\\nabc\\n\"\nX=x\\\\ny\n  I= a \nCR=b\r\nE=\nL=a=b # no comment\nM=\"one\ntwo\"\n"
	d, err := dotenv.Format{}.Parse([]byte(src))
	if err != nil {
		t.Fatal(err)
	}
	want := []dotenv.Variable{
		{"P", `C:\new\dir`}, {"K", `"-----BEGIN\nabc\n"`}, {"X", `x\\ny`}, {"I", " a "}, {"CR", "b"}, {"E", ""}, {"L", "a=b # no comment"}, {"M", "\"one\ntwo\""},
	}
	got := dotenv.Variables(d)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if s := fmt.Sprintf(verb, got); strings.Contains(s, "BEGIN") {
			t.Errorf("%s: %s", verb, s)
		}
	}
}
