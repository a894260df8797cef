package manifest_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cipher"
	jsonformat "github.com/gitseal/gitseal/formats/json"
	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/keyring"
	"github.com/gitseal/gitseal/k8s-controller/kubetest"
	"github.com/gitseal/gitseal/k8s-controller/opening"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
)

func TestMain(m *testing.M) { kubetest.Main(m) }

// workshop is a folder with rules, and somebody who can read what is sealed there.
type workshop struct {
	t        *testing.T
	bin, dir string
	alice    age.Identity
}

func newWorkshop(t *testing.T) *workshop {
	t.Helper()
	w := &workshop{t: t, dir: t.TempDir()}
	w.bin = filepath.Join(t.TempDir(), "gitseal")
	if out, err := exec.Command("go", "build", "-o", w.bin, "../../gitseal").CombinedOutput(); err != nil {
		t.Fatalf("building the program: %v\n%s", err, out)
	}
	var err error
	if w.alice, err = age.Generate(false); err != nil {
		t.Fatal(err)
	}
	w.write(".sops.yaml", "creation_rules:\n  - age: "+w.alice.Recipient().String()+"\n")
	return w
}

func (w *workshop) write(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// gitseal runs the program, which has no identity, and returns what it wrote.
func (w *workshop) gitseal(stdin string, args ...string) string {
	w.t.Helper()
	cmd := exec.Command(w.bin, args...)
	cmd.Dir, cmd.Env, cmd.Stdin = w.dir, []string{"HOME=" + w.dir}, strings.NewReader(stdin)
	out, err := cmd.Output()
	if err != nil {
		stderr := ""
		if e, ok := err.(*exec.ExitError); ok {
			stderr = string(e.Stderr)
		}
		w.t.Fatalf("gitseal %s: %v\n%s", strings.Join(args, " "), err, stderr)
	}
	return string(out)
}

// open opens what the API server has given, as the controller does.
func (w *workshop) open(object, context string) (map[string]any, error) {
	w.t.Helper()
	o, err := cipher.Open(w.t.Context(), jsonformat.Format{}, []byte(object), cipher.OpenOptions{
		Identities: []keysources.Identity{w.alice}, RequireSeal: true, AllowReordered: true, Context: context,
	})
	if err != nil {
		return nil, err
	}
	var fields map[string]any
	return fields, json.Unmarshal(o.PlaintextBytes(), &fields)
}

// controllerOpens has the controller's own code open what the API server has given, by a
// keyring that requires everything.
func (w *workshop) controllerOpens(object string) {
	w.t.Helper()
	var m v1alpha1.SealedManifest
	if err := json.Unmarshal([]byte(object), &m); err != nil {
		w.t.Fatal(err)
	}
	keys, err := keyring.New(keyring.Parts{Name: "k", Identities: []keyring.Identity{keyring.Age(w.alice)}})
	if err != nil {
		w.t.Fatal(err)
	}
	o, err := opening.New(opening.Options{}).Open(w.t.Context(), opening.Request{Manifest: &m, Keys: keys})
	if err != nil {
		w.t.Fatal(err)
	}
	if len(o.Objects) != 1 || o.Objects[0].Secret == nil || o.Integrity.MAC != opening.MACVerified || o.Integrity.Context != opening.ContextStrict {
		w.t.Errorf("got %d objects, verified %+v", len(o.Objects), o.Integrity)
	}
}

// TestAClusterTakesThem: the API server takes the files that the program makes, on every
// way on which they get there, and what it gives back opens for their place only.
func TestAClusterTakesThem(t *testing.T) {
	c := kubetest.Shared(t)
	w := newWorkshop(t)
	ns := c.Namespace(t)
	const secret = "# the database\napiVersion: v1\nkind: Secret\nmetadata:\n  name: NAME\n  namespace: NS\n  labels: {app: \"db\"}\ntype: Opaque\n" +
		"stringData:\n  password: |  # its owner's\n    canary-one\n    two\n  \"on\": canary-on\n  \"12\": canary-number\n  user: admin # not secret\ndata:\n  token: Y2FuYXJ5LXRva2Vu\n"
	for _, tt := range []struct {
		name, file string
		// put brings the file into the cluster.
		put func(sealed string)
	}{
		{"server-side", "a.yaml", func(s string) { c.Kubectl(t, s, "apply", "--server-side", "-f", "-") }},
		{"client-side", "b.yaml", func(s string) { c.Kubectl(t, s, "apply", "-f", "-") }},
		{"rewritten by a client", "c.yaml", func(s string) {
			c.Kubectl(t, c.Kubectl(t, s, "create", "--dry-run=client", "-o", "yaml", "-f", "-"), "create", "-f", "-")
		}},
		{"relabelled", "d.yaml", func(s string) {
			c.Kubectl(t, s, "apply", "--server-side", "-f", "-")
			c.Kubectl(t, "", "-n", ns, "label", "sealedmanifest", "d", "team=a", "app=other", "--overwrite")
			c.Kubectl(t, "", "-n", ns, "annotate", "sealedmanifest", "d", "argocd.argoproj.io/tracking-id=x")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			name := strings.TrimSuffix(tt.file, ".yaml")
			plain := strings.NewReplacer("NAME", name, "NS", ns).Replace(secret)
			sealed := w.gitseal(plain, "seal", "--manifest", "--path", tt.file, "-")
			tt.put(sealed)
			got := c.Kubectl(t, "", "-n", ns, "get", "sealedmanifest", name, "-o", "json")
			if strings.Contains(got, "canary") {
				t.Fatal("the cluster holds a value in plain text")
			}
			fields, err := w.open(got, "k8s:"+ns+"/"+name)
			if err != nil {
				t.Fatal(err)
			}
			w.controllerOpens(got)
			values, _ := fields["stringData"].(map[string]any)
			want := map[string]any{"password": "canary-one\ntwo\n", "on": "canary-on", "12": "canary-number", "user": "admin"}
			for key, text := range want {
				if values[key] != text {
					t.Errorf("%s is not what was sealed", key)
				}
			}
			if len(values) != len(want) {
				t.Errorf("%d values, want %d", len(values), len(want))
			}
			if _, err := w.open(got, "k8s:"+ns+"/other"); err == nil {
				t.Error("it opens for another name")
			}
			w.unseals(got, want)
		})
	}
}

// unseals has the program make a Secret of what the API server has given.
func (w *workshop) unseals(object string, want map[string]any) {
	w.t.Helper()
	w.write("key", w.alice.SecretText()+"\n")
	var got struct {
		Kind       string
		Metadata   map[string]any
		StringData map[string]any
		Status     any
	}
	out := w.gitseal(object, "unseal", "--identity", "key", "--manifest", "--format", "json", "-")
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		w.t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.StringData); diff != "" || got.Kind != "Secret" || got.Status != nil || got.Metadata["uid"] != nil || got.Metadata["managedFields"] != nil || strings.Contains(out, "last-applied") {
		w.t.Errorf("got %s", out)
	}
}

