package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// controllerProcess is a controller that runs.
type controllerProcess struct {
	cmd     *exec.Cmd
	log     string
	done    chan struct{} // closed when it has ended
	started time.Time
	// metrics and health are URLs.
	metrics, health string
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// startController runs a program until the context ends. Its log goes into a file.
func startController(ctx context.Context, log string, env []string, args ...string) (*controllerProcess, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	c := &controllerProcess{cmd: exec.CommandContext(ctx, args[0], args[1:]...), log: log, done: make(chan struct{}), started: time.Now()}
	c.cmd.Env, c.cmd.Stdout, c.cmd.Stderr = env, out, out
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", args[0], err)
	}
	go func() {
		_ = c.cmd.Wait() // it is ended by a signal
		close(c.done)
	}()
	return c, nil
}

// stop ends it as Kubernetes does, and waits.
func (c *controllerProcess) stop() {
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may be gone already
	select {
	case <-c.done:
	case <-time.After(30 * time.Second):
		c.kill()
	}
}

// kill ends it at once.
func (c *controllerProcess) kill() {
	_ = c.cmd.Process.Kill() // it may be gone already
	<-c.done
}

// ended is an error if the process has ended, with what it said last.
func (c *controllerProcess) ended() error {
	select {
	case <-c.done:
	default:
		return nil
	}
	text, err := os.ReadFile(c.log)
	return errors.Join(fmt.Errorf("%s ended: %s", c.cmd.Path, cut(string(text[max(0, len(text)-500):]))), err)
}

// scrape returns the controller's metrics, "" as long as it does not answer.
func (c *controllerProcess) scrape(ctx context.Context) (string, error) {
	if err := c.ended(); err != nil {
		return "", err
	}
	text, err := fetch(ctx, c.metrics)
	if err != nil && ctx.Err() == nil {
		return "", nil
	}
	return text, err
}

// fetch reads a URL.
func fetch(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, res.Status)
	}
	return string(text), err
}

// ready waits until the controller says that it is.
func (c *controllerProcess) ready(ctx context.Context) error {
	return until(ctx, pollTime, "the controller is ready", func() (bool, error) {
		_, err := fetch(ctx, c.health)
		return err == nil, c.ended()
	})
}

// peak returns the most memory that it had, 0 where the system does not tell.
func (c *controllerProcess) peak() int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err == nil {
				return kb * 1024
			}
		}
	}
	return 0
}

// snapshot is what the counters say at a moment.
type snapshot struct {
	at         time.Time
	server     map[string]int64
	serverCPU  float64
	controller string
}

// snapshot reads the counters. The controller may be nil: it has not started.
func (p *plane) snapshot(ctx context.Context, c *controllerProcess) (snapshot, error) {
	s := snapshot{at: time.Now()}
	text, err := p.Metrics(ctx)
	if err != nil {
		return s, err
	}
	s.server, s.serverCPU = calls(text), total(text, "process_cpu_seconds_total")
	if c != nil {
		s.controller, err = c.scrape(ctx)
	}
	return s, err
}

// phase is what happened since a snapshot.
func (p *plane) phase(ctx context.Context, c *controllerProcess, before snapshot) (k8sPhase, error) {
	after, err := p.snapshot(ctx, c)
	if err != nil {
		return k8sPhase{}, err
	}
	since := func(metric string) float64 { return total(after.controller, metric) - total(before.controller, metric) }
	ph := k8sPhase{
		Memory: c.peak(), CPU: seconds(since("process_cpu_seconds_total")),
		ServerCPU: seconds(after.serverCPU - before.serverCPU), Calls: make(map[string]int64),
		Writes: int64(since("gitseal_api_writes_total")), Decrypts: int64(since("gitseal_decrypt_duration_seconds_count")),
	}
	for name, n := range after.server {
		if n > before.server[name] {
			ph.Calls[name] = n - before.server[name]
		}
	}
	return ph, nil
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
