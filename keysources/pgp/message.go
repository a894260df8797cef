package pgp

import (
	"encoding/base64"
	"strings"

	"github.com/gitseal/gitseal/keysources"
)

// maxMessage is the length of the longest message that gpg is given. One for an
// RSA key of 16,384 bits has 3 KB.
const maxMessage = 64 << 10

// The tags of OpenPGP packets (RFC 9580, section 5) that a message may hold.
const (
	tagSessionKey = 1  // the session key, encrypted to a public key
	tagIntegrity  = 18 // encrypted data with a modification detection code, or AEAD
	tagOCB        = 20 // encrypted data as GnuPG 2.3 and later may write it
)

// message is an armored OpenPGP message that is encrypted to public keys and
// to nothing else. gpg --decrypt takes more: it prints what is not encrypted at
// all, and asks for the passphrase of what is encrypted with one, and whoever can change
// a file could make it do so.
type message struct {
	// armored is the text, with line feeds and without anything around it.
	armored string
	// readers is the number of public keys.
	readers int
}

// damage says what is wrong with a message.
type damage string

func (d damage) Error() string { return string(d) }

const (
	errNoMessage   damage = "no armored OpenPGP message"
	errChecksum    damage = "the checksum is wrong"
	errPackets     damage = "not a message encrypted to a key"
	errNoIntegrity damage = "a message without integrity protection"
)

func reasonOf(err error) keysources.Reason {
	if err == errChecksum {
		return keysources.Damaged
	}
	return keysources.Malformed
}

const (
	armorBegin = "-----BEGIN PGP MESSAGE-----"
	armorEnd   = "-----END PGP MESSAGE-----"
)

// parseMessage reads the armor and the outline of the packets in it.
func parseMessage(text string) (message, error) {
	if len(text) > maxMessage {
		return message{}, errNoMessage
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " \t\r")
	}
	if len(lines) < 3 || lines[0] != armorBegin || lines[len(lines)-1] != armorEnd {
		return message{}, errNoMessage
	}
	body := lines[1 : len(lines)-1]
	// Headers, such as "Version: …", are followed by an empty line.
	for len(body) > 0 && strings.Contains(body[0], ": ") {
		body = body[1:]
	}
	if len(body) == 0 || body[0] != "" {
		return message{}, errNoMessage
	}
	data, err := decodeArmor(body[1:])
	if err != nil {
		return message{}, err
	}
	readers, err := countReaders(data)
	if err != nil {
		return message{}, err
	}
	return message{armored: strings.Join(lines, "\n") + "\n", readers: readers}, nil
}

// decodeArmor decodes base64 and compares the checksum, which may be missing.
func decodeArmor(lines []string) ([]byte, error) {
	const checksum = 5 // "=" and four characters
	var sum string
	if n := len(lines); n > 0 && len(lines[n-1]) == checksum && lines[n-1][0] == '=' {
		sum, lines = lines[n-1][1:], lines[:n-1]
	}
	data, err := base64.StdEncoding.Strict().DecodeString(strings.Join(lines, ""))
	if err != nil || len(data) == 0 {
		return nil, errNoMessage
	}
	if sum == "" {
		return data, nil
	}
	c := crc24(data)
	if base64.StdEncoding.EncodeToString([]byte{byte(c >> 16), byte(c >> 8), byte(c)}) != sum {
		return nil, errChecksum
	}
	return data, nil
}

// crc24 is the checksum of RFC 9580, section 6.1. It finds accidents, no attacks.
func crc24(data []byte) uint32 {
	const start, polynomial = 0xb704ce, 0x1864cfb
	c := uint32(start)
	for _, b := range data {
		c ^= uint32(b) << 16
		for range 8 {
			c <<= 1
			if c&0x1000000 != 0 {
				c ^= polynomial
			}
		}
	}
	return c & 0xffffff
}

// countReaders checks that data is session keys for public keys and then one
// packet of encrypted data, and counts the former.
func countReaders(data []byte) (int, error) {
	readers := 0
	for len(data) > 0 {
		tag, rest, ok := nextPacket(data)
		if !ok {
			return 0, errPackets
		}
		switch {
		case tag == tagSessionKey:
			readers++
		case (tag == tagIntegrity || tag == tagOCB) && readers > 0 && len(rest) == 0:
			return readers, nil
		case tag == 9 && readers > 0:
			return 0, errNoIntegrity
		default:
			return 0, errPackets
		}
		data = rest
	}
	return 0, errPackets
}

// nextPacket returns the tag of the first packet and what comes after it.
func nextPacket(data []byte) (tag int, rest []byte, ok bool) {
	first := data[0]
	switch {
	case first&0x80 == 0:
		return 0, nil, false
	case first&0x40 != 0:
		rest, ok = skipBody(data[1:])
		return int(first & 0x3f), rest, ok
	}
	tag = int(first >> 2 & 0x0f)
	if first&3 == 3 { // of indeterminate length: up to the end
		return tag, nil, len(data) > 1
	}
	octets := 1 << (first & 3)
	if len(data) < 1+octets {
		return 0, nil, false
	}
	n := 0
	for _, b := range data[1 : 1+octets] {
		n = n<<8 | int(b)
	}
	rest, ok = cut(data[1+octets:], n)
	return tag, rest, ok
}

// skipBody skips a length of the newer form and what has that length, of which
// there may be several parts (RFC 9580, section 4.2.1).
func skipBody(data []byte) (rest []byte, ok bool) {
	for len(data) > 0 {
		first := int(data[0])
		switch {
		case first < 192:
			return cut(data[1:], first)
		case first < 224:
			if len(data) < 2 {
				return nil, false
			}
			return cut(data[2:], (first-192)<<8+int(data[1])+192)
		case first == 255:
			if len(data) < 5 {
				return nil, false
			}
			return cut(data[5:], int(data[1])<<24|int(data[2])<<16|int(data[3])<<8|int(data[4]))
		}
		if data, ok = cut(data[1:], 1<<(first&0x1f)); !ok {
			return nil, false
		}
	}
	return nil, false
}

// cut returns data without its first n bytes.
func cut(data []byte, n int) (rest []byte, ok bool) {
	if n < 0 || n > len(data) {
		return nil, false
	}
	return data[n:], true
}