// TestAClusterTakesDocuments: the same for sealed files as a whole.
func TestAClusterTakesDocuments(t *testing.T) {
	c := kubetest.Shared(t)
	w := newWorkshop(t)
	ns := c.Namespace(t)
	w.write("app.env", "A=canary-a\n# a comment\nB=canary-b\n")
	w.write("note.bin", "canary\x00\xff")
	w.gitseal("", "seal", "--manifest", "--document", "--name", "app", "--namespace", ns, "-o", "app.yaml", "app.env")
	w.gitseal("", "seal", "--manifest", "--document", "--name", "note", "--namespace", ns, "--key", "note.bin", "-o", "note.yaml", "note.bin")
	for name, plain := range map[string]string{"app": "A=canary-a\n# a comment\nB=canary-b\n", "note": "canary\x00\xff"} {
		file := filepath.Join(w.dir, name+".yaml")
		c.Kubectl(t, "", "apply", "--server-side", "-f", file)
		var object struct {
			Spec struct{ Document, Format string }
		}
		if err := json.Unmarshal([]byte(c.Kubectl(t, "", "-n", ns, "get", "sealedmanifest", name, "-o", "json")), &object); err != nil {
			t.Fatal(err)
		}
		w.controllerOpens(c.Kubectl(t, "", "-n", ns, "get", "sealedmanifest", name, "-o", "json"))
		o, err := cipher.Open(t.Context(), format(t, object.Spec.Format), []byte(object.Spec.Document), cipher.OpenOptions{
			Identities: []keysources.Identity{w.alice}, RequireSeal: true, Context: "k8s:" + ns + "/" + name,
		})
		if err != nil {
			t.Fatal(err)
		}
		if string(o.PlaintextBytes()) != plain {
			t.Errorf("%s does not open to what was sealed", name)
		}
	}
}

// TestChangedDocumentsOpenInTheCluster: a document that commands have changed where it
// stands opens in the cluster, for its place, as one that was sealed at once.
func TestChangedDocumentsOpenInTheCluster(t *testing.T) {
	c := kubetest.Shared(t)
	w := newWorkshop(t)
	ns := c.Namespace(t)
	w.write("key", w.alice.SecretText()+"\n")
	w.write("app.env", "A=canary-a\n# a comment\nB=canary-b\n")
	w.gitseal("", "seal", "--manifest", "--document", "--name", "changed", "--namespace", ns, "-o", "app.yaml", "app.env")
	file := filepath.Join(w.dir, "app.yaml")
	for _, step := range []struct {
		args        []string
		stdin, want string
	}{
		{[]string{"set", "app.yaml", "A"}, "canary-new", "A=canary-new\n# a comment\nB=canary-b\n"},
		{[]string{"unset", "app.yaml", "B"}, "", "A=canary-new\n# a comment\n"},
		{[]string{"rotate", "app.yaml"}, "", "A=canary-new\n# a comment\n"},
		{[]string{"edit", "--redacted", "--from", "-", "app.yaml"}, "VIEWED\nC=canary-c\n", "A=canary-new\nC=canary-c\n"},
	} {
		first, _, _ := strings.Cut(w.gitseal("", "view", "app.yaml"), "\n")
		stdin := strings.Replace(step.stdin, "VIEWED", first, 1)
		w.gitseal(stdin, append([]string{step.args[0], "--identity", "key"}, step.args[1:]...)...)
		c.Kubectl(t, "", "apply", "--server-side", "-f", file)
		object := c.Kubectl(t, "", "-n", ns, "get", "sealedmanifest", "changed", "-o", "json")
		w.controllerOpens(object)
		var m v1alpha1.SealedManifest
		if err := json.Unmarshal([]byte(object), &m); err != nil {
			t.Fatal(err)
		}
		o, err := cipher.Open(t.Context(), format(t, "dotenv"), []byte(m.Spec.Document), cipher.OpenOptions{
			Identities: []keysources.Identity{w.alice}, RequireSeal: true, Context: "k8s:" + ns + "/changed",
		})
		if err != nil {
			t.Fatalf("%s: %v", step.args[0], err)
		}
		if string(o.PlaintextBytes()) != step.want {
			t.Errorf("%s: it does not open to what it should be", step.args[0])
		}
	}
}
