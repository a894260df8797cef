package yaml_test

import "github.com/gitseal/gitseal/formats/formatstest"

// samples are files for which everything must work.
func samples() []formatstest.Sample {
	return []formatstest.Sample{
		{Name: "empty", Source: ""},
		{Name: "byte order mark alone", Source: "\ufeff"},
		{Name: "blank lines", Source: "\n\n"},
		{Name: "comment alone", Source: "# only a comment\n"},
		{Name: "one value", Source: "a: b\n"},
		{Name: "no final newline", Source: "a: b"},
		{Name: "byte order mark", Source: "\ufeffa: b\n"},
		{Name: "CRLF", Source: "a: b\r\nc:\r\n  - d\r\n  - |\r\n    e\r\n    f\r\n# g\r\n"},
		{Name: "lone CR", Source: "a: b\rc: d\r"},
		{Name: "types", Source: "i: 0x1F\nj: 1_000\nk: 0o17\nl: 0777\nm: -5\nn: 123456789012345678901234567890\n" +
			"o: 18446744073709551615\nf: 1e3\ng: .5\nh: -.inf\np: .nan\nq: 1.0\nt: 2020-01-02\n" +
			"u: 2001-12-14t21:59:43.10-05:00\nb: true\nc: False\nd: yes\ne: ~\nr: null\ns:\nv: 1.2.3\nw: 0b101\n"},
		{Name: "plain strings", Source: "a: it's # c\nb: a:b\nc: a#b\nd: -x\ne: ?x\nf: :x\ng: \"\"\nh: ''\ni: <<\nj: =\n"},
		{Name: "quotes", Source: "a: 'it''s'\nb: \"x\\ty\\u00e9\\x41\\U0001F600\\\n   z\"\nc: 'two\n\n  lines'\nd: \"fold\n  ed \\\n\n  x\"\n"},
		{Name: "plain on several lines", Source: "a: one\n  two\n\n  three # c\nb: x\n"},
		{Name: "block scalars", Source: "a: |\n  x\n  y\nb: >-\n  x\n  y\n\n  z\nc: |+\n  x\n\n\nd: |2\n   x\ne: >\n  x\n   y\n  z\nf: |-\n\n\n  x\ng: |\n"},
		{Name: "block scalar at the end", Source: "x: 1\na: |\n  x"},
		{Name: "kept blanks at the end", Source: "a:\n  b: |+\n    x\n\n "},
		{Name: "block scalar with a comment", Source: "a: | # c\n  x\n  y\nb: >2- # d\n   x\n"},
		{Name: "lists", Source: "a:\n- b\n- - c\n  - d\n-\n  e: f\n- g: h\n  i: j\n-\nb:\n  - x\n"},
		{Name: "explicit keys", Source: "? a\n: b\n? |\n  c\n: - d\n  - e\n? f\n? 'g'\n:\n  h\n"},
		{Name: "flow", Source: "a: {b: c, \"d\":e, f: [g, 'h', \"i\", 1, null, ], j}\nk: [l: m, {n: o}]\nq: []\nr: {}\n"},
		{Name: "flow on several lines", Source: "a: {\n  b: c, # x\n  d: [\n    e,\n    f # y\n  ]\n}\n"},
		{Name: "comment in an empty list", Source: "a: {b, c: [#\n]}\n"},
		{Name: "flow root", Source: "{a: b, c: {d: e}}\n"},
		{Name: "flow root with a comma", Source: "{a: b,}\n"},
		{Name: "flow root, empty", Source: "{}\n"},
		{Name: "flow root on several lines", Source: "--- {\n  a: b, # x\n  # y\n  c: d # z\n}\n"},
		{Name: "JSON", Source: "{\n\t\"a\": \"b\",\n\t\"c\": [1, 2.5, null, true, \"d\"],\n\t\"e\":\"f\"\n}"},
		{Name: "documents", Source: "a: b\n---\nc: d\n...\n---\n# nothing\n---\n{e: f}\n...\n"},
		{Name: "directives", Source: "%YAML 1.1\n%TAG !e! tag:example.com,2000:\n---\na: !e!x y\n...\n%TAG !s! tag:yaml.org,2002:\n---\nb: !s!str 5\n"},
		{Name: "tags", Source: "a: !!str 5\nb: !!int \"5\"\nc: !!float 1\nd: !!binary aGVsbG8=\ne: !x y\nf: !!str\ng: ! 5\nh: !!binary |\n  aGVs\n  bG8=\ni: !<tag:yaml.org,2002:str> 6\nj: !!null ~\n"},
		{Name: "binary that is no text", Source: "a: !!binary /w==\nb: x\n"},
		{Name: "indented root", Source: "  a: b\n  c: d\n"},
		{Name: "anchors", Source: "a: &x b\nc: *x\nd: &m\n  e: f\n  g: [h, *x]\n  n: ~\ni: *m\nj:\n  <<: *m\n  k: l\no: [*m, *x]\n"},
		{Name: "anchor on a key", Source: "&x a: b\nc: *x\n"},
		{Name: "merge list", Source: "a: &x {b: c}\nd: &y\n  e: f\ng:\n  <<: [*x, *y]\n"},
		{Name: "comment behind an alias", Source: "a: &x\n  b: c\nd: *x # e\nf: g\n"},
		{Name: "comments", Source: "# head\n\n# of a\na: b # inline\n# foot of a\n\n# of c\nc:\n  # of d\n  d: e\n  # after d\n# before f\nf:\n  # of g\n  - g # inline g\n  # after g\n\n  - h\n# end\n"},
		{Name: "comments in lists", Source: "a:\n  - # x\n    b: c\n  - # y\n    - d\n  # z\ne: # u\n  f\ng: # v\n  h: i\n"},
		{Name: "comment without a space", Source: "a: \"b\"#c\n"},
		{Name: "comments between documents", Source: "# a\n---\n# b\nc: d\n# e\n...\n# f\n---\ng: h # i\n# j\n"},
		{Name: "sops as a nested key", Source: "a:\n  sops: b\n"},
		{Name: "long keys", Source: "? " + long("k", 1100) + "\n: v\n" + long("x", 1000) + ": w\n"},
		{Name: "many keys", Source: manyKeys(40)},
	}
}

func long(s string, n int) string {
	b := make([]byte, 0, n)
	for len(b) < n {
		b = append(b, s...)
	}
	return string(b)
}

func manyKeys(n int) string {
	s := ""
	for i := range n {
		s += "k" + string(rune('A'+i)) + ": v\n"
	}
	return s
}

// refusals are files that must be refused.
func refusals() []string {
	var all []string
	for _, r := range refused {
		all = append(all, r.source)
	}
	return all
}
