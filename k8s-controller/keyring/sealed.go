package keyring

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats/binary"
	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
)

// opened reads a Secret of age identities in a sealed file.
func (r *loading) opened(source string, s *corev1.Secret, data []byte, names []string) {
	keys := r.keys(source, names)
	entry := r.kr.Name + "\x00" + source
	if r.used == nil {
		r.used = map[string]bool{}
	}
	r.used[entry] = true
	digest := openedDigest(data, names)
	before, known := r.loader.remembered(entry)
	ids := before.ids
	if !known || before.digest != digest {
		var p *Problem
		if ids, p = openIdentities(r.ctx, data, keys); p != nil {
			p.Source, p.Message = source, fmt.Sprintf("the Secret %s: %s", s.Name, p.Message)
			r.problems = append(r.problems, *p)
		}
		switch {
		case p == nil:
			r.loader.remember(entry, openedSecret{digest: digest, ids: ids})
		case p.Transient:
			r.waiting = append(r.waiting, source)
			ids = before.ids
		}
	}
	for _, id := range ids {
		r.sealed[id.Recipient().String()] = names
	}
	r.add(source, CreatedAt(s), ids)
}

// forgetOthers drops what was opened of sources that are gone.
func (r *loading) forgetOthers() {
	l := r.loader
	l.mu.Lock()
	defer l.mu.Unlock()
	for k := range l.opened {
		if strings.HasPrefix(k, r.kr.Name+"\x00") && !r.used[k] {
			delete(l.opened, k)
		}
	}
}

func (l *Loader) remembered(entry string) (openedSecret, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	o, ok := l.opened[entry]
	return o, ok
}

func (l *Loader) remember(entry string, o openedSecret) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.opened[entry] = o
}

func openedDigest(data []byte, keys []string) [sha256.Size]byte {
	h := sha256.New()
	_ = json.NewEncoder(h).Encode(keys) // ends in a line feed, which JSON escapes inside
	h.Write(data)
	return [sha256.Size]byte(h.Sum(nil))
}

// openIdentities opens a sealed file of identities with keys of services.
func openIdentities(ctx context.Context, data []byte, keys []Identity) ([]age.Identity, *Problem) {
	if len(keys) == 0 {
		return nil, &Problem{Reason: ReasonIdentityUnusable, Message: "the keyring lists no key that may open it (sealedAge.keys)"}
	}
	var ids []keysources.Identity
	for _, k := range keys {
		ids = append(ids, k.Identity)
	}
	opened, err := cipher.Open(ctx, binary.Format{}, data, cipher.OpenOptions{Identities: ids, PlainOnly: true})
	if err != nil {
		return nil, whyClosed(err)
	}
	plain := opened.PlaintextBytes()
	defer clear(plain)
	read, err := ReadIdentities(plain)
	if err != nil {
		return read, &Problem{Reason: ReasonIdentityUnusable, Message: "what is sealed there: " + err.Error()}
	}
	return read, nil
}

// whyClosed says why a sealed file of identities was not opened.
func whyClosed(err error) *Problem {
	var none *cipher.NoIdentityError
	switch {
	case errors.As(err, &none) && len(none.Causes) == 0:
		return &Problem{Reason: ReasonIdentityUnusable, Message: "it is sealed for none of the keys that the keyring lists for it"}
	case errors.As(err, &none):
		return &Problem{Reason: v1alpha1.ReasonKeyUnavailable, Message: none.Error(), Transient: !final(none.Causes)}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &Problem{Reason: v1alpha1.ReasonKeyUnavailable, Message: "opening it took too long, or was stopped", Transient: true}
	}
	return &Problem{Reason: ReasonIdentityUnusable, Message: "it is no sealed file that can be opened: " + err.Error()}
}

// final reports whether asking again is pointless: each cause is about the file.
func final(causes []error) bool {
	return !slices.ContainsFunc(causes, func(err error) bool {
		switch keysources.ReasonOf(err) {
		case keysources.Malformed, keysources.Damaged, keysources.Refused:
			return false
		}
		return true
	})
}

// ReadIdentities reads age identities, one a line, as in age's own files. It returns
// those that can be read, and an error that names the lines of the others and nothing
// of them. Identities of plugins cannot be used: they would run programs.
func ReadIdentities(data []byte) ([]age.Identity, error) {
	all, err := age.ParseIdentities(bytes.NewReader(data))
	var ids []age.Identity
	errs := []error{err}
	seen := map[string]bool{}
	for _, id := range all {
		r := id.Recipient()
		switch {
		case r.String() == "" || r.Plugin() != "":
			errs = append(errs, errors.New("identities of age plugins cannot be used in a cluster"))
		case len(ids) == maxIdentities:
			return ids, oneLine(errors.Join(append(errs, fmt.Errorf("there are more than %d identities", maxIdentities))...))
		case !seen[r.String()]:
			seen[r.String()] = true
			ids = append(ids, id)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return ids, oneLine(err)
	}
	if len(ids) == 0 {
		return nil, errors.New("there is no identity in it")
	}
	return ids, nil
}

// oneLine makes one short line of joined errors.
func oneLine(err error) error {
	const shown = 5
	lines := strings.Split(err.Error(), "\n")
	if len(lines) > shown {
		lines = append(lines[:shown], fmt.Sprintf("and %d more like these", len(lines)-shown))
	}
	return errors.New(strings.Join(lines, "; "))
}
