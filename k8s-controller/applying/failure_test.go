package applying_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/applying"
	"github.com/gitseal/gitseal/k8s-controller/opening"
)

// quota leaves room for no Secret, once the API server has taken note of it.
func (b *bed) quota() {
	b.t.Helper()
	none := corev1.ResourceList{"count/secrets": resource.MustParse("1")}
	q := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: b.ns, Name: "none"}}
	q.Spec.Hard = none
	if err := b.admin.Create(b.t.Context(), q); err != nil {
		b.t.Fatal(err)
	}
	q.Status.Hard, q.Status.Used = none, none
	if err := b.admin.Status().Update(b.t.Context(), q); err != nil {
		b.t.Fatal(err)
	}
	deadline := time.Now().Add(time.Minute)
	for {
		probe := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: b.ns, Name: "probe"}}
		if err := b.admin.Create(b.t.Context(), probe, client.DryRunAll); apierrors.IsForbidden(err) {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatal("the quota never came into force")
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func TestQuotaExceeded(t *testing.T) {
	b := newBed(t)
	m := b.manifest("db", immutable(v1alpha1.ImmutableRecreate))
	b.apply(m, frozen(b.secret("db", "a=1")))
	b.quota()
	b.fails(v1alpha1.ReasonQuotaExceeded, true, b.manifest("more"), b.secret("more", "a=1"))

	// A Secret is not deleted if there may be no room for the new one.
	b.edit(m)
	b.fails(v1alpha1.ReasonQuotaExceeded, true, m, frozen(b.secret("db", "a=2")))
	b.wantData("db", "a=1")
}

func TestForbiddenNamesTheVerb(t *testing.T) {
	b := newBed(t)
	b.use(b.cluster.ConfigFor(t, "nobody"))
	m := b.manifest("db")
	f := b.fails(v1alpha1.ReasonForbidden, true, m, b.secret("db", "a=canary-1"))
	if !strings.Contains(f.Message, "the controller may not patch") || !apierrors.IsForbidden(f) {
		t.Errorf("got %s, cause %v", f.Message, f.Err)
	}
}

func TestNamespaceTerminatingOrMissing(t *testing.T) {
	b := newBed(t)
	m := b.manifest("db")
	b.kubectl("delete", "namespace", b.ns, "--wait=false")
	b.fails(v1alpha1.ReasonTerminating, true, m, b.secret("db", "a=1"))

	gone := m.DeepCopy()
	gone.Namespace = "no-such-namespace"
	o := b.secret("db", "a=1")
	o.Secret.Namespace = ""
	b.fails(v1alpha1.ReasonAPIError, true, gone, o)
}

// answering has the applier's client get an answer that no server is asked for.
func (b *bed) answering(code int, header http.Header, body string) {
	config := b.cluster.Config()
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return tripper(func(r *http.Request) (*http.Response, error) {
			if r.Method != http.MethodPatch {
				return next.RoundTrip(r)
			}
			h := http.Header{"Content-Type": {"application/json"}}
			for key, values := range header {
				h[key] = values
			}
			return &http.Response{StatusCode: code, Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
		})
	})
	b.use(config)
}

func TestAnswersOfATroubledServer(t *testing.T) {
	b := newBed(t)
	m := b.manifest("db")
	status := `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"canary-1","reason":%q,"code":%d,"details":{"retryAfterSeconds":%d}}`
	for _, tt := range []struct {
		code      int
		reason    metav1.StatusReason
		after     int
		want      string
		transient bool
	}{
		{code: 500, reason: metav1.StatusReasonInternalError, want: v1alpha1.ReasonAPIError, transient: true},
		{code: 503, reason: metav1.StatusReasonServiceUnavailable, want: v1alpha1.ReasonAPIError, transient: true},
		{code: 504, reason: metav1.StatusReasonServerTimeout, after: 7, want: v1alpha1.ReasonAPIError, transient: true},
		{code: 429, reason: metav1.StatusReasonTooManyRequests, after: 9, want: v1alpha1.ReasonAPIError, transient: true},
		{code: 401, reason: metav1.StatusReasonUnauthorized, want: v1alpha1.ReasonAPIError, transient: true},
		{code: 400, reason: metav1.StatusReasonBadRequest, want: v1alpha1.ReasonTargetInvalid},
		{code: 413, reason: metav1.StatusReasonRequestEntityTooLarge, want: v1alpha1.ReasonTargetInvalid},
		{code: 409, reason: metav1.StatusReasonConflict, want: v1alpha1.ReasonProgressing, transient: true},
	} {
		t.Run(fmt.Sprint(tt.code), func(t *testing.T) {
			b.answering(tt.code, nil, fmt.Sprintf(status, tt.reason, tt.code, tt.after))
			f := b.fails(tt.want, tt.transient, m, b.secret("db", "a=1"))
			if f.RetryAfter != time.Duration(tt.after)*time.Second {
				t.Errorf("got RetryAfter %s, want %d s", f.RetryAfter, tt.after)
			}
			noCanary(t, f)
		})
	}
}

