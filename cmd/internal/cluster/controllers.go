package cluster

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"
)

// leaseName is the Lease of gitseal-controller. Those of a class have the class behind
// it.
const leaseName = "gitseal-controller"

// clockSkew is how far the clocks of the cluster and of this machine may be apart.
const clockSkew = 30 * time.Second

// Leading says who does the work of a controller, as far as its Lease shows that.
type Leading string

// The states of a controller.
const (
	// Leads: one of its replicas does the work.
	Leads Leading = "leads"
	// Changing: none does for the moment, and another is about to take over.
	Changing Leading = "changing"
	// Lost: none has for some time.
	Lost Leading = "lost"
)

// Controller is what the Lease of a controller says.
type Controller struct {
	// Lease is its name, Class that of the SealedManifests that the controller is for.
	Lease, Class string
	// Holder names the replica that leads, or led last; "" if it let the others lead.
	Holder string
	// Renewed is when the holder was last heard of.
	Renewed time.Time
	// Duration is how long the others wait for it.
	Duration time.Duration
}

// Leading sums it up.
func (c Controller) Leading(now time.Time) Leading {
	silent := now.Sub(c.Renewed)
	switch {
	case silent > c.Duration+clockSkew:
		return Lost
	case c.Holder == "":
		return Changing
	}
	return Leads
}

// maxClasses bounds for how many classes kubectl is run: who writes manifests names them.
const maxClasses = 5

// Controllers returns the controllers that have a Lease in a namespace, in the order of
// their classes. Who may not list Leases gets those of the first few classes that are
// named. The error is an [*Error] or the context's.
func (k Kubectl) Controllers(ctx context.Context, namespace string, classes []string) ([]Controller, error) {
	const resource = "leases.coordination.k8s.io"
	answer, err := k.get(ctx, resource, Where{Namespace: namespace})
	if err == nil {
		return DecodeControllers(answer)
	}
	if ReasonOf(err) != Forbidden {
		return nil, err
	}
	var out []Controller
	for _, class := range classes[:min(len(classes), maxClasses)] {
		if strings.Contains(class, "/") {
			continue // a controller cannot have such a class
		}
		answer, err := k.get(ctx, resource, Where{Namespace: namespace, Names: []string{strings.TrimSuffix(leaseName+"-"+class, "-")}})
		if ReasonOf(err) == NotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		one, err := DecodeControllers(answer)
		if err != nil {
			return nil, err
		}
		out = append(out, one...)
	}
	return sorted(out), nil
}

// lease is a Lease, as far as it matters here.
type lease struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		HolderIdentity       string    `json:"holderIdentity"`
		LeaseDurationSeconds int       `json:"leaseDurationSeconds"`
		RenewTime            time.Time `json:"renewTime"`
	} `json:"spec"`
}

// DecodeControllers reads what kubectl get prints about Leases. Those of others are
// passed over.
func DecodeControllers(answer []byte) ([]Controller, error) {
	var list struct {
		lease
		Items *[]lease `json:"items"`
	}
	if err := one(answer, &list); err != nil {
		return nil, err
	}
	all := []lease{list.lease}
	if list.Items != nil && strings.HasSuffix(list.Kind, "List") {
		all = *list.Items
	}
	var out []Controller
	for _, l := range all {
		if l.Kind != "Lease" {
			return nil, badAnswer("it holds something that is no Lease")
		}
		class, ours := strings.CutPrefix(l.Metadata.Name+"-", leaseName+"-")
		if !ours {
			continue
		}
		out = append(out, Controller{
			Lease: clean(l.Metadata.Name), Class: clean(strings.TrimSuffix(class, "-")), Holder: clean(l.Spec.HolderIdentity),
			Renewed: l.Spec.RenewTime, Duration: time.Duration(max(l.Spec.LeaseDurationSeconds, 0)) * time.Second,
		})
	}
	return sorted(out), nil
}

func sorted(list []Controller) []Controller {
	slices.SortStableFunc(list, func(a, b Controller) int { return cmp.Compare(a.Class, b.Class) })
	return list
}
