package opening_test

import (
	"strings"
	"testing"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/opening"
)

// TestRefusalsAreNoOracle: somebody copies another team's manifest, makes its plain
// context fit, and changes the plain type of a value. What the refusal says must not
// depend on the value.
func TestRefusalsAreNoOracle(t *testing.T) {
	want := ""
	for _, v := range []struct{ plain, as string }{
		{`"4711"`, "int"}, {`"47a1"`, "int"}, {`"0711"`, "int"}, {`"True"`, "bool"}, {`"Trux"`, "bool"}, {`"1.25"`, "float"}, {`"1,25"`, "float"},
		{`"2026-01-02T00:00:00Z"`, "time"}, {`"2026-01-02X00:00:00Z"`, "time"}, {`"text"`, "str"}, {`"text"`, "bytes"}, {`"text"`, "comment"},
	} {
		m := inline(t, "stringData:\n  pin: "+v.plain+"\n  other: bla\n")
		m.Namespace = "evil"
		changed := strings.Replace(string(m.Sops.Raw), "k8s:prod/db", "k8s:evil/db", 1)
		if changed == string(m.Sops.Raw) {
			t.Fatal("the context was not found")
		}
		m.Sops.Raw = []byte(changed)
		m.StringData["pin"] = strings.Replace(m.StringData["pin"], "type:str", "type:"+v.as, 1)
		_, err := opening.New(opening.Options{}).Open(t.Context(), opening.Request{Manifest: m, Keys: set(t, v1alpha1.Policy{}, clusterKey)})
		if err == nil {
			t.Fatalf("%s as %s: opened", v.plain, v.as)
		}
		got := reason(err) + ": " + err.Error()
		if want == "" {
			want = got
		}
		if got != want {
			t.Errorf("%s as %s: got %q, want %q as for the others", v.plain, v.as, got, want)
		}
	}
}
