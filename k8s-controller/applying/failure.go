package applying

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/opening"
)

// Failure is why an object could not be applied. It never holds text of the server
// that may quote a value: only names, paths of fields, and words of this package.
type Failure struct {
	// Reason is one of the v1alpha1.Reason… constants.
	Reason string
	// Message names the object, and the way out if there is one.
	Message string
	// Transient failures may go away by themselves, or by something that nobody tells
	// us of.
	Transient bool
	// RetryAfter is how long the server asked to wait, 0 if it did not.
	RetryAfter time.Duration
	// Err is the cause, if it is a cancelled context, a failed connection, or the
	// server's answer: its code and reason, without its text. Else nil.
	Err error
}

// Error returns the message.
func (f *Failure) Error() string { return f.Message }

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }

// refuse returns a failure that lasts until something changes.
func refuse(reason, format string, args ...any) *Failure {
	return &Failure{Reason: reason, Message: opening.Printable(fmt.Sprintf(format, args...))}
}

// retry returns a transient failure.
func retry(reason, format string, args ...any) *Failure {
	return &Failure{Reason: reason, Message: opening.Printable(fmt.Sprintf(format, args...)), Transient: true}
}

// changing is the failure because of an object that changed while it was worked on.
func changing(name string) *Failure {
	return retry(v1alpha1.ReasonProgressing, "%s was changed meanwhile", name)
}

// describe returns err as a *Failure about an object.
func describe(err error, t *target) error {
	var f *Failure
	switch {
	case errors.As(err, &f):
		return f
	case meta.IsNoMatchError(err):
		f = retry(v1alpha1.ReasonAPIError, "%s: the API server does not know the kind %s", t, t.gvk)
	case statusOf(err) != nil:
		f = answered(err, statusOf(err), t)
	default:
		f = retry(v1alpha1.ReasonAPIError, "%s: the API server was not reached, or did not answer in time", t)
	}
	f.Err = safe(err)
	if seconds, ok := apierrors.SuggestsClientDelay(err); ok {
		f.RetryAfter = time.Duration(seconds) * time.Second
	}
	return f
}

// answered is the failure that the server's answer means.
func answered(err error, status *metav1.Status, t *target) *Failure {
	switch {
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return retry(v1alpha1.ReasonTerminating, "%s: the namespace is being deleted", t)
	case apierrors.IsForbidden(err) && strings.Contains(status.Message, "exceeded quota"):
		return retry(v1alpha1.ReasonQuotaExceeded, "%s: a ResourceQuota of the namespace leaves no room for it", t)
	case apierrors.IsForbidden(err):
		return retry(v1alpha1.ReasonForbidden, "%s: %s", t, forbidden(status.Message, t))
	case isNamespaceMissing(err):
		return retry(v1alpha1.ReasonAPIError, "%s: the namespace is not there", t)
	case isOwned(err):
		return retry(v1alpha1.ReasonTargetConflict,
			"%s: somebody else owns fields of it with other values (%s): remove them there or here, or set spec.conflictPolicy to Adopt", t, fields(status))
	case isStale(err):
		return changing(t.String())
	case isImmutable(err):
		return refuse(v1alpha1.ReasonTargetImmutable, "%s cannot be changed: %s", t, fields(status))
	case isInvalid(status):
		return refuse(v1alpha1.ReasonTargetInvalid, "%s: the API server refuses the object: %s", t, fields(status))
	}
	return retry(v1alpha1.ReasonAPIError, "%s: the API server answered %d", t, status.Code)
}

// forbidden says who may not do what. Of the server's text it takes a verb.
func forbidden(message string, t *target) string {
	who := "the controller"
	if t.user != "" {
		who = "the service account " + t.user
	}
	if strings.Contains(message, "admission webhook") || strings.Contains(message, "violates PodSecurity") {
		return "admission control refuses it"
	}
	for _, verb := range []string{"get", "list", "watch", "create", "update", "patch", "delete", "impersonate"} {
		if strings.Contains(message, "cannot "+verb+" resource") {
			return fmt.Sprintf("%s may not %s objects of the kind %s in this namespace", who, verb, t.gvk.Kind)
		}
	}
	return fmt.Sprintf("%s may not write objects of the kind %s in this namespace", who, t.gvk.Kind)
}

// statusOf returns the server's answer in err, or nil.
func statusOf(err error) *metav1.Status {
	var s apierrors.APIStatus
	if !errors.As(err, &s) {
		return nil
	}
	status := s.Status()
	return &status
}

