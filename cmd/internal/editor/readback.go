package editor

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// read reads the text back.
func (s *Session) read(path string) error {
	data, err := readText(path, s.o.MaxSize)
	if err == nil || errors.Is(err, ErrTooLarge) {
		s.last = data
	}
	return err
}

// readText reads a file of which more than maxSize bytes are an error. Whatever is in its
// place does not make us wait: a FIFO would, for ever.
func readText(path string, maxSize int64) ([]byte, error) {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, ErrNoText
	}
	if err != nil {
		return nil, fmt.Errorf("reading the text back: %w", bare(err))
	}
	if !info.Mode().IsRegular() {
		return nil, ErrNotRegular
	}
	f, err := os.OpenFile(path, os.O_RDONLY|openAtOnce, 0)
	if err != nil {
		return nil, fmt.Errorf("reading the text back: %w", bare(err))
	}
	defer f.Close()
	// It may have been replaced since.
	if info, err = f.Stat(); err == nil && !info.Mode().IsRegular() {
		return nil, ErrNotRegular
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, fmt.Errorf("reading the text back: %w", bare(err))
	}
	if int64(len(data)) > maxSize {
		return data, ErrTooLarge
	}
	return data, nil
}

// emergencySuffix is what nano adds to the name when a signal, or the loss of its
// terminal, ends it with changes that were not saved.
const emergencySuffix = ".save"

// takeEmergency takes what an editor has saved at its violent end for the text: it is
// newer than the file, and would go away with the folder.
func (s *Session) takeEmergency(path string) {
	if data, err := readText(path+emergencySuffix, s.o.MaxSize); err == nil && !isBlank(data) {
		s.last = data
	}
}
