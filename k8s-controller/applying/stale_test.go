package applying_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/applying"
	"github.com/gitseal/gitseal/k8s-controller/opening"
)

// TestOlderContentNeverFollowsNewer has two appliers work on the same manifest, one of
// them with views that are up to five generations old, as a deposed leader or a stale
// cache has them. The history of the Secret may never go back.
func TestOlderContentNeverFollowsNewer(t *testing.T) {
	const rounds = 200
	b := newBed(t)
	m := b.manifest("db")
	watched, stop := b.history("db")
	var mu sync.Mutex // guards views
	views := []*v1alpha1.SealedManifest{m.DeepCopy()}
	done := make(chan struct{})
	var stale, refused int
	var wait sync.WaitGroup
	wait.Go(func() {
		random := rand.New(rand.NewPCG(1, 2))
		for {
			select {
			case <-done:
				return
			default:
			}
			mu.Lock()
			view := views[max(0, len(views)-1-random.IntN(5))].DeepCopy()
			mu.Unlock()
			act := b.applier.Apply
			if random.IntN(2) == 0 {
				act = b.applier.Keep
			}
			stale++
			if _, err := act(t.Context(), view, b.numbered(view)); err != nil {
				refused++
			}
		}
	})
	for range rounds {
		b.edit(m)
		for { // others write in between
			out, err := b.applier.Apply(t.Context(), m, b.numbered(m))
			m.Status.Resources = out.Resources
			if err == nil {
				break
			}
			wantFailure(t, err, v1alpha1.ReasonProgressing, true)
		}
		mu.Lock()
		views = append(views, m.DeepCopy())
		mu.Unlock()
	}
	close(done)
	wait.Wait()
	last := strconv.FormatInt(m.Generation, 10)
	b.wantData("db", "generation="+last)
	got := watched(last)
	stop()
	t.Logf("%d generations, %d seen; %d stale passes, %d refused", rounds, len(got), stale, refused)
	if refused == 0 {
		t.Error("no stale pass was refused: nothing was tried")
	}
	for i := 1; i < len(got); i++ {
		if got[i] < got[i-1] {
			t.Fatalf("generation %d was written after %d: %v", got[i], got[i-1], got)
		}
	}
}

// numbered is content that says of which generation it is.
func (b *bed) numbered(m *v1alpha1.SealedManifest) []opening.Object {
	return []opening.Object{b.secret("db", "generation="+strconv.FormatInt(m.Generation, 10))}
}

// history watches a Secret. The function returns the generations that it has held, once
// the last one has been seen.
func (b *bed) history(name string) (seen func(last string) []int, stop func()) {
	b.t.Helper()
	clients, err := kubernetes.NewForConfig(b.cluster.Config())
	if err != nil {
		b.t.Fatal(err)
	}
	w, err := clients.CoreV1().Secrets(b.ns).Watch(b.t.Context(), metav1.ListOptions{FieldSelector: "metadata.name=" + name, ResourceVersion: "0"})
	if err != nil {
		b.t.Fatal(err)
	}
	return func(last string) []int {
		b.t.Helper()
		var got []int
		for e := range w.ResultChan() {
			s, ok := e.Object.(*corev1.Secret)
			if !ok {
				b.t.Fatalf("the watch broke: %v", e.Type)
			}
			n, err := strconv.Atoi(string(s.Data["generation"]))
			if err != nil {
				b.t.Fatal(err)
			}
			if got = append(got, n); string(s.Data["generation"]) == last {
				return got
			}
		}
		b.t.Fatal("the watch ended")
		return nil
	}, w.Stop
}

func TestLostStatusIsFoundAgain(t *testing.T) {
	b := newBed(t)
	m := b.manifest("db")
	b.apply(m, b.secret("db", "a=1"))
	m.Status = v1alpha1.SealedManifestStatus{} // a crash before it was written
	b.edit(m)
	b.calls.take()
	out := b.apply(m, b.secret("db", "a=2"))
	wantList(t, "requests", b.calls.take(), "PATCH secrets/db", "GET secrets/db", "GET sealedmanifests/db", "PATCH secrets/db")
	if len(out.Adopted) > 0 || len(out.Resources) != 1 {
		t.Errorf("got %+v", out)
	}
	b.wantData("db", "a=2")
}

