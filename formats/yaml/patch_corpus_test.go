package yaml_test

import (
	"testing"
)

// Real files take changes as samples do.
func TestPatchCorpus(t *testing.T) {
	files := corpus(t)
	if len(files) == 0 {
		t.Skip("GITSEAL_CORPUS is not set")
	}
	const largest = 16 << 10
	n, made, refused := 0, 0, map[string]int{}
	for name, src := range files {
		if len(src) > largest {
			continue
		}
		tally, err := patches.Check([]byte(src))
		if err != nil {
			msg := err.Error()
			t.Errorf("%s: %s", name, msg[:min(len(msg), 1500)])
		}
		if tally.Made > 0 {
			n++
		}
		made += tally.Made
		for _, why := range tally.Refused {
			refused[reason(why)]++
		}
	}
	t.Logf("%d files, %d changes made, refused: %v", n, made, refused)
}
