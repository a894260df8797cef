package cluster

import (
	"slices"
	"time"
)

// Class is what the Leases say of the controllers for the SealedManifests of a class.
type Class struct {
	// Name is "" for those without a class.
	Name string
	// Controllers have a Lease and are for the class; several if they share its manifests
	// out among them, or if one of the Leases was left behind.
	Controllers []Controller
	unseen      bool
}

// Leading sums them up: the class is led if one of them leads.
func (c Class) Leading(now time.Time) Leading {
	states := make(map[Leading]bool)
	for _, one := range c.Controllers {
		states[one.Leading(now)] = true
	}
	for _, s := range []Leading{Leads, Changing, Lost} {
		if states[s] {
			return s
		}
	}
	if c.unseen {
		return Unseen
	}
	return Missing
}

// Classes returns what the Leases say of each of the classes, and the controllers of
// other classes.
func (l Leases) Classes(names []string) (classes []Class, others []Controller) {
	of := make(map[string]int, len(names))
	for i, name := range names {
		of[name] = i
		classes = append(classes, Class{Name: name, unseen: slices.Contains(l.Unseen, name)})
	}
	for _, c := range l.Controllers {
		if i, named := of[c.Class]; named {
			classes[i].Controllers = append(classes[i].Controllers, c)
		} else {
			others = append(others, c)
		}
	}
	return classes, others
}
