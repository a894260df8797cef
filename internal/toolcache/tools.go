package toolcache

import (
	"strconv"
	"strings"
)

// Sops returns the tool whose program sops is the real one of a version.
func Sops(version string) Tool { return Tool{Module: "sops-" + version} }

// Age returns the tool with the real age and age-plugin-batchpass.
func Age() Tool { return Tool{Module: "age-1.3.2"} }

// Kubeseal returns the tool with the real kubeseal, its controller (whose program is
// called controller), and sealv1, the controller's own code for what kubeseal no
// longer does; see its source.
func Kubeseal() Tool { return Tool{Module: "kubeseal"} }

// Vault returns the tool whose program vault is a real server. It is built without
// the cloud secrets engines and databases, two thirds of the build's time: the rest
// takes about five minutes on two cores, and 3 GB of modules.
func Vault() Tool { return Tool{Module: "vault", Tags: "minimal"} }

// Kube returns the tool with a real Kubernetes control plane, all in one folder, as
// envtest wants it: kube-apiserver, etcd, kube-controller-manager and kubectl. It
// takes about eight minutes on two cores the first time.
func Kube() Tool {
	const version = "1.36.3"
	var flags []string
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		// Without these the server calls itself v0.0.0, and clients that look misbehave.
		flags = append(flags, "-X "+pkg+".gitVersion=v"+version, "-X "+pkg+".gitMajor=1", "-X "+pkg+".gitMinor=36",
			"-X "+pkg+".gitTreeState=clean")
	}
	return Tool{Module: "kube", LDFlags: strings.Join(flags, " ")}
}

// Kustomize returns the tool with the real kustomize.
func Kustomize() Tool { return Tool{Module: "kustomize"} }

// Helm returns the tool with the real helm of a major version, 3 or 4.
func Helm(major int) Tool { return Tool{Module: "helm" + strconv.Itoa(major)} }

// Flux returns the tool with Flux's real kustomize-controller.
func Flux() Tool { return Tool{Module: "flux"} }

// ArgoLua returns the tool that runs a health check in the Lua interpreter of Argo CD.
// Argo CD itself takes a quarter of an hour to build on two cores.
func ArgoLua() Tool { return Tool{Module: "argolua"} }

// ControllerGen returns the tool that writes the CustomResourceDefinitions and deep
// copies of k8s-controller/api.
func ControllerGen() Tool { return Tool{Module: "controller-gen"} }

// All returns every tool that tests need, what most of them need first.
func All() []Tool {
	return []Tool{Sops("3.13.3"), Sops("3.9.4"), Sops("3.8.1"), Age(), Kubeseal(), Vault(),
		Kube(), Kustomize(), Helm(3), Helm(4), Flux(), ArgoLua(), ControllerGen()}
}