func causes(err error) []metav1.StatusCause {
	if status := statusOf(err); status != nil && status.Details != nil {
		return status.Details.Causes
	}
	return nil
}

func hasCause(err error, is func(metav1.StatusCause) bool) bool {
	return slices.ContainsFunc(causes(err), is)
}

// isOwned reports whether server-side apply would have overwritten others' fields.
func isOwned(err error) bool {
	return apierrors.IsConflict(err) && apierrors.HasStatusCause(err, metav1.CauseTypeFieldManagerConflict)
}

// isStale reports whether an object is not, or no longer, what a write was made for.
// The server's answer depends on which of the preconditions it looks at.
func isStale(err error) bool {
	if apierrors.IsConflict(err) {
		return !isOwned(err)
	}
	return isAbsent(err) || hasCause(err, func(c metav1.StatusCause) bool { return c.Field == "metadata.uid" })
}

// isImmutable reports whether a write failed because what exists cannot be changed.
func isImmutable(err error) bool {
	return apierrors.IsInvalid(err) && hasCause(err, func(c metav1.StatusCause) bool {
		switch c.Type {
		case metav1.CauseTypeFieldValueInvalid:
			return c.Field == "type" || strings.HasSuffix(c.Message, "field is immutable")
		case metav1.CauseTypeForbidden:
			return c.Field == "data" || c.Field == "immutable" || c.Field == "binaryData"
		}
		return false
	})
}

func isNamespaceMissing(err error) bool {
	status := statusOf(err)
	return apierrors.IsNotFound(err) && status.Details != nil && status.Details.Kind == "namespaces"
}

// isInvalid reports whether the server will never take an object. That it cannot be
// read as one of its kind is, for server-side apply, an internal error.
func isInvalid(status *metav1.Status) bool {
	switch status.Code {
	case http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge, http.StatusMethodNotAllowed, http.StatusUnsupportedMediaType:
		return true
	case http.StatusInternalServerError:
		return strings.HasPrefix(status.Message, "failed to create typed patch object") || strings.HasPrefix(status.Message, "failed to convert new object")
	}
	return false
}

// fields lists the paths in an answer, and what is the matter with each. The texts
// beside them quote values.
func fields(status *metav1.Status) string {
	var out []string
	if status.Details != nil {
		for _, c := range status.Details.Causes {
			if c.Field != "" {
				add(&out, fieldPath(c.Field)+complaint(c.Type))
			}
		}
	}
	switch {
	case status.Code == http.StatusRequestEntityTooLarge:
		return "it is too large"
	case len(out) == 0:
		return "it does not fit its kind"
	}
	return strings.Join(out, ", ")
}

func complaint(c metav1.CauseType) string {
	switch c {
	case metav1.CauseTypeFieldValueRequired:
		return " is missing"
	case metav1.CauseTypeForbidden:
		return " is not allowed"
	case metav1.CauseTypeTooLong:
		return " is too long"
	case metav1.CauseTypeFieldManagerConflict:
		return ""
	}
	return " is not valid"
}

// fieldPath returns a path without what may be a value: server-side apply puts the
// items of a set into it.
func fieldPath(path string) string {
	var out strings.Builder
	for path != "" {
		before, rest, found := strings.Cut(path, "[")
		out.WriteString(before)
		if !found {
			break
		}
		key, after, _ := strings.Cut(rest, "]")
		if strings.ContainsFunc(key, func(c rune) bool { return !isKeyRune(c) }) {
			key = "…"
		}
		out.WriteString("[" + key + "]")
		path = after
	}
	return out.String()
}

func isKeyRune(c rune) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-._/", c)
}

// safe returns what of an error can be shown: who makes it decides.
func safe(err error) error {
	if status := statusOf(err); status != nil {
		out := &apierrors.StatusError{ErrStatus: metav1.Status{
			Status: status.Status, Code: status.Code, Reason: status.Reason,
			Message: fmt.Sprintf("the API server answered %d %s", status.Code, status.Reason),
		}}
		if d := status.Details; d != nil {
			out.ErrStatus.Details = &metav1.StatusDetails{Group: d.Group, Kind: d.Kind, RetryAfterSeconds: d.RetryAfterSeconds}
		}
		return out
	}
	for _, known := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, known) {
			return known
		}
	}
	var connection *url.Error
	if errors.As(err, &connection) {
		return connection
	}
	return nil
}
