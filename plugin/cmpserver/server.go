package cmpserver

import (
	"context"
	"log/slog"
	"path"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/core-pipeline/core-pipeline-cmp/plugin"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/cmpserver/cmppb"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/source"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/telemetry"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/worker"
)

// Renderer makes the answers. The text of its errors is for people. treeID is
// equal only for equal trees.
type Renderer interface {
	Do(ctx context.Context, req worker.Request, treeID string) (worker.Result, error)
}

const (
	// maxMessage is Argo CD's own limit of a gRPC message, both ways.
	maxMessage = 100 << 20
	// margin is how long before a request's deadline it is answered, as
	// argocd-cmp-server does it.
	margin = 100 * time.Millisecond
	// keepaliveMin is how often a client may ping: Argo CD's does every 20 s.
	keepaliveMin = 10 * time.Second
)

// The methods, for metrics, logs and traces.
const (
	methodMatch      = "match"
	methodGenerate   = "generate"
	methodParameters = "parameters"
)

// Defaults of [Options].
const (
	DefaultReceiveTimeout       = 5 * time.Minute
	DefaultIntakeBytes    int64 = 128 << 20
)

// Options configures a server. The zero value is safe.
type Options struct {
	// Limits bounds what one request brings.
	Limits source.Limits
	// IntakeBytes bounds the unpacked repositories of all requests under way;
	// a request waits until there is room. One may exceed it, by as much as
	// Limits allow. A file that several have in common counts for each. Flag
	// --intake-bytes.
	IntakeBytes int64
	// KeepArchives keeps repositories that were received, within a quarter of
	// IntakeBytes, in case the same archive comes again.
	KeepArchives bool
	// ReceiveTimeout bounds the time in which a repository must be received,
	// for requests without a deadline. Flag --receive-timeout.
	ReceiveTimeout time.Duration
	// Discovery lets Argo CD ask whether a repository is one for this plugin,
	// for Applications that name no plugin. Each such question costs an
	// archive. Flag --discovery.
	Discovery bool
	// Logger gets a line for each request; nil for none.
	Logger *slog.Logger
	// Metrics and Tracer get to know each request; nil for none.
	Metrics *telemetry.Metrics
	Tracer  *telemetry.Tracer
}

// New returns a gRPC server with the plugin's service, health and reflection.
func New(renderer Renderer, opts Options) (*grpc.Server, *health.Server) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.IntakeBytes <= 0 {
		opts.IntakeBytes = DefaultIntakeBytes
	}
	if opts.ReceiveTimeout <= 0 {
		opts.ReceiveTimeout = DefaultReceiveTimeout
	}
	keep := int64(0)
	if opts.KeepArchives {
		keep = opts.IntakeBytes / 4
	}
	s := &server{renderer: renderer, opts: opts, archives: newArchives(opts.IntakeBytes, keep)}
	opts.Metrics.Gauge("intake_bytes", "Bytes of unpacked repositories in memory.", func() float64 { return float64(s.archives.bytes()) })
	opts.Metrics.Gauge("intake_limit_bytes", "Bytes that intake_bytes should stay below.", func() float64 { return float64(opts.IntakeBytes) })
	opts.Metrics.Declare([]string{methodMatch, methodGenerate, methodParameters}, Reasons())
	// A message of 1 KiB lies in 4 KiB of memory: each stream that waits for its
	// turn holds four times its window.
	const window, buffer = 128 << 10, 64 << 10
	g := grpc.NewServer(
		grpc.ForceServerCodecV2(newCodec()),
		grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage),
		grpc.InitialWindowSize(window), grpc.InitialConnWindowSize(2*window), grpc.ReadBufferSize(buffer),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: keepaliveMin, PermitWithoutStream: true}),
	)
	cmppb.RegisterConfigManagementPluginServiceServer(g, s)
	healthy := health.NewServer()
	healthpb.RegisterHealthServer(g, healthy)
	reflection.Register(g)
	return g, healthy
}

type server struct {
	cmppb.UnimplementedConfigManagementPluginServiceServer
	renderer Renderer
	opts     Options
	archives *archives
}

// CheckPluginConfiguration is asked before every request. Without discovery,
// an Application that names the plugin costs one archive, not two.
func (s *server) CheckPluginConfiguration(context.Context, *emptypb.Empty) (*cmppb.CheckPluginConfigurationResponse, error) {
	return &cmppb.CheckPluginConfigurationResponse{IsDiscoveryConfigured: s.opts.Discovery}, nil
}

// MatchRepository tells whether the application is one for this plugin.
func (s *server) MatchRepository(stream grpc.ClientStreamingServer[cmppb.AppStreamRequest, cmppb.RepositoryResponse]) error {
	return s.answer(stream, methodMatch, func(_ context.Context, r repository) error {
		return stream.SendAndClose(&cmppb.RepositoryResponse{
			IsDiscoveryEnabled: s.opts.Discovery, IsSupported: s.opts.Discovery && plugin.Discover(r.tree, r.dir),
		})
	})
}

