package mask

// Patterns returns all that m looks for.
func (m *Masker) Patterns() []string {
	var out []string
	for _, e := range m.entries {
		out = append(out, e.head+e.rest)
	}
	return out
}
