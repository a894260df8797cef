package fence_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/gitseal/gitseal/k8s-controller/fence"
	"github.com/gitseal/gitseal/k8s-controller/kubetest"
)

// The environment of the process that is stopped: this test binary.
const (
	envKubeconfig = "GITSEAL_TEST_FENCE_KUBECONFIG"
	envNamespace  = "GITSEAL_TEST_FENCE_NAMESPACE"
	envOpen       = "GITSEAL_TEST_FENCE_OPEN"
)

const patience = 90 * time.Second

func TestMain(m *testing.M) {
	if file := os.Getenv(envKubeconfig); file != "" {
		if err := writeForEver(file, os.Getenv(envNamespace), os.Getenv(envOpen) == ""); err != nil {
			fmt.Println("failed", err)
			os.Exit(1)
		}
		return
	}
	kubetest.Main(m)
}

// writeForEver leads, and writes into the ConfigMap journal again and again, as a
// controller does that has much to do.
func writeForEver(kubeconfig, namespace string, fenced bool) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	f := fence.New(fence.Options{})
	lock, err := newLock(rest.CopyConfig(config), namespace, "stopped")
	if err != nil {
		return err
	}
	if fenced {
		config.Wrap(f.Wrap)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	leads := make(chan struct{})
	go elect(context.Background(), f.Watch(lock), func() { close(leads) })
	<-leads
	for i := 0; ; i++ {
		patch := fmt.Appendf(nil, `{"data":{"writer":"stopped","n":"%d"}}`, i)
		_, err := client.CoreV1().ConfigMaps(namespace).Patch(context.Background(), "journal", types.MergePatchType, patch, metav1.PatchOptions{})
		switch {
		case errors.Is(err, fence.ErrDeposed):
			fmt.Println("refused", i)
		case err != nil:
			fmt.Println("error", i, err)
		default:
			fmt.Println("wrote", i)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func newLock(config *rest.Config, namespace, id string) (resourcelock.Interface, error) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return resourcelock.New(resourcelock.LeasesResourceLock, namespace, "leader", client.CoreV1(), client.CoordinationV1(),
		resourcelock.ResourceLockConfig{Identity: id})
}

// elect takes part in the election until ctx ends.
func elect(ctx context.Context, lock resourcelock.Interface, started func()) {
	leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{
		Lock: lock, LeaseDuration: 6 * time.Second, RenewDeadline: 4 * time.Second, RetryPeriod: 500 * time.Millisecond,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { started() },
			OnStoppedLeading: func() {},
		},
	})
}

// TestAStoppedLeaderDoesNotWriteAfterAnotherTookOver stops the leader's process,
// waits for another to lead, and lets it go on.
func TestAStoppedLeaderDoesNotWriteAfterAnotherTookOver(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for leases to expire")
	}
	for _, tt := range []struct{ name, open, want string }{
		{"fenced", "", "new leader"},
		// The control: the same process would have written.
		{"without a fence", "1", "stopped"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := writerAfterTakeover(t, tt.open); got != tt.want {
				t.Errorf("the journal was last written by %q, want %q", got, tt.want)
			}
		})
	}
}

// writerAfterTakeover returns who has written the journal when the old leader has
// tried to, after the new one has.
func writerAfterTakeover(t *testing.T, open string) string {
	c := kubetest.Shared(t)
	ns := c.Namespace(t)
	client, err := kubernetes.NewForConfig(c.Config())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	journal := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "journal"}}
	if _, err := client.CoreV1().ConfigMaps(ns).Create(ctx, journal, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}

	old, lines := startLeader(t, c.Kubeconfig(t), ns, open)
	waitFor(t, lines, "wrote", 3)
	if err := old.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	// What it had sent before arrives while the lease runs out.
	lock, err := newLock(c.Config(), ns, "new leader")
	if err != nil {
		t.Fatal(err)
	}
	leads := make(chan struct{})
	go elect(ctx, lock, func() { close(leads) })
	select {
	case <-leads:
	case <-time.After(patience):
		t.Fatal("nobody took over")
	}
	patch := []byte(`{"data":{"writer":"new leader"}}`)
	if _, err := client.CoreV1().ConfigMaps(ns).Patch(ctx, "journal", types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := old.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if open == "" {
		waitFor(t, lines, "refused", 20)
	} else {
		waitFor(t, lines, "wrote", 3)
	}
	got, err := client.CoreV1().ConfigMaps(ns).Get(ctx, "journal", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return got.Data["writer"]
}

// startLeader starts the process that will be stopped, and returns what it prints.
func startLeader(t *testing.T, kubeconfig, namespace, open string) (*exec.Cmd, <-chan string) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envKubeconfig+"="+kubeconfig, envNamespace+"="+namespace, envOpen+"="+open)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 10_000)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-done
		cmd.Wait()
	})
	return cmd, lines
}

// waitFor reads lines until n of them begin with a word.
func waitFor(t *testing.T, lines <-chan string, word string, n int) {
	t.Helper()
	deadline := time.After(patience)
	last := ""
	for n > 0 {
		select {
		case line, ok := <-lines:
			if !ok {
				t.Fatalf("the process ended; its last line: %s", last)
			}
			if last = line; strings.HasPrefix(line, word+" ") {
				n--
			}
		case <-deadline:
			t.Fatalf("%d more lines %q are missing; the last line: %s", n, word, last)
		}
	}
}
