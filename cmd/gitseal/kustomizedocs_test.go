package main_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/internal/toolcache"
	"github.com/gitseal/gitseal/keysources/age"
)

// deployDesk is a folder with gitseal and the programs that deploy things on its path,
// a home folder with an identity, and one without.
type deployDesk struct {
	t          *testing.T
	dir        string
	home, none string
	env        []string
}

// newDeployDesk makes one with the program of each tool.
func newDeployDesk(t *testing.T, tools map[string]toolcache.Tool) *deployDesk {
	t.Helper()
	base := t.TempDir()
	d := &deployDesk{t: t, dir: filepath.Join(base, "work"), home: filepath.Join(base, "home"), none: filepath.Join(base, "none")}
	bin := filepath.Join(base, "bin")
	links := map[string]string{"gitseal": buildProgram(t)}
	for program, tool := range tools {
		links[program] = toolcache.Program(tool.Need(t), program)
	}
	id, err := age.Generate(false)
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{d.dir, bin, d.none, filepath.Join(d.home, "tmp")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range links {
		if err := os.Symlink(target, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	d.write("../home/.config/sops/age/keys.txt", id.SecretText()+"\n")
	d.write(".sops.yaml", "creation_rules:\n  - age: "+id.Recipient().String()+"\n")
	d.env = []string{
		"HOME=" + d.home, "PATH=" + bin + string(filepath.ListSeparator) + os.Getenv("PATH"), "GITSEAL_DOORS=open",
		"TMPDIR=" + filepath.Join(d.home, "tmp"), "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=x", "GIT_AUTHOR_EMAIL=x", "GIT_COMMITTER_NAME=x", "GIT_COMMITTER_EMAIL=x",
	}
	return d
}

func (d *deployDesk) write(name, text string) {
	d.t.Helper()
	path := filepath.Join(d.dir, filepath.FromSlash(name))
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o600)
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

// said is what came of a call.
type said struct {
	code     int
	out, err string
}

// run runs a program in the folder, or in a folder below it.
func (d *deployDesk) run(env []string, args ...string) said {
	d.t.Helper()
	return d.runIn(".", env, args...)
}

func (d *deployDesk) runIn(dir string, env []string, args ...string) said {
	d.t.Helper()
	all := append(slices.Clone(d.env), env...)
	cmd := exec.Command(args[0], args[1:]...)
	for _, v := range all { // exec looks at the path of this process
		if path, ok := strings.CutPrefix(v, "PATH="); ok {
			if link := filepath.Join(filepath.SplitList(path)[0], args[0]); isThere(link) {
				cmd.Path, cmd.Err = link, nil
			}
		}
	}
	var out, errs bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = filepath.Join(d.dir, dir), all, &out, &errs
	_ = cmd.Run() // its exit code tells
	if cmd.ProcessState == nil {
		d.t.Fatalf("%q could not be run: %v", args, cmd.Err)
	}
	return said{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

func isThere(path string) bool { _, err := os.Stat(path); return err == nil }

// must runs a program that must not fail, and returns what it prints.
func (d *deployDesk) must(args ...string) string {
	d.t.Helper()
	s := d.run(nil, args...)
	if s.code != 0 {
		d.t.Fatalf("%q: exit code %d: %s%s", args, s.code, s.out, s.err)
	}
	return s.out
}

// follow writes the files of a page of documentation and runs its shell blocks, one
// after another in the order of the page.
func (d *deployDesk) follow(page string, env ...string) {
	d.t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", page))
	if err != nil {
		d.t.Fatal(err)
	}
	files, commands := 0, 0
	for _, block := range strings.Split(string(text), "\n```")[1:] {
		kind, body, _ := strings.Cut(block, "\n")
		switch kind {
		case "yaml":
			first, rest, _ := strings.Cut(body, "\n")
			name, ok := strings.CutPrefix(first, "# file: ")
			if !ok {
				d.t.Fatalf("%s: a block of yaml has no name: %q", page, first)
			}
			d.write(name, rest+"\n")
			files++
		case "console":
			for line := range strings.Lines(body) {
				command, ok := strings.CutPrefix(strings.TrimSpace(line), "$ ")
				if !ok {
					d.t.Fatalf("%s: a line of a shell block is no command: %q", page, line)
				}
				commands++
				if s := d.run(env, "sh", "-ec", command); s.code != 0 {
					d.t.Fatalf("%s: %s: exit code %d\n%s%s", page, command, s.code, s.out, s.err)
				}
			}
		}
	}
	const fewest = 5
	if files < fewest || commands < fewest {
		d.t.Errorf("%s: only %d files and %d commands were found", page, files, commands)
	}
}

// TestKustomizePage: what docs/kustomize.md shows works, with the real kustomize.
func TestKustomizePage(t *testing.T) {
	newDeployDesk(t, map[string]toolcache.Tool{"kustomize": toolcache.Kustomize()}).follow("kustomize.md")
}

// TestHelmPage: what docs/helm.md shows works, with the real Helm 3 and 4.
func TestHelmPage(t *testing.T) {
	for major, renderer := range map[int]string{
		3: "--post-renderer gitseal --post-renderer-args helm --post-renderer-args post-render",
		4: "--post-renderer gitseal",
	} {
		t.Run("helm"+string(rune('0'+major)), func(t *testing.T) {
			newDeployDesk(t, map[string]toolcache.Tool{"helm": toolcache.Helm(major)}).follow("helm.md", "POST_RENDERER="+renderer)
		})
	}
}
