package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// defaultSocket is where repo-server looks for the plugin core-pipeline-v1.
const defaultSocket = "/home/argocd/cmp-server/plugins/core-pipeline-v1.sock"

func socketFlag() cli.Flag {
	return &cli.StringSliceFlag{
		Name: "socket", Category: serveCategory, Value: cli.NewStringSlice(defaultSocket), EnvVars: variable("SOCKET"),
		Usage: "`PATH` of the unix socket, the name of which is the plugin's in Argo CD; may be repeated",
	}
}

// listen makes the socket. One that a process has left behind is replaced; one
// that somebody serves, or that is no socket, is not.
func listen(ctx context.Context, socket string, mode fs.FileMode) (net.Listener, error) {
	// The address of a unix socket has 108 bytes, with one for the end.
	const longest = 107
	if len(socket) > longest {
		return nil, fmt.Errorf("the path is longer than %d bytes", longest)
	}
	if err := os.MkdirAll(filepath.Dir(socket), 0o755); err != nil { //nolint:gosec // repo-server looks into it
		return nil, err
	}
	info, err := os.Lstat(socket)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case info.Mode().Type() != fs.ModeSocket:
		return nil, errors.New("the file there is not a socket")
	default:
		var dialer net.Dialer
		if connection, err := dialer.DialContext(ctx, "unix", socket); err == nil {
			_ = connection.Close() // only asked whether somebody answers
			return nil, errors.New("another process serves it")
		}
		if err := os.Remove(socket); err != nil {
			return nil, err
		}
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "unix", socket)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(socket, mode); err != nil {
		_ = listener.Close() // it was never used
		return nil, err
	}
	return listener, nil
}

func (s *sidecar) healthcheckCommand() *cli.Command {
	return &cli.Command{
		Name: "healthcheck", Usage: "end with 0 if the server on the socket is healthy, for probes of the container",
		Flags: []cli.Flag{socketFlag()},
		Action: func(c *cli.Context) error {
			const patience = 5 * time.Second
			ctx, cancel := context.WithTimeout(c.Context, patience)
			defer cancel()
			for _, socket := range c.StringSlice("socket") {
				if err := checkHealth(ctx, socket); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func checkHealth(ctx context.Context, socket string) error {
	connection, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return fmt.Errorf("connecting to %s: %w", socket, err)
	}
	defer connection.Close() //nolint:errcheck // nothing is sent any more
	response, err := healthpb.NewHealthClient(connection).Check(ctx, &healthpb.HealthCheckRequest{})
	if err != nil {
		return fmt.Errorf("%s: %w", socket, err)
	}
	if response.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		return fmt.Errorf("%s: %s", socket, response.GetStatus())
	}
	return nil
}
