package editor

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// A guard is a process that outlives us if we are killed, and then removes the
// workspace. It knows no more than the folder's name. What tells it is a pipe that
// only we can write to: it ends with us, whatever ends us.

// dismissed is what the guard reads if there is nothing left to do.
const dismissed = "dismissed\n"

type guard struct {
	cmd  *exec.Cmd
	pipe *os.File
}

// startGuard starts a guard, with the program and arguments of args and the folder
// behind them: a program that calls [Guard].
func startGuard(args []string, dir string, env []string) (*guard, error) {
	if len(args) == 0 {
		return nil, errors.New("no program for it")
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	g := &guard{pipe: w, cmd: exec.Command(args[0], append(args[1:], dir)...)}
	// The root is always there, whatever TMPDIR says, and holds no mount in use.
	root := filepath.VolumeName(dir) + string(filepath.Separator)
	g.cmd.Stdin, g.cmd.Env, g.cmd.Dir = r, env, root
	setApart(g.cmd)
	err = g.cmd.Start()
	if e := r.Close(); err == nil {
		err = e
	}
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return g, nil
}

// dismiss ends the guard. If done, there is nothing left for it to do.
func (g *guard) dismiss(done bool) {
	if g == nil {
		return
	}
	if done {
		_, _ = g.pipe.WriteString(dismissed) // without it, the guard looks for the folder in vain
	}
	_ = g.pipe.Close() // nothing more is to come
	_ = g.cmd.Process.Release()
}

// guardPatience is for how long a guard keeps removing what an editor that goes on
// without us makes again.
const guardPatience = 10 * time.Second

// Guard is what a guard does: it waits for the end of in, which is that of the
// process that uses the workspace dir, and removes the workspace unless it reads
// that there is nothing to do. It returns an error if dir is no workspace.
func Guard(in io.Reader, dir string) error {
	ignoreSignals()
	if !isWorkspace(dir) {
		return errors.New("not a private folder of an editing session")
	}
	const room = 64
	last, _ := io.ReadAll(io.LimitReader(in, room)) // any end is the end
	if bytes.Equal(last, []byte(dismissed)) {
		return nil
	}
	const every = 50 * time.Millisecond
	var err error
	for deadline := time.Now().Add(guardPatience); time.Now().Before(deadline); time.Sleep(every) {
		if err = removeTree(dir, time.Second); err == nil && !isWorkspace(dir) {
			err = settle(dir)
		}
	}
	return err
}

// settle removes a folder that an editor has made again under the name of the
// workspace, with another mode.
func settle(dir string) error {
	info, err := os.Lstat(dir)
	if errors.Is(err, os.ErrNotExist) || err == nil && !info.IsDir() {
		return nil
	}
	return os.RemoveAll(dir)
}
