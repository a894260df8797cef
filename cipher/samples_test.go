package cipher_test

import "strings"

// sample is a plain file for which all laws must hold.
type sample struct{ name, source string }

// samples returns the samples of a format.
func samples(format string) []sample {
	switch format {
	case "yaml":
		return yamlSamples()
	case "json":
		return jsonSamples()
	case "dotenv":
		return dotenvSamples()
	case "ini":
		return iniSamples()
	}
	return binarySamples()
}

func yamlSamples() []sample {
	return []sample{
		{"one value", "a: b\n"},
		{"no final newline", "a: b"},
		{"byte order mark", "\ufeffa: b\nc: d\n"},
		{"CRLF", "a: b\r\nc:\r\n  - d\r\n  - |\r\n    e\r\n    f\r\n# g\r\n"},
		{"CRLF without the last", "a: b\r\nc: d"},
		{"odd integers", "i: 0x1F\nj: 1_000\nk: 0o17\nl: 0777\nm: -5\nn: +12\no: 0b101\np: 9223372036854775807\nq: -9223372036854775808\n"},
		{"big integers", "n: 123456789012345678901234567890\no: 9223372036854775808\np: -99999999999999999999\nq: 18446744073709551615\n"},
		{"floats", "a: 1e3\nb: .5\nc: -.inf\nd: .nan\ne: 1.0\nf: 1.10\ng: 6.02e+23\nh: 1e21\ni: 1e-7\nj: +.INF\nk: -0.0\n"},
		{"dates", "a: 2020-01-02\nb: 2001-12-14t21:59:43.10-05:00\nc: 2001-12-15 2:59:43.10\nd: \"2020-01-02\"\ne: 2020-01-02T03:04:05Z\n"},
		{"booleans and nulls", "a: true\nb: False\nc: TRUE\nd: ~\ne: null\nf:\ng: \"true\"\nh: yes\ni: NULL\n"},
		{"empties", "a: \"\"\nb: ''\nc: {}\nd: []\ne: x\nf: [ ]\ng: { }\nh: !!str\n"},
		{"nothing but empties", "a: \"\"\nb: null\nc: {}\n"},
		{"empty file", ""},
		{"comments alone", "# only\n# comments\n"},
		{"quotes", "a: 'it''s'\nb: \"x\\ty\\u00e9\\x41\\U0001F600\\\n   z\"\nc: 'two\n\n  lines'\nd: \"fold\n  ed \\\n\n  x\"\ne: \"plain\"\n"},
		{"plain on several lines", "a: one\n  two\n\n  three # c\nb: x\n"},
		{"block scalars", "a: |\n  x\n  y\nb: >-\n  x\n  y\n\n  z\nc: |+\n  x\n\n\nd: |2\n   x\ne: >\n  x\n   y\n  z\nf: |-\n\n\n  x\n"},
		{"block scalar at the end", "x: 1\na: |\n  x"},
		{"unicode", "a: žluťoučký kůň\nb: \"😀\"\nklíč: 日本語\n\"e\\u0301\": \"\\u2028\"\n"},
		{"long value", "a: " + strings.Repeat("0123456789abcdef", 2000) + "\nb: \"" + strings.Repeat("x y ", 700) + "\"\n"},
		{"lists", "a:\n- b\n- - c\n  - d\n-\n  e: f\n- g: h\n  i: j\n- b\nb:\n  - x\n"},
		{"flow", "a: {b: c, \"d\":e, f: [g, 'h', \"i\", 1, null, ], j}\nk: [l: m, {n: o}]\nq: []\nr: {}\n"},
		{"flow root", "{a: b, c: {d: e}}\n"},
		{"JSON in YAML", "{\n\t\"a\": \"b\",\n\t\"c\": [1, 2.5, null, true, \"d\"],\n\t\"e\":\"f\"\n}"},
		{"documents", "a: b\n---\nc: d\na: b\n...\n---\n# nothing\n---\n{e: f}\n...\n"},
		{"tags", "a: !!str 5\nb: !!int \"5\"\nc: !!float 1\nd: !!binary aGVsbG8=\ne: !x y\ng: ! 5\nh: !!binary |\n  aGVs\n  bG8=\n"},
		{"anchors", "a: &x b\nc: *x\nd: &m\n  e: f\n  g: [h, *x]\n  n: ~\ni: *m\nj:\n  <<: *m\n  k: l\no: [*m, *x]\n"},
		{"merge list", "a: &x {b: c}\nd: &y\n  e: f\ng:\n  <<: [*x, *y]\n  h: i\n"},
		{"comments", "# head\n\n# of a\na: b # inline\n# foot of a\n\n# of c\nc:\n  # of d\n  d: e\n  # after d\n# before f\nf:\n  # of g\n  - g # inline g\n  # after g\n\n  - h\n# end\n"},
		{"comments in lists", "a:\n  - # x\n    b: c\n  - # y\n    - d\n  # z\ne: # u\n  f\ng: # v\n  h: i\n"},
		{"comments between documents", "# a\n---\n# b\nc: d\n# e\n...\n# f\n---\ng: h # i\n# j\n"},
		{"empty comments", "#\na: b #\n#  \nc: d\n"},
		{"equal values", "a: [x, x, x, y]\nb: {c: x, d: x}\n"},
		{"odd keys", "\"a:b\": c\na: {b: c}\n\"\": d\n? long key\n: e\n\"x y\\tz\": f\n"},
		{"explicit keys", "? a\n: b\n? |\n  c\n: - d\n  - e\n"},
		{"directives", "%YAML 1.1\n---\na: b\n...\n"},
		{"kubernetes secret", kubernetesSecret},
	}
}

