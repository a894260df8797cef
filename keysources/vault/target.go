package vault

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/gitseal/gitseal/keysources"
)

// target is what a stanza names, checked.
type target struct {
	address, engine, key string
	// reader is how errors name it.
	reader string
}

// targetOf reads a stanza or key. An address or path that could lead to another
// place than it seems to is refused: the request's path is put together from them.
func targetOf(s keysources.Stanza) (target, error) {
	if s.Type != keysources.TypeVault {
		return target{}, fmt.Errorf("%w: %s", keysources.ErrNotForMe, s.Type)
	}
	t := target{
		address: s.Get("vault_address"), engine: s.Get("engine_path"), key: s.Get("key_name"),
		reader: s.Reader(),
	}
	if err := checkAddress(t.address); err != nil {
		return target{}, t.fail(keysources.Malformed, "vault_address: "+err.Error())
	}
	for segment := range strings.SplitSeq(t.engine, "/") {
		if !isSegment(segment) {
			return target{}, t.fail(keysources.Malformed, "engine_path")
		}
	}
	if !isSegment(t.key) {
		return target{}, t.fail(keysources.Malformed, "key_name")
	}
	return t, nil
}

func (t target) fail(r keysources.Reason, detail string) error {
	return &keysources.Error{Reader: t.reader, Reason: r, Detail: detail}
}

// segmentForm holds what the names of engines and keys are made of, without
// anything that means something in a URL.
var segmentForm = regexp.MustCompile(`^[A-Za-z0-9_.~@:+=-]{1,255}$`)

func isSegment(s string) bool { return segmentForm.MatchString(s) && strings.Trim(s, ".") != "" }

// addressError says what is wrong with an address without repeating it: it may
// hold a password.
type addressError string

func (e addressError) Error() string { return string(e) }

// checkAddress checks the address of a server. A path is allowed, for servers
// behind a proxy.
func checkAddress(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || len(s) > 2048 || strings.ContainsAny(s, " \t\r\n\\"):
		return addressError("not a URL")
	case u.Scheme != "https" && u.Scheme != "http":
		return addressError("must begin with https:// or http://")
	case u.Hostname() == "":
		return addressError("no host")
	case u.User != nil:
		return addressError("must not hold a user name")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(s, "#"):
		return addressError("must not hold a query or fragment")
	}
	for segment := range strings.SplitSeq(strings.Trim(u.EscapedPath(), "/"), "/") {
		if segment != "" && !isSegment(segment) {
			return addressError("malformed path")
		}
	}
	return nil
}

// uriPath is the path of a key's URI: an engine of one or more segments.
var uriPath = regexp.MustCompile(`^/v1/(.+)/keys/([^/]+)/?$`)

// ParseURI returns the key that a URI of the form ADDRESS/v1/ENGINE/keys/NAME
// names: the form that rules and sops's flag take. ENGINE may have several
// segments; the address has no path. Errors do not repeat the URI.
func ParseURI(uri string) (keysources.Stanza, error) {
	malformed := func(why string) (keysources.Stanza, error) {
		return keysources.Stanza{}, fmt.Errorf("malformed URI of a Vault key: %s (want https://HOST:8200/v1/transit/keys/NAME)", why)
	}
	u, err := url.Parse(uri)
	if err != nil {
		return malformed("not a URL")
	}
	m := uriPath.FindStringSubmatch(u.EscapedPath())
	if m == nil {
		return malformed("its path does not lead to a transit key")
	}
	// What stands after the path is kept for the address's check to find.
	address := strings.Replace(uri, u.EscapedPath(), "", 1)
	key := keysources.Stanza{Type: keysources.TypeVault, Fields: []keysources.Field{
		{Name: "engine_path", Value: m[1]}, {Name: "key_name", Value: m[2]}, {Name: "vault_address", Value: address},
	}}
	if err := checkAddress(address); err != nil {
		return malformed(err.Error())
	}
	if _, err := targetOf(key); err != nil {
		return malformed("the names of engine and key may hold letters, digits and _.~@:+=-")
	}
	return key, nil
}