func TestUnreachableServerAndCancelledContext(t *testing.T) {
	b := newBed(t)
	m := b.manifest("db")
	config := b.cluster.Config()
	config.Host = "https://127.0.0.1:1"
	cl, err := client.New(config, client.Options{Mapper: b.admin.RESTMapper(), Scheme: b.admin.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	_, err = applying.New(applying.Options{Client: cl, Reader: cl}).Apply(t.Context(), m, []opening.Object{b.secret("db", "a=canary-1")})
	noCanary(t, wantFailure(t, err, v1alpha1.ReasonAPIError, true))

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = b.applier.Apply(ctx, m, []opening.Object{b.secret("db", "a=1")})
	if f := wantFailure(t, err, v1alpha1.ReasonAPIError, true); !errors.Is(f, context.Canceled) {
		t.Errorf("got cause %v", f.Err)
	}
}

// noCanary fails if any form of print of an error, or of what it wraps, has a value.
func noCanary(t *testing.T, f *applying.Failure) {
	t.Helper()
	forms := []string{f.Message, fmt.Sprintf("%v %+v %#v %s", f, f, f, f)}
	for err := error(f); err != nil; err = errors.Unwrap(err) {
		forms = append(forms, fmt.Sprintf("%v %+v %#v", err, err, err))
		if s, ok := err.(apierrors.APIStatus); ok {
			forms = append(forms, fmt.Sprintf("%#v", s.Status()), fmt.Sprintf("%v", s.Status().Details))
		}
	}
	for _, form := range forms {
		if strings.Contains(strings.ToLower(form), "canary") {
			t.Errorf("a value is in: %s", form)
		}
	}
}

// TestServerThatQuotesValues has the real API server refuse objects with messages that
// quote them, and looks whether that is so: else this shows nothing.
func TestServerThatQuotesValues(t *testing.T) {
	b := newBed(t)
	b.allow("deployer", "get", "create", "patch", "delete")
	b.kubectl("create", "role", "more", "--resource=services,deployments.apps", "--verb=get,create,patch")
	b.kubectl("create", "rolebinding", "more", "--role=more", "--serviceaccount="+b.ns+":deployer")
	b.kubectl("create", "secret", "generic", "theirs", "--from-literal=a=1")
	b.kubectl("patch", "secret", "theirs", "--type=merge", "-p", `{"immutable":true}`)

	label := b.secret("label", "a=1")
	label.Secret.Labels = map[string]string{"x": "canary not valid"}
	key := b.secret("key", "canary not valid=1")
	port := map[string]any{"spec": map[string]any{"ports": []any{map[string]any{"port": int64(1), "protocol": "CANARY", "name": "CANARY!"}}}}
	wrong := map[string]any{"spec": map[string]any{"ports": "canary"}}
	field := map[string]any{"data": map[string]any{}, "canary": "canary"}
	selector := map[string]any{"spec": map[string]any{"selector": map[string]any{"matchLabels": map[string]any{"a": "canary"}},
		"template": map[string]any{"metadata": map[string]any{"labels": map[string]any{"a": "b"}},
			"spec": map[string]any{"containers": []any{map[string]any{"name": "CANARY", "image": "x"}}}}}}
	for name, o := range map[string]opening.Object{
		"label": label, "key": key,
		"service": other("v1", "Service", "s", port), "not of the schema": other("v1", "Service", "s", wrong),
		"unknown field": other("v1", "ConfigMap", "s", field), "deployment": other("apps/v1", "Deployment", "d", selector),
	} {
		t.Run(name, func(t *testing.T) {
			seen := &strings.Builder{}
			config := b.cluster.Config()
			config.Wrap(recording(seen))
			b.use(config, func(o *applying.Options) {
				o.Impersonate = func(string) (client.Client, error) { return o.Client, nil }
			})
			_, err := b.try(b.manifest("m-"+strings.ReplaceAll(name, " ", "-"), account("deployer")), o)
			f := wantFailure(t, err, v1alpha1.ReasonTargetInvalid, false)
			if !strings.Contains(strings.ToLower(seen.String()), "canary") {
				t.Fatalf("the server quotes nothing here: %s", seen)
			}
			noCanary(t, f)
		})
	}
}

// recording keeps the bodies of refusals.
func recording(into *strings.Builder) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper {
		return tripper(func(r *http.Request) (*http.Response, error) {
			response, err := next.RoundTrip(r)
			if err != nil || response.StatusCode < 400 {
				return response, err
			}
			body, err := io.ReadAll(response.Body)
			response.Body.Close()
			into.Write(body)
			response.Body = io.NopCloser(strings.NewReader(string(body)))
			return response, err
		})
	}
}
