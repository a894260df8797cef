package main

import (
	"strings"
)

// peerVersion is the release of sops that gitseal is measured against.
const peerVersion = "3.13.3"

// verb is what a case does to its files.
type verb string

// The verbs. Sealing is done in place; a single file is unsealed to standard
// output, several files are unsealed in place.
const (
	verbVersion verb = "version"
	// verbService starts the program that gitseal starts for keys of key management
	// services.
	verbService verb = "service"
	verbSeal    verb = "seal"
	verbUnseal  verb = "unseal"
)

// benchCase is one row of the benchmark.
type benchCase struct {
	name  string
	work  string
	verb  verb
	input input
	// goal is what share of sops's figures gitseal may take.
	goal goal
	// runs is how often both tools run.
	runs int
	// slowPeer marks the cases where sops takes so long that it runs only once.
	slowPeer bool
	// kms: the files are sealed for a key of a key management service, not for age.
	kms bool
	// sample, if not 0, is how many of the files sops works on; its times are scaled.
	sample int
}

// goal holds divisors: 4 means a quarter of what sops takes. 0 means no goal.
type goal struct {
	Time   float64 `json:"time,omitempty"`
	Memory float64 `json:"memory,omitempty"`
}

// The sizes of the inputs, and what -small divides them by.
const (
	manyFiles    = 1000
	sampledFiles = 100
	bigYAML      = 200_000
	bigJSON      = 80_000
	quarterJSON  = bigJSON / 4
	smallDivisor = 100
)

// The two cases between which the growth with the size is measured.
const (
	caseJSON        = "json80k-seal"
	caseJSONQuarter = "json20k-seal"
)

// allCases returns all cases, those with the large inputs last.
func allCases(small bool) []benchCase {
	by := 1
	if small {
		by = smallDivisor
	}
	one := input{name: "small", files: 1, values: 10}
	many := input{name: "files1000", files: manyFiles / by, values: 10}
	kms := input{name: "kms1000", files: manyFiles / by, values: 10}
	shared := input{name: "kms1000-shared", files: manyFiles / by, values: 10, shared: true}
	oneKMS := input{name: "kms-one", files: 1, values: 10}
	sample := sampledFiles / by
	yaml := input{name: "yaml200k", files: 1, values: bigYAML / by}
	json := input{name: "json80k", files: 1, values: bigJSON / by, json: true}
	quarter := input{name: "json20k", files: 1, values: quarterJSON / by, json: true}
	return []benchCase{
		{name: "version", work: "start (`--version`)", verb: verbVersion, goal: goal{Time: 4, Memory: 3}, runs: 21},
		{name: "version-keyservice", work: "start of gitseal-keyservice (`--version`), beside sops", verb: verbService, runs: 21},
		{name: "small-seal", work: "seal one YAML file of 10 values", verb: verbSeal, input: one, runs: 21},
		{name: "small-unseal", work: "unseal one YAML file of 10 values", verb: verbUnseal, input: one, goal: goal{Time: 4}, runs: 21},
		{name: "files1000-seal", work: "seal 1,000 small YAML files: one call, sops in a loop", verb: verbSeal, input: many, goal: goal{Time: 40}, runs: 3},
		{name: "files1000-unseal", work: "unseal 1,000 small YAML files: one call, sops in a loop", verb: verbUnseal, input: many, goal: goal{Time: 40}, runs: 3},
		{name: "kms-one-seal", work: "seal one YAML file for a KMS key, answers take 20 ms", verb: verbSeal, input: oneKMS, runs: 11, kms: true},
		{name: "kms-one-unseal", work: "unseal one YAML file with a KMS key, answers take 20 ms", verb: verbUnseal, input: oneKMS, runs: 11, kms: true},
		{name: "kms1000-seal", work: "seal 1,000 small YAML files for a KMS key, answers take 20 ms: one call, sops in a loop", verb: verbSeal, input: kms, goal: goal{Time: 16}, runs: 3, kms: true, sample: sample},
		{name: "kms1000-unseal", work: "unseal them", verb: verbUnseal, input: kms, goal: goal{Time: 16}, runs: 3, kms: true, sample: sample},
		{name: "kms1000-shared-unseal", work: "unseal 1,000 files with one wrapped data key", verb: verbUnseal, input: shared, goal: goal{Time: 16}, runs: 3, kms: true, sample: sample},
		{name: "yaml200k-seal", work: "seal YAML, 200,000 values, 6.8 MB", verb: verbSeal, input: yaml, goal: goal{Time: 20, Memory: 8}, runs: 3},
		{name: "yaml200k-unseal", work: "unseal YAML, 200,000 values, 6.8 MB", verb: verbUnseal, input: yaml, goal: goal{Time: 20, Memory: 8}, runs: 3},
		{name: caseJSONQuarter, work: "seal JSON, 20,000 values", verb: verbSeal, input: quarter, runs: 3},
		{name: caseJSON, work: "seal JSON, 80,000 values", verb: verbSeal, input: json, goal: goal{Time: 100}, runs: 5, slowPeer: true},
		{name: "json80k-unseal", work: "unseal JSON, 80,000 values", verb: verbUnseal, input: json, goal: goal{Time: 100}, runs: 5, slowPeer: true},
	}
}

// selectCases keeps the cases whose name contains one of the words.
func selectCases(cases []benchCase, only string) []benchCase {
	if only == "" {
		return cases
	}
	var kept []benchCase
	for _, c := range cases {
		for _, word := range strings.Split(only, ",") {
			if word = strings.TrimSpace(word); word != "" && strings.Contains(c.name, word) {
				kept = append(kept, c)
				break
			}
		}
	}
	return kept
}

// tool is how to call one of the two programs. Files are named relative to the
// working directory.
type tool interface {
	name() string
	// commands returns the calls that do the work; their standard output is the
	// result if the case has only one file to unseal.
	commands(v verb, files []string) [][]string
}

// gitseal does all files in one call. Its service is a second program, and reader
// the flag and name of whom files are sealed for.
type gitseal struct {
	bin, service string
	reader       [2]string
}

// sealingFor returns a gitseal that seals for a reader.
func (g gitseal) sealingFor(flag, name string) gitseal {
	g.reader = [2]string{flag, name}
	return g
}

func (g gitseal) name() string { return "gitseal" }

func (g gitseal) commands(v verb, files []string) [][]string {
	switch v {
	case verbSeal:
		return [][]string{append([]string{g.bin, "seal", g.reader[0], g.reader[1]}, files...)}
	case verbUnseal:
		if len(files) == 1 {
			return [][]string{{g.bin, "unseal", files[0]}}
		}
		return [][]string{append([]string{g.bin, "unseal", "-i"}, files...)}
	case verbService:
		return [][]string{{g.service, "--version"}}
	default:
		return [][]string{{g.bin, "--version"}}
	}
}

// sops takes one file a call.
type sops struct {
	bin    string
	reader [2]string
}

func (s sops) name() string { return "sops" }

func (s sops) commands(v verb, files []string) [][]string {
	if v == verbVersion || v == verbService {
		return [][]string{{s.bin, "--version"}}
	}
	var calls [][]string
	for _, f := range files {
		switch {
		case v == verbSeal:
			calls = append(calls, []string{s.bin, "encrypt", s.reader[0], s.reader[1], "-i", f})
		case len(files) == 1:
			calls = append(calls, []string{s.bin, "decrypt", f})
		default:
			calls = append(calls, []string{s.bin, "decrypt", "-i", f})
		}
	}
	return calls
}
