package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/gitseal/gitseal/cmd/internal/atomicfile"
	"github.com/gitseal/gitseal/cmd/internal/gitsetup"
)

// gitHook is one of git's hooks that should run gitseal check.
type gitHook struct{ name, path string }

// findHooks finds where the hooks are to be.
func (g *gitScope) findHooks(ctx context.Context) error {
	for _, name := range gitsetup.HookNames() {
		out, err := g.git(ctx, "rev-parse", "--git-path", "hooks/"+name)
		if err != nil {
			return err
		}
		path := strings.TrimSuffix(out, "\n")
		if !filepath.IsAbs(path) {
			path = filepath.Join(g.root, path)
		}
		g.hooks = append(g.hooks, gitHook{name, path})
	}
	return nil
}

// hookKind says whose a hook is.
type hookKind uint8

const (
	hookNone hookKind = iota
	hookOurs
	// hookStale: ours, but not as we would write it now.
	hookStale
	// hookEdited: ours, with somebody's changes.
	hookEdited
	// hookForeign does not call us, hookCalls does.
	hookForeign
	hookCalls
	// hookManaged: a hook manager, which may call us or not, has it.
	hookManaged
)

type hookState struct {
	gitHook
	kind    hookKind
	content []byte // nil if there is no hook
	manager gitsetup.Manager
}

// works reports whether the hook runs gitseal check.
func (s hookState) works() bool {
	return s.kind == hookOurs || s.kind == hookCalls || s.kind == hookEdited && s.executable() && gitsetup.CallsCheck(s.content)
}

// hookStates says how it is with each hook.
func (g *gitScope) hookStates(ctx context.Context) ([]hookState, error) {
	var out []hookState
	for _, hook := range g.hooks {
		s, err := g.hookState(ctx, hook)
		if err != nil {
			return nil, err
		}
		// git's own sample of the hook for merges calls the one for commits.
		if len(out) > 0 && s.kind == hookForeign && gitsetup.CallsPreCommit(s.content) && hook.executable() && out[0].works() {
			s.kind = hookCalls
		}
		out = append(out, s)
	}
	return out, nil
}

func (g *gitScope) hookState(ctx context.Context, hook gitHook) (hookState, error) {
	manager, managed, err := g.hookManager(ctx, hook)
	if err != nil {
		return hookState{}, err
	}
	content, err := readOptional(hook.path)
	if err != nil {
		return hookState{}, err
	}
	s := hookState{gitHook: hook, content: content, manager: manager}
	switch {
	case gitsetup.IsOurHook(content):
		s.kind = hookStale
		if !gitsetup.IsUnchangedHook(content) {
			s.kind = hookEdited
		}
		if bytes.Equal(content, gitsetup.Hook(g.program)) && hook.executable() {
			s.kind = hookOurs
		}
	case gitsetup.CallsCheck(content) && hook.executable():
		s.kind = hookCalls
	case managed:
		s.kind = hookManaged
		if g.managerCalls(manager, hook) {
			s.kind = hookCalls
		}
	case content != nil:
		s.kind = hookForeign
	}
	return s, nil
}

// executable reports whether git would run the hook.
func (h gitHook) executable() bool {
	info, err := os.Stat(h.path)
	return err == nil && (info.Mode()&0o111 != 0 || runtime.GOOS == "windows")
}

// hookManager finds who else has the hooks in hand: a program, or a folder of hooks
// that other clones or repositories share.
func (g *gitScope) hookManager(ctx context.Context, hook gitHook) (gitsetup.Manager, bool, error) {
	if m, ok := gitsetup.FindManager(g.root); ok {
		return m, true, nil
	}
	out, err := g.git(ctx, "rev-parse", "--path-format=absolute", "--git-common-dir")
	if err != nil {
		return gitsetup.Manager{}, false, err
	}
	own, err := atomicfile.Resolve(string(bytes.TrimSuffix([]byte(out), []byte("\n"))))
	if err != nil {
		return gitsetup.Manager{}, false, err
	}
	dir, err := atomicfile.Resolve(filepath.Dir(hook.path))
	if err != nil || atomicfile.Below(own, dir) {
		return gitsetup.Manager{}, false, err
	}
	return gitsetup.Manager{Name: "core.hooksPath", File: dir, Add: "add to " + hook.path + ": gitseal " + gitsetup.CheckCommand + " || exit 1"}, true, nil
}

// managerCalls reports whether a hook manager's own file names gitseal.
func (g *gitScope) managerCalls(m gitsetup.Manager, hook gitHook) bool {
	path := filepath.Join(g.root, m.File)
	if m.Name == "core.hooksPath" {
		path = hook.path
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, hook.name)
	}
	text, err := readOptional(path)
	return err == nil && bytes.Contains(text, []byte("gitseal"))
}
