package controller

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

// Stored is a status as the API server has it after it was written.
var Stored = stored

// SendStatus writes the status next over last's in one request.
func SendStatus(ctx context.Context, c client.Client, last *v1alpha1.SealedManifest, next v1alpha1.SealedManifestStatus, versioned bool) error {
	_, err := statusWriter{client: c}.send(ctx, last, next, versioned)
	return err
}
