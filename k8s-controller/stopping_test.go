package controller_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"

	controller "github.com/gitseal/gitseal/k8s-controller"
)

// TestStopsWithoutAnAPIServer: one that never answers keeps nobody from stopping.
func TestStopsWithoutAnAPIServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	asked := make(chan struct{}, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
			asked <- struct{}{}
		}
	}()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- controller.Run(ctx, controller.Options{
			Config: &rest.Config{Host: "http://" + l.Addr().String()}, KeyringNamespace: "gitseal-system", Registry: prometheus.NewRegistry(),
		})
	}()
	<-asked
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("it runs on")
	}
}
