// Package doors is the list of all ways in which plaintext leaves the program.
package doors

import "slices"

// Door is a way in which plaintext leaves the process.
type Door struct {
	// Name is the command, with the flag if only that opens the door.
	Name string
	// Opens says what comes out.
	Opens string
	// Twin says what to use instead, which shows no value.
	Twin string
}

// The names of the doors.
const (
	Unseal = "unseal"
	Get    = "get"
	Edit   = "edit"
	Diff   = "diff --plaintext"
	Exec   = "exec"
	Accept = "accept --reveal"
	// AcceptPlain lets what was proposed stand plain in the file.
	AcceptPlain = "accept --plain"
	// Exposing is no command: it is what keys sync does after a rule's selector has
	// changed, and unset, say, to values that a selector covers by a comment.
	Exposing   = "exposing"
	Keyservice = "keyservice"
	Kustomize  = "kustomize"
	HelmRender = "helm post-render"
	HelmGet    = "helm get"
)

// All returns the doors. There are no others: a test runs every command and looks
// for what should not be in its output.
func All() []Door {
	return []Door{
		{Unseal, "the plain file, on standard output or on disk", "gitseal view FILE shows the file without its values"},
		{Get, "one value", "gitseal view FILE KEY.PATH shows what kind of value it is; gitseal exec, run by a person, hands values to a program"},
		{Edit, "the plain file, in an editor", "gitseal edit --redacted FILE edits everything but the values, gitseal set FILE KEY.PATH replaces one"},
		{Diff, "old and new values", "gitseal diff shows which keys changed"},
		{Exec, "values, to a program that can do with them as it likes", "have a person run it; gitseal view FILE shows which keys there are"},
		{Accept, "values that were proposed", "gitseal accept --list shows proposals without their values"},
		{AcceptPlain, "proposed values that the file's selector leaves plain, in the file", "gitseal accept without --plain takes in those that stay sealed"},
		{Exposing, "sealed values that a change leaves plain in the file, as gitseal keys sync does after a rule's selector has changed", "have a person run it; gitseal keys sync --dry-run shows which values it is about"},
		{Kustomize, "the Secrets of a kustomization", "without --mode plain values are masked; gitseal view FILE shows a sealed file without them"},
		{HelmRender, "the Secrets of a Helm chart", "without --mode plain values are masked; gitseal view FILE shows a sealed file without them"},
		{HelmGet, "the plain file, to Helm", "without --mode plain values are masked; gitseal view FILE shows the file without them"},
		{Keyservice, "data keys, to whoever asks", "have a person run it; gitseal who FILE shows who can open a file"},
	}
}

// ByName returns the door of a name.
func ByName(name string) (Door, bool) {
	all := All()
	i := slices.IndexFunc(all, func(d Door) bool { return d.Name == name })
	if i < 0 {
		return Door{}, false
	}
	return all[i], true
}

// Names returns the names of all doors.
func Names() []string {
	var out []string
	for _, d := range All() {
		out = append(out, d.Name)
	}
	return out
}
