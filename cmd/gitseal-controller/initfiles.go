package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/gitseal/gitseal/cmd/internal/atomicfile"
	"github.com/gitseal/gitseal/k8s-controller/bootstrap"
	"github.com/gitseal/gitseal/k8s-controller/keyring"
	"github.com/gitseal/gitseal/keysources/age"
)

// maxIdentityFile bounds what is read of a file of identities.
const maxIdentityFile = 1 << 20

// importIdentities reads a file of age identities; all of them must be readable.
func importIdentities(name string, stdin io.Reader) ([]age.Identity, error) {
	data, err := readIdentityFile(name, stdin)
	if err != nil {
		return nil, fmt.Errorf("reading the identities to import: %w", err)
	}
	defer clear(data)
	ids, err := keyring.ReadIdentities(data)
	if err != nil {
		return nil, &commandError{error: fmt.Errorf("importing %s: %w", name, err), code: exitFailed,
			hint: "it has to be a file of age identities (AGE-SECRET-KEY-…), one a line; decrypt it first if it is encrypted"}
	}
	return ids, nil
}

func readIdentityFile(name string, stdin io.Reader) ([]byte, error) {
	in := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxIdentityFile+1))
	if err == nil && len(data) > maxIdentityFile {
		err = errors.New("the file is too large to be one of identities")
	}
	return data, err
}

// recoveryFile makes a recovery key and writes it to a new file. If the file is there
// and holds one identity, as after a run that failed later, that is the recovery key.
func recoveryFile(name string, o bootstrap.Options) (recipient string, fresh bool, err error) {
	id, err := age.Generate(!o.Classic)
	if err != nil {
		return "", false, err
	}
	text := fmt.Appendf(nil, "# recovery key of the SealKeyring %s: keep it offline\n# created: %s by gitseal-controller init\n# public key: %s\n%s\n",
		o.Keyring, time.Now().UTC().Format(time.RFC3339), id.Recipient(), id.SecretText())
	defer clear(text)
	_, err = atomicfile.Write(name, text, atomicfile.Options{Expect: atomicfile.Absent(), Perm: 0o600})
	if err == nil {
		return id.Recipient().String(), true, nil
	}
	if !errors.Is(err, atomicfile.ErrChanged) {
		return "", false, &commandError{error: err, code: exitFailed, hint: "nothing was made in the cluster; name a file that can be written"}
	}
	data, err := readIdentityFile(name, nil)
	if err != nil {
		return "", false, err
	}
	defer clear(data)
	ids, err := keyring.ReadIdentities(data)
	if err != nil || len(ids) != 1 {
		return "", false, &commandError{error: fmt.Errorf("%s exists already, and is no recovery key", name), code: exitWrongState,
			hint: "nothing was made in the cluster; name a file that is not there"}
	}
	return ids[0].Recipient().String(), false, nil
}

// printObjects prints what init would make, as YAML, without anything secret.
func printObjects(w io.Writer, o bootstrap.Options) error {
	for i, obj := range o.Objects() {
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
		if err != nil {
			return fmt.Errorf("printing what would be made: %w", err)
		}
		unstructured.RemoveNestedField(content, "metadata", "creationTimestamp")
		unstructured.RemoveNestedField(content, "status")
		if content["kind"] == "Namespace" {
			delete(content, "spec")
		}
		text, err := toYAML(content)
		if err != nil {
			return fmt.Errorf("printing what would be made: %w", err)
		}
		if i > 0 {
			fmt.Fprintln(w, "---")
		}
		if content["kind"] == "Secret" {
			fmt.Fprintln(w, "# with the private key, which is made when it is needed")
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
	}
	return nil
}

func toYAML(content map[string]any) ([]byte, error) {
	text, err := json.Marshal(content)
	if err != nil {
		return nil, err
	}
	return yaml.JSONToYAML(text)
}
