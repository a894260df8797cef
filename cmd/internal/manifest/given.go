package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// FromFile takes out of an object in JSON, as an API server gives it, what belongs to the
// object in the cluster and not to a file that it could be made of: its identity and
// history there, its status, and a SealedManifest's own spec.
func FromFile(src []byte) ([]byte, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(src, &fields); err != nil {
		return nil, fmt.Errorf("reading back the object: %w", err)
	}
	delete(fields, "status")
	delete(fields, "spec")
	var err error
	if fields["metadata"], err = without(fields["metadata"], []string{"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink", "ownerReferences", "finalizers"}); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "    ")
	if err := e.Encode(fields); err != nil {
		return nil, fmt.Errorf("writing the object: %w", err)
	}
	return b.Bytes(), nil
}

// without returns metadata without some fields, and without annotations that repeat the
// object.
func without(metadata json.RawMessage, names []string) (json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(metadata, &fields); err != nil {
		return nil, fmt.Errorf("reading back the metadata: %w", err)
	}
	var annotations map[string]json.RawMessage
	if err := json.Unmarshal(fields["annotations"], &annotations); err == nil {
		for key := range annotations {
			if slices.Contains(lastApplied, key) {
				delete(annotations, key)
			}
		}
		if fields["annotations"], err = json.Marshal(annotations); err != nil {
			return nil, fmt.Errorf("writing the annotations: %w", err)
		}
		if len(annotations) == 0 {
			delete(fields, "annotations")
		}
	}
	for _, name := range names {
		delete(fields, name)
	}
	out, err := json.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("writing the metadata: %w", err)
	}
	return out, nil
}
