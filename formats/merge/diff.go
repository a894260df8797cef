package merge

import "slices"

// hunk is a place where b is not as a: a[a0:a1] became b[b0:b1].
type hunk struct{ a0, a1, b0, b1 int }

// hunksOf returns the hunks between two sequences of lengths n and m in which
// match[i] is the index that element i of the first has in the second, or -1.
func hunksOf(match []int, m int) []hunk {
	var all []hunk
	i, j := 0, 0
	for k := 0; k <= len(match); k++ {
		to := m
		if k < len(match) {
			if to = match[k]; to < 0 {
				continue
			}
		}
		if k > i || to > j {
			all = append(all, hunk{i, k, j, to})
		}
		i, j = k+1, to+1
	}
	return all
}

// diff returns the hunks between two sequences of numbers. It takes about linear
// time: what neither lines that stand once on both sides nor a short edit script
// tell apart counts as replaced.
func diff(a, b []int) []hunk { return hunksOf(matches(a, b), len(b)) }

// matches returns for each element of a the index of the one of b that it is, or -1.
func matches(a, b []int) []int {
	a, b = dense(a, b)
	d := differ{a: a, b: b, match: make([]int, len(a))}
	if len(a) > 0 && len(b) > 0 {
		d.seen = make([]seen, max(slices.Max(a), slices.Max(b))+1)
	}
	for i := range d.match {
		d.match[i] = -1
	}
	d.run(span{0, len(a)}, span{0, len(b)}, 0)
	return d.match
}

// dense returns sequences of numbers, from 0 on, with no more of them than elements.
func dense(a, b []int) ([]int, []int) {
	most := 0
	for _, list := range [2][]int{a, b} {
		for _, id := range list {
			most = max(most, id)
		}
	}
	if most <= 2*(len(a)+len(b)) {
		return a, b
	}
	ids := map[int]int{}
	renumbered := func(list []int) []int {
		out := make([]int, len(list))
		for i, id := range list {
			n, ok := ids[id]
			if !ok {
				n = len(ids)
				ids[id] = n
			}
			out[i] = n
		}
		return out
	}
	return renumbered(a), renumbered(b)
}

// span is the range [from, to) of a sequence.
type span struct{ from, to int }

func (s span) size() int { return s.to - s.from }

type differ struct {
	a, b  []int
	match []int
	// seen is by element. It is zero but while anchors are looked for: to clear all of
	// it for each range would take quadratic time.
	seen []seen
}

// seen is how often an element is in the ranges looked at, and where.
type seen struct{ inA, inB, atA, atB int }

// The bounds of the work: how deep ranges are split, and how many insertions and
// deletions are looked for where no element is unique.
const (
	maxSplits = 40
	maxScript = 200
)

// run matches a[x] with b[y].
func (d *differ) run(x, y span, depth int) {
	for x.size() > 0 && y.size() > 0 && d.a[x.from] == d.b[y.from] {
		d.match[x.from] = y.from
		x.from++
		y.from++
	}
	for x.size() > 0 && y.size() > 0 && d.a[x.to-1] == d.b[y.to-1] {
		x.to--
		y.to--
		d.match[x.to] = y.to
	}
	if x.size() == 0 || y.size() == 0 {
		return
	}
	anchors := d.anchors(x, y)
	if len(anchors) == 0 || depth == maxSplits {
		d.shortest(x, y)
		return
	}
	for _, i := range anchors {
		j := d.match[i]
		d.run(span{x.from, i}, span{y.from, j}, depth+1)
		x.from, y.from = i+1, j+1
	}
	d.run(x, y, depth+1)
}

// anchors matches elements that stand once in a[x] and once in b[y], as many as
// are in the same order, and returns where in a.
func (d *differ) anchors(x, y span) []int {
	for i := x.from; i < x.to; i++ {
		s := &d.seen[d.a[i]]
		s.inA++
		s.atA = i
	}
	for j := y.from; j < y.to; j++ {
		s := &d.seen[d.b[j]]
		s.inB++
		s.atB = j
	}
	var once []int
	for i := x.from; i < x.to; i++ {
		if s := &d.seen[d.a[i]]; s.inA == 1 && s.inB == 1 {
			d.match[i] = s.atB
			once = append(once, i)
		}
	}
	kept := d.rising(once)
	for _, i := range once {
		d.match[i] = -1
	}
	for _, i := range kept {
		d.match[i] = d.seen[d.a[i]].atB
	}
	for i := x.from; i < x.to; i++ {
		d.seen[d.a[i]] = seen{}
	}
	for j := y.from; j < y.to; j++ {
		d.seen[d.b[j]] = seen{}
	}
	return kept
}

// rising returns a longest part of at whose matches rise.
func (d *differ) rising(at []int) []int {
	var tails []int // tails[n] ends the best run of length n+1, as an index of at
	before := make([]int, len(at))
	for k, i := range at {
		n, _ := slices.BinarySearchFunc(tails, d.match[i], func(t, want int) int { return d.match[at[t]] - want })
		before[k] = -1
		if n > 0 {
			before[k] = tails[n-1]
		}
		if n == len(tails) {
			tails = append(tails, k)
		}
		tails[n] = k
	}
	run := make([]int, len(tails))
	k := -1
	if len(tails) > 0 {
		k = tails[len(tails)-1]
	}
	for n := len(run) - 1; n >= 0; n-- {
		run[n] = at[k]
		k = before[k]
	}
	return run
}

// shortest matches a[x] with b[y] by a shortest edit script (E. Myers, "An O(ND)
// difference algorithm", 1986), unless that is long.
func (d *differ) shortest(x, y span) {
	n, m := x.size(), y.size()
	most := min(n+m, maxScript)
	ends := make([]int, 2*most+2) // by diagonal, from -most
	var trace [][]int
	for edits := 0; edits <= most; edits++ {
		trace = append(trace, slices.Clone(ends[most-edits:most+edits+1]))
		for k := -edits; k <= edits; k += 2 {
			i := 0
			switch {
			case edits == 0:
			case k == -edits || k != edits && ends[most+k-1] < ends[most+k+1]:
				i = ends[most+k+1]
			default:
				i = ends[most+k-1] + 1
			}
			for i < n && i-k < m && i-k >= 0 && d.a[x.from+i] == d.b[y.from+i-k] {
				i++
			}
			ends[most+k] = i
			if i >= n && i-k >= m {
				d.trace(x, y, trace)
				return
			}
		}
	}
}

// trace follows a script back. trace[e] holds the ends, on diagonals from -e to e,
// before step e.
func (d *differ) trace(x, y span, trace [][]int) {
	i, j := x.size(), y.size()
	for e := len(trace) - 1; e >= 0; e-- {
		ends, k := trace[e], i-j
		toI, toJ := 0, 0
		if e > 0 {
			up := k == -e || k != e && ends[e+k-1] < ends[e+k+1]
			if up {
				toI = ends[e+k+1]
				toJ = toI - (k + 1)
			} else {
				toI = ends[e+k-1]
				toJ = toI - (k - 1)
			}
		}
		// Equal elements up to where the step led.
		startI := toI
		if e > 0 && !(k == -e || k != e && ends[e+k-1] < ends[e+k+1]) {
			startI++
		}
		for i > startI {
			i--
			j--
			d.match[x.from+i] = y.from + j
		}
		i, j = toI, toJ
	}
}
