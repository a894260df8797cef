// Command bench measures gitseal against sops, in one run, on the same files and
// the same machine, and says whether the goals are met:
//
//	go run ./bench                          everything, as a Markdown table
//	go run ./bench -only small -runs 50     the cases whose name contains small
//	go run ./bench -json -out bench.json
//	go run ./bench -only kms                keys of a key management service
//	go run ./bench -only merges             parallel edits, merged by git
//	go run ./bench -only kustomize          sealed Secrets in kustomize build
//	go run ./bench -only k8s                controllers in a cluster
//	go run ./bench -corpus FOLDER           files that come back to the byte
//
// The inputs are generated and always the same. Every result is checked: what
// gitseal sealed is opened by sops and must hold the same data, and the other way
// round. A wrong result ends the run with exit code 1 and has no time.
//
// The key management service is the stand-in for AWS KMS that the tests use, which
// checks signatures as AWS does; it answers as late as the case says, and at once
// where results are checked.
//
// Merges are no question of time: a history of random parallel edits happens in
// three repositories, one merged by gitseal's driver, one by the same driver without
// a key, and one with files of sops as git merges text. Conflicts are counted, and
// every merged file is compared with a model.
//
// Controllers run beside a control plane of their own: gitseal-controller, and the one
// of sealed-secrets, which has to be run as root. They are measured only if -only
// names them.
//
// It needs a checkout of the repository, the go command, and, the first time, the
// Go module proxy: sops is built from source.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/gitseal/gitseal/cipher/sopstest"
	"github.com/gitseal/gitseal/keysources/awskms/awskmstest"
)

