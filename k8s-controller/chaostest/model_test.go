package chaostest_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// form is how a manifest describes its Secrets.
type form int

const (
	formInline    form = iota
	formRenaming       // a document whose Secret has another name in each revision
	formPair           // a document of two Secrets, one of which has another name each time
	formImmutable      // an immutable Secret that is made anew for each revision
	formMerge          // keys in a Secret of somebody else
	formOrphan         // a Secret that stays when the manifest goes
	formHostile        // nothing of it may ever be applied
	formConflict       // a Secret of somebody else has its name
)

// forms are dealt to manifests in this order, again and again.
func forms() []form {
	return []form{
		formInline, formRenaming, formInline, formPair, formInline, formImmutable, formHostile,
		formInline, formMerge, formInline, formOrphan, formInline, formInline, formConflict,
	}
}

// marker is in every value that is sealed, and nowhere else.
const marker = "CHAOSCANARY"

// model is what the manifests are, and ever were, as git would have it. It is safe for
// concurrent use.
type model struct {
	mu    sync.Mutex // guards the items
	items []*item
	// secrets finds items by namespace/name of a Secret. It is complete from the start.
	secrets map[string]*item
}

// item is one manifest.
type item struct {
	namespace, name string
	form            form
	// index makes hostile ones differ.
	index int

	number int          // of the latest revision
	never  map[int]bool // revisions that must not be applied
	// wanted is what git has, nil if it was deleted there.
	wanted *unstructured.Unstructured
	dirty  bool
}

func newModel(namespaces []string, objects int) *model {
	m := &model{secrets: map[string]*item{}}
	all := forms()
	for i := range objects {
		it := &item{namespace: namespaces[i%len(namespaces)], form: all[i%len(all)], index: i, never: map[int]bool{}}
		it.name = fmt.Sprintf("m%03d", i)
		m.items = append(m.items, it)
		if it.form == formConflict {
			continue // the Secret is not ours
		}
		for n := range cycle {
			for _, name := range it.names(n) {
				m.secrets[it.namespace+"/"+name] = it
			}
		}
	}
	return m
}

// cycle is after how many revisions names and keys come again.
const cycle = 3

// secret returns the item that a Secret belongs to, nil if it is nobody's.
func (m *model) secret(namespace, name string) *item { return m.secrets[namespace+"/"+name] }

// names returns the Secrets that a revision has.
func (it *item) names(n int) []string {
	switch it.form {
	case formRenaming:
		return []string{fmt.Sprintf("%s-t%d", it.name, n%cycle)}
	case formPair:
		return []string{it.name + "-a", fmt.Sprintf("%s-b%d", it.name, n%cycle)}
	}
	return []string{it.name}
}

// allowed reports whether a Secret may have the content of a revision.
func (it *item) allowed(n int, secret string) bool {
	return it.form != formHostile && it.form != formConflict && n > 0 && !it.never[n] && slices.Contains(it.names(n), secret)
}

// content is what a Secret holds by a revision: some keys come and go.
func (it *item) content(secret string, n int) map[string]string {
	value := func(key string) string { return fmt.Sprintf("%s-%s-%s-%s-%d", marker, it.namespace, secret, key, n) }
	passing := fmt.Sprintf("k%d", n%cycle)
	return map[string]string{revisionKey: fmt.Sprint(n), "password": value("password"), passing: value(passing)}
}

// valid reports whether the latest revision is to be applied.
func (it *item) valid() bool { return it.allowed(it.number, it.names(it.number)[0]) }

// yamlOf is plain YAML of some keys, indented.
func yamlOf(data map[string]string, indent string) string {
	var lines []string
	for k, v := range data {
		lines = append(lines, fmt.Sprintf("%s%s: %q\n", indent, k, v))
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}
