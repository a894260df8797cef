//go:build !linux

package launch

// MemoryFile returns ErrNoMemoryFile.
func MemoryFile([]byte, int) (*Content, error) { return nil, ErrNoMemoryFile }

// inMemory: there is no telling.
func inMemory(string) bool { return false }

// Harden has nothing to do.
func Harden() {}
