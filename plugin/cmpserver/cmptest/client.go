package cmptest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"maps"
	"path"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/cmpserver/cmppb"
)

// Call is one request as repo-server makes it, and the ways in which it can be
// made wrong.
type Call struct {
	Archive  []byte
	Checksum string // of the archive unless set
	Path     string
	Env      map[string]string
	Chunk    int // 1 KiB, Argo CD's default, unless set
	// Messages replaces what is sent.
	Messages []*cmppb.AppStreamRequest
}

// Metadata is the first message of the call.
func (c Call) Metadata() *cmppb.AppStreamRequest {
	checksum := c.Checksum
	if checksum == "" {
		sum := sha256.Sum256(c.Archive)
		checksum = hex.EncodeToString(sum[:])
	}
	m := &cmppb.ManifestRequestMetadata{AppName: path.Base(c.Path), AppRelPath: c.Path, Checksum: checksum, Size: int64(len(c.Archive))}
	for _, name := range slices.Sorted(maps.Keys(c.Env)) {
		m.Env = append(m.Env, &cmppb.EnvEntry{Name: name, Value: c.Env[name]})
	}
	return &cmppb.AppStreamRequest{Request: &cmppb.AppStreamRequest_Metadata{Metadata: m}}
}

// File is a message with a part of the archive.
func File(chunk []byte) *cmppb.AppStreamRequest {
	return &cmppb.AppStreamRequest{Request: &cmppb.AppStreamRequest_File{File: &cmppb.File{Chunk: chunk}}}
}

// All is every message of the call, in their order.
func (c Call) All() []*cmppb.AppStreamRequest {
	if c.Messages != nil {
		return c.Messages
	}
	size := c.Chunk
	if size == 0 {
		size = 1024
	}
	out := []*cmppb.AppStreamRequest{c.Metadata()}
	for chunk := range slices.Chunk(c.Archive, size) {
		out = append(out, File(chunk))
	}
	return out
}

// Generate makes the call on a connection of its own. Like repo-server, it
// looks at the answer only after everything is sent.
func (c Call) Generate(ctx context.Context, socket string) ([]string, error) {
	client, hangUp, err := Dial(socket)
	if err != nil {
		return nil, err
	}
	defer hangUp()
	stream, err := client.GenerateManifest(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range c.All() {
		if err := stream.Send(m); err != nil {
			if errors.Is(err, io.EOF) {
				_, err = stream.CloseAndRecv()
			}
			return nil, err
		}
	}
	response, err := stream.CloseAndRecv()
	return response.GetManifests(), err
}

// Dial connects as repo-server does. The caller hangs up.
func Dial(socket string) (client cmppb.ConfigManagementPluginServiceClient, hangUp func(), err error) {
	const most = 200 << 20 // more than a server may take
	connection, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(most), grpc.MaxCallSendMsgSize(most)))
	if err != nil {
		return nil, nil, err
	}
	return cmppb.NewConfigManagementPluginServiceClient(connection), func() { _ = connection.Close() }, nil
}
