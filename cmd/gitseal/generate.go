package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/gitseal/gitseal/keysources/age"
)

// generator makes new secrets of one kind.
type generator struct {
	kind, what string
	// length is what is made unless people say otherwise, least the least that they
	// may ask for; both are 0 if the kind has but one length.
	length, least int
	make          func(length int) (generated, error)
}

// generated is a new secret. It prints redacted.
type generated struct {
	secret string
	// public is what goes with it and may be known: a public key.
	public string
}

// String says nothing of the secret.
func (generated) String() string { return "<generated secret>" }

// GoString says nothing of the secret.
func (generated) GoString() string { return "<generated secret>" }

// maxGenerated bounds --length.
const maxGenerated = 4096

func generators() []generator {
	return []generator{
		{"password", "letters and digits; --length in characters, 32 unless given", 32, 12, generatePassword},
		{"hex", "hexadecimal; --length in random bytes, 32 unless given", 32, 16, generateHex},
		{"base64", "base64 with padding; --length in random bytes, 32 unless given", 32, 16, generateBase64},
		{"uuid", "a random UUID (version 4)", 0, 0, generateUUID},
		{"ssh-ed25519", "an OpenSSH private key", 0, 0, generateSSH},
		{"age", "an age identity (X25519)", 0, 0, generateAge},
	}
}

func generatorKinds() []string {
	var out []string
	for _, g := range generators() {
		out = append(out, g.kind)
	}
	return out
}

// generatorHelp lists the kinds for help texts.
func generatorHelp() string {
	var b strings.Builder
	for _, g := range generators() {
		fmt.Fprintf(&b, "\n   %-12s %s", g.kind, g.what)
	}
	return b.String()
}

// findGenerator returns the generator of a kind, with the length to be made.
func findGenerator(kind string, length int, lengthGiven bool) (generator, error) {
	all := generators()
	i := slices.IndexFunc(all, func(g generator) bool { return g.kind == kind })
	if i < 0 {
		return generator{}, usageError("there is nothing of the kind "+quoted(kind)+" to generate", "the kinds are "+strings.Join(generatorKinds(), ", "))
	}
	g := all[i]
	if !lengthGiven {
		return g, nil
	}
	switch {
	case g.length == 0:
		return g, usageError("--length does not go with "+kind, "there is but one length; leave it out")
	case length < g.least || length > maxGenerated:
		return g, usageError(fmt.Sprintf("--length must be between %d and %d for %s", g.least, maxGenerated, kind), "what is shorter can be guessed")
	}
	g.length = length
	return g, nil
}

// passwordAlphabet is what passwords are made of: characters that need no quotes in
// shells, URLs and configuration files. 32 of them have 190 bits.
const passwordAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

func generatePassword(length int) (generated, error) {
	return generated{secret: pick(length, passwordAlphabet, randomBytes)}, nil
}

// pick returns n characters of an alphabet of at most 256, each as likely as any
// other: bytes that would favour the first characters are thrown away.
func pick(n int, alphabet string, random func(int) []byte) string {
	const bytes = 256
	fair := bytes - bytes%len(alphabet)
	out := make([]byte, 0, n)
	for len(out) < n {
		for _, b := range random(n) {
			if int(b) < fair && len(out) < n {
				out = append(out, alphabet[int(b)%len(alphabet)])
			}
		}
	}
	return string(out)
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return b
}

func generateHex(length int) (generated, error) {
	return generated{secret: hex.EncodeToString(randomBytes(length))}, nil
}

func generateBase64(length int) (generated, error) {
	return generated{secret: base64.StdEncoding.EncodeToString(randomBytes(length))}, nil
}

// generateUUID makes a UUID of RFC 9562 §5.4.
func generateUUID(int) (generated, error) {
	const size, versionAt, variantAt = 16, 6, 8
	b := randomBytes(size)
	b[versionAt] = b[versionAt]&0x0f | 0x40
	b[variantAt] = b[variantAt]&0x3f | 0x80
	return generated{secret: fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])}, nil
}

func generateSSH(int) (generated, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return generated{}, err
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return generated{}, fmt.Errorf("writing the new key: %w", err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return generated{}, fmt.Errorf("writing the new public key: %w", err)
	}
	line := strings.TrimSuffix(string(ssh.MarshalAuthorizedKey(key)), "\n")
	return generated{secret: string(pem.EncodeToMemory(block)), public: line}, nil
}

func generateAge(int) (generated, error) {
	id, err := age.Generate(false)
	if err != nil {
		return generated{}, err
	}
	return generated{secret: id.SecretText(), public: id.Recipient().String()}, nil
}
