package main_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cipher"
)

// TestKustomizeErrorsReachTheUser: whatever is wrong with what a generator is to open,
// the build fails, says why and about which file, and prints nothing.
func TestKustomizeErrorsReachTheUser(t *testing.T) {
	d := newKustomizeDesk(t)
	d.write("db.yaml", secretDB)
	d.must("gitseal", "seal", "db.yaml")
	sealed, err := os.ReadFile(filepath.Join(d.dir, "db.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	d.write("other/outside.yaml", string(sealed))
	d.write("k/db.yaml", string(sealed))
	d.write("k/tampered.yaml", strings.Replace(string(sealed), "name: db", "name: dc", 1))
	d.write("k/plain.yaml", secretDB)
	d.write("k/elsewhere.yaml", d.sealedFor(secretDB, "k8s:prod/db"))
	d.write("k/values.yaml", d.seal("yaml", "a: correct-horse\n", cipher.SealOptions{}))
	for link, target := range map[string]string{"k/link.yaml": "../other/outside.yaml", "k/inside.yaml": "db.yaml", "k/up": "../other"} {
		if err := os.Symlink(target, filepath.Join(d.dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	d.write("k/kustomization.yaml", "generators: [gen.yaml]\n")
	for _, tt := range []struct{ name, config, want string }{
		{"a changed file", "files: [tampered.yaml]", "error: tampered.yaml: the sops.seal MAC does not match"},
		{"a plain file", "files: [plain.yaml]", "error: plain.yaml: not sealed"},
		{"a missing file", "files: [none.yaml]", "error: none.yaml: no such file"},
		{"an absolute path", "files: [" + filepath.Join(d.dir, "k", "db.yaml") + "]", "an absolute path leads out of the folder"},
		{"a path that leads out", "files: [../other/outside.yaml]", "error: ../other/outside.yaml: the path leads out of the folder"},
		{"a link that leads out", "files: [link.yaml]", "error: link.yaml: the path leads out of the folder"},
		{"a folder that leads out", "files: [up/outside.yaml]", "error: up/outside.yaml: the path leads out of the folder"},
		{"a folder", "files: ['.']", "not a regular file"},
		{"sealed for another place", "files: [elsewhere.yaml]", "elsewhere.yaml: Secret shop/db: it is sealed for prod/db: sealed for another context"},
		{"sealed for no place where one is asked for", "files: [db.yaml]\nnamespace: shop", "not sealed for namespace shop"},
		{"no object", "files: [values.yaml]", "holds no Kubernetes object"},
		{"an unknown field", "file: [db.yaml]", "functionConfig: file: there is no such field"},
		{"nothing to generate", "", "there is nothing to generate"},
		{"an unknown mode", "files: [db.yaml]\nmode: naked", "there is no mode"},
		{"a key twice", "secrets: [{name: a, files: [x=db.yaml, x=inside.yaml]}]", `two files give it the key "x"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d.write("k/gen.yaml", unsealHead+asExec+tt.config+"\n")
			s := d.build("k")
			if s.code == 0 || s.out != "" || !strings.Contains(s.err, tt.want) || !strings.Contains(s.err, "hint: ") {
				t.Errorf("exit code %d, %d bytes printed: %s", s.code, len(s.out), s.err)
			}
			if strings.Contains(s.out+s.err, "correct-horse") {
				t.Error("a value was printed")
			}
		})
	}
	d.write("k/gen.yaml", unsealHead+asExec+"files: [db.yaml]\n")
	if s := d.build("k", "HOME="+d.none); s.code == 0 || !strings.Contains(s.err, "db.yaml: no identity opens this file") {
		t.Errorf("without an identity: exit code %d: %s", s.code, s.err)
	}
	d.write("k/gen.yaml", unsealHead+asExec+"files: [inside.yaml]\n")
	if s := d.build("k"); s.code != 0 {
		t.Errorf("a link that stays inside: %s", s.err)
	}
	allowed := strings.Replace(asExec, "[kustomize]", "[kustomize, --allow-outside]", 1)
	d.write("k/gen.yaml", unsealHead+allowed+"files: [../other/outside.yaml]\n")
	if s := d.build("k"); s.code != 0 {
		t.Errorf("with --allow-outside: %s", s.err)
	}
}

// TestKustomizeTransformerRefusesWhatWasChanged: a transformer opens nothing whose MAC
// does not allow for what kustomize or somebody else has changed, and says what to do.
func TestKustomizeTransformerRefusesWhatWasChanged(t *testing.T) {
	d := newKustomizeDesk(t)
	d.write("unseal.yaml", unsealHead+asExec)
	d.write("db.yaml", secretDB)
	d.must("gitseal", "seal", "db.yaml")
	d.write("kustomization.yaml", "resources: [db.yaml]\ntransformers: [unseal.yaml]\n")
	if s := d.build("."); s.code != 0 || !strings.Contains(s.out, "correct-horse") {
		t.Errorf("with nothing changed: exit code %d: %s", s.code, s.err)
	}
	d.write("kustomization.yaml", "namePrefix: pre-\nresources: [db.yaml]\ntransformers: [unseal.yaml]\n")
	if s := d.build("."); s.code == 0 || s.out != "" || !strings.Contains(s.err, "mac_only_encrypted") {
		t.Errorf("renamed: exit code %d: %s", s.code, s.err)
	}
	d.write("db.yaml", strings.Replace(d.sealedFor(asManifest(secretDB), "k8s:shop/db"), "name: db", "name: evil", 1))
	if s := d.build("."); s.code == 0 || s.out != "" || !strings.Contains(s.err, "SealedManifest shop/pre-evil: it is sealed for shop/db") {
		t.Errorf("another name: exit code %d: %s", s.code, s.err)
	}
}

// TestKustomizeListsInTheWrongPlace: what would lose all resources fails instead.
func TestKustomizeListsInTheWrongPlace(t *testing.T) {
	d := newKustomizeDesk(t)
	d.write("web.yaml", webApp)
	d.write("db.yaml", secretDB)
	d.must("gitseal", "seal", "db.yaml")
	d.write("gen.yaml", unsealHead+asExec+"files: [db.yaml]\n")
	d.write("kustomization.yaml", "resources: [web.yaml]\ntransformers: [gen.yaml]\n")
	if s := d.build("."); s.code == 0 || s.out != "" || !strings.Contains(s.err, "under generators:") {
		t.Errorf("exit code %d: %s", s.code, s.err)
	}
	s := d.run(nil, "gitseal", "kustomize", "check", ".")
	if s.code != 3 || !strings.Contains(s.out, "which only a generator may have") {
		t.Errorf("check: exit code %d: %s%s", s.code, s.out, s.err)
	}
}

// TestKustomizeRemoteBase: a remote base is opened in kustomize's temporary clone.
func TestKustomizeRemoteBase(t *testing.T) {
	d := newKustomizeDesk(t)
	d.write("repo/base/kustomization.yaml", "generators: [gen.yaml]\n")
	d.write("repo/base/gen.yaml", unsealHead+asExec+"files: [db.yaml]\n")
	d.write("repo/base/db.yaml", secretDB)
	d.must("gitseal", "seal", "repo/base/db.yaml")
	for _, args := range [][]string{{"init", "-q", "-b", "main", "--template="}, {"add", "."}, {"commit", "-qm", "one"}} {
		if s := d.runIn("repo", nil, append([]string{"git"}, args...)...); s.code != 0 {
			t.Fatal(s.err)
		}
	}
	d.write("kustomization.yaml", "resources: ['file://"+filepath.ToSlash(d.dir)+"/repo//base?ref=main']\nnamePrefix: pre-\n")
	objects := d.mustBuild(".")
	if objects["Secret pre-db"] == nil {
		t.Errorf("got %d objects", len(objects))
	}
}

// TestKustomizeWithDoorsClosed: values are masked, keyed if there is an identity, and
// the masks move with the values; plain in words is refused.
func TestKustomizeWithDoorsClosed(t *testing.T) {
	d := newKustomizeDesk(t)
	d.write("db.yaml", secretDB)
	d.must("gitseal", "seal", "db.yaml")
	d.write("kustomization.yaml", "generators: [gen.yaml]\n")
	d.write("gen.yaml", unsealHead+asExec+"files: [db.yaml]\n")
	const closed = "GITSEAL_DOORS=closed"
	build := func(env ...string) string {
		t.Helper()
		s := d.build(".", append(env, closed)...)
		if s.code != 0 {
			t.Fatal(s.err)
		}
		if strings.Contains(s.out, "correct-horse") || strings.Contains(s.out, "dG9wLXNlY3JldA") || !strings.Contains(s.out, "password: "+base64.StdEncoding.EncodeToString([]byte("sealed:"))[:8]) {
			t.Errorf("not masked")
		}
		return s.out
	}
	first, keyless := build(), build("HOME="+d.none)
	if first != build() || keyless != build("HOME="+d.none) {
		t.Error("masks are not the same each time")
	}
	if first == keyless {
		t.Error("with and without an identity masks are the same: they are not keyed")
	}
	d.must("sh", "-c", "printf other | gitseal set db.yaml stringData.password")
	second := build()
	if lineWith(first, "password:") == lineWith(second, "password:") {
		t.Error("the mask did not change with its value")
	}
	if lineWith(first, "token:") != lineWith(second, "token:") {
		t.Error("the mask of a value that did not change did")
	}
	if build("HOME="+d.none) == keyless {
		t.Error("without an identity the mask did not change with its value")
	}
	for _, config := range []string{"mode: plain\n"} {
		d.write("gen.yaml", unsealHead+asExec+"files: [db.yaml]\n"+config)
		if s := d.build(".", closed); s.code == 0 || s.out != "" || !strings.Contains(s.err, "exit status 6") || !strings.Contains(s.err, "gitseal view") {
			t.Errorf("plain in words: exit code %d: %s", s.code, s.err)
		}
	}
	d.write("gen.yaml", unsealHead+asExec+"files: [db.yaml]\nmode: passthrough\n")
	if s := d.build("."); s.code != 0 || !strings.Contains(s.out, "password: ENC[") || !strings.Contains(s.out, "sops:") {
		t.Errorf("passthrough: exit code %d: %s", s.code, s.err)
	}
}

func lineWith(text, part string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) {
			return line
		}
	}
	return ""
}