func main() {
	if os.Getenv(launchEnv) != "" {
		os.Exit(launchMain(os.Stdin, os.Stdout))
	}
	if steps := os.Getenv(editorEnv); steps != "" {
		if err := editorMain(steps, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "bench: error: as an editor:", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench: error:", err)
		os.Exit(1)
	}
}

// options are the command line.
type options struct {
	only     string
	runs     int
	peerRuns int
	json     bool
	out      string
	gitseal  string
	small    bool
	corpus   string
	rounds   int
	seed     uint64
	// manifests are those that the controller of k8s-gitseal opens.
	manifests int
	// profile is the folder for the API server's CPU profile; "" is none.
	profile string
}

func parseOptions(args []string, log io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(log)
	flags.StringVar(&o.only, "only", "", "run only the cases whose name contains one of these `words`, separated by commas")
	flags.IntVar(&o.runs, "runs", 0, "run each case `N` times, not as often as it says itself")
	flags.IntVar(&o.peerRuns, "peer-runs", 0, "run sops `N` times where it is so slow that it runs only once")
	flags.BoolVar(&o.json, "json", false, "print JSON, not Markdown")
	flags.StringVar(&o.out, "out", "", "write the report to `FILE`, not to standard output")
	flags.StringVar(&o.gitseal, "gitseal", "", "measure this `binary`, not a new build of ./cmd/gitseal")
	flags.BoolVar(&o.small, "small", false, "divide the number of files and values by 100, to try the benchmark itself")
	flags.StringVar(&o.corpus, "corpus", "", "count the files below `FOLDER` that come back to the byte, and do not measure time")
	flags.IntVar(&o.rounds, "rounds", defaultRounds, "merge `N` times")
	flags.Uint64Var(&o.seed, "seed", 1, "make up the history that is merged from this `NUMBER`")
	flags.IntVar(&o.manifests, "manifests", defaultManifests, "put `N` manifests into the cluster")
	flags.StringVar(&o.profile, "profile", "", "write a CPU profile of the API server during the cold start of k8s-gitseal into `FOLDER`")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if o.rounds < 1 || o.manifests < 1 {
		return options{}, fmt.Errorf("-rounds and -manifests are 1 or more")
	}
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return o, nil
}

func run(ctx context.Context, args []string, stdout, log io.Writer) error {
	o, err := parseOptions(args, log)
	if err != nil {
		return err
	}
	cases := selectCases(allCases(o.small), o.only)
	if len(cases) == 0 && !wantsMerges(o.only) && !wantsKustomize(o.only) && !wantsK8s(o.only, k8sName) && !wantsK8s(o.only, k8sPeerName) {
		return fmt.Errorf("no case matches %q", o.only)
	}
	b, cleanup, err := newBench(ctx, o, log)
	if err != nil {
		return err
	}
	defer cleanup()
	if o.corpus != "" {
		t, err := b.runCorpus(ctx, o.corpus)
		t.print(stdout)
		return err
	}
	rep, wrong := b.runAll(ctx, cases)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.Join(writeReport(rep, o, stdout), wrong)
}

// runAll runs the cases, and the merges if they are chosen. Its error says which
// results are wrong.
func (b *bench) runAll(ctx context.Context, cases []benchCase) (report, error) {
	rep := report{System: describe()}
	var wrong error
	for _, c := range cases {
		res, err := b.runCase(ctx, c)
		if ctx.Err() != nil {
			return rep, ctx.Err()
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", c.name, err)
			fmt.Fprintln(b.log, "bench: error:", err)
			wrong = errors.Join(wrong, err)
			res = result{Name: c.name, Work: c.work, Failure: err.Error()}
		}
		rep.Results = append(rep.Results, res)
	}
	if wantsKustomize(b.options.only) {
		res, err := b.runKustomize(ctx)
		if err != nil {
			err = fmt.Errorf("%s: %w", kustomizeName, err)
			fmt.Fprintln(b.log, "bench: error:", err)
			wrong, res.Failure = errors.Join(wrong, err), err.Error()
		}
		rep.Results = append(rep.Results, res)
	}
	rep.Growth = growth(rep.Results)
	if wantsMerges(b.options.only) {
		var err error
		rep.Merges, err = b.runMerges(ctx)
		wrong = errors.Join(wrong, err)
	}
	if wantsK8s(b.options.only, k8sName) || wantsK8s(b.options.only, k8sPeerName) {
		var err error
		rep.K8s, err = b.runK8s(ctx)
		wrong = errors.Join(wrong, err)
	}
	return rep, wrong
}

// writeReport writes to the chosen place.
func writeReport(rep report, o options, stdout io.Writer) error {
	text := rep.markdown()
	if o.json {
		var err error
		if text, err = rep.json(); err != nil {
			return err
		}
	}
	if o.out != "" {
		return os.WriteFile(o.out, []byte(text), 0o644)
	}
	_, err := io.WriteString(stdout, text)
	return err
}

// newBench builds the two tools, makes a key and a folder, and starts a stand-in for
// a key management service; cleanup removes the folder and ends the service.
func newBench(ctx context.Context, o options, log io.Writer) (*bench, func(), error) {
	dir, err := os.MkdirTemp("", "gitseal-bench-")
	if err != nil {
		return nil, nil, err
	}
	b, err := prepare(ctx, o, dir, log)
	if err != nil {
		os.RemoveAll(dir)
		return nil, nil, err
	}
	return b, func() { b.kms.Close(); os.RemoveAll(dir) }, nil
}

func prepare(ctx context.Context, o options, dir string, log io.Writer) (*bench, error) {
	peer, err := sopstest.Build(ctx, peerVersion, log)
	if err != nil {
		return nil, err
	}
	key, err := sopstest.NewKey()
	if err != nil {
		return nil, err
	}
	ours, err := programs(ctx, o, dir, log)
	if err != nil {
		return nil, err
	}
	oracle := sopstest.Sops{Bin: peer, Key: key, Home: dir}
	b := &bench{dir: dir, log: log, options: o, sealed: map[string][]file{}}
	b.setting = setting{
		sops: oracle, ours: ours.sealingFor("--age", key.Recipient), peer: sops{bin: peer, reader: [2]string{"--age", key.Recipient}},
	}
	if b.kms, err = awskmstest.Start(awskmstest.Options{}); err != nil {
		return nil, err
	}
	oracle.Key, oracle.Env = sopstest.Key{}, b.kms.Env() // nothing else opens these files
	b.forKMS = setting{
		sops: oracle, ours: ours.sealingFor("--kms", awskmstest.DefaultKey), peer: sops{bin: peer, reader: [2]string{"--kms", awskmstest.DefaultKey}},
	}
	return b, nil
}

// programs returns what is measured: what the options name, or a new build.
func programs(ctx context.Context, o options, dir string, log io.Writer) (gitseal, error) {
	g := gitseal{bin: o.gitseal}
	exe := ""
	if runtime.GOOS == "windows" {
		exe = ".exe"
	}
	if g.bin == "" {
		g.bin = filepath.Join(dir, "gitseal"+exe)
		if err := buildPrograms(ctx, dir, log); err != nil {
			return g, err
		}
	}
	var err error
	g.bin, err = filepath.Abs(g.bin)
	g.service = filepath.Join(filepath.Dir(g.bin), "gitseal-keyservice"+exe)
	return g, err
}

func buildPrograms(ctx context.Context, dir string, log io.Writer) error {
	fmt.Fprintln(log, "building gitseal and gitseal-keyservice")
	// The tag is that of the releases: it leaves out what turns help into man pages,
	// which takes a tenth of the time that the program needs to start.
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags", buildTag, "-ldflags", "-s -w", "-o", dir,
		"github.com/gitseal/gitseal/cmd/gitseal", "github.com/gitseal/gitseal/cmd/gitseal-keyservice")
	// The same as for the peer.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building gitseal: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// buildTag drops the Markdown parser that urfave/cli links for manual pages.
const buildTag = "urfave_cli_no_docs"

func describe() string {
	return fmt.Sprintf("%s/%s, %d CPUs, %s; sops %s built from its source like gitseal, with -trimpath -ldflags \"-s -w\" (gitseal: -tags "+buildTag+")",
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), peerVersion)
}
