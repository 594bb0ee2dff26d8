package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"
	"google.golang.org/grpc"

	"github.com/core-pipeline/core-pipeline-cmp/cmd/internal/edge"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/cache"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/cmpserver"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/telemetry"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/worker"
)

// serveOptions are the flags of serve.
type serveOptions struct {
	limits         edge.Limits
	workers, slow  int
	slowAfter      time.Duration
	intake, cache  int64
	receiveTimeout time.Duration
	drainTimeout   time.Duration
}

const serveCategory = "Server"

func variable(name string) []string { return []string{"CORE_PIPELINE_" + name} }

func (s *sidecar) serveCommand() *cli.Command {
	o := &s.serving
	*o = serveOptions{
		limits:  edge.Limits{},
		workers: defaultWorkers(), slow: defaultWorkers(), slowAfter: worker.DefaultSlowAfter,
		intake: cmpserver.DefaultIntakeBytes, cache: cache.DefaultBytes, receiveTimeout: cmpserver.DefaultReceiveTimeout, drainTimeout: 20 * time.Second,
	}
	o.limits.Watchdog.Memory = worker.DefaultMemory
	return &cli.Command{
		Name: "serve", Usage: "serve Argo CD's plugin contract on a unix socket, in place of argocd-cmp-server",
		Description: "Unpacks what repo-server sends in memory, and renders in processes that are kept warm. Nothing is written to disk.",
		Flags: append(o.limits.Flags(),
			socketFlag(),
			&cli.StringFlag{Name: "socket-mode", Category: serveCategory, Usage: "permissions of the socket, in octal; 0666 lets a repo-server of another user in", Value: "0660", EnvVars: variable("SOCKET_MODE")},
			&cli.BoolFlag{Name: "discovery", Category: serveCategory, Usage: "let Argo CD ask whether a repository is one for this plugin; each question costs an archive", EnvVars: variable("DISCOVERY")},
			&cli.StringFlag{Name: "metrics-address", Category: serveCategory, Usage: "`HOST:PORT` of /metrics; \"off\" for none", Value: ":8089", EnvVars: variable("METRICS_ADDRESS")},
			&cli.StringFlag{Name: "otlp-address", Category: serveCategory, Usage: "`HOST:PORT` of a collector of traces, OTLP over gRPC", EnvVars: variable("OTLP_ADDRESS")},
			&cli.BoolFlag{Name: "otlp-insecure", Category: serveCategory, Usage: "talk to the collector without TLS", EnvVars: variable("OTLP_INSECURE")},
			&cli.StringFlag{Name: "log-level", Category: serveCategory, Usage: "debug, info, warn or error", Value: "info", EnvVars: variable("LOG_LEVEL")},
			edge.SizeFlag("cache-bytes", "remember at most this many `BYTES` of manifests; 0 renders every request", &o.cache),
			edge.CountFlag("workers", "render this `NUMBER` of requests at a time", &o.workers),
			edge.CountFlag("slow-workers", "and this `NUMBER` of those that take longer than --slow-after", &o.slow),
			edge.DurationFlag("slow-after", "a render that takes longer than this `DURATION` lets others go first", &o.slowAfter),
			edge.BytesFlag("intake-bytes", "unpack at most this many `BYTES` of all repositories at a time", &o.intake),
			edge.DurationFlag("receive-timeout", "receive a repository within this `DURATION`", &o.receiveTimeout),
			edge.DurationFlag("drain-timeout", "let requests end for this `DURATION` after SIGTERM", &o.drainTimeout),
		),
		Action: s.serve,
	}
}

