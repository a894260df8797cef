package rollout

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// page is how many workloads are asked for at once.
const page = 200

// list returns the workloads of a namespace as they are now.
func list(ctx context.Context, c client.Reader, namespace string) ([]workload, error) {
	var out []workload
	var deployments appsv1.DeploymentList
	err := pages(ctx, c, namespace, &deployments, func() {
		for _, d := range deployments.Items {
			out = append(out, workload{"Deployment", d.ObjectMeta, d.Spec.Template})
		}
	})
	if err != nil {
		return nil, err
	}
	var sets appsv1.StatefulSetList
	err = pages(ctx, c, namespace, &sets, func() {
		for _, s := range sets.Items {
			out = append(out, workload{"StatefulSet", s.ObjectMeta, s.Spec.Template})
		}
	})
	if err != nil {
		return nil, err
	}
	var daemons appsv1.DaemonSetList
	err = pages(ctx, c, namespace, &daemons, func() {
		for _, d := range daemons.Items {
			out = append(out, workload{"DaemonSet", d.ObjectMeta, d.Spec.Template})
		}
	})
	return out, err
}

// pages lists what there is, page by page; take sees each.
func pages(ctx context.Context, c client.Reader, namespace string, l client.ObjectList, take func()) error {
	next := ""
	for {
		if err := c.List(ctx, l, client.InNamespace(namespace), client.Limit(page), client.Continue(next)); err != nil {
			return err
		}
		take()
		if next = l.GetContinue(); next == "" {
			return nil
		}
	}
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
