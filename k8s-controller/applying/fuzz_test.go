package applying_test

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitseal/gitseal/k8s-controller/applying"
)

func TestFieldPathsHoldNoItems(t *testing.T) {
	for path, want := range map[string]string{
		"data[tls.crt]":           "data[tls.crt]",
		".data.k":                 ".data.k",
		"spec.containers[0].name": "spec.containers[0].name",
		`.spec.containers[name="canary"].env[name="B"].value`: ".spec.containers[…].env[…].value",
		`.metadata.finalizers[="canary"]`:                     ".metadata.finalizers[…]",
		"data[canary not valid]":                              "data[…]",
		"a[":                                                  "a[]", "]": "]",
	} {
		if got := applying.FieldPath(path); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

func FuzzFieldPath(f *testing.F) {
	f.Add(`.a[b="c"].d[0]`)
	f.Add("data[x]]")
	f.Fuzz(func(t *testing.T, path string) {
		got := applying.FieldPath(path)
		for rest := got; ; {
			_, inner, found := strings.Cut(rest, "[")
			if !found {
				return
			}
			key, after, _ := strings.Cut(inner, "]")
			if strings.ContainsAny(key, `="' `) {
				t.Fatalf("%q became %q", path, got)
			}
			rest = after
		}
	})
}

// FuzzOwned reads what managers own, which any client of the cluster can write.
func FuzzOwned(f *testing.F) {
	f.Add(`{"f:data":{"f:a":{},".":{}}}`, `{"f:data":{"f:b":{}}}`)
	f.Add(`{"f:metadata":{"f:labels":{"f:x/y":{}}}}`, `null`)
	f.Add(`{"f:data":[]}`, ``)
	f.Fuzz(func(t *testing.T, ours, theirs string) {
		o := &metav1.PartialObjectMetadata{}
		o.ManagedFields = []metav1.ManagedFieldsEntry{
			{Manager: applying.FieldManager, Operation: "Apply", FieldsV1: metav1.NewFieldsV1(ours)},
			{Manager: "them", Operation: "Update", FieldsV1: metav1.NewFieldsV1(theirs)},
		}
		paths, err := applying.Owned(o, true)
		if err != nil && len(paths) > 0 {
			t.Fatalf("got %v beside %v", paths, err)
		}
		for _, p := range paths {
			if len(p) < 2 || p[0] != "data" && p[0] != "metadata" {
				t.Fatalf("got %v", p)
			}
		}
	})
}
