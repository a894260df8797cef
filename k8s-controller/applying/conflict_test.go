package applying_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/applying"
)

func TestForeignSecretIsLeftAlone(t *testing.T) {
	b := newBed(t)
	b.kubectl("create", "secret", "generic", "db", "--from-literal=theirs=1")
	before := b.live("db").ResourceVersion
	m := b.manifest("db")
	f := b.fails(v1alpha1.ReasonTargetConflict, true, m, b.secret("db", "a=1"))
	for _, want := range []string{"Secret/db", "kubectl-create", "conflictPolicy"} {
		if !strings.Contains(f.Message, want) {
			t.Errorf("%q does not say %s", f.Message, want)
		}
	}
	if s := b.wantData("db", "theirs=1"); s.ResourceVersion != before {
		t.Error("it was written")
	}
	if len(m.Status.Resources) > 0 {
		t.Errorf("got inventory %v", m.Status.Resources)
	}
	b.kubectl("delete", "secret", "db")
	b.apply(m, b.secret("db", "a=1"))
	b.wantData("db", "a=1")
}

func TestAdoptMakesItExactlyOurs(t *testing.T) {
	b := newBed(t)
	b.kubectl("create", "secret", "generic", "db", "--from-literal=a=old", "--from-literal=theirs=1")
	b.kubectl("label", "secret", "db", "their=label")
	b.kubectl("annotate", "secret", "db", "their=note")
	b.kubectl("patch", "secret", "db", "--type=merge", "-p", `{"metadata":{"finalizers":["example.com/stay"]}}`)
	uid := b.live("db").UID
	m := b.manifest("db", conflict(v1alpha1.ConflictAdopt))
	out := b.apply(m, b.secret("db", "a=1", "b=2"))
	wantList(t, "adopted", out.Adopted, "Secret/db")
	wantList(t, "drifted", out.Drifted)
	s := b.wantData("db", "a=1", "b=2")
	if s.UID != uid || s.Labels["their"] != "label" || s.Annotations["their"] != "note" || len(s.Finalizers) != 1 {
		t.Errorf("got labels %v, annotations %v, finalizers %v", s.Labels, s.Annotations, s.Finalizers)
	}
	if o := metav1.GetControllerOf(s); o == nil || o.UID != m.UID {
		t.Errorf("got owner %v", o)
	}
	if r := m.Status.Resources[0]; r.ResourceVersion != s.ResourceVersion {
		t.Errorf("the inventory has version %s, the Secret %s", r.ResourceVersion, s.ResourceVersion)
	}
	b.edit(m, conflict(v1alpha1.ConflictFail))
	b.apply(m, b.secret("db", "a=3")) // it is ours now
	b.wantData("db", "a=3")
}

func TestWhatIsOurs(t *testing.T) {
	b := newBed(t)
	other := b.manifest("other")
	b.apply(other, b.secret("owned", "a=1"))
	orphans := b.manifest("orphans", deletion(v1alpha1.DeletionOrphan))
	b.apply(orphans, b.secret("orphan", "a=1"))
	b.kubectl("create", "secret", "generic", "copied", "--from-literal=a=1")
	b.kubectl("annotate", "secret", "copied", v1alpha1.ManifestAnnotation+"=db")
	b.kubectl("label", "secret", "copied", v1alpha1.ManagedLabel+"=true")
	b.kubectl("create", "secret", "generic", "controlled", "--from-literal=a=1")
	b.kubectl("patch", "secret", "controlled", "--type=merge", "-p",
		`{"metadata":{"ownerReferences":[{"apiVersion":"example.com/v1","kind":"ExternalSecret","name":"e","uid":"u","controller":true}]}}`)

	adopt := b.manifest("db", conflict(v1alpha1.ConflictAdopt))
	for name, says := range map[string]string{"owned": "SealedManifest/other", "orphan": "SealedManifest/orphans", "controlled": "ExternalSecret/e"} {
		f := b.fails(v1alpha1.ReasonTargetConflict, true, adopt, b.secret(name, "a=2"))
		if !strings.Contains(f.Message, says) {
			t.Errorf("%s: %q does not say %s", name, f.Message, says)
		}
		b.wantData(name, "a=1")
	}
	t.Run("a copy of our marks is not ours", func(t *testing.T) {
		m := b.manifest("copied")
		b.kubectl("annotate", "--overwrite", "secret", "copied", v1alpha1.ManifestAnnotation+"=copied")
		b.fails(v1alpha1.ReasonTargetConflict, true, m, b.secret("copied", "a=2"))
	})
	t.Run("an orphan is, for a manifest of its name", func(t *testing.T) {
		b.kubectl("delete", "sealedmanifest", "orphans")
		again := b.manifest("orphans")
		b.apply(again, b.secret("orphan", "a=2"))
		if o := metav1.GetControllerOf(b.wantData("orphan", "a=2")); o == nil || o.UID != again.UID {
			t.Errorf("got owner %v", o)
		}
	})
	t.Run("so is what a manifest of the same name left for the garbage collector", func(t *testing.T) {
		b.kubectl("delete", "sealedmanifest", "other")
		again := b.manifest("other")
		b.apply(again, b.secret("owned", "a=2"))
		s := b.wantData("owned", "a=2")
		if len(s.OwnerReferences) != 1 || s.OwnerReferences[0].UID != again.UID {
			t.Errorf("got owners %v", s.OwnerReferences)
		}
	})
}

