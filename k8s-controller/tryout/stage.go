package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/gitseal/gitseal/k8s-controller/kubetest"
)

// module is the path of this project.
const module = "github.com/gitseal/gitseal"

// Stage is a folder to work in, with the project's programs and kubectl on its path
// and a cluster of its own.
type Stage struct {
	// Root is the project's folder, Work the one that commands run in.
	Root, Work string
	// Kubeconfig is the administrator's, Log what the controller writes.
	Kubeconfig, Log string

	bin, home string
	cluster   *kubetest.Cluster
	// controller is nil as long as it does not run; controllerArgs are those it has.
	controller     *Program
	controllerArgs []string
}

// NewStage starts a cluster beside programs that [Build] has made. What takes long is
// announced on log. [Stage.Close] has to be called.
func NewStage(ctx context.Context, dir, programs string, log io.Writer, opts ...kubetest.Option) (*Stage, error) {
	s := &Stage{
		Work: filepath.Join(dir, "work"), Kubeconfig: filepath.Join(dir, "kubeconfig"), Log: filepath.Join(dir, "controller.log"),
		bin: filepath.Join(dir, "bin"), home: filepath.Join(dir, "home"),
	}
	for _, d := range []string{s.Work, s.bin, filepath.Join(s.home, "tmp")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, err
		}
	}
	root, err := projectFolder(ctx)
	if err != nil {
		return nil, err
	}
	s.Root = root
	for _, name := range []string{"gitseal", controllerName} {
		if err := s.Provide(name, filepath.Join(programs, name)); err != nil {
			return nil, err
		}
	}
	fmt.Fprintln(log, "starting etcd, kube-apiserver and kube-controller-manager")
	s.cluster, err = kubetest.Run(ctx, dir, log, append([]kubetest.Option{kubetest.WithControllerManager()}, opts...)...)
	if err != nil {
		return nil, err
	}
	if err := s.furnish(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Build makes the project's own programs, and puts them into a folder.
func Build(ctx context.Context, dir string, log io.Writer) error {
	root, err := projectFolder(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(log, "building gitseal and gitseal-controller")
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", "urfave_cli_no_docs", "-o", dir+string(filepath.Separator), "./cmd/gitseal", "./cmd/gitseal-controller")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the programs: %w\n%s", err, out)
	}
	return nil
}

func projectFolder(ctx context.Context) (string, error) {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		return "", fmt.Errorf("looking for the project's folder, from which this has to be run: %w", err)
	}
	return strings.TrimSpace(string(root)), nil
}

// furnish writes the kubeconfig, and puts kubectl onto the path and the project's
// files into the work folder, where its documentation has them.
func (s *Stage) furnish() error {
	config, err := kubetest.Kubeconfig(s.cluster.Config())
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(s.Kubeconfig, config, 0o600),
		s.Provide("kubectl", s.cluster.Program("kubectl")),
		os.Symlink(filepath.Join(s.Root, "k8s-controller"), filepath.Join(s.Work, "k8s-controller")),
	)
}

// Provide puts a program onto the path.
func (s *Stage) Provide(name, program string) error {
	return os.Symlink(program, filepath.Join(s.bin, name))
}

// Cluster returns the control plane.
func (s *Stage) Cluster() *kubetest.Cluster { return s.cluster }

// Path is the PATH that finds the stage's programs, before all others.
func (s *Stage) Path() string { return s.bin + string(filepath.ListSeparator) + os.Getenv("PATH") }

// Env is the environment of what runs on the stage: nothing of yours but the PATH.
func (s *Stage) Env() []string {
	return []string{"HOME=" + s.home, "TMPDIR=" + filepath.Join(s.home, "tmp"), "PATH=" + s.Path(), "KUBECONFIG=" + s.Kubeconfig,
		"GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=x", "GIT_AUTHOR_EMAIL=x", "GIT_COMMITTER_NAME=x", "GIT_COMMITTER_EMAIL=x"}
}

// Said is what came of a command.
type Said struct {
	Code     int
	Out, Err string
}

// Call runs a program in the work folder. Its error says that it could not be run; how
// it ended is in what it returns.
func (s *Stage) Call(ctx context.Context, stdin string, args ...string) (Said, error) {
	name := args[0]
	if path := filepath.Join(s.bin, name); isThere(path) { // exec looks at the path of this process
		name = path
	}
	cmd := exec.CommandContext(ctx, name, args[1:]...)
	var out, errs bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = s.Work, s.Env(), strings.NewReader(stdin), &out, &errs
	err := cmd.Run()
	var ended *exec.ExitError
	if errors.As(err, &ended) && ctx.Err() == nil {
		err = nil
	}
	said := Said{Code: -1, Out: out.String(), Err: errs.String()}
	if cmd.ProcessState != nil {
		said.Code = cmd.ProcessState.ExitCode()
	}
	if err != nil {
		err = fmt.Errorf("running %s: %w", args[0], err)
	}
	return said, err
}

// Must runs a program that may not fail, and returns what it wrote to standard output.
func (s *Stage) Must(ctx context.Context, stdin string, args ...string) (string, error) {
	said, err := s.Call(ctx, stdin, args...)
	if err == nil && said.Code != 0 {
		err = fmt.Errorf("%s: exit code %d: %s", strings.Join(args, " "), said.Code, strings.TrimSpace(said.Err))
	}
	return said.Out, err
}

func isThere(path string) bool { _, err := os.Stat(path); return err == nil }

// Close stops the controller and the cluster.
func (s *Stage) Close() {
	s.StopController()
	if s.cluster != nil {
		s.cluster.Close()
	}
}
