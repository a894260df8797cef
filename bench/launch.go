package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// launchEnv, if set, makes this program a launcher: it reads a job from standard
// input, runs it, and writes the measurement to standard output.
//
// A process of its own does this because of the peak memory: on Linux the figure
// of a new process starts at what its parent used at that moment, and this
// program holds the inputs and compares results. The launcher stays small.
const launchEnv = "GITSEAL_BENCH_LAUNCH"

// job is what a launcher runs: some commands, one after the other.
type job struct {
	Dir      string
	Env      []string
	Commands [][]string
	// Stdout is the file that gets the standard output of all of them.
	Stdout string
}

// measurement is what a job took. Memory is the largest peak of one of its processes,
// in bytes, or 0 where the system does not tell. CPU and Memory include, on Linux,
// what the programs have started and not waited for.
type measurement struct {
	Wall   time.Duration
	CPU    time.Duration
	Memory int64
	// Failure says which command failed and why.
	Failure string `json:",omitempty"`
}

// measure runs a job in a launcher.
func measure(ctx context.Context, j job) (measurement, error) {
	self, err := os.Executable()
	if err != nil {
		return measurement{}, err
	}
	in, err := json.Marshal(j)
	if err != nil {
		return measurement{}, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), launchEnv+"=1")
	cmd.Stdin = bytes.NewReader(in)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		return measurement{}, fmt.Errorf("launching: %w: %s", err, strings.TrimSpace(stderr.String()))
	}
	var m measurement
	if err := json.Unmarshal(out.Bytes(), &m); err != nil {
		return measurement{}, fmt.Errorf("launching: %w", err)
	}
	if m.Failure != "" {
		return measurement{}, fmt.Errorf("%s", m.Failure)
	}
	return m, nil
}

// launchMain is the main function of a launcher; it returns the exit code.
func launchMain(stdin io.Reader, stdout io.Writer) int {
	var j job
	if err := json.NewDecoder(stdin).Decode(&j); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	m, err := launch(j)
	if err != nil {
		m = measurement{Failure: err.Error()}
	}
	if err := json.NewEncoder(stdout).Encode(m); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func launch(j job) (measurement, error) {
	out, err := os.Create(j.Stdout)
	if err != nil {
		return measurement{}, err
	}
	defer out.Close()
	if err := adoptOrphans(); err != nil {
		return measurement{}, err
	}
	var m measurement
	start := time.Now()
	for _, args := range j.Commands {
		cmd := exec.Command(args[0], args[1:]...)
		var stderr bytes.Buffer
		cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = j.Dir, j.Env, out, &stderr
		if err := cmd.Run(); err != nil {
			return measurement{}, fmt.Errorf("%s: %w: %s", shorten(args), err, strings.TrimSpace(stderr.String()))
		}
		m.CPU += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		m.Memory = max(m.Memory, peakMemory(cmd.ProcessState))
	}
	m.Wall = time.Since(start)
	// A service that the program has started takes its part, too.
	cpu, memory := waitForOrphans()
	m.CPU, m.Memory = m.CPU+cpu, max(m.Memory, memory)
	return m, nil
}

// shorten names a command without its many files.
func shorten(args []string) string {
	const most = 6
	if len(args) > most {
		args = append(args[:most:most], "…")
	}
	return strings.Join(args, " ")
}
