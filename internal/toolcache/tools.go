package toolcache

// Sops returns the tool whose program sops is the real one of a version.
func Sops(version string) Tool { return Tool{Module: "sops-" + version} }

// Age returns the tool with the real age and age-plugin-batchpass.
func Age() Tool { return Tool{Module: "age-1.3.2"} }

// Kubeseal returns the tool with the real kubeseal, and sealv1, the controller's own
// code for what kubeseal no longer does; see its source.
func Kubeseal() Tool { return Tool{Module: "kubeseal"} }

// Vault returns the tool whose program vault is a real server. It is built without
// the cloud secrets engines and databases, two thirds of the build's time: the rest
// takes about five minutes on two cores, and 3 GB of modules.
func Vault() Tool { return Tool{Module: "vault", Tags: "minimal"} }

// All returns every tool that tests need, what most of them need first.
func All() []Tool {
	return []Tool{Sops("3.13.3"), Sops("3.9.4"), Sops("3.8.1"), Age(), Kubeseal(), Vault()}
}
