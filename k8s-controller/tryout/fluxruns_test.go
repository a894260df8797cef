package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sealed writes a SealedManifest for the controller's keyring.
func (f *flux) sealed(name, password string) {
	f.Helper()
	file := "shop/" + name + ".sealed.yaml"
	f.write(file, fmt.Sprintf(fluxPlain, name, password))
	f.must("gitseal", "seal", "--manifest", file)
}

// TestFluxAppliesSealedManifests: Flux, as docs/kubernetes.md sets it up, applies
// SealedManifests as they are beside Secrets that it opens itself, waits for them, and
// says which one fails.
func TestFluxAppliesSealedManifests(t *testing.T) {
	f := newFlux(t)
	f.install()
	f.sealed("db", "correct-horse")
	f.write("shop/legacy.yaml", fmt.Sprintf(fluxPlain, "legacy", "opened-by-flux"))
	f.must("gitseal", "seal", "--age", f.reader, "--encrypted-regex", "^(data|stringData)$", "shop/legacy.yaml")
	f.push("one", "shop")
	f.apply(f.kustomization())
	f.waitReady("one", "True")
	if s, _ := f.secret("shop", "db"); string(s.Data["password"]) != "correct-horse" {
		t.Error("the Secret of the SealedManifest has not its password")
	} else if _, ok := s.Metadata.Labels["kustomize.toolkit.fluxcd.io/name"]; ok {
		t.Errorf("it has Flux's labels: %v", s.Metadata.Labels)
	}
	if s, _ := f.secret("shop", "legacy"); string(s.Data["password"]) != "opened-by-flux" {
		t.Error("the Secret that Flux opens has not its password")
	}
	if got := f.must("kubectl", "-n", "shop", "get", "sealedmanifest", "db", "-o", "jsonpath={.sops.seal.context} {.stringData.password}"); !strings.HasPrefix(got, "k8s:shop/db ENC[") {
		t.Errorf("Flux changed the SealedManifest: %s", got)
	}

	t.Run("waits for the controller", func(t *testing.T) { testFluxWaits(f) })
	t.Run("names the one that fails", func(t *testing.T) { testFluxNamesFailing(f) })
	t.Run("prunes", func(t *testing.T) { testFluxPrunes(f) })
	t.Run("without the patch", func(t *testing.T) { testFluxWithoutPatch(f) })
}

// testFluxWaits: while nobody opens a new SealedManifest, the Kustomization is not ready.
func testFluxWaits(f *flux) {
	f.StopController()
	f.sealed("late", "later")
	f.push("two", "shop")
	message := f.waitReady("two", "False")
	if !strings.Contains(message, "SealedManifest/shop/late") {
		f.Errorf("it waits for something else: %s", message)
	}
	f.sync()
	f.waitReady("two", "True")
	if s, _ := f.secret("shop", "late"); string(s.Data["password"]) != "later" {
		f.Error("the Secret has not its password")
	}
}

func testFluxNamesFailing(f *flux) {
	before, _ := f.secret("shop", "db")
	path := filepath.Join(f.Work, "shop/db.sealed.yaml")
	good, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	// The value is put where it was not sealed for.
	f.write("shop/db.sealed.yaml", strings.Replace(string(good), "  password: ENC[", "  other: ENC[", 1))
	f.push("three", "shop")
	message := f.waitReady("three", "False")
	if !strings.Contains(message, "SealedManifest/shop/db") {
		f.Errorf("it does not name the manifest: %s", message)
	}
	if after, _ := f.secret("shop", "db"); after.Metadata.ResourceVersion != before.Metadata.ResourceVersion {
		f.Error("the Secret was touched")
	}
	f.write("shop/db.sealed.yaml", string(good))
	f.push("four", "shop")
	f.waitReady("four", "True")
}

// testFluxPrunes: what leaves the repository goes, with its Secret, and nothing else.
func testFluxPrunes(f *flux) {
	if err := os.Remove(filepath.Join(f.Work, "shop/late.sealed.yaml")); err != nil {
		f.Fatal(err)
	}
	f.push("five", "shop")
	f.waitReady("five", "True")
	f.eventually("the Secret of the pruned manifest is gone", func() bool {
		_, found := f.secret("shop", "late")
		return !found
	})
	if _, found := f.secret("shop", "db"); !found {
		f.Error("another Secret is gone, too")
	}
}

// testFluxWithoutPatch: Flux tries to open a SealedManifest, cannot, says so, and
// changes nothing.
func testFluxWithoutPatch(f *flux) {
	before, _ := f.secret("shop", "db")
	f.apply(without(f.kustomization(), "patches"))
	f.push("six", "shop")
	message := f.waitReady("six", "False")
	if !strings.Contains(message, "SealedManifest data") {
		f.Errorf("it fails for something else: %s", message)
	}
	if after, found := f.secret("shop", "db"); !found || after.Metadata.ResourceVersion != before.Metadata.ResourceVersion {
		f.Error("the Secret was touched")
	}
}

// TestFluxOpensWithoutTheController: with the component of docs/kustomize.md, Flux makes
// Secrets of SealedManifests itself.
func TestFluxOpensWithoutTheController(t *testing.T) {
	f := newFlux(t)
	f.write(".sops.yaml", "creation_rules:\n  - age: "+f.reader+"\n")
	f.sealed("db", "correct-horse")
	component, err := os.ReadFile("../deploy/kustomize-config/sops-secrets/kustomization.yaml")
	if err != nil {
		t.Fatal(err)
	}
	f.write("sops-secrets/kustomization.yaml", string(component))
	f.write("shop/kustomization.yaml", "resources: [db.sealed.yaml]\ncomponents: [../sops-secrets]\n")
	f.push("one", "shop", "sops-secrets")
	f.apply(without(f.kustomization(), "patches"))
	f.waitReady("one", "True")
	if s, _ := f.secret("shop", "db"); string(s.Data["password"]) != "correct-horse" {
		t.Error("the Secret has not its password")
	}
}
