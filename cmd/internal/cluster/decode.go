package cluster

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"
)

// The kinds that are read.
const (
	group        = "gitseal.dev/"
	kindManifest = "SealedManifest"
	kindKeyring  = "SealKeyring"
)

// object is a SealedManifest, a SealKeyring or a ConfigMap, as far as it matters here.
// What is sealed is passed over.
type object struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name              string     `json:"name"`
		Namespace         string     `json:"namespace"`
		Generation        int64      `json:"generation"`
		CreationTimestamp time.Time  `json:"creationTimestamp"`
		DeletionTimestamp *time.Time `json:"deletionTimestamp"`
	} `json:"metadata"`
	Spec struct {
		Suspend  bool   `json:"suspend"`
		Document string `json:"document"`
		Class    string `json:"class"`
	} `json:"spec"`
	Status status `json:"status"`
}

// status is that of both kinds.
type status struct {
	ObservedGeneration int64  `json:"observedGeneration"`
	Keyring            string `json:"keyring"`
	Keys               []struct {
		ID   string `json:"id"`
		Type string `json:"type"`
	} `json:"keys"`
	Integrity *struct {
		MAC     string `json:"mac"`
		Context string `json:"context"`
	} `json:"integrity"`
	Resources []struct {
		Kind string `json:"kind"`
		Name string `json:"name"`
	} `json:"resources"`
	LastAppliedTime *time.Time `json:"lastAppliedTime"`
	Recipients      []string   `json:"recipients"`
	Identities      []struct {
		ID        string     `json:"id"`
		Source    string     `json:"source"`
		Type      string     `json:"type"`
		State     string     `json:"state"`
		CreatedAt *time.Time `json:"createdAt"`
		Manifests int        `json:"manifests"`
	} `json:"identities"`
	Conditions []struct {
		Type               string    `json:"type"`
		Status             string    `json:"status"`
		Reason             string    `json:"reason"`
		Message            string    `json:"message"`
		LastTransitionTime time.Time `json:"lastTransitionTime"`
	} `json:"conditions"`
}

// condition returns one of the conditions, without a Status if it is not there.
func (s status) condition(typ string) Condition {
	for _, c := range s.Conditions {
		if c.Type == typ {
			return Condition{Status: clean(c.Status), Reason: clean(c.Reason), Message: clean(c.Message), Since: c.LastTransitionTime}
		}
	}
	return Condition{}
}

func badAnswer(why string) *Error {
	return &Error{Reason: BadAnswer, Message: "kubectl's answer cannot be read: " + clean(why)}
}

// decode reads kubectl's answer: one object, or a list of them.
func decode(answer []byte, kind string) ([]object, error) {
	var list struct {
		Kind  string    `json:"kind"`
		Items *[]object `json:"items"`
	}
	if err := one(answer, &list); err != nil {
		return nil, err
	}
	var out []object
	switch {
	case list.Items != nil && strings.HasSuffix(list.Kind, "List"):
		out = *list.Items
	case list.Kind == kind:
		out = make([]object, 1)
		if err := one(answer, &out[0]); err != nil {
			return nil, err
		}
	default:
		return nil, badAnswer("it is neither a list nor a " + kind)
	}
	for _, o := range out {
		if o.Kind != kind || !strings.HasPrefix(o.APIVersion, group) || o.Metadata.Name == "" {
			return nil, badAnswer("it holds something that is no " + kind)
		}
	}
	return out, nil
}

// one decodes an answer that is one JSON value and no more.
func one(answer []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(answer))
	if err := d.Decode(into); err != nil {
		return badAnswer(err.Error())
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return badAnswer("something follows the JSON")
	}
	return nil
}
