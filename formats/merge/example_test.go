package merge_test

import (
	"fmt"

	"github.com/gitseal/gitseal/formats/merge"
	"github.com/gitseal/gitseal/formats/yaml"
)

// Two people have changed a file: one value is a conflict.
func Example() {
	format := yaml.Format{}
	r, err := merge.Merge(format, merge.Versions{
		Base:   []byte("host: db1\nport: 5432\nuser: app\n"),
		Ours:   []byte("host: db2 # moved\nport: 5432\nuser: web\n"),
		Theirs: []byte("host: db1\nport: 5433\nuser: api\n"),
	}, merge.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(string(merge.Mark(r.Ours, r.Theirs, merge.Labels{Ours: "HEAD", Theirs: "topic"}, 7)))
	for _, c := range r.Conflicts {
		ours, _, err := merge.Settle(format, r.Ours, r.Theirs, c.Path, false)
		fmt.Printf("settled %s: %v\n%s", c.Path, err, ours)
	}
	// Output:
	// host: db2 # moved
	// port: 5433
	// <<<<<<< HEAD
	// user: web
	// =======
	// user: api
	// >>>>>>> topic
	// settled user: <nil>
	// host: db2 # moved
	// port: 5433
	// user: api
}
