package sealedsecret

import "slices"

// object reads the fields of a map as Kubernetes would: what is missing or null is
// empty, what has another type is an error.
type object struct {
	fields map[string]any
	// about names the Kubernetes object, path leads from it to here with a dot at
	// its end; both are for errors.
	about, path string
}

func (o object) errorf(field, msg string) error {
	return &Error{Cause: ErrManifest, Object: o.about, Path: o.path + field, Msg: msg}
}

// name returns metadata.name as far as there is one that can be shown.
func (o object) name() string {
	meta, err := o.object("metadata")
	if err != nil {
		return ""
	}
	if name, err := meta.text("name"); err == nil && ValidName(name) {
		return name
	}
	return ""
}

func (o object) text(field string) (string, error) {
	switch v := o.fields[field].(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	}
	return "", o.errorf(field, "not a string")
}

func (o object) boolean(field string) (*bool, error) {
	switch v := o.fields[field].(type) {
	case nil:
		return nil, nil
	case bool:
		return &v, nil
	}
	return nil, o.errorf(field, "neither true nor false")
}

func (o object) list(field string) ([]any, error) {
	switch v := o.fields[field].(type) {
	case nil:
		return nil, nil
	case []any:
		return v, nil
	}
	return nil, o.errorf(field, "not a list")
}

func (o object) textList(field string) ([]string, error) {
	items, err := o.list(field)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, item := range items {
		text, ok := item.(string)
		if !ok {
			return nil, o.errorf(field, "not a list of strings")
		}
		out = append(out, text)
	}
	return out, nil
}

func (o object) object(field string) (object, error) {
	out := object{about: o.about, path: o.path + field + "."}
	switch v := o.fields[field].(type) {
	case nil:
		return out, nil
	case map[string]any:
		out.fields = v
		return out, nil
	}
	return out, o.errorf(field, "not a map")
}

// texts returns a map of strings.
func (o object) texts(field string) (map[string]string, error) {
	values, err := o.optionalTexts(field)
	if err != nil {
		return nil, err
	}
	out := make(map[string]string, len(values))
	for key, v := range values {
		if v == nil {
			return nil, o.errorf(field, "not a map of strings: one of them is null")
		}
		out[key] = *v
	}
	return out, nil
}

// textsOrNull returns a map of strings in which null stands for an empty one, as
// the API server writes empty values.
func (o object) textsOrNull(field string) (map[string]string, error) {
	values, err := o.optionalTexts(field)
	out := make(map[string]string, len(values))
	for key, v := range values {
		out[key] = ""
		if v != nil {
			out[key] = *v
		}
	}
	return out, err
}

// optionalTexts returns a map of strings and nulls.
func (o object) optionalTexts(field string) (map[string]*string, error) {
	in, err := o.object(field)
	if err != nil {
		return nil, err
	}
	out := make(map[string]*string, len(in.fields))
	for key, v := range in.fields {
		switch v := v.(type) {
		case nil:
			out[key] = nil
		case string:
			out[key] = &v
		default:
			return nil, o.errorf(field, "not a map of strings: numbers and the like need quotes")
		}
	}
	return out, nil
}

// unknown returns the paths of the fields that are not among those known.
func (o object) unknown(known ...string) []string {
	var out []string
	for field, v := range o.fields {
		if v != nil && !slices.Contains(known, field) {
			out = append(out, o.path+field)
		}
	}
	return out
}
