package cmpserver_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/cmpserver"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/cmpserver/cmppb"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/cmpserver/cmptest"
)

// serveOn serves renderer on a socket until the test ends.
func serveOn(t testing.TB, renderer cmpserver.Renderer, opts cmpserver.Options) (socket string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "cmp-") //nolint:usetesting // the path of a socket is short, that of t.TempDir is not
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket = filepath.Join(dir, "p.sock")
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server, _ := cmpserver.New(renderer, opts)
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	return socket
}

// within is a context that ends after d.
func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// open begins a request by hand.
func open(t testing.TB, socket string) grpc.ClientStreamingClient[cmppb.AppStreamRequest, cmppb.ManifestResponse] {
	t.Helper()
	client, hangUp, err := cmptest.Dial(socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(hangUp)
	stream, err := client.GenerateManifest(within(t, time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	return stream
}
