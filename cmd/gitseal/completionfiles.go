package main

import (
	"cmp"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// wantFiles says which files a command takes.
type wantFiles uint8

const (
	wantAny wantFiles = iota
	wantSealed
	wantPlain
)

// What is looked at to tell sealed files from others, at most: everybody waits for
// a completion. Files beyond that are offered unseen.
const (
	maxEntries   = 5000
	maxPeeked    = 100
	maxPeekBytes = 4 << 20
	// peekTail is how much is read of a large file: its metadata is at its end.
	peekTail = 128 << 10
)

// files completes the name of a file: folders, and the files that are wanted. If a
// folder has none such, all of its files are offered.
func (c *completer) files(cur string, want wantFiles) []candidate {
	at := strings.LastIndexByte(cur, '/') + 1
	if runtime.GOOS == "windows" {
		at = strings.LastIndexAny(cur, `/\`) + 1
	}
	dir, base := cur[:at], cur[at:]
	folder, err := os.Open(cmp.Or(c.expand(dir), "."))
	if err != nil {
		return nil
	}
	entries, _ := folder.ReadDir(maxEntries)
	if err := folder.Close(); err != nil {
		return nil
	}
	p := peeker{want: want}
	var folders, fit, others []candidate
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	for _, e := range entries {
		name := e.Name()
		// What is hidden is offered if it was asked for, or is what a command wants.
		hidden := strings.HasPrefix(name, ".") && !strings.HasPrefix(base, ".")
		if !strings.HasPrefix(name, base) {
			continue
		}
		path := filepath.Join(cmp.Or(c.expand(dir), "."), name)
		mode := e.Type()
		if mode&os.ModeSymlink != 0 {
			if info, err := os.Stat(path); err == nil {
				mode = info.Mode().Type()
			}
		}
		switch {
		case mode.IsDir() && !hidden && name != ".git":
			folders = append(folders, candidate{text: dir + name + "/", more: true})
		case !mode.IsRegular():
		case want != wantAny && (!hidden || want == wantSealed && !p.full()) && p.fits(path):
			fit = append(fit, candidate{text: dir + name})
		case !hidden:
			others = append(others, candidate{text: dir + name})
		}
	}
	if want == wantAny || len(fit) == 0 {
		fit = append(fit, others...)
	}
	return append(fit, folders...)
}

// peeker looks into files until it has looked at enough.
type peeker struct {
	want  wantFiles
	files int
	bytes int64
}

// full reports whether enough was looked at.
func (p *peeker) full() bool { return p.files >= maxPeeked || p.bytes >= maxPeekBytes }

// fits reports whether a file is one that is wanted, or may be.
func (p *peeker) fits(path string) bool {
	if filepath.Base(path) == ".sops.yaml" {
		return false
	}
	if p.full() {
		return true
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() == 0 {
		return p.want == wantPlain // and reading what is in /proc could take forever
	}
	p.files++
	p.bytes += min(info.Size(), peekTail)
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	tail, err := io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-peekTail), peekTail))
	return err == nil && looksSealed(tail) == (p.want == wantSealed)
}
