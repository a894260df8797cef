package chaostest_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/gitseal/gitseal/k8s-controller/kubetest"
)

// auditRules say what is logged: all that is written of Secrets and leases, what the
// controller asks of manifests, and whatever else it writes, which is looked through
// for values.
func auditRules() []kubetest.AuditRule {
	writes := []string{"create", "update", "patch", "delete", "deletecollection"}
	return []kubetest.AuditRule{
		{Level: "RequestResponse", Verbs: writes, Resources: []string{"secrets"}},
		{Level: "RequestResponse", Verbs: writes, Group: "coordination.k8s.io", Resources: []string{"leases"}},
		{Level: "RequestResponse", Verbs: []string{"get"}, Group: "gitseal.dev", Resources: []string{"sealedmanifests"}},
		{Level: "Request", Verbs: writes, Group: "gitseal.dev"},
		{Level: "Request", Verbs: writes, Group: "events.k8s.io"},
		{Level: "Request", Verbs: writes, Resources: []string{"configmaps", "events"}},
	}
}

// entry is a line of the audit log.
type entry struct {
	AuditID    string `json:"auditID"`
	Stage      string `json:"stage"`
	RequestURI string `json:"requestURI"`
	Verb       string `json:"verb"`
	User       struct {
		Username string `json:"username"`
	} `json:"user"`
	UserAgent string `json:"userAgent"`
	ObjectRef *struct {
		Resource, Subresource, Namespace, Name string
	} `json:"objectRef"`
	ResponseStatus *struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
	RequestObject  json.RawMessage `json:"requestObject"`
	ResponseObject json.RawMessage `json:"responseObject"`
	Received       time.Time       `json:"requestReceivedTimestamp"`
	Stamp          time.Time       `json:"stageTimestamp"`
}

// readAudit hands each line of an audit log to a function. What a killed server left
// half written is skipped.
func readAudit(path string, each func(line []byte, e entry)) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	in := bufio.NewReader(file)
	for {
		line, err := in.ReadBytes('\n')
		var e entry
		if len(line) > 0 && json.Unmarshal(line, &e) == nil {
			each(line, e)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the audit log: %w", err)
		}
	}
}

// callOf is what the checks need of an entry; ok is false for one about what was never
// answered.
func callOf(e entry, sent map[string]time.Time) (c call, ok bool) {
	if e.Stage != "ResponseComplete" || e.ObjectRef == nil || e.ResponseStatus == nil {
		return call{}, false
	}
	return call{
		id: e.AuditID, user: e.User.Username, agent: e.UserAgent, verb: e.Verb, uri: e.RequestURI, code: e.ResponseStatus.Code,
		resource: e.ObjectRef.Resource, subresource: e.ObjectRef.Subresource, namespace: e.ObjectRef.Namespace, name: e.ObjectRef.Name,
		received: e.Received, done: e.Stamp, sent: sent[e.AuditID], request: e.RequestObject, response: e.ResponseObject,
	}, true
}
