package remote_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/keyservice/keyservicetest"
	"github.com/gitseal/gitseal/keysources/keysourcestest"
	"github.com/gitseal/gitseal/keysources/remote"
)

// The test binary is the child when these are set: the identity that it has, and
// what it does wrong.
const (
	identityEnv = "GITSEAL_TEST_CHILD_IDENTITY"
	modeEnv     = "GITSEAL_TEST_CHILD_MODE"
)

func TestMain(m *testing.M) {
	if id := os.Getenv(identityEnv); id != "" {
		os.Exit(beChild(id, os.Getenv(modeEnv)))
	}
	os.Exit(m.Run())
}

// beChild serves a source of type kms, whose readers decide by their name what
// happens, unless the mode says that it does something else.
func beChild(identity, mode string) int {
	switch mode {
	case "exits":
		return 3
	case "babbles":
		fmt.Println("Usage: something else entirely")
		time.Sleep(time.Minute)
	case "silent":
		time.Sleep(time.Minute)
	}
	src, err := keyservicetest.New(keysources.TypeKMS, identity)
	if err != nil {
		return 1
	}
	src.Before = behave
	if err := remote.Serve(context.Background(), os.Stdin, os.Stdout, remote.Sources(map[string]keysources.Source{keysources.TypeKMS: src})); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// behave does what the context field "do" of a test's stanza would say, if
// sources looked at it: the reader's name carries it.
func behave(ctx context.Context, reader string) error {
	switch {
	case reader == "hang":
		<-ctx.Done()
		return &keysources.Error{Reader: reader, Reason: keysources.Timeout, Detail: "waited for https://kms.example"}
	case reader == "deaf":
		time.Sleep(time.Minute)
	case reader == "die":
		os.Exit(7)
	case reader == "panic":
		panic("in a source")
	case reader == "plain":
		return errors.New("a plain error")
	case reader == "refused":
		use := keysources.Use{Kind: keysources.UseKMSRole, Value: "arn:aws:iam::1:role/x"}
		return &keysources.Error{Reader: reader, Reason: keysources.Refused, Detail: use.String(), Use: use}
	case strings.HasPrefix(reader, "reason "):
		return &keysources.Error{Reader: reader, Reason: keysources.Reason(reader[len("reason "):]), Detail: "why"}
	}
	return nil
}

type pair struct{ recipient, identity string }

func newPair(t *testing.T) pair {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return pair{recipient: id.Recipient().String(), identity: id.String()}
}

// start returns a service whose child is this test binary.
func start(t *testing.T, p pair, mode string) (*remote.Service, *starts) {
	t.Helper()
	n := &starts{}
	s := remote.New(os.Getenv, remote.Options{Stderr: os.Stderr, Command: func() (*exec.Cmd, error) {
		exe, err := os.Executable()
		if err != nil {
			return nil, err
		}
		cmd := exec.Command(exe)
		cmd.Env = append(os.Environ(), identityEnv+"="+p.identity, modeEnv+"="+mode)
		n.add(cmd)
		return cmd, nil
	}})
	t.Cleanup(func() { s.Close() })
	return s, n
}

// starts remembers the children.
type starts struct {
	mu   sync.Mutex
	cmds []*exec.Cmd
}

func (s *starts) add(c *exec.Cmd) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cmds = append(s.cmds, c)
}

func (s *starts) all() []*exec.Cmd {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*exec.Cmd(nil), s.cmds...)
}

func kms(reader string) keysources.Stanza {
	st := keyservicetest.KeyOf(keysources.TypeKMS, reader)
	st.Fields = append(st.Fields, keysources.Field{Name: "enc", Value: "e"})
	return st
}

func TestSourcesInAChildObeyTheLaws(t *testing.T) {
	p, q := newPair(t), newPair(t)
	mine, _ := start(t, p, "")
	theirs, _ := start(t, q, "")
	r, err := mine.Source(keysources.TypeKMS).Recipient(keyservicetest.KeyOf(keysources.TypeKMS, p.recipient))
	if err != nil {
		t.Fatal(err)
	}
	keysourcestest.Source{
		Recipient: r, Identity: mine.Source(keysources.TypeKMS), Stranger: theirs.Source(keysources.TypeKMS),
		Secrets: []string{p.identity, q.identity},
	}.Run(t)
	if !keysources.IsRemote(mine.Source(keysources.TypeKMS)) {
		t.Error("the source does not say that it is remote")
	}
}

