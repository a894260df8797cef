//go:build !race

package main_test

// raceEnabled: the tests run under the race detector.
const raceEnabled = false