// The rows of recreation: by us, by others, and while others' policy is in force.
func TestRecreation(t *testing.T) {
	for _, tt := range []struct {
		name   string
		policy v1alpha1.ConflictPolicy
		other  bool
		want   []string
		fails  bool
	}{
		{name: "deleted", want: []string{"a=1"}},
		{name: "made anew by others", other: true, want: []string{"theirs=1"}, fails: true},
		{name: "made anew by others, Adopt", policy: v1alpha1.ConflictAdopt, other: true, want: []string{"a=1"}},
		{name: "made anew by others, Merge", policy: v1alpha1.ConflictMerge, other: true, want: []string{"a=1", "theirs=1"}},
		{name: "deleted, Merge", policy: v1alpha1.ConflictMerge, want: []string{"a=1"}},
	} {
		for _, unchanged := range []bool{false, true} {
			t.Run(tt.name, func(t *testing.T) {
				b := newBed(t)
				m, o := b.manifest("db", conflict(tt.policy)), b.secret("db", "a=1")
				b.apply(m, o)
				b.kubectl("delete", "secret", "db")
				if tt.other {
					b.kubectl("create", "secret", "generic", "db", "--from-literal=theirs=1")
				}
				act := b.applier.Apply
				if unchanged {
					act = b.applier.Keep
				}
				out, err := act(t.Context(), m, []openingObject{o})
				if tt.fails {
					wantFailure(t, err, v1alpha1.ReasonTargetConflict, true)
				} else if err != nil {
					t.Fatal(err)
				}
				b.wantData("db", tt.want...)
				if !tt.fails && (len(out.Wrote) != 1 || out.Resources[0].UID != b.live("db").UID) {
					t.Errorf("got %+v", out)
				}
			})
		}
	}
}

