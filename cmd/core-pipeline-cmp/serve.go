package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/core-pipeline/core-pipeline-cmp/cmd/internal/edge"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/cmpserver"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/watchdog"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/worker"
)

// defaultSocket is where repo-server looks for the plugin core-pipeline-v1.
const defaultSocket = "/home/argocd/cmp-server/plugins/core-pipeline-v1.sock"

// forever is a timeout for processes that the pool ends.
const forever = 100 * 365 * 24 * time.Hour

// drainTime is how long requests may go on after SIGTERM.
const drainTime = 20 * time.Second

func socketFlag() cli.Flag {
	return &cli.StringFlag{Name: "socket", Usage: "`PATH` of the unix socket; its name is the plugin's name in Argo CD", Value: defaultSocket, EnvVars: []string{"CORE_PIPELINE_SOCKET"}}
}

func (s *sidecar) serveCommand() *cli.Command {
	return &cli.Command{
		Name: "serve", Usage: "serve Argo CD's plugin contract on a unix socket, in place of argocd-cmp-server",
		Description: "Unpacks what repo-server sends in memory and renders in --workers processes that are kept warm. Each render ends\nafter --timeout and within --memory-limit.",
		Flags: append(s.limits.Flags(),
			socketFlag(),
			&cli.StringFlag{Name: "socket-mode", Usage: "permissions of the socket, octal; 0666 lets repo-server run as another user", Value: "0660", EnvVars: []string{"CORE_PIPELINE_SOCKET_MODE"}},
			&cli.IntFlag{Name: "workers", Usage: "`NUMBER` of processes that render; default: the number of CPUs", EnvVars: []string{"CORE_PIPELINE_WORKERS"}},
		),
		Action: s.serve,
	}
}

func (s *sidecar) serve(c *cli.Context) error {
	mode, err := strconv.ParseUint(c.String("socket-mode"), 8, 9)
	if err != nil {
		return edge.Usage(c, "--socket-mode %q: expected an octal number such as 0660", c.String("socket-mode"))
	}
	executable, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program: %w", err)
	}
	pool, err := worker.NewPool(worker.Options{
		Command: []string{executable, "worker", "--memory-limit", strconv.FormatInt(s.limits.Watchdog.Memory, 10)},
		Workers: c.Int("workers"), Timeout: s.limits.Watchdog.Timeout, Env: []string{},
	})
	if err != nil {
		return err
	}
	defer pool.Close()
	socket := c.String("socket")
	listener, err := listen(c.Context, socket, fs.FileMode(mode))
	if err != nil {
		return fmt.Errorf("listening on %s: %w", socket, err)
	}
	logger := slog.New(slog.NewJSONHandler(s.stderr, nil))
	server := cmpserver.New(pool, cmpserver.Options{Limits: s.limits.Source, Logger: logger})
	stop := context.AfterFunc(c.Context, func() { drain(server) })
	defer stop()
	logger.Info("serving", "socket", socket)
	if err := server.Serve(listener); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("serving %s: %w", socket, err)
	}
	return nil
}

// drain lets requests end, for a while.
func drain(server *grpc.Server) {
	timer := time.AfterFunc(drainTime, server.Stop)
	defer timer.Stop()
	server.GracefulStop()
}

// listen makes the socket. One that a process has left behind is replaced; one
// that somebody serves is not.
func listen(ctx context.Context, socket string, mode fs.FileMode) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(socket), 0o755); err != nil { //nolint:gosec // repo-server looks into it
		return nil, err
	}
	var dialer net.Dialer
	if connection, err := dialer.DialContext(ctx, "unix", socket); err == nil {
		_ = connection.Close() // only asked whether somebody answers
		return nil, errors.New("another process serves it")
	}
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "unix", socket)
	if err != nil {
		return nil, err
	}
	return listener, os.Chmod(socket, mode)
}

func (s *sidecar) healthcheckCommand() *cli.Command {
	return &cli.Command{
		Name: "healthcheck", Usage: "end with 0 if the server on the socket is healthy, for probes of the container",
		Flags: []cli.Flag{socketFlag()},
		Action: func(c *cli.Context) error {
			ctx, cancel := context.WithTimeout(c.Context, 5*time.Second)
			defer cancel()
			connection, err := grpc.NewClient("unix:"+c.String("socket"), grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				return fmt.Errorf("connecting to %s: %w", c.String("socket"), err)
			}
			defer connection.Close() //nolint:errcheck // nothing is sent any more
			response, err := healthpb.NewHealthClient(connection).Check(ctx, &healthpb.HealthCheckRequest{})
			if err != nil {
				return fmt.Errorf("%s: %w", c.String("socket"), err)
			}
			if response.GetStatus() != healthpb.HealthCheckResponse_SERVING {
				return fmt.Errorf("%s: %s", c.String("socket"), response.GetStatus())
			}
			return nil
		},
	}
}

// workerCommand is what serve starts.
func (s *sidecar) workerCommand() *cli.Command {
	return &cli.Command{
		Name: "worker", Hidden: true, Flags: s.limits.Flags(),
		Action: func(c *cli.Context) error {
			watch := watchdog.Start(s.stderr, c.App.Name, watchdog.Limits{Timeout: forever, Memory: s.limits.Watchdog.Memory})
			defer watch.Stop()
			return worker.Run(c.Context, os.Stdin, s.stdout, watch.Stage)
		},
	}
}
