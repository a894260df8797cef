package rules

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gitseal/gitseal/cmd/internal/doors"
)

// closedDoors reads which doors are closed for everybody: "closed" for all of them,
// "open" for none, or a list of their names. The first word of a name stands
// for all that begin with it.
func (d *decoder) closedDoors(n *yaml.Node, c *Config) error {
	const what = "gitseal.doors"
	v, err := d.follow(n)
	if err != nil {
		return err
	}
	if v.Kind == yaml.ScalarNode {
		word := ""
		if err := d.choice(n, &word, what, "open", "closed"); err != nil {
			return err
		}
		if word == "closed" {
			c.ClosedDoors = doors.Names()
		}
		return nil
	}
	items, err := d.list(n, what)
	if err != nil {
		return err
	}
	for _, item := range items {
		name := ""
		if err := d.text(&name, what)(item); err != nil {
			return err
		}
		found := false
		for _, full := range doors.Names() {
			if first, _, _ := strings.Cut(full, " "); name == full || name == first {
				found = true
				c.ClosedDoors = append(c.ClosedDoors, full)
			}
		}
		if !found {
			return d.fail(item, "%s: there is no door %s; they are: %s", what, quote(name), strings.Join(doors.Names(), ", "))
		}
	}
	return nil
}
