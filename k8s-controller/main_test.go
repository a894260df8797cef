package controller_test

import (
	"log/slog"
	"testing"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/gitseal/gitseal/k8s-controller/kubetest"
)

// libraries is what client-go and controller-runtime log by way of their globals. All
// tests look for their values in it.
var libraries buffer

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.FromSlogHandler(slog.NewTextHandler(&libraries, &slog.HandlerOptions{Level: slog.LevelDebug})))
	kubetest.Main(m, kubetest.WithControllerManager())
}
