package main

import (
	"github.com/gitseal/gitseal/cipher"
)

// lost is the error that the place of a proposal cannot be found, nil if it can.
func (o *offer) lost(in input) error {
	e := &commandError{code: exitWrongState,
		hint: hintFor(in.name, "set the value by hand, where it belongs: gitseal accept --list --reveal FILE shows it; and turn the proposal down: gitseal accept --drop --id "+o.proposal.ID()+" FILE")}
	switch o.place.State {
	case cipher.PlaceTaken:
		e.text = "the list item that it was to add is there by now"
	case cipher.PlaceLost:
		e.text = "the list item or document that it was made for is gone, or cannot be told from others"
	default:
		return nil
	}
	return e
}

// since says what has changed at the place after the proposal was made, "" if nothing has
// that matters.
func (o *offer) since() string {
	switch {
	case o.place.State == cipher.PlaceAround:
		return "the list item or document around it was changed after it was proposed"
	case o.place.State != cipher.PlaceChanged:
		return ""
	case o.old == nil:
		return "the value that stood there was removed after it was proposed"
	case o.known && o.old.Equal(&o.node):
		return ""
	}
	return "the value that stands there was set after it was proposed"
}

// accept chooses a proposal that was named, or that nothing speaks against, and says what
// is not as its path lets expect.
func (r *acceptRun) accept(j *acceptJob, o *offer) {
	o.action = offerAccepted
	name := j.in.name + ": the proposal " + o.proposal.ID() + " for " + o.proposal.Path.String()
	if since := o.since(); since != "" {
		r.ui.warn(oneLine(name + " is accepted, though " + since))
	}
	if o.now() != "" {
		r.ui.note(oneLine(name + " goes to " + o.place.Path.String() + ", where what it was made for is now"))
	}
}

// sameOld reports whether another offer of the same proposal would replace the same, so
// that who has agreed to one has agreed to the other.
func (o *offer) sameOld(p *offer) bool {
	if (o.old == nil) != (p.old == nil) || o.place.State != p.place.State || !o.place.Path.Equal(p.place.Path) {
		return false
	}
	return o.old == nil || o.old.Equal(p.old)
}

// now is the place where the value belongs by now, "" if that is where it was proposed.
func (o *offer) now() string {
	if o.place.Path.Equal(o.proposal.Path) {
		return ""
	}
	return o.place.Path.Text()
}

// pathText names the place, and where it is now.
func (o *offer) pathText() string {
	text := o.proposal.Path.String()
	if o.err == nil && o.now() != "" {
		text += " (now " + o.place.Path.String() + ")"
	}
	return text
}

// what says what would become of the place.
func (o *offer) what() string {
	switch since := o.since(); {
	case o.err != nil:
		return "CANNOT BE ACCEPTED (" + o.err.Error() + ")"
	case o.old == nil && since != "":
		return describeNode(&o.node) + ", new; " + since
	case o.old == nil:
		return describeNode(&o.node) + ", new"
	case o.old.Equal(&o.node):
		return "what is there already"
	case o.place.State == cipher.PlaceChanged:
		return describeNode(&o.node) + " IN PLACE OF " + describeNode(o.old) + " that was set after it was proposed"
	case since != "":
		return describeNode(&o.node) + " in place of " + describeNode(o.old) + "; " + since
	}
	return describeNode(&o.node) + " in place of " + describeNode(o.old)
}
