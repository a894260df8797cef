//go:build unix

package launch_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gitseal/gitseal/cmd/internal/launch"
	"github.com/gitseal/gitseal/cmd/internal/mask"
)

// roleEnv makes the test's program another one: its value is the role.
const roleEnv = "LAUNCH_TEST_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleEnv); role != "" {
		os.Exit(play(role, os.Args[1:]))
	}
	os.Exit(m.Run())
}

// play is what the programs do that the tests start.
func play(role string, args []string) int {
	switch role {
	case "environ":
		env := os.Environ()
		slices.Sort(env)
		fmt.Println(strings.Join(env, "\n"))
	case "exit":
		n, _ := strconv.Atoi(args[0])
		return n
	case "kill":
		n, _ := strconv.Atoi(args[0])
		_ = syscall.Kill(os.Getpid(), syscall.Signal(n))
		time.Sleep(time.Minute)
	case "cat":
		_, err := io.Copy(os.Stdout, os.Stdin)
		return failed(err)
	case "signals":
		return noteSignals()
	case "reopen":
		return reopen(args[0])
	case "read":
		data, err := os.ReadFile(args[0])
		fmt.Printf("%d %q", len(data), data[:min(len(data), 20)])
		return failed(err)
	case "flood":
		return flood(args[0])
	case "both":
		for i := range 50 {
			fmt.Fprintf(os.Stdout, "out %d\n", i)
			fmt.Fprintf(os.Stderr, "err %d\n", i)
		}
	case "leave":
		// A grandchild that holds the output open after its parent has ended.
		c := exec.Command("sleep", "60")
		c.Stdout = os.Stdout
		fmt.Print("the last words")
		return failed(c.Start())
	case "ignored":
		fmt.Println(signal.Ignored(syscall.SIGHUP), signal.Ignored(syscall.SIGXFSZ))
	case "stop-itself":
		stopItself()
	case "wrapper":
		return wrap(args)
	}
	return 0
}

func failed(err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 99
	}
	return 0
}

// noteSignals prints every signal that comes, and ends with a SIGTERM.
func noteSignals() int {
	ch := make(chan os.Signal, 16)
	signal.Notify(ch, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH, syscall.SIGCONT)
	fmt.Println("ready")
	for sig := range ch {
		fmt.Println(unix.SignalName(sig.(syscall.Signal)))
		if sig == syscall.SIGTERM {
			break
		}
	}
	return 9
}

// stopItself goes on only when it has been continued: another thread may be the one
// that takes the SIGSTOP, and this one would run on until that has happened.
func stopItself() {
	continued := make(chan os.Signal, 1)
	signal.Notify(continued, syscall.SIGCONT)
	fmt.Println("about to stop")
	_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	<-continued
	fmt.Println("went on")
}

// reopen reads a file in all the ways that programs do.
func reopen(path string) int {
	for range 2 {
		f, err := os.Open(path)
		if err != nil {
			return failed(err)
		}
		info, err := f.Stat()
		if err != nil {
			return failed(err)
		}
		mapped, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_PRIVATE)
		if err != nil {
			return failed(err)
		}
		tail := make([]byte, 4)
		if _, err := f.ReadAt(tail, info.Size()-4); err != nil {
			return failed(err)
		}
		fmt.Printf("%d %s %s\n", info.Size(), mapped[:4], tail)
	}
	for _, flags := range []int{os.O_WRONLY | os.O_TRUNC, os.O_WRONLY | os.O_APPEND, os.O_RDWR} {
		if f, err := os.OpenFile(path, flags, 0); err == nil {
			_, err := f.Write([]byte("x"))
			fmt.Println("written:", err == nil)
		}
	}
	out, err := exec.Command("cat", path).Output()
	fmt.Printf("a child: %d bytes\n", len(out))
	return failed(err)
}

func flood(line string) int {
	w := bufio.NewWriterSize(os.Stdout, 4096)
	for n := 0; n < floodSize; n += len(line) + 1 {
		if _, err := w.WriteString(line + "\n"); err != nil {
			return failed(err)
		}
	}
	return failed(w.Flush())
}

const floodSize = 10 << 20

// wrap does what gitseal does with a program, as a process of its own that can be
// sent signals: wrapper FILTER ROLE ARGS…
func wrap(args []string) int {
	signal.Ignore(syscall.SIGXFSZ) // as gitseal does
	p := program(args[1], args[2:]...)
	p.In, p.Out, p.Err = os.Stdin, os.Stdout, os.Stderr
	if args[0] == "mask" {
		m, err := mask.New([]string{"hunter2"})
		if err != nil {
			return failed(err)
		}
		p.FilterOut, p.FilterErr = true, true
		p.Filter = func(dst io.Writer, src launch.Source) error { return m.Copy(dst, src) }
	}
	if args[0] == "fifo" {
		c, err := launch.Pipe(launch.PipeOptions{Data: []byte("content"), TempDir: os.TempDir(), RuntimeDir: os.Getenv("XDG_RUNTIME_DIR"), AllowDisk: true})
		if err != nil {
			return failed(err)
		}
		defer c.Close()
	}
	proc, err := launch.Start(p)
	if err != nil {
		return failed(err)
	}
	code, err := proc.Wait()
	if err != nil {
		return failed(err)
	}
	return code
}

// program is this very program in a role.
func program(role string, args ...string) launch.Program {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return launch.Program{Path: self, Args: append([]string{"child"}, args...), Env: append(baseEnv(), roleEnv+"="+role)}
}

// baseEnv is what the race detector and the coverage need, if anything.
func baseEnv() []string {
	env := []string{"PATH=" + os.Getenv("PATH")}
	for _, name := range []string{"GORACE", "GOCOVERDIR", "XDG_RUNTIME_DIR", "TMPDIR"} {
		if v := os.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// wrapper returns a command that runs a role under the package's eyes.
func wrapper(t *testing.T, filter, role string, args ...string) *exec.Cmd {
	t.Helper()
	p := program("wrapper")
	cmd := exec.CommandContext(t.Context(), p.Path, append([]string{filter, role}, args...)...)
	cmd.Env = p.Env
	return cmd
}
