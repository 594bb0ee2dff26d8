package cmpserver_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/cmpserver"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/cmpserver/cmptest"
)

// TestServices asks the server what it serves, as grpcurl does, and how it is.
func TestServices(t *testing.T) {
	socket := serveOn(t, fake(nil), cmpserver.Options{})
	connection, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	ctx := within(t, time.Minute)
	health, err := healthpb.NewHealthClient(connection).Check(ctx, &healthpb.HealthCheckRequest{})
	if err != nil || health.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("health: %v, %v", health, err)
	}
	stream, err := grpc_reflection_v1.NewServerReflectionClient(connection).ServerReflectionInfo(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{}}); err != nil {
		t.Fatal(err)
	}
	answer, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, service := range answer.GetListServicesResponse().GetService() {
		names = append(names, service.GetName())
	}
	if !slices.Contains(names, "plugin.ConfigManagementPluginService") {
		t.Errorf("services: %v", names)
	}
}

// TestDiscovery is off unless it is asked for: each question costs an archive.
func TestDiscovery(t *testing.T) {
	made := cmptest.Chart(t, cmptest.ConfigMap, cmptest.Entry{Name: "values-dev.yaml", Data: "a: b\n"})
	other := cmptest.Pack(t, cmptest.Entry{Name: "main.tf", Data: "x"})
	for _, on := range []bool{false, true} {
		client, hangUp, err := cmptest.Dial(serveOn(t, fake(nil), cmpserver.Options{Discovery: on}))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(hangUp)
		configuration, err := client.CheckPluginConfiguration(within(t, time.Minute), &emptypb.Empty{})
		if err != nil || configuration.GetIsDiscoveryConfigured() != on {
			t.Errorf("discovery %v: %v, %v", on, configuration, err)
		}
		for archive, want := range map[string]bool{string(made): on, string(other): false} {
			stream, err := client.MatchRepository(within(t, time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range (cmptest.Call{Archive: []byte(archive)}).All() {
				if err := stream.Send(m); err != nil {
					t.Fatal(err)
				}
			}
			got, err := stream.CloseAndRecv()
			if err != nil || got.GetIsSupported() != want || got.GetIsDiscoveryEnabled() != on {
				t.Errorf("discovery %v: %v, %v; want supported %v", on, got, err, want)
			}
		}
	}
}

// TestParameters announces what the chart's schema describes.
func TestParameters(t *testing.T) {
	client, hangUp, err := cmptest.Dial(start(t, setup{}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(hangUp)
	announce := func(ctx context.Context, call cmptest.Call) []string {
		stream, err := client.GetParametersAnnouncement(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range call.All() {
			if err := stream.Send(m); err != nil {
				t.Fatal(err)
			}
		}
		response, err := stream.CloseAndRecv()
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, a := range response.GetParameterAnnouncements() {
			names = append(names, a.GetName())
		}
		return names
	}
	names := announce(within(t, time.Minute), cmptest.CorePipeline(t, "../.."))
	for _, want := range []string{"environment", "value-files", "overlay", "set.image.tag"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is not announced: %v", want, names)
		}
	}
}
