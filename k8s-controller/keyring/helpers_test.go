package keyring_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/keyring"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
)

const arn = "arn:aws:kms:us-east-1:111122223333:key/00000000-0000-4000-8000-000000000001"

func generate(tb testing.TB, pq bool) age.Identity {
	tb.Helper()
	id, err := age.Generate(pq)
	if err != nil {
		tb.Fatal(err)
	}
	return id
}

// secret is a Secret of the controller's namespace as the API server has it.
func secret(name, created string, data map[string]string) corev1.Secret {
	s := corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "gitseal-system"}, Type: corev1.SecretTypeOpaque, Data: map[string][]byte{}}
	t, err := time.Parse(time.DateOnly, created)
	if err != nil {
		panic(err)
	}
	s.CreationTimestamp = metav1.NewTime(t)
	for k, v := range data {
		s.Data[k] = []byte(v)
	}
	return s
}

func labelled(s corev1.Secret, keyringName string) corev1.Secret {
	s.Labels = map[string]string{keyring.Label: keyringName}
	return s
}

// seal is a SealKeyring with these identities.
func sealKeyring(name string, ids ...v1alpha1.IdentitySource) *v1alpha1.SealKeyring {
	return &v1alpha1.SealKeyring{ObjectMeta: metav1.ObjectMeta{Name: name, Generation: 1}, Spec: v1alpha1.SealKeyringSpec{Identities: ids}}
}

func ageSource(name, secretName string) v1alpha1.IdentitySource {
	return v1alpha1.IdentitySource{Name: name, Age: &v1alpha1.SecretKey{SecretName: secretName}}
}

func sealedSource(name, secretName string, keys ...string) v1alpha1.IdentitySource {
	return v1alpha1.IdentitySource{Name: name, SealedAge: &v1alpha1.SealedSecretKey{
		SecretKey: v1alpha1.SecretKey{SecretName: secretName, Key: keyring.SealedKey}, KMSKeys: v1alpha1.KMSKeys{Keys: keys},
	}}
}

func kmsSource(name string, keys ...string) v1alpha1.IdentitySource {
	return v1alpha1.IdentitySource{Name: name, KMS: &v1alpha1.KMSKeys{Keys: keys}}
}

func stanzaFor(tb testing.TB, id age.Identity, dataKey []byte) keysources.Stanza {
	tb.Helper()
	s, err := id.Recipient().Wrap(context.Background(), dataKey)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func stanza(typ string, nameValue ...string) keysources.Stanza {
	s := keysources.Stanza{Type: typ}
	for i := 0; i < len(nameValue); i += 2 {
		s.Fields = append(s.Fields, keysources.Field{Name: nameValue[i], Value: nameValue[i+1]})
	}
	return s
}

// service is a source that says what it was asked, and fails as it is told.
type service struct {
	typ string
	mu  sync.Mutex
	// asked are the stanzas that reached it.
	asked []keysources.Stanza
	fail  error
}

func (s *service) String() string { return "service" }
func (s *service) Remote() bool   { return true }

func (s *service) Recipient(key keysources.Stanza) (keysources.Recipient, error) {
	return wrapper{s, key}, nil
}

func (s *service) Unwrap(_ context.Context, st keysources.Stanza) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, st)
	if s.fail != nil {
		return nil, s.fail
	}
	var out []byte
	if _, err := fmt.Sscanf(st.Get("enc"), "%x", &out); err != nil {
		return nil, &keysources.Error{Reader: st.Reader(), Reason: keysources.Damaged}
	}
	return out, nil
}

func (s *service) setFail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

func (s *service) calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}

func (s *service) last() keysources.Stanza {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[len(s.asked)-1]
}

// wrapper wraps by writing the key down: the service is no part of what is tested.
type wrapper struct {
	s   *service
	key keysources.Stanza
}

func (w wrapper) String() string         { return w.key.Reader() }
func (w wrapper) Key() keysources.Stanza { return w.key }

func (w wrapper) Wrap(_ context.Context, dataKey []byte) (keysources.Stanza, error) {
	s := w.key
	s.Fields = append(s.Fields[:len(s.Fields):len(s.Fields)],
		keysources.Field{Name: "created_at", Value: "2026-01-01T00:00:00Z"}, keysources.Field{Name: "enc", Value: fmt.Sprintf("%x", dataKey)})
	return s, nil
}

func problems(l keyring.Loaded) string {
	var out []string
	for _, p := range l.Problems {
		out = append(out, p.Reason+" "+p.String())
	}
	return strings.Join(out, "\n")
}

func ids(list []keyring.Identity) []string {
	var out []string
	for _, id := range list {
		out = append(out, id.ID)
	}
	return out
}

func idsOf(list ...age.Identity) []age.Identity { return list }
