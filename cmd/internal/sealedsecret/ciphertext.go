package sealedsecret

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"errors"
)

// ciphertext is one sealed value, taken apart.
type ciphertext struct {
	// session is the session key under RSA, sealed the value under AES with its tag.
	session, sealed []byte
}

// lengthSize is that of the length in front; tagSize that of the tag at the end.
const lengthSize, tagSize, sessionSize = 2, 16, 32

// split takes a sealed value apart.
func split(raw []byte) (ciphertext, error) {
	if len(raw) < lengthSize {
		return ciphertext{}, errors.New("shorter than any sealed value")
	}
	n := int(binary.BigEndian.Uint16(raw))
	if n == 0 || len(raw) < lengthSize+n+tagSize {
		return ciphertext{}, errors.New("its ciphertext was cut or changed: it is shorter than it says")
	}
	return ciphertext{session: raw[lengthSize : lengthSize+n], sealed: raw[lengthSize+n:]}, nil
}

// open opens the value with its session key.
func (c ciphertext) open(session []byte) ([]byte, error) {
	block, err := aes.NewCipher(session)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	// The session key is used once, which makes a constant nonce sound.
	value, err := gcm.Open(nil, make([]byte, gcm.NonceSize()), c.sealed, nil)
	if value == nil && err == nil {
		value = []byte{}
	}
	return value, err
}

// session returns the session key of a value under a label, nil if no key opens
// it. Each try takes some milliseconds, so that ctx can end the search.
func (k *Keys) session(ctx context.Context, c ciphertext, label string) ([]byte, error) {
	first := int(k.last.Load())
	for i := range k.keys {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		at := (first + i) % len(k.keys)
		if k.keys[at].Size() != len(c.session) {
			continue
		}
		session, err := rsa.DecryptOAEP(sha256.New(), nil, k.keys[at], c.session, []byte(label))
		if err == nil && len(session) == sessionSize {
			k.last.Store(int32(at))
			return session, nil
		}
	}
	return nil, nil
}

// hasSize reports whether there is a key whose ciphertexts have n bytes.
func (k *Keys) hasSize(n int) bool {
	for _, key := range k.keys {
		if key.Size() == n {
			return true
		}
	}
	return false
}
