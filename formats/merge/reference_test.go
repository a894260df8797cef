package merge_test

import (
	"reflect"
	"slices"
	"strings"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/merge"
)

// tree returns a document's values as maps, lists and texts.
func tree(f formats.Format, text []byte) any {
	n, _ := parse(f, text).Node(formats.Root(0))
	return plain(&n)
}

func plain(n *formats.Node) any {
	switch n.Kind {
	case formats.MapNode:
		m := map[string]any{}
		for i := range n.Items {
			m[n.Items[i].Key] = plain(&n.Items[i])
		}
		return m
	case formats.ListNode:
		l := []any{}
		for i := range n.Items {
			l = append(l, plain(&n.Items[i]))
		}
		return l
	}
	return n.Scalar.Kind.String() + " " + n.Scalar.Text
}

// reference merges maps in another way than the package: it decides for each path
// on its own. It knows no lists.
type reference struct {
	values    [2]map[string]any
	conflicts []string
}

// merge notes for each path what the results have there.
func (r *reference) merge(base, ours, theirs any) {
	r.values = [2]map[string]any{{}, {}}
	r.at(nil, base, ours, theirs)
	slices.Sort(r.conflicts)
}

// separator stands between the keys of a path. Keys that have it, or are empty, are not for the reference.
const separator = "\x00"

type absent struct{}

func child(n any, key string) any {
	if m, ok := n.(map[string]any); ok {
		if v, ok := m[key]; ok {
			return v
		}
	}
	return absent{}
}

func (r *reference) at(keys []string, base, ours, theirs any) {
	left, leftMap := ours.(map[string]any)
	right, rightMap := theirs.(map[string]any)
	_, wasMap := base.(map[string]any)
	_, none := base.(absent)
	first := len(r.conflicts)
	switch {
	case reflect.DeepEqual(ours, theirs), reflect.DeepEqual(base, theirs):
		r.set(keys, ours, ours)
	case reflect.DeepEqual(base, ours):
		r.set(keys, theirs, theirs)
	case leftMap && rightMap && (wasMap || none):
		r.set(keys, map[string]any{}, map[string]any{})
		union := map[string]bool{}
		for k := range left {
			union[k] = true
		}
		for k := range right {
			union[k] = true
		}
		for k := range union {
			r.at(append(slices.Clone(keys), k), child(base, k), child(ours, k), child(theirs, k))
		}
		if r.apart(keys, union) {
			r.conflicts = append(r.conflicts[:first], strings.Join(keys, separator))
		}
	default:
		r.set(keys, ours, theirs)
		r.differ(keys, ours, theirs)
	}
}

// apart reports whether the results have maps below the root that share no key.
func (r *reference) apart(keys []string, union map[string]bool) bool {
	var n [2]int
	for k := range union {
		path := strings.Join(append(slices.Clone(keys), k), separator)
		_, ours := r.values[0][path]
		_, theirs := r.values[1][path]
		if ours && theirs {
			return false
		}
		n[0], n[1] = n[0]+count(ours), n[1]+count(theirs)
	}
	return len(keys) > 0 && n[0] > 0 && n[1] > 0
}

// differ notes where two values that conflict differ.
func (r *reference) differ(keys []string, ours, theirs any) {
	left, leftMap := ours.(map[string]any)
	right, rightMap := theirs.(map[string]any)
	shared, all := 0, map[string]bool{}
	for k := range left {
		all[k] = true
	}
	for k := range right {
		shared += count(all[k])
		all[k] = true
	}
	switch {
	case reflect.DeepEqual(ours, theirs):
	case leftMap && rightMap && (shared > 0 || len(left) == 0 || len(right) == 0 || len(keys) == 0):
		for k := range all {
			r.differ(append(slices.Clone(keys), k), child(ours, k), child(theirs, k))
		}
	default:
		r.conflicts = append(r.conflicts, strings.Join(keys, separator))
	}
}

func (r *reference) set(keys []string, values ...any) {
	for side, v := range values {
		if _, none := v.(absent); !none {
			r.values[side][strings.Join(keys, separator)] = v
		}
	}
}

// keysFit reports whether the reference knows all kinds of values and keys in n.
func keysFit(n any) bool {
	m, ok := n.(map[string]any)
	if !ok {
		_, list := n.([]any)
		return !list
	}
	for k, v := range m {
		if k == "" || strings.Contains(k, separator) || !keysFit(v) {
			return false
		}
	}
	return true
}

// conflictKeys returns the paths of conflicts as the reference has them.
func conflictKeys(all []merge.Conflict) []string {
	var keys []string
	for _, c := range all {
		keys = append(keys, strings.Join(c.Path.Keys(), separator))
	}
	slices.Sort(keys)
	return keys
}

// result puts the paths together.
func (r *reference) result(side int) any {
	order := make([]string, 0, len(r.values[side]))
	for k := range r.values[side] {
		order = append(order, k)
	}
	slices.Sort(order)
	var root any
	for _, path := range order {
		if path == "" {
			root = r.values[side][path]
			continue
		}
		keys := strings.Split(path, separator)
		at := root.(map[string]any)
		for _, k := range keys[:len(keys)-1] {
			at = at[k].(map[string]any)
		}
		at[keys[len(keys)-1]] = r.values[side][path]
	}
	return root
}
