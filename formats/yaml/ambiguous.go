package yaml

import "strings"

// ambiguous reports whether a plain scalar that yaml.v3 takes for a string is
// something else to readers of YAML 1.1, of which there are many: a boolean, a
// number to base 60, or a merge or default key. Nothing that was quoted must come
// back without quotes as such.
func ambiguous(text string) bool {
	switch text {
	case "y", "Y", "yes", "Yes", "YES", "n", "N", "no", "No", "NO",
		"on", "On", "ON", "off", "Off", "OFF", "<<", "=":
		return true
	}
	return base60(text)
}

// base60 reports whether text is [-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?, the
// form of such ints and floats (yaml.org/type).
func base60(text string) bool {
	text = strings.TrimLeft(text, "+-")
	whole, _, _ := strings.Cut(text, ".")
	parts := strings.Split(whole, ":")
	if len(parts) < 2 {
		return false
	}
	for _, part := range parts {
		if part == "" || strings.Trim(part, "0123456789_") != "" {
			return false
		}
	}
	return true
}
