package rollout

import (
	"context"
	"iter"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// page is how many workloads are asked for at once, and in memory: each may have a
// megabyte.
const page = 10

// workloads returns those of a namespace as they are now, page by page. An error is
// the last thing that it yields.
func workloads(ctx context.Context, c client.Reader, namespace string) iter.Seq2[workload, error] {
	return func(yield func(workload, error) bool) {
		for _, empty := range []func() client.ObjectList{
			func() client.ObjectList { return &appsv1.DeploymentList{} },
			func() client.ObjectList { return &appsv1.StatefulSetList{} },
			func() client.ObjectList { return &appsv1.DaemonSetList{} },
		} {
			if !pages(ctx, c, namespace, empty, yield) {
				return
			}
		}
	}
}

// pages yields the workloads of a kind. It reports whether more is wanted.
func pages(ctx context.Context, c client.Reader, namespace string, empty func() client.ObjectList, yield func(workload, error) bool) bool {
	next := ""
	for {
		list := empty()
		if err := c.List(ctx, list, client.InNamespace(namespace), client.Limit(page), client.Continue(next)); err != nil {
			yield(workload{}, err)
			return false
		}
		for _, w := range items(list) {
			if !yield(w, nil) {
				return false
			}
		}
		if next = list.GetContinue(); next == "" {
			return true
		}
	}
}

// items returns the workloads of a page.
func items(list client.ObjectList) []workload {
	var out []workload
	switch l := list.(type) {
	case *appsv1.DeploymentList:
		for i := range l.Items {
			out = append(out, workload{"Deployment", &l.Items[i].ObjectMeta, &l.Items[i].Spec.Template})
		}
	case *appsv1.StatefulSetList:
		for i := range l.Items {
			out = append(out, workload{"StatefulSet", &l.Items[i].ObjectMeta, &l.Items[i].Spec.Template})
		}
	case *appsv1.DaemonSetList:
		for i := range l.Items {
			out = append(out, workload{"DaemonSet", &l.Items[i].ObjectMeta, &l.Items[i].Spec.Template})
		}
	}
	return out
}

// secretNames returns the names of the Secrets that a pod takes values from. Those of
// ephemeral containers are not in templates.
func secretNames(spec *corev1.PodSpec) map[string]bool {
	out := make(map[string]bool)
	add := func(name string) {
		if name != "" {
			out[name] = true
		}
	}
	for _, containers := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range containers {
			containerSecrets(&containers[i], add)
		}
	}
	for i := range spec.Volumes {
		volumeSecrets(&spec.Volumes[i], add)
	}
	for _, s := range spec.ImagePullSecrets {
		add(s.Name)
	}
	return out
}

func containerSecrets(c *corev1.Container, add func(string)) {
	for _, e := range c.Env {
		if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
			add(e.ValueFrom.SecretKeyRef.Name)
		}
	}
	for _, e := range c.EnvFrom {
		if e.SecretRef != nil {
			add(e.SecretRef.Name)
		}
	}
}

func volumeSecrets(v *corev1.Volume, add func(string)) {
	if v.Secret != nil {
		add(v.Secret.SecretName)
	}
	if v.Projected == nil {
		return
	}
	for _, s := range v.Projected.Sources {
		if s.Secret != nil {
			add(s.Secret.Name)
		}
	}
}
