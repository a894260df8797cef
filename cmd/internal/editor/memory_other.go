//go:build !linux

package editor

// isInMemory: there is no telling.
func isInMemory(string) bool { return false }

// PlainSwap is "": swap is encrypted on macOS, and there is no telling elsewhere.
func PlainSwap() string { return "" }
