// Command sealv1 makes and opens SealedSecrets of the first generation, which keep
// a whole Secret in spec.data, with the code of the real controller. kubeseal no
// longer does either.
//
//	sealv1 seal CERTIFICATE < secret.json > sealedsecret.json
//	sealv1 unseal KEY < sealedsecret.json > secret.json
package main

import (
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"

	ssv1alpha1 "github.com/bitnami/sealed-secrets/pkg/apis/sealedsecrets/v1alpha1"
	"github.com/bitnami/sealed-secrets/pkg/crypto"
	"github.com/bitnami/sealed-secrets/pkg/kubeseal"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/util/keyutil"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: sealv1 seal|unseal FILE")
	}
	ssv1alpha1.AcceptDeprecatedV1Data = true
	out, err := run(os.Args[1], os.Args[2])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(out)
	}
	if err != nil {
		log.Fatal("sealv1: ", err)
	}
}

func run(verb, file string) (any, error) {
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		return nil, err
	}
	switch verb {
	case "seal":
		return seal(input, file)
	case "unseal":
		return unseal(input, file)
	}
	return nil, fmt.Errorf("no verb %q", verb)
}

func seal(input []byte, certificate string) (any, error) {
	f, err := os.Open(certificate)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	key, err := kubeseal.ParseKey(f)
	if err != nil {
		return nil, err
	}
	var s corev1.Secret
	if err := json.Unmarshal(input, &s); err != nil {
		return nil, err
	}
	out, err := ssv1alpha1.NewSealedSecretV1(scheme.Codecs, key, &s)
	if err != nil {
		return nil, err
	}
	out.TypeMeta = metav1.TypeMeta{APIVersion: "bitnami.com/v1alpha1", Kind: "SealedSecret"}
	return out, nil
}

func unseal(input []byte, file string) (any, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	parsed, err := keyutil.ParsePrivateKeyPEM(text)
	if err != nil {
		return nil, err
	}
	key := parsed.(*rsa.PrivateKey)
	name, err := crypto.PublicKeyFingerprint(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	var s ssv1alpha1.SealedSecret
	if err := json.Unmarshal(input, &s); err != nil {
		return nil, err
	}
	return s.Unseal(scheme.Codecs, map[string]*rsa.PrivateKey{name: key})
}
