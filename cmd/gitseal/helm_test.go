package main_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/internal/toolcache"
)

// helmDesk is a desk with a Helm, the plugins for it, and a chart.
type helmDesk struct {
	*deployDesk
	renderer []string
}

func newHelmDesk(t *testing.T, major int) *helmDesk {
	t.Helper()
	d := &helmDesk{deployDesk: newDeployDesk(t, map[string]toolcache.Tool{"helm": toolcache.Helm(major)}), renderer: []string{"--post-renderer", "gitseal"}}
	if major == 3 {
		d.renderer = append(d.renderer, "--post-renderer-args", "helm", "--post-renderer-args", "post-render")
	}
	d.must("gitseal", "helm", "install")
	d.write("chart/Chart.yaml", "apiVersion: v2\nname: chart\nversion: 0.1.0\n")
	d.write("chart/templates/config.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c   # odd\ndata:\n  a: {{ .Values.a | quote }}\n  b: {{ .Values.b | quote }}\n")
	d.write("one.yaml", "a: correct-horse\n")
	d.write("sub/two.yaml", "b: battery-staple\n")
	d.must("gitseal", "seal", "one.yaml", "sub/two.yaml")
	return d
}

func (d *helmDesk) template(env []string, args ...string) said {
	d.t.Helper()
	return d.run(env, append([]string{"helm", "template", "rel", "chart"}, args...)...)
}

// eachHelm runs a test with Helm 3 and with Helm 4.
func eachHelm(t *testing.T, test func(t *testing.T, d *helmDesk, major int)) {
	for _, major := range []int{3, 4} {
		t.Run("helm"+string(rune('0'+major)), func(t *testing.T) { test(t, newHelmDesk(t, major), major) })
	}
}

