package gitsetup_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cmd/internal/gitsetup"
)

func TestBlockLeavesEveryOtherByte(t *testing.T) {
	for _, src := range []string{
		"", "*.png binary\n", "*.png binary", "a\r\nb\r\n", "a\r\nb", "\n\n", "# c\n\n*.x -text\n", "\n", "no end\n\nagain",
	} {
		with, err := gitsetup.SetBlock([]byte(src), []string{"*.a", "/b c"})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(with), src) {
			t.Errorf("%q became %q", src, with)
		}
		if strings.Contains(src, "\r\n") && strings.Count(string(with), "\n") != strings.Count(string(with), "\r\n") {
			t.Errorf("%q: line ends are mixed: %q", src, with)
		}
		again, err := gitsetup.SetBlock(with, []string{"*.a", "/b c"})
		if diff := cmp.Diff(string(with), string(again)); diff != "" || err != nil {
			t.Errorf("%q: a second time: %v %s", src, err, diff)
		}
		other, err := gitsetup.SetBlock(append(with, "later\n"...), []string{"*.other"})
		if err != nil || !strings.HasSuffix(string(other), "later\n") || strings.Contains(string(other), "*.a") {
			t.Errorf("%q: replaced: %v %q", src, err, other)
		}
		without, err := gitsetup.RemoveBlock(with)
		if diff := cmp.Diff(src, string(without)); diff != "" || err != nil {
			t.Errorf("%q: removed: %v %s", src, err, diff)
		}
	}
}

func TestHalfABlockIsRefused(t *testing.T) {
	for _, src := range []string{"# gitseal: begin\n", "# gitseal: end\n", "# gitseal: begin\n# gitseal: begin\n# gitseal: end\n", "# gitseal: end\n# gitseal: begin\n"} {
		if _, err := gitsetup.SetBlock([]byte(src), []string{"*.a"}); !errors.Is(err, gitsetup.ErrBlock) {
			t.Errorf("%q: SetBlock: %v", src, err)
		}
		if got, err := gitsetup.RemoveBlock([]byte(src)); !errors.Is(err, gitsetup.ErrBlock) || string(got) != src {
			t.Errorf("%q: RemoveBlock: %q, %v", src, got, err)
		}
	}
}

func TestShellCallsTheProgramByItsPath(t *testing.T) {
	for _, path := range []string{"gitseal", "/usr/local/bin/gitseal", "/a b/it's/$x/`y`/gitseal%P"} {
		out, err := exec.Command("sh", "-c", `printf %s `+gitsetup.Command(path)).Output()
		if err != nil || string(out) != path {
			t.Errorf("%q: the shell reads %q (%v)", path, out, err)
		}
		if got := gitsetup.Path(gitsetup.Command(path)); got != path {
			t.Errorf("%q: Path gives %q", path, got)
		}
		for i, s := range gitsetup.Settings(gitsetup.Command(path)) {
			program, ok := gitsetup.ProgramOf(gitsetup.Settings("gitseal")[i], s.Value)
			if isCommand := s.Key == "diff.gitseal.textconv" || s.Key == "merge.gitseal.driver"; ok != isCommand || isCommand && program != gitsetup.Command(path) {
				t.Errorf("%s=%s: program %q, %v", s.Key, s.Value, program, ok)
			}
		}
	}
}

