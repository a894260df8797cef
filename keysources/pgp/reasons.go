package pgp

import (
	"strconv"
	"strings"

	"github.com/gitseal/gitseal/keysources"
)

// Codes of libgpg-error, the lower 16 bits of what stands in status lines.
const (
	codeBadPassphrase = 11
	codeTimeout       = 62
	codeNoAgent       = 77
	codeAgent         = 78
	codeNoPinentry    = 85
	codePinentry      = 86
	codeBadPIN        = 87
	codeCanceled      = 99
	codeCard          = 108
	codeCardReset     = 109
	codeCardRemoved   = 110
	codeInvalidCard   = 111
	codeNoCard        = 112
	codeNoCardDaemon  = 119
	codeCardDaemon    = 120
	codeNoPassphrase  = 177
	codeNoPIN         = 178
	codeFullyCanceled = 198
	codeSystemError   = 0x8000       // and one of the system's errors
	codeNoTerminal    = 0x8000 | 102 // ENOTTY
)

// whyNotDecrypted says why the secret key could not be used, or what it gave is
// not right.
func whyNotDecrypted(o output) (keysources.Reason, string) {
	if words := o.line("ERROR"); len(words) > 2 && words[1] == "pkdecrypt_failed" {
		return reasonOfCode(words[2])
	}
	switch {
	case o.tooMuch:
		return keysources.Damaged, "far too much is in it"
	case o.has("BADMDC"), o.has("NODATA"), o.has("BADARMOR"), o.has("DECRYPTION_OKAY"):
		return keysources.Damaged, ""
	case o.has("NO_SECKEY"):
		return keysources.NotFound, "no secret key for it in the key ring of gpg"
	case o.has("BEGIN_DECRYPTION"), o.has("DECRYPTION_FAILED"):
		return keysources.Damaged, "" // gpg had the session key and stumbled over what came then
	case o.has("NEED_PASSPHRASE"), o.has("MISSING_PASSPHRASE"):
		return keysources.Unauthenticated, "needs a passphrase, and there is no terminal to ask for it"
	}
	return keysources.Unavailable, "exit code " + strconv.Itoa(o.exit) + " of gpg"
}

func reasonOfCode(text string) (keysources.Reason, string) {
	code, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return keysources.Damaged, ""
	}
	switch code &= 0xffff; code {
	case codeBadPassphrase, codeBadPIN:
		return keysources.Unauthenticated, "wrong passphrase or PIN"
	case codeCanceled, codeFullyCanceled, codeTimeout:
		return keysources.Unauthenticated, "no passphrase was given"
	case codeNoTerminal, codeNoPinentry, codePinentry, codeNoPassphrase, codeNoPIN:
		return keysources.Unauthenticated, "needs a passphrase, and there is no terminal to ask for it"
	case codeCard, codeCardReset, codeCardRemoved, codeInvalidCard, codeNoCard, codeNoCardDaemon, codeCardDaemon:
		return keysources.Unauthenticated, "the smart card cannot be used"
	case codeNoAgent, codeAgent:
		return keysources.Unavailable, "gpg-agent"
	default:
		if code&codeSystemError != 0 {
			return keysources.Unavailable, "gpg-agent, error " + strconv.FormatUint(code, 10)
		}
		return keysources.Damaged, "gpg error " + strconv.FormatUint(code, 10)
	}
}

// whyNotEncrypted says why the public key could not be used.
func whyNotEncrypted(o output) (keysources.Reason, string) {
	invalid := o.line("INV_RECP")
	if invalid == nil {
		return keysources.Unavailable, "exit code " + strconv.Itoa(o.exit) + " of gpg"
	}
	if len(invalid) > 1 && invalid[1] == "1" {
		return keysources.NotFound, "no such public key in the key ring of gpg"
	}
	return keysources.Disabled, "no part of the key can encrypt, or those that could are revoked or have expired"
}

// whyUnusable reads the listing of a key: lines of fields, of which the second is
// the validity and the twelfth the capabilities, those of the key as a whole in
// capitals. It returns "" if nothing speaks against the key.
func whyUnusable(listing string) string {
	const validity, capabilities = 1, 11
	for line := range strings.Lines(listing) {
		fields := strings.Split(line, ":")
		if fields[0] != "pub" || len(fields) <= capabilities {
			continue
		}
		switch {
		case fields[validity] == "r":
			return "revoked"
		case fields[validity] == "e":
			return "expired"
		case strings.Contains(fields[capabilities], "D"):
			return "disabled in the key ring of gpg"
		}
	}
	return ""
}
