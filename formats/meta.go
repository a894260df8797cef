package formats

// Meta is a node of the metadata block: a map, a list or a scalar. The order of
// a map's items is the order in the file.
type Meta struct {
	// Key is set if the node is an item of a map.
	Key  string
	Kind MetaKind
	// Text is the scalar's value; numbers and booleans are spelled as in YAML.
	Text string
	// Items are the children of a map or list.
	Items []Meta
}

// MetaKind is the kind of a metadata node.
type MetaKind uint8

// The kinds of metadata nodes. Formats without types (dotenv, INI) read every
// scalar as MetaString; whoever decodes the tree goes by the text.
const (
	MetaMap MetaKind = iota
	MetaList
	MetaString
	MetaInt
	MetaBool
	MetaNull
)

// Get returns the item of the map m under a key, or nil.
func (m *Meta) Get(key string) *Meta {
	if m == nil || m.Kind != MetaMap {
		return nil
	}
	for i := range m.Items {
		if m.Items[i].Key == key {
			return &m.Items[i]
		}
	}
	return nil
}

// SameShape reports whether m and n differ at most in the text of their scalars.
func (m *Meta) SameShape(n *Meta) bool {
	if m.Kind != n.Kind || m.Key != n.Key || len(m.Items) != len(n.Items) {
		return false
	}
	for i := range m.Items {
		if !m.Items[i].SameShape(&n.Items[i]) {
			return false
		}
	}
	return true
}

// Equal reports whether m and n are the same tree.
func (m *Meta) Equal(n *Meta) bool {
	if m.Kind != n.Kind || m.Key != n.Key || m.Text != n.Text || len(m.Items) != len(n.Items) {
		return false
	}
	for i := range m.Items {
		if !m.Items[i].Equal(&n.Items[i]) {
			return false
		}
	}
	return true
}
