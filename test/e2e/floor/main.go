package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/argoproj/argo-cd/v3/cmpserver/apiclient"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

const manifest = `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"floor"}}`

type server struct {
	apiclient.UnimplementedConfigManagementPluginServiceServer
	consume func(io.Reader) error
}

func (*server) CheckPluginConfiguration(context.Context, *emptypb.Empty) (*apiclient.CheckPluginConfigurationResponse, error) {
	return &apiclient.CheckPluginConfigurationResponse{}, nil
}

func (s *server) GenerateManifest(stream apiclient.ConfigManagementPluginService_GenerateManifestServer) error {
	if _, err := stream.Recv(); err != nil {
		return err
	}
	if err := s.consume(&reader{stream: stream}); err != nil {
		return err
	}
	return stream.SendAndClose(&apiclient.ManifestResponse{Manifests: []string{manifest}})
}

// reader is the archive in a stream.
type reader struct {
	stream apiclient.ConfigManagementPluginService_GenerateManifestServer
	rest   []byte
}

func (r *reader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		m, err := r.stream.Recv()
		if err != nil {
			return 0, err
		}
		r.rest = m.GetFile().GetChunk()
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func drain(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

func walk(r io.Reader) error {
	gz, err := gzip.NewReader(r)
	if err != nil {
		return err
	}
	archive := tar.NewReader(gz)
	for {
		if _, err := archive.Next(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		if err := drain(archive); err != nil {
			return err
		}
	}
	return drain(r)
}

func main() {
	if err := serve(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: floor drain|walk SOCKET")
	}
	consume, ok := map[string]func(io.Reader) error{"drain": drain, "walk": walk}[args[0]]
	if !ok {
		return fmt.Errorf("%q is neither drain nor walk", args[0])
	}
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "unix", args[1])
	if err != nil {
		return err
	}
	const maxMessage = 100 << 20 // Argo CD's
	s := grpc.NewServer(grpc.MaxRecvMsgSize(maxMessage))
	apiclient.RegisterConfigManagementPluginServiceServer(s, &server{consume: consume})
	return s.Serve(listener)
}
