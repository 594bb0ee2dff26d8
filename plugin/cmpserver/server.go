package cmpserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/core-pipeline/core-pipeline-cmp/plugin"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/cmpserver/cmppb"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/source"
)

// Renderer makes the answers. The text of its errors is for people.
type Renderer interface {
	// Generate returns one JSON document for each object.
	Generate(ctx context.Context, tree source.Tree, req plugin.Request) ([]string, error)
	// Announce lists the parameters of the application in dir.
	Announce(ctx context.Context, tree source.Tree, dir string) ([]plugin.Announcement, error)
}

const (
	// maxMessage is Argo CD's own limit of a gRPC message, both ways.
	maxMessage = 100 << 20
	// margin is how long before a request's deadline it is answered.
	margin = 100 * time.Millisecond
	// keepaliveMin is how often a client may ping: Argo CD's does every 20 s.
	keepaliveMin = 10 * time.Second
)

// Options configures a server. The zero value is safe.
type Options struct {
	// Limits bounds what one request brings.
	Limits source.Limits
	// Logger gets a line for each request; nil for none.
	Logger *slog.Logger
}

// New returns a gRPC server with the plugin's service, health and reflection.
func New(renderer Renderer, opts Options) *grpc.Server {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	g := grpc.NewServer(
		grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: keepaliveMin, PermitWithoutStream: true}),
	)
	cmppb.RegisterConfigManagementPluginServiceServer(g, &server{renderer: renderer, opts: opts})
	healthpb.RegisterHealthServer(g, health.NewServer())
	reflection.Register(g)
	return g
}

type server struct {
	cmppb.UnimplementedConfigManagementPluginServiceServer
	renderer Renderer
	opts     Options
}

// CheckPluginConfiguration is asked before every request. Without discovery,
// an Application that names the plugin costs one archive, not two.
func (s *server) CheckPluginConfiguration(context.Context, *emptypb.Empty) (*cmppb.CheckPluginConfigurationResponse, error) {
	return &cmppb.CheckPluginConfigurationResponse{}, nil
}

// MatchRepository is not asked of a plugin without discovery.
func (s *server) MatchRepository(stream grpc.ClientStreamingServer[cmppb.AppStreamRequest, cmppb.RepositoryResponse]) error {
	return s.answer(stream, "match", func(context.Context, repository) error {
		return stream.SendAndClose(&cmppb.RepositoryResponse{})
	})
}

// GenerateManifest renders the application.
func (s *server) GenerateManifest(stream grpc.ClientStreamingServer[cmppb.AppStreamRequest, cmppb.ManifestResponse]) error {
	return s.answer(stream, "generate", func(ctx context.Context, r repository) error {
		getenv := func(name string) string { return r.env[name] }
		prefix := plugin.Narrowed(getenv("ARGOCD_APP_SOURCE_PATH"), r.dir)
		req, err := plugin.ReadEnvironment(getenv, path.Join(prefix, r.dir))
		if err != nil {
			return errors.New(plugin.Message(err))
		}
		manifests, err := s.renderer.Generate(ctx, source.Mount(r.tree, prefix), req)
		if err != nil {
			return err
		}
		return stream.SendAndClose(&cmppb.ManifestResponse{Manifests: manifests})
	})
}

// GetParametersAnnouncement describes the application's parameters.
func (s *server) GetParametersAnnouncement(stream grpc.ClientStreamingServer[cmppb.AppStreamRequest, cmppb.ParametersAnnouncementResponse]) error {
	return s.answer(stream, "parameters", func(ctx context.Context, r repository) error {
		announcements, err := s.renderer.Announce(ctx, r.tree, r.dir)
		if err != nil {
			return err
		}
		response := &cmppb.ParametersAnnouncementResponse{}
		for _, a := range announcements {
			response.ParameterAnnouncements = append(response.ParameterAnnouncements, &cmppb.ParameterAnnouncement{
				Name: a.Name, Title: a.Title, Tooltip: a.Tooltip, CollectionType: a.CollectionType, String_: a.String, Array: a.Array, Map: a.Map,
			})
		}
		return stream.SendAndClose(response)
	})
}

// answer receives the repository and lets f answer before the deadline.
func (s *server) answer(in stream, method string, f func(context.Context, repository) error) error {
	begin := time.Now()
	r, err := receive(in, s.opts.Limits)
	received := time.Since(begin)
	ctx := in.Context()
	if err != nil {
		err = errors.New(plugin.Message(err))
	} else {
		r.dir = path.Clean("./" + r.dir)
		if deadline, ok := ctx.Deadline(); ok {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, deadline.Add(-margin))
			defer cancel()
		}
		err = f(ctx, r)
	}
	s.opts.Logger.Info(method, "application", r.env["ARGOCD_APP_NAME"], "revision", r.env["ARGOCD_APP_REVISION"],
		"receive", received.Round(time.Millisecond).String(), "total", time.Since(begin).Round(time.Millisecond).String(), "ok", err == nil)
	if err != nil {
		return status.Error(codes.Unknown, fmt.Sprint(err))
	}
	return nil
}
