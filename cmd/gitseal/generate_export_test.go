package main

import "github.com/gitseal/gitseal/formats"

// Pick is how characters of passwords are chosen.
var Pick = pick

// Generate makes a secret, and its public part.
func Generate(kind string) (secret, public string, err error) {
	g, err := findGenerator(kind, 0, false)
	if err != nil {
		return "", "", err
	}
	made, err := g.make(g.length)
	return made.secret, made.public, err
}

// GeneratorKinds are the kinds of secrets.
var GeneratorKinds = generatorKinds

// NodeOf makes a value of a text.
func NodeOf(text, typ string, old *formats.Node) (formats.Node, error) { return nodeOf(text, typ, old) }

// Revealed is how a reader sees a proposed value.
func Revealed(n formats.Node) string { return (&offer{node: n}).revealed() }
