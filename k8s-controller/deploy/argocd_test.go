package deploy_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/gitseal/gitseal/internal/toolcache"
)

// healthKey is where Argo CD looks for the script of a kind.
const healthKey = "resource.customizations.health.gitseal.dev_SealedManifest"

// The script is written once as a file, and once as people apply it.
func TestArgoCDPatchHoldsTheScript(t *testing.T) {
	script, err := os.ReadFile("argocd/health.lua")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("argocd/argocd-cm.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var cm corev1.ConfigMap
	if err := yaml.UnmarshalStrict(text, &cm); err != nil {
		t.Fatal(err)
	}
	if cm.Name != "argocd-cm" || cm.Namespace != "argocd" || cm.Data[healthKey] != string(script) {
		t.Errorf("%s/%s holds another script than health.lua", cm.Namespace, cm.Name)
	}
}

// TestArgoCDHealth runs the script in the interpreter of Argo CD.
func TestArgoCDHealth(t *testing.T) {
	const unseen = `{"metadata":{"generation":1}}`
	with := func(generation, conditions string) string {
		return `{"metadata":{"generation":` + generation + `},"spec":{},"status":{"conditions":[` + conditions + `]}}`
	}
	condition := func(kind, status, reason string) string {
		return `{"type":"` + kind + `","status":"` + status + `","reason":"` + reason + `","message":"why","observedGeneration":2}`
	}
	for _, tt := range []struct{ name, object, status, message string }{
		{"unseen", unseen, "Progressing", "waiting for gitseal-controller"},
		{"no condition yet", with("2", ""), "Progressing", "waiting for gitseal-controller"},
		{"open", with("2", condition("Ready", "True", "Applied")), "Healthy", "Applied: why"},
		{"open, in an older version", with("3", condition("Ready", "True", "Applied")), "Progressing", "waiting for gitseal-controller"},
		{"tried again", with("2", condition("Ready", "False", "KeyUnavailable")+","+condition("Reconciling", "True", "KeyUnavailable")), "Progressing", "KeyUnavailable: why"},
		{"failing", with("2", condition("Ready", "False", "MACMismatch")+","+condition("Stalled", "True", "MACMismatch")), "Degraded", "MACMismatch: why"},
		{"failing, conditions in another order", with("2", condition("Stalled", "True", "Unbound")+","+condition("Ready", "False", "Unbound")), "Degraded", "Unbound: why"},
		{"failed in an older version", with("3", condition("Ready", "False", "Unbound")+","+condition("Stalled", "True", "Unbound")), "Progressing", "waiting for gitseal-controller"},
		{"suspended", `{"metadata":{"generation":1},"spec":{"suspend":true}}`, "Healthy", "spec.suspend is set: nothing is opened or written"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := healthOf(t, tt.object); got.Status != tt.status || got.Message != tt.message {
				t.Errorf("got %+v, want %s, %s", got, tt.status, tt.message)
			}
		})
	}
}

type health struct{ Status, Message string }

// healthOf runs the script on an object.
func healthOf(t *testing.T, object string) health {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(toolcache.Program(toolcache.ArgoLua().Need(t), "argolua"), "argocd/health.lua")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(object), &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, errs.String())
	}
	var h health
	if err := json.Unmarshal(out.Bytes(), &h); err != nil {
		t.Fatalf("%v: %q", err, out.String())
	}
	return h
}
