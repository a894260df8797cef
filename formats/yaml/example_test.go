package yaml_test

import (
	"fmt"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/yaml"
)

func ExampleFormat() {
	src := "# Where to listen.\nport: 0x1F90\ntoken: \"hunter2\" # rotate monthly\n"
	d, err := yaml.Format{}.Parse([]byte(src))
	if err != nil {
		panic(err)
	}
	for i, l := range d.Leaves {
		fmt.Printf("%d %s: %v, %d bytes\n", i, l.Path, l.Scalar, l.End-l.Start)
	}
	out, err := yaml.Format{}.Rewrite(d, formats.Edit{Values: []formats.Value{
		{Leaf: 3, Scalar: formats.Scalar{Kind: formats.Sealed, Text: "ENC[…]"}},
	}})
	if err != nil {
		panic(err)
	}
	fmt.Print(string(out))
	// Output:
	// 0 .: <comment>, 17 bytes
	// 1 port: <int>, 6 bytes
	// 2 .: <comment>, 15 bytes
	// 3 token: <string>, 9 bytes
	// # Where to listen.
	// port: 0x1F90
	// token: "ENC[…]" # rotate monthly
}
