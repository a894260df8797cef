package main_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// dataOf returns the decoded data of the one Secret of a build.
func dataOf(t *testing.T, objects map[string]map[string]any) map[string]string {
	t.Helper()
	out := map[string]string{}
	found := 0
	for key, o := range objects {
		if !strings.HasPrefix(key, "Secret ") {
			continue
		}
		found++
		data, _ := o["data"].(map[string]any)
		for k, v := range data {
			text, err := base64.StdEncoding.DecodeString(v.(string))
			if err != nil {
				t.Fatal(err)
			}
			out[k] = string(text)
		}
		if o["stringData"] != nil {
			t.Error("it has stringData, which kustomize does not merge")
		}
	}
	if found != 1 {
		t.Fatalf("%d Secrets", found)
	}
	return out
}

// TestKustomizeEnvsAreLiteral: a sealed dotenv file gives the Secret that kustomize makes
// of the plain one, whichever way it is opened.
func TestKustomizeEnvsAreLiteral(t *testing.T) {
	d := newKustomizeDesk(t)
	const env = "P=C:\\new\\dir\nK=\"-----BEGIN\\nabc\\n\"\nX=x\\\\ny\n  I= a \nCR=b\r\nE=\n"
	d.write("native/a.env", env)
	d.write("native/kustomization.yaml", "secretGenerator: [{name: s, envs: [a.env]}]\n")
	want := dataOf(t, d.mustBuild("native"))
	d.write("ours/a.env", env)
	d.write("ours/kustomization.yaml", "generators: [gen.yaml]\n")
	d.write("ours/gen.yaml", unsealHead+asExec+"secrets: [{name: s, envs: [a.env]}]\n")
	d.must("gitseal", "seal", "ours/a.env")
	if diff := cmp.Diff(want, dataOf(t, d.mustBuild("ours"))); diff != "" {
		t.Errorf("envs (-native +ours):\n%s", diff)
	}
	sealed := d.must("cat", "ours/a.env")
	d.write("doc/kustomization.yaml", "resources: [m.yaml]\ntransformers: [t.yaml]\n")
	d.write("doc/t.yaml", unsealHead+strings.Replace(asExec, "[kustomize]", "[kustomize, --allow-unbound]", 1))
	d.write("doc/m.yaml", "apiVersion: gitseal.dev/v1alpha1\nkind: SealedManifest\nmetadata: {name: s}\nspec:\n  format: dotenv\n  document: |\n    "+
		strings.ReplaceAll(strings.TrimSpace(sealed), "\n", "\n    ")+"\n")
	if diff := cmp.Diff(want, dataOf(t, d.mustBuild("doc"))); diff != "" {
		t.Errorf("document (-native +ours):\n%s", diff)
	}
	d.write("ours/a.env", "export C=d\n")
	d.must("gitseal", "seal", "ours/a.env")
	if s := d.build("ours"); s.code == 0 || !strings.Contains(s.err, `error: a.env: Secret s: "export C" is no key`) {
		t.Errorf("exit code %d: %s", s.code, s.err)
	}
}

// TestKustomizeMergeKeepsKeys: behavior merge keeps what the base alone has, wherever
// the two have it.
func TestKustomizeMergeKeepsKeys(t *testing.T) {
	const asText = "stringData: {password: %, other: o}\n"
	const asData = "data: {password: JQ==, other: bw==}\n"
	const head = "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\n"
	for name, base := range map[string]string{"text": asText, "data": asData} {
		for over, files := range map[string]string{
			"text": "stringData: {password: new}\n", "data": "data: {password: bmV3}\n", "both": "data: {password: b2xk}\nstringData: {password: new}\n", "envs": "",
		} {
			t.Run(name+" and "+over, func(t *testing.T) {
				d := newKustomizeDesk(t)
				d.write("base/kustomization.yaml", "generators: [gen.yaml]\n")
				d.write("base/gen.yaml", unsealHead+asExec+"files: [db.yaml]\n")
				d.write("base/db.yaml", head+strings.ReplaceAll(base, "%", "'%'"))
				d.write("over/kustomization.yaml", "resources: [../base]\ngenerators: [gen.yaml]\n")
				d.write("over/db.yaml", head+files)
				d.write("over/a.env", "password=new\n")
				config := "files: [db.yaml]\noptions: {behavior: merge}\n"
				if files == "" {
					config = "secrets: [{name: db, envs: [a.env], options: {behavior: merge, needsHash: false}}]\n"
				} else {
					d.must("gitseal", "seal", "over/db.yaml")
				}
				d.write("over/gen.yaml", unsealHead+asExec+config)
				d.must("gitseal", "seal", "base/db.yaml", "over/a.env")
				want := map[string]string{"password": "new", "other": "o"}
				if diff := cmp.Diff(want, dataOf(t, d.mustBuild("over"))); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// TestKustomizeOutsideReadsFilesAlone: --allow-outside does not wait for a pipe.
func TestKustomizeOutsideReadsFilesAlone(t *testing.T) {
	d := newKustomizeDesk(t)
	d.must("mkfifo", "pipe.yaml")
	d.write("k/kustomization.yaml", "generators: [gen.yaml]\n")
	d.write("k/gen.yaml", unsealHead+strings.Replace(asExec, "[kustomize]", "[kustomize, --allow-outside]", 1)+"files: [../pipe.yaml]\n")
	done := make(chan said, 1)
	go func() { done <- d.build("k") }()
	select {
	case s := <-done:
		if s.code == 0 || !strings.Contains(s.err, "not a regular file") {
			t.Errorf("exit code %d: %s", s.code, s.err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it waits for the pipe")
	}
}