const kubernetesSecret = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: prod\n  labels: {app: web}\n" +
	"type: Opaque\ndata:\n  password: aHVudGVyMg==\n  user: cm9vdA==\nstringData:\n  config.yaml: |\n    url: https://x\n    key: \"y\"\n"

func jsonSamples() []sample {
	return []sample{
		{"one value", "{\"a\": \"b\"}\n"},
		{"no final newline", "{\"a\":\"b\"}"},
		{"CRLF", "{\r\n\t\"a\": \"b\",\r\n\t\"c\": [1]\r\n}\r\n"},
		{"numbers", `{"a": 1, "b": 1.0, "c": 1.10, "d": -0, "e": 1e3, "f": 1E+21, "g": 0.1, "h": 9223372036854775807, "i": 12345678901234567890123, "j": 1e-7}`},
		{"escapes", `{"a": "\u00e9\/\"\\\b\f\n\r\t", "b": "\ud83d\ude00", "c\u0041": "<&>", "d": " "}`},
		{"empties", `{"a": "", "b": null, "c": {}, "d": [], "e": [{}, [], "", null], "f": "x"}`},
		{"nested", `{"a": {"b": {"c": ["d", {"e": "f"}, ["g"]]}}, "h": true, "i": false}`},
		{"equal values", `{"a": ["x", "x", "y"], "b": {"c": "x"}}`},
		{"unicode", "{\"klíč\": \"žluťoučký 😀\", \"\": \"empty key\", \"a:b\": \"c\"}"},
		{"white space", " \n{ \"a\" : \"b\" ,\n\n \"c\" :[ 1 , 2 ] }\n\n"},
		{"long value", `{"a": "` + strings.Repeat("0123456789abcdef", 3000) + `"}`},
		{"no values", "{}"},
		{"timestamps are strings", `{"a": "2020-01-02T03:04:05Z"}`},
		{"byte order mark", "\ufeff{\"a\": \"b\"}\n"},
	}
}

func dotenvSamples() []sample {
	return []sample{
		{"one value", "A=b\n"},
		{"no final newline", "A=b"},
		{"comments", "# head\nA=b\n\n#\n# of c\nC=d # no comment\n#end\n"},
		{"empty values", "A=\nB=x\nC= \n"},
		{"quotes stay", "A=\"b c\"\nB='d'\nC=`e`\nexport D=f\n"},
		{"escaped line feeds", "A=one\\ntwo\nB=x\\\\ny\n"},
		{"CRLF", "A=b\r\n# c\r\nD=e\r\n"},
		{"equals and spaces", "A=b=c==\n B =  d  \nURL=postgres://u:p@h/d?x=y#z\n"},
		{"unicode", "KLÍČ=žluťoučký 😀\n"},
		{"several lines", "A=\"one\ntwo\n\nthree\"\nB=x\n"},
		{"blank lines and indented comments", "A=b\n   \n  # c\nD=e\n"},
		{"byte order mark", "\ufeffA=b\n"},
		{"long value", "A=" + strings.Repeat("0123456789abcdef", 2000) + "\n"},
		{"comments alone", "# x\n"},
		{"equal values", "A=x\nB=x\n"},
	}
}

func iniSamples() []sample {
	return []sample{
		{"one value", "[s]\na = b\n"},
		{"no final newline", "[s]\na=b"},
		{"before any section", "a = 1\nb: 2\n[s]\nc = 3\n"},
		{"comments", "; head\n[s]\n# of a\n; two lines\na = b ; inline\nc = d # inline\n"},
		{"quotes", "[s]\na = \"x y\"\nb = 'q'\nc = `x ; y`\nd = \"\"\"x\"\"\"\n"},
		{"several lines", "[s]\na = \"\"\"one\ntwo\n  three\"\"\"\nb = x\n"},
		{"continued", "[s]\na = one \\\n  two \\\n three\nb = 1\n"},
		{"empties", "[s]\na =\nb = x\nc = \"\"\n[empty]\n"},
		{"CRLF", "[s]\r\na = x\r\nb = 'y'\r\n"},
		{"white space", "  [s]\n\n\ta  =   x y  \n   b=c\n"},
		{"unicode", "[sekce]\nklíč = žluťoučký 😀\n"},
		{"child sections", "[a]\nk = 1\n[a.b]\nk = 1\n"},
		{"byte order mark", "\ufeff[s]\na = x\n"},
		{"long value", "[s]\na = " + strings.Repeat("0123456789abcdef", 1000) + "\n"},
		{"equal values", "[s]\na = x\nb = x\n[t]\na = x\n"},
	}
}

func binarySamples() []sample {
	return []sample{
		{"text", "hello\n"},
		{"one byte", "\x00"},
		{"no newline", "hello"},
		{"not UTF-8", "\xff\xfe\x00\r\n\x80"},
		{"byte order mark", "\ufeffhello"},
		{"JSON", `{"data": "x"}`},
		{"YAML", "a: b\n"},
		{"CRLF", "a\r\nb\r\n"},
		{"long", strings.Repeat("\x01binary\xff", 5000)},
	}
}
