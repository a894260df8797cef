package cluster

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"
)

// leaseName is the Lease of gitseal-controller. That of a class has -CLASS behind it; and
// if it is for some of the manifests only, a dot and what tells it from the others, which
// no class has.
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
	// Missing: there is no Lease.
	Missing Leading = "missing"
	// Unseen: whether there is one may not be read.
	Unseen Leading = "unseen"
)

// Controller is what the Lease of a controller says.
type Controller struct {
	// Lease is its name, Class that of the SealedManifests that the controller is for.
	Lease, Class string
	// Part: it is for some of the class's manifests only, those with a label.
	Part bool
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

// Leases is what can be read of the Leases in a namespace.
type Leases struct {
	// Controllers have one, in the order of their classes.
	Controllers []Controller
	// ByName: Leases may not be listed. Only those of the named classes' controllers for all
	// of their manifests were asked for.
	ByName bool
	// Unseen are the classes of which even that may not be read, or was not asked for: whoever
	// writes manifests names as many as he likes.
	Unseen []string
}

// maxClasses bounds for how many classes kubectl is run.
const maxClasses = 5

const leaseResource = "leases.coordination.k8s.io"

// Leases reads the Leases of controllers in a namespace: all of them or, for who may not
// list them, those of the first few of the classes that can be read. If none can be, the
// error is that: an [*Error] or the context's.
func (k Kubectl) Leases(ctx context.Context, namespace string, classes []string) (Leases, error) {
	answer, err := k.get(ctx, leaseResource, Where{Namespace: namespace})
	if err == nil {
		list, err := DecodeControllers(answer)
		return Leases{Controllers: list}, err
	}
	if ReasonOf(err) != Forbidden {
		return Leases{}, err
	}
	l := Leases{ByName: true}
	forbidden, read := err, 0
	for _, class := range classes {
		if !possible(class) {
			continue
		}
		if read+len(l.Unseen) >= maxClasses {
			l.Unseen = append(l.Unseen, class)
			continue
		}
		one, err := k.lease(ctx, namespace, class)
		switch {
		case ReasonOf(err) == Forbidden:
			l.Unseen = append(l.Unseen, class)
			continue
		case err != nil:
			return Leases{}, err
		}
		l.Controllers = append(l.Controllers, one...)
		read++
	}
	if read == 0 && len(l.Unseen) > 0 {
		return Leases{}, forbidden
	}
	l.Controllers = sorted(l.Controllers)
	return l, nil
}

// lease returns the controller for all manifests of a class, none if it has no Lease.
func (k Kubectl) lease(ctx context.Context, namespace, class string) ([]Controller, error) {
	answer, err := k.get(ctx, leaseResource, Where{Namespace: namespace, Names: []string{strings.TrimSuffix(leaseName+"-"+class, "-")}})
	if ReasonOf(err) == NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return DecodeControllers(answer)
}

// possible reports whether a controller can have such a class; manifests can name more.
func possible(class string) bool {
	return len(class) <= 63 && !strings.ContainsAny(class, "./")
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
		whole, _, part := strings.Cut(l.Metadata.Name, ".")
		class, ours := strings.CutPrefix(whole+"-", leaseName+"-")
		if !ours {
			continue
		}
		out = append(out, Controller{
			Lease: clean(l.Metadata.Name), Class: clean(strings.TrimSuffix(class, "-")), Part: part, Holder: clean(l.Spec.HolderIdentity),
			Renewed: l.Spec.RenewTime, Duration: time.Duration(max(l.Spec.LeaseDurationSeconds, 0)) * time.Second,
		})
	}
	return sorted(out), nil
}

func sorted(list []Controller) []Controller {
	slices.SortStableFunc(list, func(a, b Controller) int { return cmp.Compare(a.Class, b.Class) })
	return list
}