// TestHelmOpensAndLeavesNothing: several values files and manifests in both forms are
// opened, and no value is on disk afterwards.
func TestHelmOpensAndLeavesNothing(t *testing.T) {
	eachHelm(t, func(t *testing.T, d *helmDesk, _ int) {
		d.write("chart/templates/db.yaml", strings.Replace(d.sealedFor(asManifest(secretDB), "k8s:shop/db"), "metadata:\n", "metadata:\n  labels: {release: '{{ .Release.Name }}'}\n", 1))
		s := d.template(nil, append([]string{"-f", "sealed://one.yaml", "-f", "sealed://sub/two.yaml"}, d.renderer...)...)
		objects := objectsOf(t, s.out)
		data, _ := objects["ConfigMap c"]["data"].(map[string]any)
		text, _ := objects["Secret db"]["stringData"].(map[string]any)
		if s.code != 0 || data["a"] != "correct-horse" || data["b"] != "battery-staple" || text["password"] != "correct-horse" {
			t.Fatalf("exit code %d, %d objects: %s", s.code, len(objects), s.err)
		}
		if labels, _ := objects["Secret db"]["metadata"].(map[string]any)["labels"].(map[string]any); labels["release"] != "rel" {
			t.Error("the label that the chart gives it is missing")
		}
		if strings.Contains(s.out, "postrender-filename") {
			t.Error("Helm's own annotation is left")
		}
		for _, dir := range []string{d.dir, d.home} {
			err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
				if err != nil || !e.Type().IsRegular() {
					return err
				}
				data, err := os.ReadFile(path)
				for _, secret := range []string{"correct-horse", "battery-staple", "top-secret"} {
					if strings.Contains(string(data), secret) {
						t.Errorf("a value is in %s", path)
					}
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestHelmFailuresAreTold: what is wrong reaches the user, at once or through
// last-error, and Helm fails.
func TestHelmFailuresAreTold(t *testing.T) {
	eachHelm(t, func(t *testing.T, d *helmDesk, _ int) {
		if err := os.Symlink(filepath.Join(d.home, ".config", "sops", "age", "keys.txt"), filepath.Join(d.dir, "link.yaml")); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct{ url, want string }{
			{"sealed://none.yaml", "none.yaml: no such file"},
			{"sealed://../home/.config/sops/age/keys.txt", "the path leads out of the folder"},
			{"sealed://link.yaml", "the path leads out of the folder"},
			{"sealed:///etc/hostname", "an absolute path leads out of the folder"},
			{"sealed://chart/Chart.yaml", "chart/Chart.yaml: not sealed"},
		} {
			if s := d.template(nil, "-f", tt.url); s.code == 0 || s.out != "" || !strings.Contains(s.err, tt.want) {
				t.Errorf("%s: exit code %d: %s", tt.url, s.code, s.err)
			} else if strings.Contains(s.err, "--allow-outside") || strings.Contains(tt.want, "leads out") != strings.Contains(s.err, "run helm in a folder above the file") {
				t.Errorf("%s: a hint at what Helm cannot do, or none: %s", tt.url, s.err)
			}
		}
		if s := d.template([]string{"HOME=" + d.none, "HELM_PLUGINS=" + filepath.Join(d.home, ".local", "share", "helm", "plugins")}, "-f", "sealed://one.yaml"); s.code == 0 || !strings.Contains(s.err, "one.yaml: no identity opens this file") {
			t.Errorf("without an identity: exit code %d: %s", s.code, s.err)
		}
		if said := d.must("gitseal", "helm", "last-error"); !strings.Contains(said, "not sealed") {
			t.Errorf("last-error: %q", said)
		}
		d.write("chart/templates/db.yaml", strings.Replace(d.sealedFor(asManifest(secretDB), "k8s:shop/db"), "name: db", "name: dc", 1))
		s := d.template(nil, d.renderer...)
		if s.code == 0 || strings.Contains(s.out, "correct-horse") {
			t.Errorf("another name: exit code %d: %s", s.code, s.err)
		}
		said := d.must("gitseal", "helm", "last-error")
		if !strings.Contains(said, "error: chart/templates/db.yaml: SealedManifest shop/dc: it is sealed for shop/db") || !strings.Contains(said, "hint: ") {
			t.Errorf("last-error: %q", said)
		}
		file := filepath.Join(d.home, ".local", "state", "gitseal", "helm-last-error")
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}
		d.must("gitseal", "helm", "get", "sealed://one.yaml")
		if isThere(file) {
			t.Error("the last error is still there after a call that did not fail")
		}
	})
}

// TestHelmWithNothingToRender: a chart that renders nothing is no failure.
func TestHelmWithNothingToRender(t *testing.T) {
	eachHelm(t, func(t *testing.T, d *helmDesk, _ int) {
		d.write("chart/templates/config.yaml", "{{ if .Values.none }}\na: b\n{{ end }}\n")
		if s := d.template(nil, d.renderer...); s.code != 0 {
			t.Errorf("exit code %d: %s", s.code, s.err)
		}
	})
}

// TestHelmWithDoorsClosed: manifests and values are masked.
func TestHelmWithDoorsClosed(t *testing.T) {
	eachHelm(t, func(t *testing.T, d *helmDesk, _ int) {
		d.write("chart/templates/db.yaml", d.sealedFor(asManifest(secretDB), "k8s:shop/db"))
		s := d.template([]string{"GITSEAL_DOORS=closed"}, append([]string{"-f", "sealed://one.yaml"}, d.renderer...)...)
		if s.code != 0 || strings.Contains(s.out, "correct-horse") || !strings.Contains(s.out, `a: "sealed:`) || !strings.Contains(s.out, `password: "sealed:`) {
			t.Errorf("exit code %d: %s%s", s.code, s.out, s.err)
		}
		s = d.template([]string{"GITSEAL_DOORS=closed", "GITSEAL_HELM_MODE=plain"}, "-f", "sealed://one.yaml")
		if s.code == 0 || strings.Contains(s.out, "correct-horse") || !strings.Contains(s.err, "gitseal helm get is closed") {
			t.Errorf("plain in words: exit code %d: %s", s.code, s.err)
		}
	})
}

// TestHelmPluginsComeAndGo: install and uninstall leave alone what is somebody else's.
func TestHelmPluginsComeAndGo(t *testing.T) {
	d := newDeployDesk(t, nil)
	d.write("p/other/plugin.yaml", "name: other\n")
	d.write("p/gitseal/plugin.yaml", "name: gitseal\n")
	if s := d.run(nil, "gitseal", "helm", "install", "--helm", "4", "--plugins", "p"); s.code != 1 || !strings.Contains(s.err, "not of gitseal") {
		t.Errorf("exit code %d: %s", s.code, s.err)
	}
	d.must("rm", "-r", "p/gitseal")
	d.must("gitseal", "helm", "install", "--helm", "4", "--plugins", "p")
	d.must("gitseal", "helm", "install", "--helm", "4", "--plugins", "p")
	d.must("gitseal", "helm", "uninstall", "--plugins", "p")
	entries, err := os.ReadDir(filepath.Join(d.dir, "p"))
	if err != nil || len(entries) != 1 || entries[0].Name() != "other" {
		t.Errorf("left: %v, %v", entries, err)
	}
	if s := d.run([]string{"PATH=" + d.none}, filepath.Join(filepath.Dir(d.dir), "bin", "gitseal"), "helm", "install"); s.code != 1 || !strings.Contains(s.err, "--helm 3 or --helm 4") {
		t.Errorf("without helm: exit code %d: %s", s.code, s.err)
	}
}
