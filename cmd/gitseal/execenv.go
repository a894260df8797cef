package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/gitseal/gitseal/cmd/internal/launch"
)

// chosen is what a command gets. It prints redacted.
type chosen struct {
	vars  []execVar
	files []execContent
	// masked is what must not appear in the output.
	masked []string
}

// String says nothing of the values.
func (c chosen) String() string { return "<chosen values>" }

// GoString is String.
func (c chosen) GoString() string { return c.String() }

// execVar is a variable of the environment.
type execVar struct {
	name string
	from execValue
}

// execContent is a file, and the variable that its path goes to.
type execContent struct {
	variable string
	data     []byte
}

// fileSpec is the value of one --file. Its key is "" for the whole of the one file.
type fileSpec struct{ key, variable string }

func parseFileSpecs(flags, files []string) ([]fileSpec, error) {
	var out []fileSpec
	for _, f := range flags {
		s := fileSpec{variable: f}
		if at := strings.LastIndexByte(f, '='); at >= 0 {
			s = fileSpec{key: f[:at], variable: f[at+1:]}
			if s.key == "" {
				return nil, usageError("--file "+quoted(f)+" names no key", "--file KEY=VAR, or --file VAR for the file as a whole")
			}
		}
		if !launch.ValidName(s.variable) {
			return nil, usageError("--file: "+quoted(s.variable)+" cannot be a variable", "names are letters, digits and _, and do not begin with a digit")
		}
		if slices.ContainsFunc(out, func(o fileSpec) bool { return o.variable == s.variable }) {
			return nil, usageError("--file: the variable "+s.variable+" is named twice", "give every file a variable of its own")
		}
		if s.key == "" && len(files) != 1 {
			return nil, usageError("--file "+s.variable+" names no key, and there is more than one file", "name one file, or a key: --file KEY="+s.variable)
		}
		out = append(out, s)
	}
	return out, nil
}

// choose decides which values the command gets, and how.
func (r *execRun) choose(jobs []*unsealJob) (chosen, error) {
	var all []execValue
	binary := false
	for _, j := range jobs {
		binary = binary || j.in.formatName == "binary"
		values, err := valuesOf(j)
		if err != nil {
			return chosen{}, err
		}
		all = append(all, values...)
	}
	out, rest, err := r.chooseFiles(jobs, all)
	if err != nil {
		return out, err
	}
	keys := splitKeys(r.c.StringSlice("only"))
	whole := slices.ContainsFunc(r.specs, func(s fileSpec) bool { return s.key == "" })
	switch {
	case len(keys) > 0:
		if rest, err = onlyThese(rest, keys); err != nil {
			return out, err
		}
	case whole:
		// The command reads the file itself.
		rest = nil
	case binary:
		return out, failure("a binary file has no keys to make variables of", "give it as a file: --file VAR")
	}
	out.vars, err = r.variables(rest)
	for _, v := range out.vars {
		out.masked = append(out.masked, v.from.secrets()...)
	}
	return out, err
}

// chooseFiles takes out the values that --file names.
func (r *execRun) chooseFiles(jobs []*unsealJob, all []execValue) (chosen, []execValue, error) {
	var out chosen
	rest := slices.Clone(all)
	for _, s := range r.specs {
		if s.key == "" {
			if len(jobs) != 1 {
				return out, nil, usageError("--file "+s.variable+" names no key, and there is more than one file", "name one file, or a key: --file KEY="+s.variable)
			}
			plain := jobs[0].opened.PlaintextBytes()
			out.files = append(out.files, execContent{s.variable, plain})
			out.masked = append(out.masked, string(plain))
			for _, v := range all {
				out.masked = append(out.masked, v.secrets()...)
			}
			continue
		}
		at := slices.IndexFunc(all, func(v execValue) bool { return v.is(s.key) })
		if at < 0 {
			return out, nil, noSuchKey(all, s.key)
		}
		v := all[at]
		for _, other := range all[at+1:] {
			if !other.is(s.key) || other.value == v.value {
				continue
			}
			if !r.replaces(other, v) {
				return out, nil, clash(s.key, v, other)
			}
			v = other
		}
		out.files = append(out.files, execContent{s.variable, []byte(v.value)})
		out.masked = append(out.masked, v.secrets()...)
		rest = slices.DeleteFunc(rest, func(v execValue) bool { return v.is(s.key) })
	}
	return out, rest, nil
}

// replaces reports whether a value may take the place of one before it. In one
// file, that is only so for the lines with and without export, which a shell takes
// one after the other, too.
func (r *execRun) replaces(later, earlier execValue) bool {
	return r.c.Bool("override") && (later.file != earlier.file || sameButExport(later, earlier))
}

