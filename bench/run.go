package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/gitseal/gitseal/cipher/sopstest"
)

// bench holds what all cases share.
type bench struct {
	dir     string
	log     io.Writer
	options options
	// sops is the oracle of what a sealed file holds.
	sops       sopstest.Sops
	ours, peer tool
	// sealed keeps, by input and tool, files that were sealed once and checked.
	sealed map[string][]file
}

// errWrong means that a tool did its work without an error, and wrongly.
var errWrong = errors.New("wrong result")

// runCase runs both tools in turn, each first in every other round, and checks
// the first result of each.
func (b *bench) runCase(ctx context.Context, c benchCase) (result, error) {
	runs, peerRuns := b.runs(c)
	ours, peer := series{tool: b.ours, runs: runs}, series{tool: b.peer, runs: peerRuns}
	fmt.Fprintf(b.log, "%s: %d and %d runs\n", c.name, runs, peerRuns)
	for i := range max(runs, peerRuns) {
		turn := []*series{&ours, &peer}
		if i%2 == 1 {
			turn[0], turn[1] = turn[1], turn[0]
		}
		for _, s := range turn {
			if i >= s.runs {
				continue
			}
			m, err := b.runOnce(ctx, c, s.tool, i == 0)
			if err != nil {
				return result{}, fmt.Errorf("%s: %w", s.tool.name(), err)
			}
			s.measured = append(s.measured, m)
		}
	}
	return newResult(c, ours.measured, peer.measured), nil
}

// series is what one tool did in a case.
type series struct {
	tool     tool
	runs     int
	measured []measurement
}

func (b *bench) runs(c benchCase) (ours, peer int) {
	runs := c.runs
	if b.options.runs > 0 {
		runs = b.options.runs
	}
	if !c.slowPeer {
		return runs, runs
	}
	return runs, max(1, b.options.peerRuns)
}

// runOnce runs a tool on fresh copies of the files.
func (b *bench) runOnce(ctx context.Context, c benchCase, t tool, check bool) (measurement, error) {
	plain := c.input.generate()
	start := plain
	if c.verb == verbUnseal {
		var err error
		if start, err = b.sealedFiles(ctx, c.input, t, plain); err != nil {
			return measurement{}, fmt.Errorf("preparing sealed files: %w", err)
		}
	}
	m, after, err := b.apply(ctx, c.verb, t, start)
	if err != nil || !check {
		return m, err
	}
	switch c.verb {
	case verbVersion:
		err = checkVersion(after)
	case verbSeal:
		if err = b.checkSealed(ctx, c.input, t, plain, after); err == nil {
			b.sealed[sealedKey(c.input, t)] = after
		}
	case verbUnseal:
		err = b.checkUnsealed(c.input, t, plain, after)
	}
	return m, err
}

// apply runs a tool on files in a fresh folder and returns what they are then.
// What has no files has its output as the only one.
func (b *bench) apply(ctx context.Context, v verb, t tool, files []file) (measurement, []file, error) {
	dir, err := os.MkdirTemp(b.dir, "run-")
	if err != nil {
		return measurement{}, nil, err
	}
	defer os.RemoveAll(dir)
	work := filepath.Join(dir, "work")
	if err := os.Mkdir(work, 0o700); err != nil {
		return measurement{}, nil, err
	}
	if err := writeFiles(work, files); err != nil {
		return measurement{}, nil, err
	}
	stdout := filepath.Join(dir, "stdout")
	m, err := measure(ctx, job{Dir: work, Env: b.sops.Environ(), Commands: t.commands(v, names(files)), Stdout: stdout})
	if err != nil {
		return measurement{}, nil, err
	}
	if v == verbSeal || len(files) > 1 {
		after, err := readFiles(work, files)
		return m, after, err
	}
	data, err := os.ReadFile(stdout)
	return m, []file{{name: "stdout", data: data}}, err
}

func sealedKey(in input, t tool) string { return in.name + "/" + t.name() }

// sealedFiles returns an input as a tool seals it.
func (b *bench) sealedFiles(ctx context.Context, in input, t tool, plain []file) ([]file, error) {
	if files, ok := b.sealed[sealedKey(in, t)]; ok {
		return files, nil
	}
	_, files, err := b.apply(ctx, verbSeal, t, plain)
	if err != nil {
		return nil, err
	}
	if err := b.checkSealed(ctx, in, t, plain, files); err != nil {
		return nil, err
	}
	b.sealed[sealedKey(in, t)] = files
	return files, nil
}

func checkVersion(out []file) error {
	if len(bytes.TrimSpace(out[0].data)) == 0 {
		return fmt.Errorf("%w: no version printed", errWrong)
	}
	return nil
}

// checkSealed opens every file with sops, whoever sealed it, and with gitseal if
// sops sealed it; it also looks that values are sealed at all.
func (b *bench) checkSealed(ctx context.Context, in input, t tool, plain, sealed []file) error {
	fmt.Fprintf(b.log, "  checking what %s sealed\n", t.name())
	for i, f := range sealed {
		// Every value adds its own ENC, and the MAC one.
		if n := bytes.Count(f.data, []byte("ENC[AES256_GCM,")); n < in.values {
			return fmt.Errorf("%w: %s: %d of %d values are sealed", errWrong, f.name, n, in.values)
		}
		r := b.sops.Decrypt(ctx, f.name, f.data)
		if err := r.Err(); err != nil {
			return fmt.Errorf("%w: %s: %w", errWrong, f.name, err)
		}
		if err := sopstest.EqualData(in.format(), plain[i].data, r.Stdout); err != nil {
			return fmt.Errorf("%w: %s: %w", errWrong, f.name, err)
		}
	}
	if t != b.peer {
		return nil
	}
	_, opened, err := b.apply(ctx, verbUnseal, b.ours, sealed)
	if err != nil {
		return fmt.Errorf("%w: gitseal on what sops sealed: %w", errWrong, err)
	}
	for i, f := range opened {
		if err := sopstest.EqualData(in.format(), plain[i].data, f.data); err != nil {
			return fmt.Errorf("%w: gitseal on what sops sealed: %s: %w", errWrong, f.name, err)
		}
	}
	return nil
}

// checkUnsealed compares data, and for gitseal, which promises it, bytes.
func (b *bench) checkUnsealed(in input, t tool, plain, open []file) error {
	for i, f := range open {
		if t == b.ours && !bytes.Equal(f.data, plain[i].data) {
			return fmt.Errorf("%w: %s: not the bytes that were sealed", errWrong, plain[i].name)
		}
		if err := sopstest.EqualData(in.format(), plain[i].data, f.data); err != nil {
			return fmt.Errorf("%w: %s: %w", errWrong, plain[i].name, err)
		}
	}
	return nil
}
