package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/client-go/rest"

	"github.com/gitseal/gitseal/k8s-controller/kubetest"
)

const (
	// system is the controller's namespace, controllerName its program's name and the
	// label of its Deployment.
	system         = "gitseal-system"
	controllerName = "gitseal-controller"
	// graceTime is how long a program gets to end by itself.
	graceTime = 20 * time.Second
)

// Program is one that runs beside the stage.
type Program struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // how, to be read after done
}

// SyncController does what a node would do: it has the program run as the Deployment
// that is in the cluster says, with its arguments and a token of its service account.
// It starts, restarts or ends it if that has changed, and reports whether it runs.
func (s *Stage) SyncController(ctx context.Context) (bool, error) {
	d, err := s.deployment(ctx)
	if err != nil || d == nil {
		s.StopController()
		return false, err
	}
	if s.controller != nil && slices.Equal(s.controllerArgs, d.args) {
		return true, nil
	}
	s.StopController()
	config, err := s.account(ctx, d.account)
	if err != nil {
		return false, err
	}
	log, err := os.OpenFile(s.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return false, err
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(s.bin, controllerName), append(slices.Clone(d.args), "--kubeconfig="+config)...)
	cmd.Env, cmd.Dir = s.Env(), s.Work
	cmd.Stdout, cmd.Stderr = log, log
	if s.controller, err = StartProgram(cmd); err != nil {
		return false, err
	}
	s.controllerArgs = d.args
	return true, nil
}

// StartProgram starts what cmd says. A Ctrl-C is not for it: it is stopped in its turn.
func StartProgram(cmd *exec.Cmd) (*Program, error) {
	p := &Program{cmd: cmd, done: make(chan struct{})}
	alone(cmd)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", cmd.Path, err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// Stop ends a program, by force if it has to be.
func (p *Program) Stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may be gone already
	select {
	case <-p.done:
	case <-time.After(graceTime):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// deployment is what of a Deployment matters here.
type deployment struct {
	args    []string
	account string
}

// deployment returns the controller's, nil if there is none. Addresses in it are
// replaced by free ones on loopback.
func (s *Stage) deployment(ctx context.Context) (*deployment, error) {
	text, err := s.Must(ctx, "", "kubectl", "-n", system, "get", "deployments", "-l", "app.kubernetes.io/name="+controllerName, "-o", "json")
	if err != nil {
		return nil, err
	}
	var list appsv1.DeploymentList
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, fmt.Errorf("reading the Deployment: %w", err)
	}
	if len(list.Items) == 0 || list.Items[0].DeletionTimestamp != nil {
		return nil, nil
	}
	pod := list.Items[0].Spec.Template.Spec
	d := &deployment{args: pod.Containers[0].Args, account: pod.ServiceAccountName}
	for i, a := range d.args {
		d.args[i] = strings.ReplaceAll(a, "$(POD_NAMESPACE)", system)
		if flag, _, ok := strings.Cut(a, "-addr="); ok {
			d.args[i] = flag + "-addr=127.0.0.1:0"
		}
	}
	return d, nil
}

// account returns the name of a kubeconfig of a service account.
func (s *Stage) account(ctx context.Context, name string) (string, error) {
	token, err := s.Must(ctx, "", "kubectl", "-n", system, "create", "token", name, "--duration=24h")
	if err != nil {
		return "", err
	}
	admin := s.cluster.Config()
	text, err := kubetest.Kubeconfig(&rest.Config{
		Host: admin.Host, BearerToken: strings.TrimSpace(token), TLSClientConfig: rest.TLSClientConfig{CAData: admin.CAData},
	})
	if err != nil {
		return "", err
	}
	path := s.Kubeconfig + "-" + name
	return path, os.WriteFile(path, text, 0o600)
}

// StopController ends the controller, if it runs, and returns when it is gone.
func (s *Stage) StopController() {
	if s.controller == nil {
		return
	}
	s.controller.Stop()
	s.controller = nil
}

// Ended tells when the controller ends by itself.
func (s *Stage) Ended() <-chan error {
	out := make(chan error, 1)
	p := s.controller
	go func() {
		<-p.done
		out <- errors.Join(p.err, fmt.Errorf("see %s", s.Log))
	}()
	return out
}
