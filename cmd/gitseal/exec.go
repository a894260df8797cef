package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cmd/internal/launch"
	"github.com/gitseal/gitseal/cmd/internal/mask"
)

func execCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "exec",
		Usage:     "run a command with the values of sealed files in its environment, or as files",
		UsageText: "gitseal exec [FLAGS] FILE… -- COMMAND [ARGUMENTS]",
		Description: `Top-level keys become variables of the same name, in dotenv files without the word export;
of Kubernetes Secrets, those of data and stringData. Integers keep all their digits.
There is no shell: write sh -c '…' if you want one. Keys and tokens that
open sealed files are taken out of the environment. Names that change how programs work,
such as PATH, cannot come from a file without --allow-env.

With --file, a value is given as a file that is on no disk: in memory (Linux) under a path
that is good for COMMAND, and for those of its children that it leaves its descriptors to;
or, with --fifo, through a named pipe that everybody can open and read, but not seek in.

Where COMMAND's output does not go to a terminal, values of four bytes and more that are
sealed in the files are replaced by *****, also in base64, hexadecimal, URLs, JSON, XML and
shell quotes, and so are the longer lines of values with several. What COMMAND compresses,
encrypts, cuts up or reformats is not recognized: this prevents accidents, not theft.

COMMAND gets the signals that gitseal gets, and its exit code becomes gitseal's: 128 and
the number of the signal that ended it. It writes no core file.

Examples:
   gitseal exec prod.env -- ./server
   gitseal exec --only DB_PASSWORD --pristine prod.yaml -- psql
   gitseal exec --file tls.key=KEY_FILE secret.yaml -- nginx -g 'daemon off;'
   gitseal exec --file CONFIG app.ini -- app --config {}`,
		Flags: slices.Concat(execFlags(), keyFlags(), inputFlags()),
		Action: func(c *cli.Context) error {
			u.quiet = c.Bool("quiet")
			r := &execRun{c: c, std: s, ui: u}
			return r.run(c.Context)
		},
	}
}

func execFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "only", Usage: "take only these `KEYS`, separated by commas; db is all of db, db.password one of it"},
		&cli.StringFlag{Name: "prefix", Usage: "put `PREFIX` before every name"},
		&cli.BoolFlag{Name: "flatten", Usage: "take nested values, too: db.password becomes db_password, and the first of hosts hosts_0"},
		&cli.BoolFlag{Name: "upper", Usage: "make names upper-case (not the prefix)"},
		&cli.BoolFlag{Name: "override", Usage: "let later files replace the values of earlier ones, and in a dotenv file, lines those with (or without) export"},
		&cli.StringSliceFlag{Name: "file", Usage: "give the value of KEY as a file, its path in the variable VAR (`KEY=VAR`); VAR alone: all of the one FILE. With one --file, {} in the arguments is the path, too"},
		&cli.BoolFlag{Name: "fifo", Usage: "give files as named pipes"},
		&cli.BoolFlag{Name: "allow-disk", Usage: "allow named pipes in a folder on a disk"},
		&cli.StringSliceFlag{Name: "allow-env", Usage: "let the files set the variable `NAME` although it changes how programs work"},
		&cli.StringSliceFlag{Name: "keep-env", Usage: "leave the variable `NAME` in the environment although it opens sealed files, or in spite of --pristine"},
		&cli.BoolFlag{Name: "pristine", Usage: "take nothing over from the environment but PATH, HOME, USER, TERM, language, time zone and the like"},
		&cli.StringFlag{Name: "mask", Value: "auto", Usage: "replace values in the output: auto, `always` or never"},
		&cli.BoolFlag{Name: "require-integrity", Usage: "refuse files without a sops.seal entry, which only sops's own MAC protects"},
		quietFlag(),
	}
}

// childStatus is the exit code of a command that gitseal ran, if it is not 0. There
// is nothing to say about it.
type childStatus struct{ code int }

func (e *childStatus) Error() string {
	return fmt.Sprintf("the command ended with exit code %d", e.code)
}

// execRun is one call of exec.
type execRun struct {
	c   *cli.Context
	std std
	ui  *ui
	// command is what to run, path where it is.
	command []string
	path    string
	specs   []fileSpec
	// contents are the files for the command.
	contents []*launch.Content
}

func (r *execRun) run(ctx context.Context) error {
	if err := openToCaller(r.std, doorExec); err != nil {
		return err
	}
	launch.Harden()
	defer r.close()
	process, err := r.start(ctx)
	if err != nil {
		return err
	}
	// Nothing here needs the values any more, but for the masks.
	debug.FreeOSMemory()
	code, err := process.Wait()
	if err != nil {
		return fmt.Errorf("passing on the output of %s: %w", r.command[0], err)
	}
	if code != exitDone {
		return &childStatus{code: code}
	}
	return nil
}

// start opens the files and starts the command with what is in them.
func (r *execRun) start(ctx context.Context) (*launch.Process, error) {
	files, err := r.parse()
	if err != nil {
		return nil, err
	}
	jobs, err := r.open(ctx, files)
	if err != nil {
		return nil, err
	}
	defer r.forget(jobs)
	values, err := r.choose(jobs)
	if err != nil {
		return nil, err
	}
	masker, err := mask.New(values.masked)
	if errors.Is(err, mask.ErrTooMany) {
		return nil, failure(err.Error(), "choose values with --only, or leave the output as it is with --mask never")
	}
	if err != nil {
		return nil, err
	}
	env, err := r.environment(values)
	if err != nil {
		return nil, err
	}
	prog, err := r.program(env, masker)
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	process, err := launch.Start(prog)
	if err != nil {
		return nil, explainStart(err)
	}
	return process, nil
}

