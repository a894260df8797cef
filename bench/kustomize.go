package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gitseal/gitseal/internal/toolcache"
)

// kustomizeName selects the build with -only.
const kustomizeName = "kustomize100"

const (
	kustomizeFiles = 100
	kustomizeRuns  = 5
	// kustomizeGoal is what share of the time of a process for each file a process for
	// all may take.
	kustomizeGoal = 10
)

// wantsKustomize reports whether -only selects the build.
func wantsKustomize(only string) bool {
	return len(selectCases([]benchCase{{name: kustomizeName}}, only)) > 0
}

// runKustomize measures kustomize build of a kustomization with 100 sealed Secrets: by
// our generator, and by one that runs sops for each file. Both are run by the same
// kustomize, on the same files, and must build the same to the byte.
func (b *bench) runKustomize(ctx context.Context) (result, error) {
	c := benchCase{name: kustomizeName, work: fmt.Sprintf("kustomize build with %d sealed Secrets: one process, a process for each file", kustomizeFiles),
		goal: goal{Time: kustomizeGoal}, runs: kustomizeRuns}
	res := result{Name: c.name, Work: c.work, Goal: c.goal}
	tools, err := toolcache.Kustomize().Build(ctx, b.log)
	if err != nil {
		return res, err
	}
	dirs, err := b.kustomizations(ctx)
	if err != nil {
		return res, err
	}
	runs, _ := b.runs(c)
	fmt.Fprintf(b.log, "%s: %d runs\n", c.name, runs)
	measured := make([][]measurement, len(dirs))
	var built [][]byte
	for i := range runs {
		for turn := range dirs {
			at := (turn + i) % len(dirs)
			stdout := filepath.Join(b.dir, "kustomize-built")
			m, err := measure(ctx, job{Dir: dirs[at], Env: append(b.sops.Environ(), "GITSEAL_DOORS=open"), Stdout: stdout,
				Commands: [][]string{{toolcache.Program(tools, "kustomize"), "build", "--enable-alpha-plugins", "--enable-exec", "."}}})
			if err != nil {
				return res, err
			}
			measured[at] = append(measured[at], m)
			out, err := os.ReadFile(stdout)
			if err != nil {
				return res, err
			}
			built = append(built, out)
		}
	}
	for _, out := range built {
		if !bytes.Equal(out, built[0]) || bytes.Count(out, []byte("kind: Secret\n")) != kustomizeFiles/b.smaller() {
			return res, fmt.Errorf("%w: not all builds are the same, or lack Secrets", errWrong)
		}
	}
	return newResult(c, measured[0], measured[1]), nil
}

// smaller is what -small divides by.
func (b *bench) smaller() int {
	if b.options.small {
		return smallDivisor / kustomizeRuns // so that a few are left
	}
	return 1
}

// kustomizations writes the sealed files and the two kustomizations, and returns the
// folders: ours and the peer's.
func (b *bench) kustomizations(ctx context.Context) ([]string, error) {
	ours, peer := b.ours.(gitseal), b.peer.(sops)
	var names []string
	var files []file
	for i := range kustomizeFiles / b.smaller() {
		name := fmt.Sprintf("s%03d.yaml", i)
		names = append(names, name)
		files = append(files, file{name, fmt.Appendf(nil, "apiVersion: v1\nkind: Secret\nmetadata:\n    name: s%03d\nstringData:\n    user: user-%d\n    password: password-of-%d\n", i, i, i)})
	}
	sealed, err := b.sealSecrets(ctx, ours, files)
	if err != nil {
		return nil, err
	}
	const config = "apiVersion: %s\nkind: %s\nmetadata:\n  name: secrets\n  annotations:\n    config.kubernetes.io/function: |\n      exec:\n        path: %s\n        args: [%s]\n%s"
	script := "#!/bin/sh\nset -e\ncat > /dev/null\nprintf 'apiVersion: config.kubernetes.io/v1\\nkind: ResourceList\\nitems:\\n'\n" +
		"for f in s*.yaml; do\n  plain=$('" + peer.bin + "' decrypt \"$f\")\n  printf '%s\\n' \"$plain\" | sed -e '1s/^/- /' -e '2,$s/^/  /'\ndone\n"
	list := "files: [" + strings.Join(names, ", ") + "]\n"
	var dirs []string
	for i, generator := range []string{
		fmt.Sprintf(config, "gitseal.dev/v1alpha1", "Unseal", ours.bin, "kustomize", list),
		fmt.Sprintf(config, "example.com/v1", "Decrypt", "./decrypt.sh", "", ""),
	} {
		dir := filepath.Join(b.dir, fmt.Sprintf("kustomize-%d", i))
		if err := os.Mkdir(dir, 0o700); err != nil {
			return nil, err
		}
		all := append([]file{{"kustomization.yaml", []byte("generators: [generator.yaml]\n")}, {"generator.yaml", []byte(generator)}, {"decrypt.sh", []byte(script)}}, sealed...)
		if err := writeFiles(dir, all); err != nil {
			return nil, err
		}
		if err := os.Chmod(filepath.Join(dir, "decrypt.sh"), 0o700); err != nil {
			return nil, err
		}
		dirs = append(dirs, dir)
	}
	return dirs, nil
}

// sealSecrets seals them with gitseal, which sops opens, too.
func (b *bench) sealSecrets(ctx context.Context, ours gitseal, files []file) ([]file, error) {
	_, sealed, err := b.apply(ctx, verbSeal, ours, files)
	return sealed, err
}
