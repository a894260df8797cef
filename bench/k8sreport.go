package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// markdown returns two tables: all controllers, and what was measured of ours only.
func (r *k8sReport) markdown() string {
	var b strings.Builder
	if len(r.Lanes) > 0 {
		r.compare(&b)
	}
	if r.Ours != nil && len(r.Lanes) > 0 {
		b.WriteString("\n")
		r.detail(&b, r.Lanes[0])
	}
	return b.String()
}

func (r *k8sReport) compare(b *strings.Builder) {
	line := func(head string, cell func(k8sLane) string) {
		fmt.Fprintf(b, "| %s |", head)
		for _, l := range r.Lanes {
			text := "–"
			if l.Skipped == "" {
				text = cell(l)
			}
			fmt.Fprintf(b, " %s |", text)
		}
		b.WriteString("\n")
	}
	b.WriteString("| |")
	for _, l := range r.Lanes {
		fmt.Fprintf(b, " %s |", l.Name)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(r.Lanes)) + "\n")
	line("manifests of 5 values", func(l k8sLane) string { return number(l.Manifests) })
	for _, p := range []struct {
		name string
		of   func(k8sLane) k8sPhase
	}{
		{"cold start", func(l k8sLane) k8sPhase { return l.Cold }},
		{"restart, nothing changed", func(l k8sLane) k8sPhase { return l.Restart }},
	} {
		per := func(l k8sLane, d time.Duration) string { return duration(int64(d) / int64(l.Manifests)) }
		line(p.name, func(l k8sLane) string { return "**" + duration(int64(p.of(l).Wall)) + "**" })
		line("… for each manifest", func(l k8sLane) string { return per(l, p.of(l).Wall) })
		line("… CPU of the controller, for each", func(l k8sLane) string { return per(l, p.of(l).CPU) })
		line("… CPU of the API server, for each", func(l k8sLane) string { return per(l, p.of(l).ServerCPU) })
		line("… requests", func(l k8sLane) string { return requests(p.of(l).Calls) })
		line("… memory", func(l k8sLane) string { return size(p.of(l).Memory) })
	}
	for _, l := range r.Lanes {
		if l.Skipped != "" {
			fmt.Fprintf(b, "\n%s was left out: %s.\n", l.Name, l.Skipped)
		}
	}
}

// requests lists counts, the largest first.
func requests(calls map[string]int64) string {
	if len(calls) == 0 {
		return "none"
	}
	var out []string
	for _, name := range slices.SortedFunc(maps.Keys(calls), func(a, b string) int {
		if calls[a] != calls[b] {
			return int(calls[b] - calls[a])
		}
		return strings.Compare(a, b)
	}) {
		out = append(out, fmt.Sprintf("%s × %s", number(int(calls[name])), name))
	}
	return strings.Join(out, ", ")
}

// number writes 10000 as 10,000.
func number(n int) string {
	s := fmt.Sprint(n)
	for at := len(s) - 3; at > 0; at -= 3 {
		s = s[:at] + "," + s[at:]
	}
	return s
}

func (r *k8sReport) detail(b *strings.Builder, l k8sLane) {
	d := r.Ours
	line := func(work string, took, goal time.Duration) {
		text, met := "", ""
		if goal > 0 {
			text, met = "≤ "+goal.String(), yesNo(took > 0 && took <= goal)
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", work, duration(int64(took)), text, met)
	}
	count := func(work string, n int64) { fmt.Fprintf(b, "| %s | %d | 0 | %s |\n", work, n, yesNo(n == 0)) }
	b.WriteString("| gitseal-controller | | goal | met |\n|---|---|---|---|\n")
	line(fmt.Sprintf("cold start, %s manifests", number(l.Manifests)), l.Cold.Wall, goalCold)
	line("restart, nothing changed", l.Restart.Wall, goalRestart)
	count("… manifests decrypted", l.Restart.Decrypts)
	count("… writes of manifests and Secrets", l.Restart.Writes)
	if n := len(d.Probes); n > 0 {
		slices.Sort(d.Probes)
		line(fmt.Sprintf("a new manifest during the cold start, median of %d", n), d.Probes[n/2], goalProbe)
		line("… the slowest", d.Probes[n-1], goalProbe)
	}
	line(fmt.Sprintf("%s manifests changed at once: %s", number(d.Changed), requests(d.Churn.Calls)), d.Churn.Wall, 0)
	line("the leader is killed: until a change is applied", d.Killed, 0)
	line("the leader is told to end: until a change is applied", d.Told, 0)
}
