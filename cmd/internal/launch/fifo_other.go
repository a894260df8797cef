//go:build !unix

package launch

// Pipe returns ErrNoMemoryFile: there are no named pipes in the file system.
func Pipe(PipeOptions) (*Content, error) { return nil, ErrNoMemoryFile }