// TestDriverFallsBack runs the driver's line as git does.
func TestDriverFallsBack(t *testing.T) {
	for _, tt := range []struct {
		name, program string
		code          int
		marked        bool
	}{
		{"merged", "exit 0", 0, false},
		{"in conflict", "exit 1", 1, false},
		{"wrong usage", "exit 2", 1, true},
		{"killed", "kill -9 $$", 1, true},
		{"not executable", "", 1, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			program := filepath.Join(dir, "it's 100% odd")
			files := map[string]string{"O": "a: 1\n", "A": "a: 2\n", "B": "a: 3\n"}
			if tt.program != "" {
				files[filepath.Base(program)] = "#!/bin/sh\n" + tt.program + "\n"
			}
			for name, text := range files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			settings := gitsetup.Settings(gitsetup.Command(program))
			line, _ := gitsetup.Get(settings, "merge.gitseal.driver")
			line = strings.NewReplacer("%%", "%", "%P", "'a b'", "%L", "7", "%O", "O", "%A", "A", "%B", "B").Replace(line)
			cmd := exec.Command("sh", "-c", line)
			cmd.Dir = dir
			err := cmd.Run()
			if got := cmd.ProcessState.ExitCode(); got != tt.code {
				t.Errorf("exit code %d (%v), want %d", got, err, tt.code)
			}
			text, err := os.ReadFile(filepath.Join(dir, "A"))
			if marked := strings.HasPrefix(string(text), "<<<<<<< ours\na: 2\n"); marked != tt.marked || err != nil {
				t.Errorf("got %q, %v", text, err)
			}
		})
	}
	old := gitsetup.Setting{Key: "merge.gitseal.driver", Value: "'/a b/gitseal' merge --path %P --marker-size %L %O %A %B"}
	if !gitsetup.IsOldDriver(old) || gitsetup.IsOldDriver(gitsetup.Settings("gitseal")[3]) {
		t.Error("the driver of today and the old one are not told apart")
	}
}

func TestDecryptingDriversAreDangers(t *testing.T) {
	const list = "diff.a.textconv\nsops -d\x00diff.b.textconv\nsops --decrypt --config /dev/null\x00diff.b.cachetextconv\nYes\x00" +
		"diff.c.textconv\ngitseal unseal\x00diff.d.textconv\ngitseal diff --textconv --\x00diff.d.cachetextconv\ntrue\x00diff.e.textconv\npdftotext\x00" +
		"filter.g.smudge\n\"git-crypt\" smudge\x00filter.g.clean\n\"git-crypt\" clean\x00filter.lfs.smudge\ngit-lfs smudge -- %f\x00diff.x.y.textconv\nansible-vault view\x00" +
		"diff.cleared.textconv\nsops -d\x00diff.cleared.textconv\ncat\x00core.bare\x00"
	var got []string
	for _, d := range gitsetup.Dangers(gitsetup.ParseList(list)) {
		got = append(got, []string{"cached", "shown", "smudged"}[d.Kind]+" "+d.Key+" "+d.Driver)
	}
	want := []string{"shown diff.a.textconv a", "cached diff.b.textconv b", "shown diff.c.textconv c", "smudged filter.g.smudge g", "shown diff.x.y.textconv x.y"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestHookIsOursOnlyAsWritten(t *testing.T) {
	hook := gitsetup.Hook("'/a b/gitseal'")
	changed := append([]byte(nil), hook...)
	changed = append(changed, "make lint\n"...)
	for _, tt := range []struct {
		name                 string
		src                  []byte
		ours, whole, calling bool
	}{
		{"as written", hook, true, true, true},
		{"with a line more", changed, true, false, true},
		{"somebody else's", []byte("#!/bin/sh\nmake lint\n"), false, false, false},
		{"somebody else's that calls us", []byte("#!/bin/sh\ngitseal check --staged || exit 1\n"), false, false, true},
		{"one that only speaks of us", []byte("#!/bin/sh\n# gitseal check --staged\n"), false, false, false},
		{"nothing", nil, false, false, false},
	} {
		if got := gitsetup.IsOurHook(tt.src); got != tt.ours {
			t.Errorf("%s: IsOurHook %v", tt.name, got)
		}
		if got := gitsetup.IsUnchangedHook(tt.src); got != tt.whole {
			t.Errorf("%s: IsUnchangedHook %v", tt.name, got)
		}
		if got := gitsetup.CallsCheck(tt.src); got != tt.calling {
			t.Errorf("%s: CallsCheck %v", tt.name, got)
		}
	}
}

func TestHookFailsWithoutTheProgram(t *testing.T) {
	cmd := exec.Command("sh")
	cmd.Stdin = strings.NewReader(string(gitsetup.Hook(filepath.Join(t.TempDir(), "gitseal"))))
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "gitseal is not installed") || !strings.Contains(string(out), "--no-verify") {
		t.Errorf("got %v, %q", err, out)
	}
}
