package kubetest

import (
	"path/filepath"
	"slices"
)

// Option changes what [Start] starts.
type Option func(*options)

type options struct {
	manager     bool
	apiserver   []string
	audit       bool
	auditPath   string
	auditRules  []AuditRule
	controllers []string
}

// WithControllerManager starts kube-controller-manager, too, with the controllers for
// garbage, namespaces, service accounts, quotas and aggregated roles, and more if
// they are named.
func WithControllerManager(more ...string) Option {
	return func(o *options) {
		o.manager = true
		o.controllers = append([]string{"garbage-collector-controller", "namespace-controller", "serviceaccount-controller",
			"resourcequota-controller", "clusterrole-aggregation-controller"}, more...)
	}
}

// WithAPIServerFlags adds flags of kube-apiserver, such as
// "--enable-admission-plugins=…".
func WithAPIServerFlags(flags ...string) Option {
	return func(o *options) { o.apiserver = append(o.apiserver, flags...) }
}

// AuditRule is one rule of the audit policy. The first that matches decides.
type AuditRule struct {
	// Level is None, Metadata, Request or RequestResponse.
	Level string
	// Verbs, such as create, patch, delete; all if empty.
	Verbs []string
	// Group of the resources; "" is the core group.
	Group string
	// Resources, such as secrets or sealedmanifests/status; all of the group if empty.
	Resources []string
}

// WithAudit has the API server write an audit log, each entry before the request is
// answered: into the file, or audit.log in [Cluster.Dir] if it is "". What no rule is
// about is not logged. The log goes on after a restart.
func WithAudit(file string, rules ...AuditRule) Option {
	return func(o *options) {
		o.audit, o.auditPath, o.auditRules = true, file, slices.Clone(rules)
	}
}

func (o *options) auditFile(dir string) string {
	switch {
	case !o.audit:
		return ""
	case o.auditPath != "":
		return o.auditPath
	default:
		return filepath.Join(dir, "audit.log")
	}
}

// auditPolicy is an audit.k8s.io/v1 Policy, which is read as JSON.
func (o *options) auditPolicy() map[string]any {
	var rules []map[string]any
	for _, r := range o.auditRules {
		resource := map[string]any{"group": r.Group}
		if len(r.Resources) > 0 {
			resource["resources"] = r.Resources
		}
		rule := map[string]any{"level": r.Level, "resources": []any{resource}, "omitStages": []string{"RequestReceived"}}
		if len(r.Verbs) > 0 {
			rule["verbs"] = r.Verbs
		}
		rules = append(rules, rule)
	}
	rules = append(rules, map[string]any{"level": "None"})
	return map[string]any{"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": rules}
}
