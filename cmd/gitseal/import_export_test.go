package main

import "github.com/gitseal/gitseal/formats/dotenv"

// DotenvValues is what import reads of a dotenv file: keys and values in turn.
func DotenvValues(src []byte, verbatim bool) ([]string, error) {
	doc, err := dotenv.Format{}.Parse(src)
	if err != nil {
		return nil, err
	}
	pairs, err := readDotenv(doc, verbatim)
	var out []string
	for _, p := range pairs {
		out = append(out, p.key, p.value)
	}
	return out, err
}

// DotenvAs is the plain YAML or JSON file that import makes of a dotenv file.
func DotenvAs(as string, src []byte) ([]byte, error) {
	doc, err := dotenv.Format{}.Parse(src)
	if err != nil {
		return nil, err
	}
	pairs, err := readDotenv(doc, false)
	if err != nil {
		return nil, err
	}
	return new(importItem).fromDotenv(as, src, pairs)
}
