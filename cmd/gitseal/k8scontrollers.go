package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cmd/internal/cluster"
)

// controllerNamespaceFlag says where gitseal-controller runs.
func controllerNamespaceFlag() cli.Flag {
	return &cli.StringFlag{Name: "controller-namespace", Usage: "the `NAMESPACE` that gitseal-controller runs in", Value: "gitseal-system"}
}

// controllersIfSeen returns the controllers of a namespace: nil, and a note, if they
// cannot be seen. Who may read manifests only does without.
func controllersIfSeen(ctx context.Context, k cluster.Kubectl, namespace string, manifests []cluster.Manifest, u *ui) ([]cluster.Controller, error) {
	classes := []string{""}
	for _, m := range manifests {
		if !slices.Contains(classes, m.Class) {
			classes = append(classes, m.Class)
		}
	}
	list, err := k.Controllers(ctx, namespace, classes)
	var own *cluster.Error
	switch {
	case cluster.ReasonOf(err) == cluster.Forbidden:
		u.note("whether the controller runs is not shown: you may not read its Lease in " + quoted(namespace))
		return nil, nil
	case errors.As(err, &own):
		u.note("whether the controller runs is not shown: " + own.Error())
		return nil, nil
	case err != nil:
		return nil, err
	case list == nil:
		list = []cluster.Controller{}
	}
	return list, nil
}

// printControllers says of each controller who leads.
func (st clusterStatus) printControllers(u *ui) {
	if st.controllers != nil && len(st.controllers) == 0 {
		fmt.Fprintf(u.out, "controller: there is no Lease in %s: it runs elsewhere (--controller-namespace), without --leader-elect, or not at all\n", st.home)
	}
	for _, c := range st.controllers {
		fmt.Fprintln(u.out, st.controllerLine(c))
	}
}

func (st clusterStatus) controllerLine(c cluster.Controller) string {
	name := "controller"
	if c.Class != "" {
		name += " of class " + c.Class
	}
	holder, since := replica(c), ago(c.Renewed, st.now)
	switch c.Leading(st.now) {
	case cluster.Leads:
		return fmt.Sprintf("%s: %s leads, and renewed the lease %s ago", name, holder, since)
	case cluster.Changing:
		return fmt.Sprintf("%s: nobody leads for %s: another replica is about to", name, since)
	}
	if c.Renewed.IsZero() {
		return fmt.Sprintf("%s: no controller has ever renewed the lease: is it running? kubectl -n %s get pods", name, st.home)
	}
	last := ""
	if holder != "" {
		last = "; the last was " + holder
	}
	return fmt.Sprintf("%s: no controller has renewed the lease for %s%s: is it running? kubectl -n %s get pods", name, since, last, st.home)
}

// replica is the Pod of a controller's holder: what follows is random.
func replica(c cluster.Controller) string {
	pod, _, _ := strings.Cut(c.Holder, "_")
	return pod
}

// lost counts the controllers of which no replica works.
func (st clusterStatus) lost() (n int) {
	for _, c := range st.controllers {
		if c.Leading(st.now) == cluster.Lost {
			n++
		}
	}
	return n
}

type controllerJSON struct {
	Lease        string          `json:"lease"`
	Class        string          `json:"class,omitempty"`
	State        cluster.Leading `json:"state"`
	Holder       string          `json:"holder,omitempty"`
	Renewed      *time.Time      `json:"renewed,omitempty"`
	LeaseSeconds int             `json:"leaseSeconds"`
}

// controllersJSON is null if they cannot be seen.
func (st clusterStatus) controllersJSON() []controllerJSON {
	if st.controllers == nil {
		return nil
	}
	out := []controllerJSON{}
	for _, c := range st.controllers {
		out = append(out, controllerJSON{
			Lease: c.Lease, Class: c.Class, State: c.Leading(st.now), Holder: c.Holder,
			Renewed: moment(c.Renewed), LeaseSeconds: int(c.Duration / time.Second),
		})
	}
	return out
}
