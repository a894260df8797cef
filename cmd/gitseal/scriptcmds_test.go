package main_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gitseal/gitseal/cipher/sopstest"
)

// scriptCommands are the commands that the scripts have besides the usual ones:
//
//	exits CODE PROGRAM ARG…   runs a program, which must end with the exit code
//	edit FILE OLD NEW         replaces the one place where OLD stands
//	mode PERM FILE…           checks permission bits
//	changed OLD NEW REGEX…    checks that the files differ in lines that match a
//	                          REGEX each, that all REGEXes are needed (but those
//	                          that begin with ?), and that nothing else differs
//	generate KIND FILE        makes a file that is too odd or large for a script
//	sops [@VERSION] ARG…      runs the real sops
//	samedata FORMAT A B       checks that sops would take two plain files for equal
func scriptCommands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"exits": exits, "edit": edit, "mode": mode, "changed": changed, "generate": generate,
		"sops": runSops, "samedata": sameData,
	}
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARG…")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if want, err := strconv.Atoi(args[0]); err != nil || code != want {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

func edit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: edit FILE OLD NEW")
	}
	path := ts.MkAbs(args[0])
	text := ts.ReadFile(path)
	if n := strings.Count(text, args[1]); n != 1 {
		ts.Fatalf("%q stands %d times in %s", args[1], n, args[0])
	}
	info, err := os.Stat(path)
	ts.Check(err)
	ts.Check(os.WriteFile(path, []byte(strings.Replace(text, args[1], args[2], 1)), info.Mode()))
}

func mode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: mode PERM FILE…")
	}
	for _, name := range args[1:] {
		info, err := os.Stat(ts.MkAbs(name))
		ts.Check(err)
		if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[0] {
			ts.Fatalf("%s has mode %s, want %s", name, got, args[0])
		}
	}
}

func changed(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: changed OLD NEW REGEX…")
	}
	before, after := strings.Split(ts.ReadFile(args[0]), "\n"), strings.Split(ts.ReadFile(args[1]), "\n")
	if len(before) != len(after) {
		ts.Fatalf("%d lines, before %d", len(after), len(before))
	}
	needed := map[string]bool{}
	for i := range after {
		if before[i] == after[i] {
			continue
		}
		matched := false
		for _, expr := range args[2:] {
			if regexp.MustCompile(strings.TrimPrefix(expr, "?")).MatchString(after[i]) {
				needed[expr], matched = true, true
			}
		}
		if !matched {
			ts.Fatalf("line %d differs too: %q", i+1, after[i])
		}
	}
	for _, expr := range args[2:] {
		if !needed[expr] && expr[0] != '?' {
			ts.Fatalf("no line that differs matches %q", expr)
		}
	}
}

func generate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: generate KIND FILE")
	}
	path := ts.MkAbs(args[1])
	const depth = 10_000
	var data []byte
	switch args[0] {
	case "nul":
		data = []byte("a: canary-nul\x00b\n")
	case "latin1":
		data = []byte("a=canary-latin-\xe4\xf6\n")
		switch filepath.Ext(path) {
		case ".yaml":
			data = []byte("a: canary-latin-\xe4\xf6\n")
		case ".json":
			data = []byte("{\"a\": \"canary-latin-\xe4\xf6\"}\n")
		}
	case "deep-yaml":
		data = []byte(strings.Repeat("[", depth) + "canary-deep" + strings.Repeat("]", depth) + "\n")
		data = append([]byte("a: "), data...)
	case "deep-yaml-block":
		var b bytes.Buffer
		for i := range 2000 {
			fmt.Fprintf(&b, "%sa:\n", strings.Repeat(" ", i))
		}
		fmt.Fprintf(&b, "%scanary-deep\n", strings.Repeat(" ", 2000))
		data = b.Bytes()
	case "deep-json":
		data = []byte(strings.Repeat(`{"a":`, depth) + `"canary-deep"` + strings.Repeat("}", depth) + "\n")
	case "bomb":
		data = bomb()
	case "all-bytes":
		for i := range 4096 {
			data = append(data, byte(i), byte(i>>4))
		}
		data = append(data, "canary-binary"...)
	case "sparse":
		ts.Check(os.WriteFile(path, []byte("a: canary-large\n"), 0o644))
		ts.Check(os.Truncate(path, 200<<20))
		return
	case "huge":
		ts.Check(os.WriteFile(path, []byte("a: canary-huge\n"), 0o644))
		ts.Check(os.Truncate(path, 1<<40))
		return
	default:
		ts.Fatalf("unknown kind %q", args[0])
	}
	ts.Check(os.WriteFile(path, data, 0o644))
}

// bomb is a "billion laughs": nine levels of nine aliases each.
func bomb() []byte {
	var b bytes.Buffer
	b.WriteString("l0: &l0 [canary-laugh,canary-laugh,canary-laugh]\n")
	for i := 1; i <= 9; i++ {
		alias := fmt.Sprintf("*l%d", i-1)
		fmt.Fprintf(&b, "l%d: &l%d [%s]\n", i, i, strings.Join([]string{alias, alias, alias, alias, alias, alias, alias, alias, alias}, ","))
	}
	return b.Bytes()
}

// sopsBinary returns the path of a release of sops, the newest for "".
func sopsBinary(version string) (string, error) {
	if version == "" {
		version = sopstest.Versions[0]
	}
	ctx, cancel := context.WithTimeout(context.Background(), 25*time.Minute)
	defer cancel()
	return sopstest.Build(ctx, version, os.Stderr)
}

func runSops(ts *testscript.TestScript, neg bool, args []string) {
	version := ""
	if len(args) > 0 && strings.HasPrefix(args[0], "@") {
		version, args = args[0][1:], args[1:]
	}
	bin, err := sopsBinary(version)
	ts.Check(err)
	if err := ts.Exec(bin, args...); (err != nil) != neg {
		ts.Fatalf("sops %q: %v", args, err)
	}
}

func sameData(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: samedata FORMAT A B")
	}
	err := sopstest.EqualData(args[0], []byte(ts.ReadFile(args[1])), []byte(ts.ReadFile(args[2])))
	if (err != nil) != neg {
		ts.Fatalf("comparing %s and %s: %v", args[1], args[2], err)
	}
}
