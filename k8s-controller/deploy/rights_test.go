package deploy_test

import (
	"encoding/json"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/gitseal/gitseal/k8s-controller/kubetest"
)

// right is something that the controller may or may not do.
type right struct {
	verb, resource string // resource is GROUP/RESOURCE[/SUBRESOURCE], or RESOURCE of the core group
	namespace      string // "" is everywhere
	name           string
	may            bool
}

// everyMode are rights that do not depend on the mode.
func everyMode() []right {
	return []right{
		{"list", "gitseal.dev/sealkeyrings", "", "", true},
		{"watch", "gitseal.dev/sealkeyrings", "", "", true},
		{"patch", "gitseal.dev/sealkeyrings/status", "", "", true},
		{"patch", "gitseal.dev/sealkeyrings", "", "", false},
		{"create", "gitseal.dev/sealkeyrings", "", "", false},
		{"watch", "namespaces", "", "", true},
		{"patch", "namespaces", "", "", false},
		{"delete", "namespaces", "", "", false},
		{"watch", "gitseal.dev/sealedmanifests", "team-a", "", true},
		{"patch", "gitseal.dev/sealedmanifests", "team-a", "", true},
		{"patch", "gitseal.dev/sealedmanifests/status", "team-a", "", true},
		{"update", "gitseal.dev/sealedmanifests/finalizers", "team-a", "", true},
		{"create", "gitseal.dev/sealedmanifests", "team-a", "", false},
		{"delete", "gitseal.dev/sealedmanifests", "team-a", "", false},
		{"create", "secrets", "team-a", "", true},
		{"patch", "secrets", "team-a", "", true},
		{"delete", "secrets", "team-a", "", true},
		{"update", "secrets", "team-a", "", false},
		{"deletecollection", "secrets", "team-a", "", false},
		{"create", "events.k8s.io/events", "team-a", "", true},
		{"create", "events.k8s.io/events", "default", "", true},
		{"get", "secrets", system, "", true},
		{"watch", "secrets", system, "", true},
		{"create", "secrets", system, "", true},
		{"create", "configmaps", system, "", true},
		{"patch", "configmaps", system, "gitseal-recipients", true},
		{"patch", "configmaps", system, "kube-root-ca.crt", false},
		{"create", "configmaps", "team-a", "", false},
		{"update", "coordination.k8s.io/leases", system, controller, true},
		{"update", "coordination.k8s.io/leases", "kube-system", "", false},
		{"create", "authentication.k8s.io/tokenreviews", "", "", true},
		{"create", "authorization.k8s.io/subjectaccessreviews", "", "", true},
		{"list", "apps/deployments", "team-a", "", false},
		{"impersonate", "serviceaccounts", "team-a", "", false},
		{"create", "serviceaccounts/token", "team-a", "", false},
		{"create", "pods", system, "", false},
		{"escalate", "rbac.authorization.k8s.io/clusterroles", "", "", false},
		{"delete", "apiextensions.k8s.io/customresourcedefinitions", "", "", false},
	}
}

// checkRights asks the API server what the controller may do.
func checkRights(t *testing.T, c *kubetest.Cluster, mode string) {
	t.Helper()
	reads, everywhere := mode != "write-only", mode != "namespaces"
	rights := everyMode()
	for _, verb := range []string{"get", "list", "watch"} {
		rights = append(rights,
			right{verb, "secrets", "team-a", "", reads},
			right{verb, "secrets", "team-b", "", reads && everywhere},
			right{verb, "secrets", "", "", reads && everywhere},
			right{verb, "gitseal.dev/sealedmanifests", "team-b", "", everywhere})
	}
	for _, verb := range []string{"create", "patch", "delete"} {
		rights = append(rights, right{verb, "secrets", "team-b", "", everywhere})
	}
	rights = append(rights, right{"patch", "gitseal.dev/sealedmanifests/status", "team-b", "", everywhere})
	account := "system:serviceaccount:" + system + ":" + controller
	ask(t, c, account, []string{"system:serviceaccounts", "system:serviceaccounts:" + system, "system:authenticated"}, rights)
}

