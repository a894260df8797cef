package main

import (
	"time"

	"github.com/gitseal/gitseal/cmd/internal/cluster"
)

// clusterStatusJSON is the JSON form of gitseal k8s status. Names of fields do not
// change.
type clusterStatusJSON struct {
	Manifests []manifestStatusJSON `json:"manifests"`
	Keyrings  []keyringStatusJSON  `json:"keyrings"`
	// Classes and Controllers are null if no Lease can be seen.
	Classes     []classJSON      `json:"classes"`
	Controllers []controllerJSON `json:"controllers"`
}

type manifestStatusJSON struct {
	Namespace string        `json:"namespace"`
	Name      string        `json:"name"`
	State     cluster.State `json:"state"`
	Reason    string        `json:"reason,omitempty"`
	Message   string        `json:"message,omitempty"`
	Since     *time.Time    `json:"since,omitempty"`
	Keys      []keyJSON     `json:"keys,omitempty"`
	Keyring   string        `json:"keyring,omitempty"`
	MAC       string        `json:"mac,omitempty"`
	Context   string        `json:"context,omitempty"`
	Objects   []string      `json:"objects,omitempty"`
	Applied   *time.Time    `json:"applied,omitempty"`
	Created   *time.Time    `json:"created,omitempty"`
	Class     string        `json:"class,omitempty"`
	Document  bool          `json:"document,omitempty"`
}

type keyJSON struct {
	ID   string `json:"id"`
	Type string `json:"type"`
}

type keyringStatusJSON struct {
	Name       string         `json:"name"`
	Ready      string         `json:"ready,omitempty"`
	Reason     string         `json:"reason,omitempty"`
	Message    string         `json:"message,omitempty"`
	Recipients []string       `json:"recipients,omitempty"`
	Keys       []identityJSON `json:"keys"`
}

type identityJSON struct {
	keyJSON
	Source    string     `json:"source,omitempty"`
	State     string     `json:"state"`
	Created   *time.Time `json:"created,omitempty"`
	Manifests int        `json:"manifests"`
	// Unused: nothing in the cluster needs the key any more.
	Unused bool `json:"unused,omitempty"`
}

func (st clusterStatus) json() clusterStatusJSON {
	out := clusterStatusJSON{Manifests: []manifestStatusJSON{}, Keyrings: []keyringStatusJSON{}}
	out.Classes, out.Controllers = st.controllers.json(st.now)
	for _, m := range st.manifests {
		j := manifestStatusJSON{
			Namespace: m.Namespace, Name: m.Name, State: m.State, Reason: m.Ready.Reason, Message: m.Ready.Message, Since: moment(m.Ready.Since),
			Keyring: m.Keyring, MAC: m.MAC, Context: m.Context, Objects: m.Objects, Applied: moment(m.Applied), Created: moment(m.Created),
			Class: m.Class, Document: m.Document,
		}
		for _, k := range m.Keys {
			j.Keys = append(j.Keys, keyJSON(k))
		}
		out.Manifests = append(out.Manifests, j)
	}
	for _, kr := range st.keyrings {
		j := keyringStatusJSON{
			Name: kr.Name, Ready: kr.Ready.Status, Reason: kr.Ready.Reason, Message: kr.Ready.Message, Recipients: kr.Recipients, Keys: []identityJSON{},
		}
		for _, id := range kr.Identities {
			j.Keys = append(j.Keys, identityJSON{
				keyJSON: keyJSON(id.Key), Source: id.Source, State: identityState(id), Created: moment(id.Created), Manifests: id.Manifests, Unused: id.Unused(),
			})
		}
		out.Keyrings = append(out.Keyrings, j)
	}
	return out
}

// moment leaves out what is not known.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