func TestErrorsCrossWhole(t *testing.T) {
	s, _ := start(t, newPair(t), "")
	src := s.Source(keysources.TypeKMS)
	use := keysources.Use{Kind: keysources.UseKMSRole, Value: "arn:aws:iam::1:role/x"}
	for _, tt := range []struct {
		reader string
		want   keysources.Error
	}{
		{"refused", keysources.Error{Reader: "refused", Reason: keysources.Refused, Detail: use.String(), Use: use}},
		{"reason throttled", keysources.Error{Reader: "reason throttled", Reason: keysources.Throttled, Detail: "why"}},
		{"reason denied", keysources.Error{Reader: "reason denied", Reason: keysources.Denied, Detail: "why"}},
		{"panic", keysources.Error{Reader: "panic", Reason: keysources.Malformed, Detail: "the key source failed; please report this"}},
	} {
		t.Run(tt.reader, func(t *testing.T) {
			_, err := src.Unwrap(t.Context(), kms(tt.reader))
			got, ok := err.(*keysources.Error)
			if !ok {
				t.Fatalf("got %T: %v", err, err)
			}
			if diff := cmp.Diff(tt.want, *got); diff != "" {
				t.Error(diff)
			}
		})
	}
	if _, err := src.Unwrap(t.Context(), kms("plain")); err == nil || err.Error() != "a plain error" {
		t.Errorf("a plain error: got %v", err)
	}
	if _, err := s.Source(keysources.TypeGCP).Unwrap(t.Context(), keyservicetest.KeyOf(keysources.TypeGCP, "x")); err == nil || errors.Is(err, keysources.ErrNotForMe) {
		t.Errorf("a source that the child has not: got %v", err)
	}
	bad := kms("x")
	bad.Fields[0].Value = "\xff"
	if _, err := src.Unwrap(t.Context(), bad); keysources.ReasonOf(err) != keysources.Malformed {
		t.Errorf("a field that is not UTF-8: got %v", err)
	}
}

// TestManyCallsAtOnce has a thousand calls in flight in one child, among them some
// that never end.
func TestManyCallsAtOnce(t *testing.T) {
	p := newPair(t)
	s, n := start(t, p, "")
	src := s.Source(keysources.TypeKMS)
	r, err := src.Recipient(keyservicetest.KeyOf(keysources.TypeKMS, p.recipient))
	if err != nil {
		t.Fatal(err)
	}
	want := make([]byte, 32)
	var wg sync.WaitGroup
	for i := range 1000 {
		wg.Go(func() {
			if i%100 == 0 {
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				defer cancel()
				if _, err := src.Unwrap(ctx, kms("hang")); keysources.ReasonOf(err) != keysources.Timeout {
					t.Errorf("call %d: got %v, want a timeout", i, err)
				}
				return
			}
			key := bytes.Clone(want)
			key[0], key[1] = byte(i), byte(i>>8)
			st, err := r.Wrap(t.Context(), key)
			if err != nil {
				t.Errorf("call %d: %v", i, err)
				return
			}
			if got, err := src.Unwrap(t.Context(), st); err != nil || !bytes.Equal(got, key) {
				t.Errorf("call %d: another key, error %v", i, err)
			}
		})
	}
	wg.Wait()
	if got := len(n.all()); got != 1 {
		t.Errorf("%d children were started", got)
	}
}

