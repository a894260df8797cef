package opening_test

import (
	"context"
	"testing"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/opening"
)

const benchValues = "stringData:\n  username: admin\n  password: correct horse battery staple\n  host: db.example.org\n  port: \"5432\"\n  token: 0123456789abcdef0123456789abcdef\n"

// BenchmarkOpen opens a manifest of five values.
func BenchmarkOpen(b *testing.B) {
	for _, c := range []struct{ name, key string }{{"x25519", clusterKey}, {"hybrid", hybridKey}} {
		b.Run(c.name, func(b *testing.B) {
			o := inlineOptions(b, "k8s:prod/db")
			o.Recipients = recipients(b, c.key, recoveryKey)
			r := opening.Request{Manifest: fromYAML(b, sealText(b, "yaml", head+benchValues, o)), Keys: set(b, v1alpha1.Policy{}, c.key)}
			opener := opening.New(opening.Options{})
			b.ReportAllocs()
			for b.Loop() {
				if _, err := opener.Open(context.Background(), r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkDigest is what a reconcile costs if nothing has changed.
func BenchmarkDigest(b *testing.B) {
	for _, c := range []struct{ name, key string }{{"x25519", clusterKey}, {"hybrid", hybridKey}} {
		b.Run(c.name, func(b *testing.B) {
			o := inlineOptions(b, "k8s:prod/db")
			o.Recipients = recipients(b, c.key, recoveryKey)
			m := fromYAML(b, sealText(b, "yaml", head+benchValues, o))
			b.ReportAllocs()
			for b.Loop() {
				opening.Digest(m, "revision")
			}
		})
	}
}
