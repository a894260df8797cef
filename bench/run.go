package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/gitseal/gitseal/cipher/sopstest"
	"github.com/gitseal/gitseal/keysources/awskms/awskmstest"
)

// bench holds what all cases share.
type bench struct {
	dir     string
	log     io.Writer
	options options
	// setting is the one of the case that runs; forKMS is that of the cases with a
	// key management service, kms the service.
	setting
	forKMS setting
	kms    *awskmstest.Server
	// sealed keeps, by input and tool, files that were sealed once and checked.
	sealed map[string][]file
}

// setting is whom files are sealed for.
type setting struct {
	// sops is the oracle of what a sealed file holds.
	sops       sopstest.Sops
	ours, peer tool
}

// kmsLatency is how long each answer of the key management service takes while
// something is measured.
const kmsLatency = 20 * time.Millisecond

// errWrong means that a tool did its work without an error, and wrongly.
var errWrong = errors.New("wrong result")

// runCase runs both tools in turn, each first in every other round, and checks
// the first result of each.
func (b *bench) runCase(ctx context.Context, c benchCase) (result, error) {
	if c.kms {
		other := *b
		b, other.setting = &other, b.forKMS
	}
	runs, peerRuns := b.runs(c)
	ours := series{tool: b.ours, runs: runs, input: c.input}
	peer := series{tool: b.peer, runs: peerRuns, input: c.input.first(c.sample)}
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
			calls := b.kmsCalls()
			m, err := b.runOnce(ctx, c.verb, s, i == 0)
			if err != nil {
				return result{}, fmt.Errorf("%s: %w", s.tool.name(), err)
			}
			if c.kms && i > 0 {
				fmt.Fprintf(b.log, "  %s on %d files: %d calls of the service\n", s.tool.name(), s.input.files, b.kmsCalls()-calls)
			}
			s.measured = append(s.measured, m.times(c.input.files, s.input.files))
		}
	}
	res := newResult(c, ours.measured, peer.measured)
	if peer.input.files != c.input.files {
		res.Sample = peer.input.files
	}
	return res, nil
}

func (b *bench) kmsCalls() int { return b.kms.Calls("Encrypt") + b.kms.Calls("Decrypt") }

// series is what one tool did in a case.
type series struct {
	tool     tool
	runs     int
	input    input
	measured []measurement
}

// times scales a measurement of so many files to that of all files.
func (m measurement) times(all, files int) measurement {
	if files > 0 && files != all {
		m.Wall = m.Wall * time.Duration(all) / time.Duration(files)
		m.CPU = m.CPU * time.Duration(all) / time.Duration(files)
	}
	return m
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
func (b *bench) runOnce(ctx context.Context, v verb, s *series, check bool) (measurement, error) {
	plain := s.input.generate()
	start := plain
	if v == verbUnseal {
		var err error
		if start, err = b.sealedFiles(ctx, s.input, s.tool, plain); err != nil {
			return measurement{}, fmt.Errorf("preparing sealed files: %w", err)
		}
	}
	b.kms.SetLatency(kmsLatency)
	m, after, err := b.apply(ctx, v, s.tool, start)
	b.kms.SetLatency(0)
	if err != nil || !check {
		return m, err
	}
	switch v {
	case verbVersion, verbService:
		err = checkVersion(after)
	case verbSeal:
		if err = b.checkSealed(ctx, s.input, s.tool, plain, after); err == nil {
			b.sealed[sealedKey(s.input, s.tool)] = after
		}
	case verbUnseal:
		err = b.checkUnsealed(s.input, s.tool, plain, after)
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
	once := plain
	if in.shared {
		once = plain[:1]
	}
	_, files, err := b.apply(ctx, verbSeal, t, once)
	if err != nil {
		return nil, err
	}
	for _, f := range plain[len(files):] {
		files = append(files, file{name: f.name, data: files[0].data})
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