func TestDeadlinesAndCancellationReachTheChild(t *testing.T) {
	s, _ := start(t, newPair(t), "")
	src := s.Source(keysources.TypeKMS)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := src.Unwrap(ctx, kms("hang"))
	if got, want := fmt.Sprint(err), "hang: no answer within the deadline (waited for https://kms.example)"; got != want {
		t.Errorf("the child's own words: got %q, want %q", got, want)
	}

	ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = src.Unwrap(ctx, kms("deaf"))
	if got, want := fmt.Sprint(err), "deaf: no answer within the deadline (gitseal-keyservice has not answered)"; got != want {
		t.Errorf("a source that ignores its deadline: got %q, want %q", got, want)
	}

	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	begin := time.Now()
	if _, err := src.Unwrap(ctx, kms("hang")); !errors.Is(err, context.Canceled) || time.Since(begin) > 5*time.Second {
		t.Errorf("cancelled: got %v after %s", err, time.Since(begin))
	}
	// All slots of the child are free again, or this would wait for one.
	for range 100 {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Millisecond, cancel)
		_, _ = src.Unwrap(ctx, kms("hang"))
		cancel()
	}
	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := src.Unwrap(ctx, kms("plain")); fmt.Sprint(err) != "a plain error" {
		t.Errorf("after cancelled calls: got %v", err)
	}
}

func TestADeadChildFailsItsCallsAndIsReplacedOnce(t *testing.T) {
	p := newPair(t)
	s, n := start(t, p, "")
	src := s.Source(keysources.TypeKMS)
	if _, err := src.Unwrap(t.Context(), kms("plain")); fmt.Sprint(err) != "a plain error" {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := src.Unwrap(t.Context(), kms("hang")); keysources.ReasonOf(err) != keysources.Unreachable {
				t.Errorf("waiting when the child was killed: got %v", err)
			}
		})
	}
	time.Sleep(200 * time.Millisecond)
	if err := n.all()[0].Process.Kill(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if _, err := src.Unwrap(t.Context(), kms("plain")); fmt.Sprint(err) != "a plain error" {
		t.Errorf("the second child: %v", err)
	}
	if got := len(n.all()); got != 2 {
		t.Errorf("%d children were started, want 2", got)
	}
}

func TestAChildThatNeverWorksIsTriedTwice(t *testing.T) {
	for _, mode := range []string{"exits", "babbles"} {
		t.Run(mode, func(t *testing.T) {
			s, n := start(t, newPair(t), mode)
			for range 5 {
				_, err := s.Source(keysources.TypeKMS).Unwrap(t.Context(), kms("someone"))
				if keysources.ReasonOf(err) != keysources.Unavailable || !strings.HasPrefix(err.Error(), "someone: ") {
					t.Errorf("got %v", err)
				}
			}
			if got := len(n.all()); got != 2 {
				t.Errorf("%d children were started, want 2", got)
			}
		})
	}
}

func TestASilentChildIsGivenUpInTime(t *testing.T) {
	s, _ := start(t, newPair(t), "silent")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := s.Source(keysources.TypeKMS).Unwrap(ctx, kms("someone")); keysources.ReasonOf(err) != keysources.Timeout {
		t.Errorf("got %v", err)
	}
	begin := time.Now()
	s.Close()
	if d := time.Since(begin); d > 10*time.Second {
		t.Errorf("closing took %s", d)
	}
}

func TestAClosedServiceEndsItsChild(t *testing.T) {
	s, n := start(t, newPair(t), "")
	src := s.Source(keysources.TypeKMS)
	if err := remote.New(os.Getenv, remote.Options{}).Close(); err != nil {
		t.Errorf("one that was never used: %v", err)
	}
	waiting := make(chan error)
	go func() {
		_, err := src.Unwrap(t.Context(), kms("hang"))
		waiting <- err
	}()
	for len(n.all()) == 0 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond)
	s.Close()
	// The child may still tell the caller that it was cancelled.
	if err := <-waiting; err == nil {
		t.Error("a waiting call succeeded")
	}
	if got := n.all()[0].ProcessState; got == nil || got.ExitCode() != 0 {
		t.Errorf("the child ended as %v, want exit code 0", got)
	}
	if _, err := src.Unwrap(t.Context(), kms("plain")); keysources.ReasonOf(err) != keysources.Unreachable {
		t.Errorf("after Close: got %v", err)
	}
	s.Close()
}
