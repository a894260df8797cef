// Package deploy holds what is applied to a cluster: the CustomResourceDefinitions
// (crd), the kustomize base with its modes and components, the Helm chart, and alerts and a
// dashboard (monitoring).
package deploy

import (
	"bytes"
	"embed"
	"io/fs"
)

//go:embed crd base modes components monitoring all:chart
var files embed.FS

// CRDs returns the CustomResourceDefinitions of gitseal.dev, as YAML documents.
func CRDs() []byte {
	var out bytes.Buffer
	for _, name := range []string{"crd/gitseal.dev_sealedmanifests.yaml", "crd/gitseal.dev_sealkeyrings.yaml"} {
		data, err := files.ReadFile(name)
		if err != nil {
			panic(err) // it is in the program
		}
		out.Write(data)
	}
	return out.Bytes()
}

// Files returns the folders crd, base, modes, components, monitoring and chart. Written
// to a disk, each folder below modes can be given to "kubectl apply -k", and chart to
// helm.
func Files() fs.FS { return files }
