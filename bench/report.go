package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// figure is what one tool took in the runs of a case: nanoseconds or bytes.
type figure struct {
	Median int64 `json:"median"`
	Min    int64 `json:"min"`
	Max    int64 `json:"max"`
}

// figures are all figures of one tool in a case.
type figures struct {
	Runs   int    `json:"runs"`
	Wall   figure `json:"wall_ns"`
	CPU    figure `json:"cpu_ns"`
	Memory figure `json:"memory_bytes"`
}

// result is what a case came to.
type result struct {
	Name    string  `json:"name"`
	Work    string  `json:"work"`
	Gitseal figures `json:"gitseal"`
	Sops    figures `json:"sops"`
	Goal    goal    `json:"goal"`
	// Sample, if not 0, is how many of the files sops worked on; its times are scaled
	// to all of them.
	Sample int `json:"sample,omitempty"`
	// Met is whether all goals of the case are met.
	Met     bool   `json:"met"`
	Failure string `json:"failure,omitempty"`
}

// report is a whole run.
type report struct {
	System  string   `json:"system"`
	Results []result `json:"results"`
	// Growth is how many times longer gitseal takes for four times the values of
	// a JSON file, 0 if that was not measured.
	Growth float64      `json:"growth,omitempty"`
	Merges *mergeReport `json:"merges,omitempty"`
	K8s    *k8sReport   `json:"k8s,omitempty"`
}

// maxGrowth is what counts as linear for four times the values; a quadratic
// program takes sixteen times as long.
const maxGrowth = 5

func newResult(c benchCase, ours, peer []measurement) result {
	r := result{Name: c.name, Work: c.work, Goal: c.goal, Gitseal: summarize(ours), Sops: summarize(peer)}
	r.Met = meets(c.goal.Time, r.Gitseal.Wall, r.Sops.Wall) && meets(c.goal.Memory, r.Gitseal.Memory, r.Sops.Memory)
	return r
}

func summarize(ms []measurement) figures {
	return figures{
		Runs:   len(ms),
		Wall:   spread(ms, func(m measurement) int64 { return int64(m.Wall) }),
		CPU:    spread(ms, func(m measurement) int64 { return int64(m.CPU) }),
		Memory: spread(ms, func(m measurement) int64 { return m.Memory }),
	}
}

// spread returns the median and the extremes of something measured.
func spread(ms []measurement, of func(measurement) int64) figure {
	if len(ms) == 0 {
		return figure{}
	}
	all := make([]int64, len(ms))
	for i, m := range ms {
		all[i] = of(m)
	}
	slices.Sort(all)
	n := len(all)
	return figure{Median: (all[(n-1)/2] + all[n/2]) / 2, Min: all[0], Max: all[n-1]}
}

// meets reports whether ours is at most the peer's share. No goal is met by all,
// and what could not be measured meets none.
func meets(divisor float64, ours, peer figure) bool {
	if divisor == 0 {
		return true
	}
	return peer.Median > 0 && ours.Median > 0 && float64(ours.Median)*divisor <= float64(peer.Median)
}

// growth compares the two sizes of the JSON input.
func growth(results []result) float64 {
	var small, large int64
	for _, r := range results {
		switch r.Name {
		case caseJSONQuarter:
			small = r.Gitseal.Wall.Median
		case caseJSON:
			large = r.Gitseal.Wall.Median
		}
	}
	if small == 0 {
		return 0
	}
	return float64(large) / float64(small)
}

func (r report) json() (string, error) {
	out, err := json.MarshalIndent(r, "", "  ")
	return string(out) + "\n", err
}

// markdown returns the report as a table: for each case its time, CPU time and
// memory, as median (min–max).
func (r report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s.\nMedian (min–max) of the runs; memory is the largest peak of a process.\n\n", r.System)
	if len(r.Results) > 0 {
		b.WriteString("| work | | runs | gitseal | sops | ratio | goal | met |\n|---|---|---|---|---|---|---|---|\n")
	}
	for _, res := range r.Results {
		if res.Failure != "" {
			fmt.Fprintf(&b, "| %s | **failed**: %s | | | | | | no |\n", res.Work, cell(res.Failure))
			continue
		}
		runs := fmt.Sprintf("%d, %d", res.Gitseal.Runs, res.Sops.Runs)
		if res.Sample > 0 {
			runs += fmt.Sprintf(" of %d files, scaled", res.Sample)
		}
		row(&b, []string{res.Work, "time", runs}, pair{res.Gitseal.Wall, res.Sops.Wall}, res.Goal.Time, duration)
		row(&b, []string{"", "CPU", ""}, pair{res.Gitseal.CPU, res.Sops.CPU}, 0, duration)
		row(&b, []string{"", "memory", ""}, pair{res.Gitseal.Memory, res.Sops.Memory}, res.Goal.Memory, size)
	}
	if r.Growth > 0 {
		fmt.Fprintf(&b, "\nFour times the JSON values take gitseal %.1f times as long (linear: at most %d): %s.\n",
			r.Growth, maxGrowth, yesNo(r.Growth <= maxGrowth))
	}
	if r.Merges != nil {
		b.WriteString("\n" + r.Merges.markdown())
	}
	if r.K8s != nil {
		b.WriteString("\n" + r.K8s.markdown())
	}
	return b.String()
}

// pair holds what is compared.
type pair struct{ ours, peer figure }

func row(b *strings.Builder, head []string, p pair, divisor float64, unit func(int64) string) {
	goal, met := "", ""
	if divisor > 0 {
		goal, met = fmt.Sprintf("1/%g", divisor), yesNo(meets(divisor, p.ours, p.peer))
	}
	fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", strings.Join(head, " | "),
		withSpread(p.ours, unit), withSpread(p.peer, unit), ratio(p.ours.Median, p.peer.Median), goal, met)
}

func withSpread(f figure, unit func(int64) string) string {
	switch {
	case f == figure{}:
		return "–"
	case f.Min == f.Max:
		return unit(f.Median)
	}
	return fmt.Sprintf("%s (%s–%s)", unit(f.Median), unit(f.Min), unit(f.Max))
}

// ratio spells ours/peer as 1/12.3, or as 1.2 if ours is more.
func ratio(ours, peer int64) string {
	switch {
	case ours == 0 || peer == 0:
		return "–"
	case cmp.Compare(ours, peer) <= 0:
		return fmt.Sprintf("1/%.1f", float64(peer)/float64(ours))
	}
	return fmt.Sprintf("%.2f", float64(ours)/float64(peer))
}

func duration(ns int64) string {
	d := time.Duration(ns)
	if d < time.Second {
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

func size(bytes int64) string { return fmt.Sprintf("%.1f MB", float64(bytes)/1e6) }

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "**no**"
}

// cell makes a text fit into one cell of a table.
func cell(s string) string {
	return strings.NewReplacer("\n", " ", "|", `\|`).Replace(s)
}