// GenerateManifest renders the application.
func (s *server) GenerateManifest(stream grpc.ClientStreamingServer[cmppb.AppStreamRequest, cmppb.ManifestResponse]) error {
	return s.answer(stream, methodGenerate, func(ctx context.Context, r repository) error {
		prefix := plugin.Narrowed(r.getenv("ARGOCD_APP_SOURCE_PATH"), r.dir)
		req, err := plugin.ReadEnvironment(r.getenv, path.Join(prefix, r.dir))
		if err != nil {
			return &worker.Error{Reason: worker.ReasonInvalid, Text: plugin.Message(err)}
		}
		result, err := s.renderer.Do(ctx, worker.Request{
			Request: req, Application: r.getenv("ARGOCD_APP_NAME"), Tree: source.Mount(r.tree, prefix),
		}, r.id+"/"+prefix)
		if err != nil {
			return err
		}
		return stream.SendAndClose(&cmppb.ManifestResponse{Manifests: result.Manifests})
	})
}

// GetParametersAnnouncement describes the application's parameters.
func (s *server) GetParametersAnnouncement(stream grpc.ClientStreamingServer[cmppb.AppStreamRequest, cmppb.ParametersAnnouncementResponse]) error {
	return s.answer(stream, methodParameters, func(ctx context.Context, r repository) error {
		result, err := s.renderer.Do(ctx, worker.Request{
			Announce: true, Request: plugin.Request{Dir: r.dir}, Application: r.getenv("ARGOCD_APP_NAME"), Tree: r.tree,
		}, r.id)
		if err != nil {
			return err
		}
		response := &cmppb.ParametersAnnouncementResponse{}
		for _, a := range result.Announcements {
			response.ParameterAnnouncements = append(response.ParameterAnnouncements, &cmppb.ParameterAnnouncement{
				Name: a.Name, Title: a.Title, Tooltip: a.Tooltip, CollectionType: a.CollectionType, String_: a.String, Array: a.Array, Map: a.Map,
			})
		}
		return stream.SendAndClose(response)
	})
}

// answer receives the repository, lets f answer before the deadline, and says
// in the log, the metrics and the trace how it went.
func (s *server) answer(stream grpc.ServerStream, method string, f func(context.Context, repository) error) error {
	begin := time.Now()
	end := s.opts.Metrics.Begin(method)
	incoming, _ := metadata.FromIncomingContext(stream.Context())
	ctx, span := s.opts.Tracer.Start(stream.Context(), "core-pipeline-cmp "+method, func(key string) string {
		if v := incoming.Get(key); len(v) > 0 {
			return v[0]
		}
		return ""
	})
	r, err := s.receiveInTime(stream)
	received := time.Now()
	s.opts.Metrics.Phase("receive", received.Sub(begin))
	telemetry.Phase(ctx, "receive", begin, received)
	if err == nil {
		s.opts.Metrics.Archive(r.received, r.tree.Size(), r.tree.Received(), r.tree.Kept())
		if deadline, ok := ctx.Deadline(); ok {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, deadline.Add(-margin))
			defer cancel()
		}
		err = f(ctx, r)
		s.archives.release(r.archive)
	}
	reason := reasonOK
	if err != nil {
		reason, err = describe(err)
	}
	end(reason)
	span.Set("argocd.application", r.label("ARGOCD_APP_NAME"))
	span.Set("argocd.revision", r.label("ARGOCD_APP_REVISION"))
	span.End(reason)
	s.log(method, r, reason, err, span.ID(), received.Sub(begin), time.Since(begin))
	return err
}

func (s *server) log(method string, r repository, result string, err error, trace string, receive, total time.Duration) {
	level, attributes := slog.LevelInfo, []any{
		"application", r.label("ARGOCD_APP_NAME"), "project", r.label("ARGOCD_APP_PROJECT_NAME"), "revision", r.label("ARGOCD_APP_REVISION"),
		"result", result, "receivedBytes", r.received, "archiveReused", r.reused, "receiveSeconds", receive.Seconds(), "seconds", total.Seconds(),
	}
	if trace != "" {
		attributes = append(attributes, "trace_id", trace)
	}
	if err != nil {
		level, attributes = slog.LevelWarn, append(attributes, "error", err.Error())
	}
	s.opts.Logger.Log(context.Background(), level, method, attributes...)
}

// receiveInTime gives a sender that stops in the middle up. gRPC ends the
// stream when the handler returns, and so the reading.
func (s *server) receiveInTime(stream grpc.ServerStream) (repository, error) {
	type received struct {
		repository
		err error
	}
	done := make(chan received)
	abandoned := make(chan struct{})
	go func() {
		r, err := s.receive(stream)
		select {
		case <-abandoned:
			if err == nil {
				s.archives.release(r.archive)
			}
		case done <- received{r, err}:
		}
	}()
	timer := time.NewTimer(s.opts.ReceiveTimeout)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.repository, r.err
	case <-timer.C:
		close(abandoned)
		return repository{}, errReceive
	}
}
