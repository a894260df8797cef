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

// controllersState is what is known of the controllers that the listed manifests need.
type controllersState struct {
	// home is the namespace that they run in.
	home string
	// classes are those of the manifests, or "" alone if there are none; nil if nothing can be
	// seen.
	classes []cluster.Class
	// others have a Lease and are for none of these.
	others []cluster.Controller
	// byName: there may be Leases that cannot be seen.
	byName bool
}

// controllersIfSeen returns the controllers of a namespace. Who may read manifests only
// does without, and a note says so.
func controllersIfSeen(ctx context.Context, k cluster.Kubectl, home string, manifests []cluster.Manifest, u *ui) (controllersState, error) {
	st := controllersState{home: home}
	classes := classesOf(manifests)
	leases, err := k.Leases(ctx, home, classes)
	var own *cluster.Error
	switch {
	case cluster.ReasonOf(err) == cluster.Forbidden:
		u.note("whether the controller runs is not shown: you may not read its Lease in " + quoted(home))
		return st, nil
	case errors.As(err, &own):
		u.note("whether the controller runs is not shown: " + own.Error())
		return st, nil
	case err != nil:
		return st, err
	}
	if len(leases.Unseen) > 0 {
		u.note(fmt.Sprintf("whether controllers %s run is not shown: you may not list Leases in %s", ofClasses(leases.Unseen), quoted(home)))
	}
	st.classes, st.others = leases.Classes(classes)
	st.byName = leases.ByName
	return st, nil
}

// classesOf returns the classes that manifests are of, each once: that without a name
// first, which is there too if there are no manifests.
func classesOf(manifests []cluster.Manifest) []string {
	var classes []string
	seen := make(map[string]bool)
	for _, m := range manifests {
		if !seen[m.Class] {
			seen[m.Class] = true
			classes = append(classes, m.Class)
		}
	}
	if classes == nil {
		return []string{""}
	}
	slices.Sort(classes)
	return classes
}

// maxNamed is how many classes a sentence names.
const maxNamed = 5

// ofClasses names classes in a sentence.
func ofClasses(names []string) string {
	var out []string
	for _, name := range names[:min(len(names), maxNamed)] {
		if name == "" {
			name = "without a class"
		} else {
			name = "of class " + name
		}
		out = append(out, name)
	}
	if more := len(names) - maxNamed; more > 0 {
		out = append(out, fmt.Sprintf("of %d more", more))
	}
	return strings.Join(out, ", ")
}

// print says of each controller who leads.
func (st controllersState) print(u *ui, waiting map[string]int, now time.Time) {
	for _, c := range st.classes {
		state := c.Leading(now)
		if state == cluster.Missing {
			fmt.Fprintln(u.out, st.missingLine(c.Name, waiting[c.Name]))
		}
		for _, one := range c.Controllers {
			fmt.Fprintln(u.out, st.line(one, state, now))
		}
	}
	for _, c := range st.others {
		fmt.Fprintln(u.out, st.line(c, cluster.Missing, now))
	}
}

func (st controllersState) missingLine(class string, waiting int) string {
	line := fmt.Sprintf("%s: it has no Lease in %s: it runs elsewhere (--controller-namespace), without --leader-elect, or not at all", controllerName(class), st.home)
	if st.byName {
		line = fmt.Sprintf("%s: it has no Lease in %s, or one that you may not read", controllerName(class), st.home)
	}
	if waiting > 0 {
		line += fmt.Sprintf("; %s waiting for it", are(waiting, "SealedManifest"))
	}
	return line
}

func controllerName(class string) string {
	if class == "" {
		return "controller"
	}
	return "controller of class " + class
}

// line says it of a Lease; state is that of the class, Missing if no manifest that is
// listed needs it.
func (st controllersState) line(c cluster.Controller, state cluster.Leading, now time.Time) string {
	name := controllerName(c.Class)
	if c.Part {
		name += " (" + c.Lease + ")"
	}
	holder, since := replica(c), ago(c.Renewed, now)
	switch c.Leading(now) {
	case cluster.Leads:
		return fmt.Sprintf("%s: %s leads, and renewed the lease %s ago", name, holder, since)
	case cluster.Changing:
		return fmt.Sprintf("%s: nobody leads for %s: another replica is about to", name, since)
	}
	line := name + ": no controller has ever renewed the lease"
	if !c.Renewed.IsZero() {
		line = fmt.Sprintf("%s: no controller has renewed the lease for %s", name, since)
		if holder != "" {
			line += "; the last was " + holder
		}
	}
	switch {
	case state == cluster.Missing:
		return line + "; no manifest that is listed is for it"
	case state != cluster.Lost:
		return line + "; another of its class leads, or is about to"
	case st.byName:
		line += "; whether one with another lease leads is not shown"
	}
	return line + ": is it running? kubectl -n " + st.home + " get pods"
}

// replica is the Pod of a controller's holder: what follows is random.
func replica(c cluster.Controller) string {
	pod, _, _ := strings.Cut(c.Holder, "_")
	return pod
}

// lost says which classes have no controller that works, "" if none of them.
func (st controllersState) lost(now time.Time) string {
	var names, leases []string
	for _, c := range st.classes {
		if c.Leading(now) == cluster.Lost {
			names = append(names, c.Name)
			leases = append(leases, c.Controllers[0].Lease)
		}
	}
	switch {
	case names == nil:
		return ""
	case st.byName:
		return "nobody renews the lease " + strings.Join(leases, ", ")
	case len(st.classes) == 1 && names[0] == "":
		return "no controller runs"
	}
	return "no controller runs " + ofClasses(names)
}

// classJSON is a class that listed manifests are of.
type classJSON struct {
	Class string `json:"class"`
	// State is "leads", "changing", "lost", "missing" (there is no Lease) or "unseen".
	State cluster.Leading `json:"state"`
}

type controllerJSON struct {
	Lease        string          `json:"lease"`
	Class        string          `json:"class,omitempty"`
	State        cluster.Leading `json:"state"`
	Holder       string          `json:"holder,omitempty"`
	Renewed      *time.Time      `json:"renewed,omitempty"`
	LeaseSeconds int             `json:"leaseSeconds"`
	// Needed: a manifest that is listed is of its class.
	Needed bool `json:"needed"`
}

// json is nil, twice, if they cannot be seen.
func (st controllersState) json(now time.Time) (classes []classJSON, out []controllerJSON) {
	if st.classes == nil {
		return nil, nil
	}
	classes, out = []classJSON{}, []controllerJSON{}
	add := func(c cluster.Controller, needed bool) {
		out = append(out, controllerJSON{
			Lease: c.Lease, Class: c.Class, State: c.Leading(now), Holder: c.Holder,
			Renewed: moment(c.Renewed), LeaseSeconds: int(c.Duration / time.Second), Needed: needed,
		})
	}
	for _, c := range st.classes {
		classes = append(classes, classJSON{Class: c.Name, State: c.Leading(now)})
		for _, one := range c.Controllers {
			add(one, true)
		}
	}
	for _, c := range st.others {
		add(c, false)
	}
	return classes, out
}
