package vault

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/hashicorp/vault/api"

	"github.com/gitseal/gitseal/keysources"
)

// explain turns an error of a call into one that says why, without anything that
// the server has sent.
func (c *client) explain(ctx context.Context, t target, err error) error {
	var answer *api.ResponseError
	var timeout net.Error
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	case errors.As(err, &answer):
		return c.explainAnswer(t, answer)
	case ctx.Err() != nil, errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return t.fail(keysources.Timeout, "")
	case errors.Is(err, errRedirect):
		return t.fail(keysources.Unreachable, errRedirect.Error())
	case errors.As(err, &certificate):
		return t.fail(keysources.Unreachable, "its certificate cannot be verified; VAULT_CACERT names an authority")
	}
	return t.fail(keysources.Unreachable, "")
}

// problem is what one of the server's messages means.
type problem struct {
	// words are all in the message, in lower case.
	words  []string
	reason keysources.Reason
	detail string
}

// problems lists the messages of the transit engine and the router, the more
// specific ones first. Vault answers nearly everything with status 400 and a
// sentence.
var problems = []problem{
	{[]string{"missing client token"}, keysources.Unauthenticated, "no token"},
	{[]string{"invalid token"}, keysources.Unauthenticated, "the token is wrong or has expired"},
	{[]string{"encryption key not found"}, keysources.NotFound, ""},
	{[]string{"no handler for route"}, keysources.NotFound, "no engine there"},
	{[]string{"unsupported path"}, keysources.NotFound, "no transit engine there"},
	{[]string{"unsupported operation"}, keysources.NotFound, "no transit engine there"},
	{[]string{"disallowed by policy"}, keysources.Disabled, "the key's min_decryption_version"},
	{[]string{"version is too new"}, keysources.Damaged, "the key has no such version"},
	{[]string{"invalid ciphertext"}, keysources.Damaged, ""},
	{[]string{"message authentication failed"}, keysources.Damaged, ""},
	{[]string{"decryption error"}, keysources.Damaged, ""}, // an RSA key
	{[]string{"encryption not supported for key type"}, keysources.Malformed, "a key of this type cannot encrypt"},
	{[]string{"decryption not supported for key type"}, keysources.Malformed, "a key of this type cannot decrypt"},
	{[]string{"key derivation"}, keysources.Malformed, "the key is a derived one, which needs a context"},
	{[]string{"vault is sealed"}, keysources.Unreachable, "the server is sealed"},
}

func (c *client) explainAnswer(t target, answer *api.ResponseError) error {
	detail := "HTTP " + strconv.Itoa(answer.StatusCode)
	text := strings.ToLower(strings.Join(answer.Errors, "\n"))
	if !answer.RawError {
		for _, p := range problems {
			if !containsAll(text, p.words) {
				continue
			}
			if p.detail != "" {
				detail = p.detail + ", " + detail
			}
			return t.fail(p.reason, detail)
		}
	}
	switch status := answer.StatusCode; {
	case status == http.StatusForbidden && c.anonymous, status == http.StatusUnauthorized && c.anonymous:
		return t.fail(keysources.Unauthenticated, "no token: set VAULT_TOKEN, or log in with vault login")
	case status == http.StatusUnauthorized:
		return t.fail(keysources.Unauthenticated, detail)
	case status == http.StatusForbidden:
		return t.fail(keysources.Denied, detail)
	case status == http.StatusNotFound:
		return t.fail(keysources.NotFound, detail)
	case status == http.StatusTooManyRequests:
		return t.fail(keysources.Throttled, detail)
	case status == http.StatusServiceUnavailable && !answer.RawError:
		return t.fail(keysources.Unreachable, "sealed, or not ready, "+detail)
	case status >= http.StatusInternalServerError:
		return t.fail(keysources.Unreachable, detail)
	}
	return t.fail(keysources.Malformed, detail)
}

func containsAll(text string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}