func TestMergeAddsAndTakesAwayOnlyOurKeys(t *testing.T) {
	b := newBed(t)
	b.kubectl("create", "secret", "generic", "db", "--from-literal=theirs=1", "--from-literal=same=s")
	m := b.manifest("db", conflict(v1alpha1.ConflictMerge))
	same := b.fails(v1alpha1.ReasonTargetConflict, true, m, b.secret("db", "a=1", "same=s"))
	if other := b.fails(v1alpha1.ReasonTargetConflict, true, m, b.secret("db", "a=1", "same=t")); other.Message != same.Message {
		t.Errorf("the right value is told from a wrong one: %q, %q", same.Message, other.Message)
	}
	o := b.secret("db", "a=1")
	o.Secret.Labels = map[string]string{"example.com/ours": "1"}
	out := b.apply(m, o)
	wantList(t, "adopted", out.Adopted)
	s := b.wantData("db", "a=1", "same=s", "theirs=1")
	if len(s.OwnerReferences) > 0 || s.Annotations[v1alpha1.ManifestAnnotation] != "db" || s.Annotations[applying.MergedAnnotation] != "true" {
		t.Errorf("got owners %v, annotations %v", s.OwnerReferences, s.Annotations)
	}
	if !m.Status.Resources[0].Merged {
		t.Error("the inventory does not say that it was merged")
	}

	t.Run("update and remove", func(t *testing.T) {
		b.edit(m)
		b.calls.take()
		o := b.secret("db", "b=2")
		o.Secret.Labels = map[string]string{"example.com/ours": "1"}
		b.apply(m, o)
		wantList(t, "requests", b.calls.take(), "GET secrets/db", "GET sealedmanifests/db", "PATCH secrets/db")
		b.wantData("db", "b=2", "same=s", "theirs=1")
	})
	t.Run("another's value is not overwritten", func(t *testing.T) {
		b.edit(m)
		f := b.fails(v1alpha1.ReasonTargetConflict, true, m, b.secret("db", "b=3", "theirs=2"))
		if !strings.Contains(f.Message, ".data.theirs") {
			t.Errorf("got %s", f.Message)
		}
		b.wantData("db", "b=2", "same=s", "theirs=1")
	})
	t.Run("other policies do not take it over silently", func(t *testing.T) {
		b.edit(m, conflict(v1alpha1.ConflictFail))
		b.fails(v1alpha1.ReasonTargetConflict, true, m, b.secret("db", "b=2"))
		b.wantData("db", "b=2", "same=s", "theirs=1")
		b.edit(m, conflict(v1alpha1.ConflictMerge))
	})
	t.Run("deleted", func(t *testing.T) {
		b.markDeleted(m)
		if err := b.applier.Release(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		s := b.wantData("db", "same=s", "theirs=1")
		if len(s.Labels) > 0 || len(s.Annotations) > 0 {
			t.Errorf("left behind: labels %v, annotations %v", s.Labels, s.Annotations)
		}
		for _, e := range s.ManagedFields {
			if e.Manager == applying.FieldManager {
				t.Errorf("we still own %s", e.FieldsV1)
			}
		}
	})
}

// markDeleted deletes a manifest that a finalizer keeps, as the controller does.
func (b *bed) markDeleted(m *v1alpha1.SealedManifest) {
	b.t.Helper()
	status := m.Status
	b.kubectl("patch", "sealedmanifest", m.Name, "--type=merge", "-p", `{"metadata":{"finalizers":["gitseal.dev/release"]}}`)
	b.kubectl("delete", "sealedmanifest", m.Name, "--wait=false")
	if err := b.admin.Get(b.t.Context(), keyOf(m), m); err != nil {
		b.t.Fatal(err)
	}
	m.Status = status
}

func TestMergeOntoEmptySecretAndOntoNone(t *testing.T) {
	b := newBed(t)
	b.kubectl("create", "secret", "generic", "empty")
	m := b.manifest("m", conflict(v1alpha1.ConflictMerge))
	b.apply(m, b.secret("empty", "a=1"), b.secret("none", "a=1"))
	b.wantData("empty", "a=1")
	b.wantData("none", "a=1")
	b.markDeleted(m)
	if err := b.applier.Release(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if b.wantData("empty"); b.live("none") != nil {
		t.Error("the Secret that only we ever wrote is still there")
	}
}

func TestReleaseNeedsTheManifestToBeDeleted(t *testing.T) {
	b := newBed(t)
	b.kubectl("create", "secret", "generic", "db", "--from-literal=theirs=1")
	m := b.manifest("db", conflict(v1alpha1.ConflictMerge))
	b.apply(m, b.secret("db", "a=1"))
	wantFailure(t, b.applier.Release(t.Context(), m), v1alpha1.ReasonProgressing, true)
	b.wantData("db", "a=1", "theirs=1")

	t.Run("Orphan leaves our keys to others", func(t *testing.T) {
		b.edit(m, deletion(v1alpha1.DeletionOrphan))
		b.markDeleted(m)
		if err := b.applier.Release(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		if s := b.wantData("db", "a=1", "theirs=1"); len(s.Labels)+len(s.Annotations) > 0 {
			t.Errorf("left behind: labels %v, annotations %v", s.Labels, s.Annotations)
		}
	})
	t.Run("a lost record is found by name", func(t *testing.T) {
		m := b.manifest("lost", conflict(v1alpha1.ConflictMerge))
		b.kubectl("create", "secret", "generic", "lost", "--from-literal=theirs=1")
		b.apply(m, b.secret("lost", "a=1"))
		m.Status.Resources = nil
		b.markDeleted(m)
		if err := b.applier.Release(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		b.wantData("lost", "theirs=1")
	})
}

func TestMergeOfAnotherTypeIsRefused(t *testing.T) {
	b := newBed(t)
	b.kubectl("create", "secret", "generic", "db", "--from-literal=theirs=1")
	m := b.manifest("db", conflict(v1alpha1.ConflictMerge), immutable(v1alpha1.ImmutableRecreate))
	f := b.fails(v1alpha1.ReasonTargetConflict, true, m, typed(b.secret("db", "a=1"), "example.com/x"))
	if !strings.Contains(f.Message, "type") {
		t.Errorf("got %s", f.Message)
	}
	if s := b.wantData("db", "theirs=1"); s.Type != corev1.SecretTypeOpaque {
		t.Errorf("got %s", s.Type)
	}
}

// TestMergeKeepsWhatAnotherManifestLeft: the fields of one that is no more still have our
// field manager's name, and are not those of the one that is merged now.
func TestMergeKeepsWhatAnotherManifestLeft(t *testing.T) {
	for mode, make := range map[string]func(*testing.T) *bed{"full": func(t *testing.T) *bed { return newBed(t) }, "write-only": newWriteOnly} {
		t.Run(mode, func(t *testing.T) {
			b := make(t)
			o := b.secret("db", "a=1", "b=2")
			o.Secret.Labels = map[string]string{"example.com/left": "1"}
			b.apply(b.manifest("first", deletion(v1alpha1.DeletionOrphan)), o)
			b.kubectl("delete", "sealedmanifest", "first")
			m := b.manifest("second", conflict(v1alpha1.ConflictMerge))
			f := b.fails(v1alpha1.ReasonTargetConflict, true, m, b.secret("db", "c=3"))
			if !strings.Contains(f.Message, "remove the annotation "+v1alpha1.ManifestAnnotation) {
				t.Errorf("got %s", f.Message)
			}
			b.disclaim("db")
			before := b.live("db").ResourceVersion
			f = b.fails(v1alpha1.ReasonTargetConflict, true, m, b.secret("db", "a=1", "c=3"))
			if s := b.wantData("db", "a=1", "b=2"); !strings.Contains(f.Message, ".data.a") || s.ResourceVersion != before {
				t.Errorf("it was written, or got %s", f.Message)
			}
			b.apply(m, b.secret("db", "c=3"))
			b.wantData("db", "a=1", "b=2", "c=3")
			b.edit(m)
			b.apply(m, b.secret("db", "d=4"))
			b.wantData("db", "a=1", "b=2", "d=4")

			// The second one ends without taking back what it has, and a third one comes.
			b.disclaim("db")
			b.kubectl("delete", "sealedmanifest", "second")
			m = b.manifest("third", conflict(v1alpha1.ConflictMerge))
			for _, taken := range []string{"a", "d"} {
				b.fails(v1alpha1.ReasonTargetConflict, true, m, b.secret("db", taken+"=5"))
			}
			b.apply(m, b.secret("db", "e=5"))
			b.wantData("db", "a=1", "b=2", "d=4", "e=5")
			for _, taken := range []string{"a", "d"} {
				b.edit(m)
				b.fails(v1alpha1.ReasonTargetConflict, true, m, b.secret("db", taken+"=6"))
			}
			b.edit(m)
			b.apply(m, b.secret("db", "e=6"))
			b.markDeleted(m)
			if err := b.applier.Release(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			s := b.wantData("db", "a=1", "b=2", "d=4")
			if len(s.Labels) != 1 || s.Labels["example.com/left"] != "1" || len(s.Annotations) > 0 {
				t.Errorf("got labels %v, annotations %v", s.Labels, s.Annotations)
			}
		})
	}
}

// TestMergeIntoWhatAnotherManifestLeftToAController, whose object it is then, whatever our
// annotation says.
func TestMergeIntoWhatAnotherManifestLeftToAController(t *testing.T) {
	b := newBed(t)
	b.apply(b.manifest("first", deletion(v1alpha1.DeletionOrphan)), b.secret("db", "a=1"))
	b.kubectl("delete", "sealedmanifest", "first")
	b.kubectl("patch", "secret", "db", "--type=merge", "-p",
		`{"metadata":{"ownerReferences":[{"apiVersion":"example.com/v1","kind":"ExternalSecret","name":"e","uid":"u","controller":true}]}}`)
	b.apply(b.manifest("second", conflict(v1alpha1.ConflictMerge)), b.secret("db", "b=2"))
	if s := b.wantData("db", "a=1", "b=2"); s.Annotations[v1alpha1.ManifestAnnotation] != "second" || len(s.OwnerReferences) != 1 {
		t.Errorf("got annotations %v, owners %v", s.Annotations, s.OwnerReferences)
	}
}

// disclaim does what the refusal of a Secret that another manifest left says.
func (b *bed) disclaim(name string) {
	b.t.Helper()
	b.kubectl("annotate", "secret", name, v1alpha1.ManifestAnnotation+"-")
}

// TestMergeKnowsItsOwnWithoutTheMark: others remove annotations that they do not know. The
// inventory says whose the fields are, then.
func TestMergeKnowsItsOwnWithoutTheMark(t *testing.T) {
	b := newBed(t)
	b.kubectl("create", "secret", "generic", "db", "--from-literal=theirs=1")
	m := b.manifest("db", conflict(v1alpha1.ConflictMerge))
	b.apply(m, b.secret("db", "a=1"))
	b.disclaim("db")
	b.edit(m)
	b.apply(m, b.secret("db", "b=2"))
	b.wantData("db", "b=2", "theirs=1")
}
