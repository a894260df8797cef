package yaml

import "hash/maphash"

// keyset finds duplicate keys of one map in linear time.
type keyset struct {
	keys []string
	// table is a hash table of indexes into keys, plus 1. It is empty while the
	// map is small.
	table []uint32
}

// fewKeys is up to how many keys a walk over all of them is quicker than a hash.
const fewKeys = 8

func (k *keyset) reset() {
	k.keys, k.table = k.keys[:0], k.table[:0]
}

// add reports whether key is new.
func (k *keyset) add(seed maphash.Seed, key string) bool {
	if len(k.keys) < fewKeys {
		for _, old := range k.keys {
			if old == key {
				return false
			}
		}
		k.keys = append(k.keys, key)
		return true
	}
	if 2*(len(k.keys)+1) > len(k.table) {
		k.grow(seed)
	}
	slot := k.find(seed, key)
	if k.table[slot] != 0 {
		return false
	}
	k.keys = append(k.keys, key)
	k.table[slot] = uint32(len(k.keys))
	return true
}

// find returns the slot of key, or the free one where it belongs.
func (k *keyset) find(seed maphash.Seed, key string) int {
	mask := len(k.table) - 1
	slot := int(maphash.String(seed, key)) & mask
	for k.table[slot] != 0 && k.keys[k.table[slot]-1] != key {
		slot = (slot + 1) & mask
	}
	return slot
}

func (k *keyset) grow(seed maphash.Seed) {
	size := 4 * fewKeys
	for size < 4*len(k.keys) {
		size *= 2
	}
	if size <= cap(k.table) {
		k.table = k.table[:size]
		clear(k.table)
	} else {
		k.table = make([]uint32, size)
	}
	for i, key := range k.keys {
		k.table[k.find(seed, key)] = uint32(i + 1)
	}
}