func ask(t *testing.T, c *kubetest.Cluster, user string, groups []string, rights []right) {
	t.Helper()
	for _, r := range rights {
		if allowed := may(t, c, user, groups, r); allowed != r.may {
			t.Errorf("%s %s in %q (name %q): allowed is %t, want %t", r.verb, r.resource, r.namespace, r.name, allowed, r.may)
		}
	}
}

func may(t *testing.T, c *kubetest.Cluster, user string, groups []string, r right) bool {
	t.Helper()
	client, err := kubernetes.NewForConfig(c.Config())
	if err != nil {
		t.Fatal(err)
	}
	attributes := &authorizationv1.ResourceAttributes{Verb: r.verb, Namespace: r.namespace, Name: r.name}
	attributes.Group, attributes.Resource, attributes.Subresource = split(r.resource)
	review, err := client.AuthorizationV1().SubjectAccessReviews().Create(t.Context(), &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{User: user, Groups: groups, ResourceAttributes: attributes},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return review.Status.Allowed
}

// awaitRole waits until a role of Kubernetes has our rules, which a controller adds.
func awaitRole(t *testing.T, c *kubetest.Cluster, role string) {
	t.Helper()
	verb := "create"
	if role == "view" {
		verb = "watch"
	}
	eventually(t, role+" includes ours", func() bool {
		return may(t, c, role, nil, right{verb: verb, resource: "gitseal.dev/sealedmanifests", namespace: "team-a"})
	})
}

// split takes GROUP/RESOURCE/SUBRESOURCE apart. Groups other than those of old have a
// dot.
func split(text string) (group, resource, sub string) {
	parts := strings.Split(text, "/")
	if strings.Contains(parts[0], ".") || parts[0] == "apps" {
		group, parts = parts[0], parts[1:]
	}
	if len(parts) > 1 {
		sub = parts[1]
	}
	return group, parts[0], sub
}

// The roles of namespaces, with the real controller that aggregates them.
func TestUsersGetRightsByTheirRoles(t *testing.T) {
	c := kubetest.Start(t, kubetest.WithControllerManager())
	c.Kubectl(t, "", "create", "namespace", "team-a")
	apply(t, c, kustomize(t, "base"))
	for _, role := range []string{"view", "edit", "admin"} {
		c.Kubectl(t, "", "-n", "team-a", "create", "rolebinding", role, "--clusterrole="+role, "--user="+role)
		awaitRole(t, c, role)
	}
	const manifests = "gitseal.dev/sealedmanifests"
	ask(t, c, "view", []string{"system:authenticated"}, []right{
		{"list", manifests, "team-a", "", true},
		{"create", manifests, "team-a", "", false},
		{"get", manifests, "default", "", false},
		{"get", "secrets", "team-a", "", false},
		{"get", "coordination.k8s.io/leases", "team-a", controller, true}, // where it is bound
		{"get", "coordination.k8s.io/leases", "team-a", "other", false},
		{"list", "coordination.k8s.io/leases", "team-a", "", false},
		{"get", "coordination.k8s.io/leases", system, controller, false},
		{"get", "configmaps", system, "gitseal-recipients", true},
		{"get", "configmaps", system, "other", false},
		{"list", "configmaps", system, "", false},
		{"get", "secrets", system, "", false},
	})
	for _, user := range []string{"edit", "admin"} {
		ask(t, c, user, []string{"system:authenticated"}, []right{
			{"get", manifests, "team-a", "", true},
			{"create", manifests, "team-a", "", true},
			{"delete", manifests, "team-a", "", true},
			{"patch", manifests + "/status", "team-a", "", false},
			{"create", "gitseal.dev/sealkeyrings", "", "", false},
			{"patch", "gitseal.dev/sealkeyrings", "", "", false},
		})
	}
	ask(t, c, "stranger", nil, []right{{"get", "configmaps", system, "gitseal-recipients", false}})
}

func jsonText(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