// sameButExport: one of two lines of a file has the word export, and that is all.
func sameButExport(a, b execValue) bool {
	return a.path() == b.path() && a.written != b.written
}

// clash is the error about two values for one name.
func clash(name string, a, b execValue) error {
	if a.file == b.file && sameButExport(a, b) {
		return failure(fmt.Sprintf("%s: %s stands with and without export, with different values", a.file, a.path()),
			"remove one of them, or let the later one win with --override")
	}
	if a.file == b.file {
		return failure(fmt.Sprintf("%s: %s and %s have different values, and both become %s", a.file, a.path(), b.path(), name), "choose one of them with --only")
	}
	return failure(fmt.Sprintf("%s has different values: from %s of %s and from %s of %s", name, a.path(), a.file, b.path(), b.file),
		"choose with --only, or let the later file win with --override")
}

// variables gives the values their names.
func (r *execRun) variables(values []execValue) ([]execVar, error) {
	var out []execVar
	index := map[string]int{}
	for _, s := range r.specs {
		index[s.variable] = -1
	}
	for _, v := range values {
		name, err := r.nameOf(v)
		if err != nil {
			return nil, err
		}
		at, known := index[name]
		switch {
		case known && at < 0:
			return nil, failure(fmt.Sprintf("%s: %s becomes %s, which --file names as well", v.file, v.path(), name), "name another variable with --file")
		case !known:
			index[name] = len(out)
			out = append(out, execVar{name, v})
		case out[at].from.value == v.value:
		case !r.replaces(v, out[at].from):
			return nil, clash(name, out[at].from, v)
		default:
			out[at].from = v
		}
	}
	return out, nil
}

// nameOf returns the name of the variable for a value, if there may be one.
func (r *execRun) nameOf(v execValue) (string, error) {
	if len(v.key) > 1 && !r.c.Bool("flatten") {
		return "", failure(v.file+": "+v.path()+" is nested",
			"--flatten makes it "+strings.Join(v.key, "_")+"; or choose top-level keys with --only")
	}
	name := strings.Join(v.key, "_")
	if r.c.Bool("upper") {
		name = strings.ToUpper(name)
	}
	name = r.c.String("prefix") + name
	if !launch.ValidName(name) {
		return "", failure(v.file+": "+quoted(v.path())+" cannot become a variable: "+quoted(name)+" is not a name for one",
			"leave it out with --only, or give it as a file with --file KEY=VAR")
	}
	if strings.IndexByte(v.value, 0) >= 0 {
		return "", failure(v.file+": "+v.path()+" holds a zero byte, which no variable can", "give it as a file: --file "+v.path()+"="+name)
	}
	reason, dangerous := launch.Danger(name)
	if dangerous && !slices.Contains(r.c.StringSlice("allow-env"), name) {
		return "", failure(v.file+" sets the variable "+name+", which "+reason,
			"whoever could write the file would decide that; if it is meant, allow it with --allow-env "+name)
	}
	return name, nil
}

// environment makes the files and the environment with their paths and the values.
func (r *execRun) environment(c chosen) ([]string, error) {
	env := launch.NewEnvironment(os.Environ(), r.c.Bool("pristine"), r.c.StringSlice("keep-env"))
	for _, v := range c.vars {
		env.Set(v.name, v.from.value)
	}
	for _, f := range c.files {
		content, err := r.content(f)
		if err != nil {
			return nil, err
		}
		r.contents = append(r.contents, content)
		env.Set(f.variable, content.Path)
	}
	return env.List(), nil
}

// content makes one file for the command.
func (r *execRun) content(f execContent) (*launch.Content, error) {
	if !r.c.Bool("fifo") {
		const first = 3 // descriptor after the standard streams
		c, err := launch.MemoryFile(f.data, first+len(r.contents))
		if !errors.Is(err, launch.ErrNoMemoryFile) {
			return c, err
		}
	}
	c, err := launch.Pipe(launch.PipeOptions{
		Data: f.data, RuntimeDir: r.std.getenv("XDG_RUNTIME_DIR"), TempDir: os.TempDir(), AllowDisk: r.c.Bool("allow-disk"),
	})
	switch {
	case errors.Is(err, launch.ErrOnDisk):
		return nil, failure(err.Error(), "set XDG_RUNTIME_DIR to a folder in memory (tmpfs), or allow one on a disk with --allow-disk: only the pipe's name is there")
	case errors.Is(err, launch.ErrNoMemoryFile):
		return nil, failure(err.Error(), "this system has no named pipes either; use variables")
	}
	return c, err
}
