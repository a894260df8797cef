package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
)

// file is a file's name and content.
type file struct {
	name string
	data []byte
}

// input says which files a case works on.
type input struct {
	name string
	// files is how many there are, values how many values each holds.
	files, values int
	json          bool
	// shared: all files are the same, also when they are sealed, as files are that
	// were copied.
	shared bool
}

// first returns an input of the first files only, so many of them.
func (in input) first(n int) input {
	if n > 0 && n < in.files {
		in.name, in.files = fmt.Sprintf("%s-first%d", in.name, n), n
	}
	return in
}

func (in input) format() string {
	if in.json {
		return "json"
	}
	return "yaml"
}

// generate returns the files. The same input always gives the same bytes.
func (in input) generate() []file {
	r := rand.New(rand.NewPCG(1, uint64(in.files)<<32|uint64(in.values)))
	files := make([]file, in.files)
	for i := range files {
		files[i].name = fmt.Sprintf("f%04d.%s", i, in.format())
		switch {
		case in.shared && i > 0:
			files[i].data = files[0].data
		case in.json:
			files[i].data = generateJSON(r, in.values)
		case in.values <= perMap:
			files[i].data = generateManifest(r, i, in.values)
		default:
			files[i].data = generateYAML(r, in.values)
		}
	}
	return files
}

// The large files nest their values: sops checks for double keys by comparing
// each key of a map with each other, and a flat map would measure little else.
const (
	perMap  = 10
	perPart = 100
)

// generateYAML returns a file of nested maps, about 34 bytes a value.
func generateYAML(r *rand.Rand, values int) []byte {
	var b bytes.Buffer
	for i := range values {
		if i%(perMap*perPart) == 0 {
			fmt.Fprintf(&b, "section_%d:\n", i/(perMap*perPart))
		}
		if i%perMap == 0 {
			fmt.Fprintf(&b, "  part_%d:\n", i/perMap%perPart)
		}
		fmt.Fprintf(&b, "    name_%d: %s\n", i%perMap, scalar(r, i))
	}
	return b.Bytes()
}

// generateManifest returns a small file as people keep it, with comments and
// quotes.
func generateManifest(r *rand.Rand, n, values int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# settings of service %d\nservice:\n  name: \"service-%d\"\n\n  # nobody should read these\n  secrets:\n", n, n)
	for i := 1; i < values; i++ {
		fmt.Fprintf(&b, "    key_%d: %s\n", i, scalar(r, i))
	}
	return b.Bytes()
}

// generateJSON returns an indented file of nested objects.
func generateJSON(r *rand.Rand, values int) []byte {
	var b bytes.Buffer
	b.WriteString("{\n")
	for i := range values {
		first, last := i%perMap == 0, i%perMap == perMap-1 || i == values-1
		if first {
			fmt.Fprintf(&b, "  \"part_%d\": {\n", i/perMap)
		}
		fmt.Fprintf(&b, "    \"name_%d\": %s", i%perMap, scalar(r, i))
		switch {
		case i == values-1:
			b.WriteString("\n  }\n")
		case last:
			b.WriteString("\n  },\n")
		default:
			b.WriteString(",\n")
		}
	}
	b.WriteString("}\n")
	return b.Bytes()
}

// scalar returns a value that is valid YAML and JSON: mostly strings, with some
// numbers and booleans among them.
func scalar(r *rand.Rand, i int) string {
	switch i % perMap {
	case 7:
		return strconv.Itoa(r.IntN(1_000_000_000))
	case 8:
		return strconv.FormatBool(r.IntN(2) == 0)
	case 9:
		return strconv.FormatFloat(float64(r.IntN(1_000_000))/8, 'f', -1, 64)
	}
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/-_ "
	text := make([]byte, 16+r.IntN(9))
	for i := range text {
		text[i] = letters[r.IntN(len(letters))]
	}
	return strconv.Quote("x" + string(text) + "x")
}

func writeFiles(dir string, files []file) error {
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(dir, f.name), f.data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// readFiles reads the files of the same names again.
func readFiles(dir string, like []file) ([]file, error) {
	files := make([]file, len(like))
	for i, f := range like {
		data, err := os.ReadFile(filepath.Join(dir, f.name))
		if err != nil {
			return nil, err
		}
		files[i] = file{name: f.name, data: data}
	}
	return files, nil
}

func names(files []file) []string {
	all := make([]string, len(files))
	for i, f := range files {
		all[i] = f.name
	}
	return all
}
