package cluster_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/gitseal/gitseal/cmd/internal/cluster"
)

const oneManifest = `{"apiVersion":"gitseal.dev/v1alpha1","kind":"SealedManifest","metadata":{"name":"db","namespace":"prod","generation":1,
	"creationTimestamp":"2026-01-01T00:00:00Z"},"data":{"a":"ENC[x]"},"status":{"observedGeneration":1,"keys":[{"id":"age1","type":"age"}],
	"conditions":[{"type":"Ready","status":"True","reason":"Applied","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}`

// TestWhatIsNotAskedForIsRefused: an answer is what was asked for or an error, never a
// part of it.
func TestWhatIsNotAskedForIsRefused(t *testing.T) {
	if got, err := cluster.DecodeManifests([]byte(oneManifest)); err != nil || len(got) != 1 || got[0].State != cluster.Open {
		t.Fatalf("the good one: %+v, %v", got, err)
	}
	list := `{"apiVersion":"v1","kind":"List","items":[` + oneManifest + `]}`
	if got, err := cluster.DecodeManifests([]byte(list)); err != nil || len(got) != 1 {
		t.Fatalf("the good list: %+v, %v", got, err)
	}
	for name, answer := range map[string]string{
		"nothing":          "",
		"no JSON":          "No resources found",
		"cut off":          list[:len(list)-5],
		"two answers":      oneManifest + oneManifest,
		"another kind":     strings.Replace(oneManifest, "SealedManifest", "Secret", 1),
		"another group":    strings.Replace(oneManifest, "gitseal.dev", "other.dev", 1),
		"a list of others": strings.Replace(list, `"SealedManifest"`, `"Secret"`, 1),
		"no name":          strings.Replace(oneManifest, `"name":"db",`, "", 1),
		"wrong type":       strings.Replace(oneManifest, `"generation":1`, `"generation":"x"`, 1),
		"a bad time":       strings.Replace(oneManifest, "2026-01-01T00:00:00Z", "yesterday", 1),
		"an error object":  `{"kind":"Status","apiVersion":"v1","status":"Failure"}`,
		"an array":         "[]",
		"null":             "null",
	} {
		got, err := cluster.DecodeManifests([]byte(answer))
		if cluster.ReasonOf(err) != cluster.BadAnswer || got != nil {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// TestWhatALeaseSays: who leads, or for how long nobody has.
func TestWhatALeaseSays(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 1, 0, 0, time.UTC)
	for _, tt := range []struct {
		holder, renewed string
		seconds         int
		want            cluster.Leading
	}{
		{"a", "2026-01-01T00:00:58.000000Z", 15, cluster.Leads},
		{"a", "2026-01-01T00:00:20.000000Z", 15, cluster.Leads}, // clocks may differ
		{"a", "2026-01-01T00:00:10.000000Z", 15, cluster.Lost},
		{"a", "2026-01-01T00:09:00.000000Z", 15, cluster.Leads},
		{"", "2026-01-01T00:00:58.000000Z", 1, cluster.Changing},
		{"", "2026-01-01T00:00:10.000000Z", 1, cluster.Lost},
	} {
		answer := fmt.Sprintf(`{"kind":"Lease","metadata":{"name":"gitseal-controller"},"spec":{"holderIdentity":%q,"renewTime":%q,"leaseDurationSeconds":%d}}`, tt.holder, tt.renewed, tt.seconds)
		got, err := cluster.DecodeControllers([]byte(answer))
		if err != nil || len(got) != 1 || got[0].Leading(now) != tt.want || got[0].Class != "" {
			t.Errorf("%+v: got %+v, %v", tt, got, err)
		}
	}
	for _, bad := range []string{"", "null", `{"kind":"Secret","metadata":{"name":"gitseal-controller"}}`, `{"kind":"List","items":[{"kind":"Secret"}]}`, `{"kind":"Lease"}{}`} {
		if got, err := cluster.DecodeControllers([]byte(bad)); cluster.ReasonOf(err) != cluster.BadAnswer || got != nil {
			t.Errorf("%s: %+v, %v", bad, got, err)
		}
	}
}

// safe reports whether a text can be printed on one line.
func safe(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) })
}

// FuzzDecode: whatever kubectl prints, it is read or refused, and what is read can be
// printed.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(oneManifest))
	f.Add([]byte(`{"kind":"List","items":[` + oneManifest + `]}`))
	f.Add([]byte(`{"kind":"SealKeyring","apiVersion":"gitseal.dev/v1alpha1","metadata":{"name":"d"},"status":{"recipients":["a\u001b"],"identities":[{"id":"x","state":"Retiring"}]}}`))
	f.Add([]byte(`{"kind":"ConfigMap","data":{"default":"age1a,age1b\u202e",".sops.yaml":"x"}}`))
	f.Add([]byte(`{"kind":"Lease","metadata":{"name":"gitseal-controller-\u202e"},"spec":{"holderIdentity":"a\u001b","leaseDurationSeconds":-1,"renewTime":"2026-01-01T00:00:00.000001Z"}}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		var texts []string
		manifests, err := cluster.DecodeManifests(answer)
		if err != nil {
			texts = append(texts, err.Error())
		}
		for _, m := range manifests {
			texts = append(texts, m.Namespace, m.Name, m.Ready.Reason, m.Ready.Message, m.Keyring, m.MAC, m.Context, m.Class)
			texts = append(texts, m.Objects...)
			for _, k := range m.Keys {
				texts = append(texts, k.ID, k.Type)
			}
		}
		keyrings, err := cluster.DecodeKeyrings(answer)
		if err != nil {
			texts = append(texts, err.Error())
		}
		for _, kr := range keyrings {
			texts = append(append(texts, kr.Name, kr.Ready.Message), kr.Recipients...)
			for _, id := range kr.Identities {
				texts = append(texts, id.ID, id.Type, id.Source)
			}
		}
		published, err := cluster.DecodePublished(answer)
		if err != nil {
			texts = append(texts, err.Error())
		}
		controllers, err := cluster.DecodeControllers(answer)
		if err != nil {
			texts = append(texts, err.Error())
		}
		for _, c := range controllers {
			texts = append(texts, c.Lease, c.Class, c.Holder)
		}
		for name, list := range published {
			texts = append(append(texts, name), list...)
		}
		for _, s := range texts {
			if !safe(s) {
				t.Errorf("%q is not safe to print", s)
			}
		}
	})
}
