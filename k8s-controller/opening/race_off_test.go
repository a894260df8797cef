//go:build !race

package opening_test

// slowdown is how much the race detector costs.
const slowdown = 1