// TestDeletedManifestMakesNothing: the cache saw the garbage collector delete the
// Secret, and has not seen yet why.
func TestDeletedManifestMakesNothing(t *testing.T) {
	b := newBed(t)
	m, o := b.manifest("db"), b.secret("db", "a=1")
	b.apply(m, o)
	b.kubectl("delete", "sealedmanifest", "db")
	b.kubectl("delete", "secret", "db")
	_, err := b.applier.Keep(t.Context(), m, []opening.Object{o})
	wantFailure(t, err, v1alpha1.ReasonProgressing, true)
	if b.live("db") != nil {
		t.Error("the Secret is back, and nobody will delete it")
	}
}

func TestStaleCacheCostsRequestsAndNothingElse(t *testing.T) {
	b := newBed(t)
	m := b.manifest("db")
	b.apply(m, b.secret("db", "a=1"))
	for name, known := range map[string]func() (string, string, bool){
		"empty":         func() (string, string, bool) { return "", "", false },
		"another":       func() (string, string, bool) { return "u", "7", true },
		"older version": func() (string, string, bool) { return string(m.Status.Resources[0].UID), "7", true },
	} {
		t.Run(name, func(t *testing.T) {
			b.use(b.cluster.Config(), func(o *applying.Options) {
				o.Known = func(key) (string, string, bool) { return known() }
			})
			b.calls.take()
			b.edit(m)
			value := fmt.Sprintf("a=%d", m.Generation)
			b.apply(m, b.secret("db", value))
			wantList(t, "requests", b.calls.take(), "GET secrets/db", "GET sealedmanifests/db", "PATCH secrets/db")
			b.wantData("db", value)
		})
	}
	t.Run("first creation", func(t *testing.T) {
		b.use(b.cluster.Config(), b.knowsAll)
		m := b.manifest("new")
		b.calls.take()
		b.apply(m, b.secret("new", "a=1"))
		wantList(t, "requests", b.calls.take(), "PATCH secrets/new")
	})
}

// TestEveryWriteCarriesPreconditions looks at what is sent.
func TestEveryWriteCarriesPreconditions(t *testing.T) {
	b := newBed(t)
	var mu sync.Mutex
	var bodies []string
	config := b.cluster.Config()
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return tripper(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodGet || r.GetBody == nil || strings.Contains(r.URL.RawQuery, "dryRun") {
				return next.RoundTrip(r)
			}
			body, _ := r.GetBody()
			text := new(strings.Builder)
			if _, err := io.Copy(text, body); err != nil {
				return nil, err
			}
			mu.Lock()
			bodies = append(bodies, r.Method+" "+text.String())
			mu.Unlock()
			return next.RoundTrip(r)
		})
	})
	b.use(config)
	m := b.manifest("db", immutable(v1alpha1.ImmutableRecreate))
	o := b.secret("db", "a=1")
	b.apply(m, o, b.secret("old", "a=1"))
	b.kubectl("patch", "secret", "db", "--type=merge", "-p", `{"data":{"x":"eA=="}}`)
	b.keep(m, o, b.secret("old", "a=1"))
	b.edit(m)
	b.apply(m, frozen(b.secret("db", "a=2")))
	b.edit(m)
	b.apply(m, frozen(b.secret("db", "a=3")))
	if len(bodies) < 8 {
		t.Fatalf("only %d writes were seen", len(bodies))
	}
	for i, body := range bodies {
		created := strings.Contains(body, `"resourceVersion":"1"`)
		if !strings.Contains(body, `"resourceVersion":"`) || !created && !strings.Contains(body, `"uid":"`) {
			t.Errorf("write %d has no preconditions: %s", i, body)
		}
	}
}

func TestNothingIsWrittenForAManifestThatNeverWas(t *testing.T) {
	// The API server's data was set back: of the same object and generation it may have
	// another content now.
	b := newBed(t)
	m := b.manifest("db")
	b.apply(m, b.secret("db", "a=1"))
	b.kubectl("annotate", "secret", "db", "theirs=yes") // so that it is looked at
	m.ResourceVersion += "0"
	b.fails(v1alpha1.ReasonProgressing, true, m, b.secret("db", "a=2"))
	b.wantData("db", "a=1")
}