func explainStart(err error) error {
	if errors.Is(err, syscall.E2BIG) {
		return failure(err.Error(), "an environment cannot hold this much (128 KiB a value, on Linux); give large values as files with --file")
	}
	return failure(err.Error(), "check the command and its permissions")
}

// parse takes the command line apart.
func (r *execRun) parse() (files []string, err error) {
	args := r.c.Args().Slice()
	at := slices.Index(args, "--")
	if at < 0 || at == len(args)-1 {
		return nil, usageError("there is no command to run", "gitseal exec FILE -- COMMAND")
	}
	files, r.command = args[:at], args[at+1:]
	if len(files) == 0 {
		return nil, usageError("name a file before the --", "gitseal exec FILE -- COMMAND")
	}
	if m := r.c.String("mask"); m != "auto" && m != "always" && m != "never" {
		return nil, usageError("--mask "+quoted(m)+" is unknown", "it is auto, always or never")
	}
	if r.specs, err = parseFileSpecs(r.c.StringSlice("file"), files); err != nil {
		return nil, err
	}
	// Our own PATH counts, not one from a file.
	if r.path, err = exec.LookPath(r.command[0]); err != nil {
		cause := errors.Unwrap(err)
		if cause == nil {
			cause = err
		}
		return nil, failure(r.command[0]+": "+cause.Error(), "check the command's name; there is no shell that knows built-in ones, so write sh -c '…' if you need one")
	}
	return files, nil
}

// open opens the files in memory, as unseal does.
func (r *execRun) open(ctx context.Context, files []string) ([]*unsealJob, error) {
	c, err := withArguments(r.c, files)
	if err != nil {
		return nil, err
	}
	ids, err := newIdentities(c, r.std, r.ui)
	if err != nil {
		return nil, err
	}
	// Nothing that opens files may be left when the command runs.
	defer ids.service.Close()
	u := &unsealRun{c: c, std: r.std, ui: r.ui, ids: ids}
	if u.book, err = newRuleBook(c.String("config")); err != nil {
		return nil, err
	}
	in, err := readSealed(c, r.std, r.ui)
	if err == nil {
		err = openByRule(u.book, doorExec, in...)
	}
	if err != nil {
		return nil, err
	}
	jobs := make([]*unsealJob, len(in))
	err = forAll(ctx, len(in), inFlight(in), func(i int) error {
		jobs[i] = &unsealJob{in: in[i]}
		return u.open(ctx, jobs[i])
	})
	if err != nil {
		return nil, err
	}
	jobs = slices.DeleteFunc(jobs, func(j *unsealJob) bool { return j.opened == nil })
	if len(jobs) == 0 {
		return nil, failure("there is no sealed file in what was named", "name the files")
	}
	for _, j := range jobs {
		u.warn(j)
	}
	return jobs, nil
}

// withArguments returns a context with the same flags and other arguments.
func withArguments(c *cli.Context, args []string) (*cli.Context, error) {
	set := flag.NewFlagSet(c.Command.Name, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	if err := set.Parse(append([]string{"--"}, args...)); err != nil {
		return nil, err
	}
	sub := cli.NewContext(c.App, set, c)
	sub.Command = c.Command
	return sub, nil
}

// forget wipes the plain files, and lets go of those that the command has.
func (r *execRun) forget(jobs []*unsealJob) {
	for _, j := range jobs {
		clear(j.opened.PlaintextBytes())
	}
	for _, c := range r.contents {
		if c.File != nil {
			_ = c.Close() // the command has its own
		}
	}
}

func (r *execRun) close() {
	for _, c := range r.contents {
		if err := c.Close(); err != nil {
			r.ui.warn("cleaning up: " + err.Error())
		}
	}
}

// program puts together what to run.
func (r *execRun) program(env []string, masker *mask.Masker) (launch.Program, error) {
	p := launch.Program{Path: r.path, Args: r.command, Env: env}
	p.In, _ = r.std.in.(*os.File) // without one, there is nothing to read
	var isFile [2]bool
	p.Out, isFile[0] = r.std.out.(*os.File)
	p.Err, isFile[1] = r.std.err.(*os.File)
	if isFile != [2]bool{true, true} {
		return p, errors.New("the output is no file")
	}
	for _, c := range r.contents {
		if c.File != nil {
			p.Extra = append(p.Extra, c.File)
		}
	}
	if len(r.contents) == 1 {
		p.Args = slices.Clone(r.command)
		for i := range p.Args[1:] {
			p.Args[i+1] = strings.ReplaceAll(p.Args[i+1], "{}", r.contents[0].Path)
		}
	}
	wanted := func(f *os.File) bool {
		mode := r.c.String("mask")
		return !masker.Empty() && (mode == "always" || mode == "auto" && !isTerminal(f))
	}
	p.FilterOut, p.FilterErr = wanted(p.Out), wanted(p.Err)
	p.Filter = func(dst io.Writer, src launch.Source) error { return masker.Copy(dst, src) }
	return p, nil
}
