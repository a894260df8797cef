package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/gitseal/gitseal/cipher"
	formatyaml "github.com/gitseal/gitseal/formats/yaml"
	"github.com/gitseal/gitseal/keysources"
)

const manifestsPath = "/apis/gitseal.dev/v1alpha1/sealedmanifests"

// secretValues is how many values a Secret has.
const secretValues = 5

// secretOf says what the Secret of a number is: both controllers get the same. A new
// version has other values.
type secretOf struct {
	namespace, name string
	number, version int
}

func secretAt(number int) secretOf {
	return secretOf{fmt.Sprintf("bench-%02d", number%k8sNamespaces), fmt.Sprintf("app-%05d", number), number, 1}
}

func (s secretOf) key() string { return s.namespace + "/" + s.name }

// values are made up.
func (s secretOf) values() map[string]string {
	out := make(map[string]string, secretValues)
	for i := range secretValues {
		out[fmt.Sprintf("value-%d", i)] = fmt.Sprintf("made up for %s, version %d: %08x", s.name, s.version, (s.number*secretValues+i)*2654435761%(1<<32))
	}
	return out
}

// yaml returns the plain object of a kind.
func (s secretOf) yaml(apiVersion, kind string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "apiVersion: %s\nkind: %s\nmetadata:\n  name: %s\n  namespace: %s\nstringData:\n", apiVersion, kind, s.name, s.namespace)
	values := s.values()
	for i := range secretValues {
		name := fmt.Sprintf("value-%d", i)
		fmt.Fprintf(&b, "  %s: %q\n", name, values[name])
	}
	return b.Bytes()
}

// sealer seals as gitseal seal --manifest does.
type sealer struct {
	recipients []keysources.Recipient
	selector   cipher.Selector
}

// seal returns a SealedManifest as JSON.
func (s sealer) seal(ctx context.Context, secret secretOf) ([]byte, error) {
	sealed, err := cipher.Seal(ctx, formatyaml.Format{}, secret.yaml("gitseal.dev/v1alpha1", "SealedManifest"), cipher.SealOptions{
		Recipients: s.recipients, Selector: s.selector, MACOnlyEncrypted: true, Context: "k8s:" + secret.key(),
	})
	if err != nil {
		return nil, err
	}
	return yaml.YAMLToJSON(sealed.Bytes)
}

// sealAll seals many.
func (s sealer) sealAll(ctx context.Context, secrets []secretOf) ([][]byte, error) {
	out := make([][]byte, len(secrets))
	err := each(ctx, len(secrets), runtime.NumCPU(), func(ctx context.Context, i int) (err error) {
		out[i], err = s.seal(ctx, secrets[i])
		return err
	})
	return out, err
}

// namespaces makes those of all Secrets.
func (p *plane) namespaces(ctx context.Context) error {
	return each(ctx, k8sNamespaces, 4, func(ctx context.Context, i int) error {
		body := fmt.Sprintf(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":%q}}`, secretAt(i).namespace)
		_, err := p.api.do(ctx, http.MethodPost, "/api/v1/namespaces", jsonBody, []byte(body))
		return err
	})
}

// inNamespace puts a namespace into the path of a collection.
func inNamespace(collection, namespace string) string {
	at := strings.LastIndexByte(collection, '/')
	return collection[:at] + "/namespaces/" + namespace + collection[at:]
}

// create makes one object.
func (p *plane) create(ctx context.Context, collection string, s secretOf, object []byte) error {
	_, err := p.api.do(ctx, http.MethodPost, inNamespace(collection, s.namespace), jsonBody, object)
	return err
}

// createAll makes many, and says how long that takes: it bounds what a client can do.
func (p *plane) createAll(ctx context.Context, collection string, secrets []secretOf, objects [][]byte) error {
	return each(ctx, len(secrets), 8, func(ctx context.Context, i int) error {
		return p.create(ctx, collection, secrets[i], objects[i])
	})
}

// change replaces what is sealed in a manifest, and returns its new generation.
func (p *plane) change(ctx context.Context, s secretOf, object []byte) (int64, error) {
	var sealed struct {
		StringData json.RawMessage `json:"stringData"`
		Sops       json.RawMessage `json:"sops"`
	}
	if err := json.Unmarshal(object, &sealed); err != nil {
		return 0, err
	}
	body, err := json.Marshal(sealed)
	if err != nil {
		return 0, err
	}
	out, err := p.api.do(ctx, http.MethodPatch, inNamespace(manifestsPath, s.namespace)+"/"+s.name, mergePatch, body)
	if err != nil {
		return 0, err
	}
	var changed struct{ Metadata struct{ Generation int64 } }
	err = json.Unmarshal(out, &changed)
	return changed.Metadata.Generation, err
}

// check compares the Secrets in the cluster with what they have to be.
func (p *plane) check(ctx context.Context, secrets []secretOf) error {
	found := make(map[string]map[string][]byte)
	for i := range k8sNamespaces {
		out, err := p.api.do(ctx, http.MethodGet, "/api/v1/namespaces/"+secretAt(i).namespace+"/secrets", jsonBody, nil)
		if err != nil {
			return err
		}
		var list corev1.SecretList
		if err := json.Unmarshal(out, &list); err != nil {
			return err
		}
		for _, s := range list.Items {
			found[s.Namespace+"/"+s.Name] = s.Data
		}
	}
	for _, s := range secrets {
		data := found[s.key()]
		if len(data) != secretValues {
			return fmt.Errorf("%w: Secret %s has %d values, not %d", errWrong, s.key(), len(data), secretValues)
		}
		for name, value := range s.values() {
			if string(data[name]) != value {
				return fmt.Errorf("%w: Secret %s: %s is not what was sealed", errWrong, s.key(), name)
			}
		}
	}
	return nil
}