func (s *sidecar) serve(c *cli.Context) error {
	if c.Args().Present() {
		return edge.Usage(c, "unexpected argument %q", c.Args().First())
	}
	const octal, bits = 8, 9
	mode, err := strconv.ParseUint(c.String("socket-mode"), octal, bits)
	if err != nil {
		return edge.Usage(c, "--socket-mode %q: expected an octal number such as 0660", c.String("socket-mode"))
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.String("log-level"))); err != nil {
		return edge.Usage(c, "--log-level %q: expected debug, info, warn or error", c.String("log-level"))
	}
	logger := slog.New(slog.NewJSONHandler(s.stderr, &slog.HandlerOptions{Level: level}))
	reapOrphans()

	metrics := telemetry.NewMetrics()
	version := edge.ModuleVersion()
	tracer, err := telemetry.NewTracer(c.Context, telemetry.TraceOptions{Address: c.String("otlp-address"), Insecure: c.Bool("otlp-insecure"), Version: version})
	if err != nil {
		return err
	}
	defer closeTracer(tracer)
	cacheBytes := s.serving.cache
	const rest = 64 << 20 // what is not counted: messages, goroutines, manifests under way
	debug.SetMemoryLimit(s.serving.intake + cacheBytes + rest)

	pool, err := s.newPool(metrics)
	if err != nil {
		return err
	}
	defer pool.Close()
	var listeners []net.Listener
	for _, socket := range c.StringSlice("socket") {
		listener, err := listen(c.Context, socket, os.FileMode(mode))
		if err != nil {
			return fmt.Errorf("listening on %s: %w", socket, err)
		}
		defer listener.Close() //nolint:errcheck // the server has closed it
		listeners = append(listeners, listener)
	}
	metricsAddress, err := serveMetrics(c, metrics, logger)
	if err != nil {
		return err
	}
	server, health := cmpserver.New(
		cache.New(pool, cache.Options{Bytes: cacheBytes, Version: version, Metrics: metrics}),
		cmpserver.Options{
			Limits: s.serving.limits.Source, IntakeBytes: s.serving.intake, KeepArchives: cacheBytes > 0,
			ReceiveTimeout: s.serving.receiveTimeout, Discovery: c.Bool("discovery"),
			Logger: logger, Metrics: metrics, Tracer: tracer,
		})
	stop := context.AfterFunc(c.Context, func() {
		logger.Info("draining", "timeout", s.serving.drainTimeout.String())
		health.Shutdown()
		timer := time.AfterFunc(s.serving.drainTimeout, server.Stop)
		defer timer.Stop()
		server.GracefulStop()
	})
	defer stop()
	logger.Info("serving", "sockets", c.StringSlice("socket"), "metricsAddress", metricsAddress, "workers", s.serving.workers, "version", version)
	return serveAll(server, listeners)
}

func (s *sidecar) newPool(metrics *telemetry.Metrics) (*worker.Pool, error) {
	executable, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	return worker.NewPool(worker.Options{
		Command: []string{executable, "worker", "--memory-limit", strconv.FormatInt(s.serving.limits.Watchdog.Memory, 10)},
		// Nothing of the environment is for a render. The collector may wait:
		// --memory-limit is its limit, too.
		Env:     []string{"GOGC=400"},
		Workers: s.serving.workers, SlowWorkers: s.serving.slow, SlowAfter: s.serving.slowAfter,
		Timeout: s.serving.limits.Watchdog.Timeout, Metrics: metrics,
	})
}

// serveAll serves every listener until the server is stopped.
func serveAll(server *grpc.Server, listeners []net.Listener) error {
	ended := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { ended <- server.Serve(l) }()
	}
	var errs []error
	for range listeners {
		if err := <-ended; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			errs = append(errs, fmt.Errorf("serving: %w", err))
			server.Stop()
		}
	}
	return errors.Join(errs...)
}

// serveMetrics returns the address, which has the port that a 0 stands for.
func serveMetrics(c *cli.Context, metrics *telemetry.Metrics, logger *slog.Logger) (address string, err error) {
	address = c.String("metrics-address")
	if address == "off" {
		return address, nil
	}
	var config net.ListenConfig
	listener, err := config.Listen(c.Context, "tcp", address)
	if err != nil {
		return "", fmt.Errorf("listening for --metrics-address: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics.Handler())
	const patience, headerBytes = 10 * time.Second, 16 << 10
	server := &http.Server{Handler: mux, ReadTimeout: patience, WriteTimeout: patience, IdleTimeout: time.Minute, MaxHeaderBytes: headerBytes, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug)}
	context.AfterFunc(c.Context, func() { _ = server.Close() })
	go func() { _ = server.Serve(listener) }() // until it is closed
	return listener.Addr().String(), nil
}

func closeTracer(tracer *telemetry.Tracer) {
	const patience = 5 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_ = tracer.Close(ctx) // what could not be sent is lost
}

// workerCommand is what serve starts.
func (s *sidecar) workerCommand() *cli.Command {
	return &cli.Command{
		Name: "worker", Hidden: true, Flags: s.limits.Flags(),
		Action: func(c *cli.Context) error {
			return worker.Run(c.Context, os.Stdin, s.stdout, s.stderr, s.limits.Watchdog.Memory)
		},
	}
}
