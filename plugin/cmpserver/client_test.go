package cmpserver_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/cmpserver"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/cmpserver/cmppb"
)

// call is one request as repo-server makes it, and the ways in which it can be
// made wrong.
type call struct {
	archive  []byte
	checksum string // of the archive unless set
	path     string
	env      map[string]string
	chunk    int // 1 KiB, Argo CD's default, unless set
	// messages replaces what is sent.
	messages []*cmppb.AppStreamRequest
}

func (c call) metadata() *cmppb.AppStreamRequest {
	checksum := c.checksum
	if checksum == "" {
		sum := sha256.Sum256(c.archive)
		checksum = hex.EncodeToString(sum[:])
	}
	m := &cmppb.ManifestRequestMetadata{AppName: filepath.Base(c.path), AppRelPath: c.path, Checksum: checksum, Size: int64(len(c.archive))}
	for _, name := range slices.Sorted(maps.Keys(c.env)) {
		m.Env = append(m.Env, &cmppb.EnvEntry{Name: name, Value: c.env[name]})
	}
	return &cmppb.AppStreamRequest{Request: &cmppb.AppStreamRequest_Metadata{Metadata: m}}
}

func file(chunk []byte) *cmppb.AppStreamRequest {
	return &cmppb.AppStreamRequest{Request: &cmppb.AppStreamRequest_File{File: &cmppb.File{Chunk: chunk}}}
}

func (c call) all() []*cmppb.AppStreamRequest {
	if c.messages != nil {
		return c.messages
	}
	size := c.chunk
	if size == 0 {
		size = 1024
	}
	out := []*cmppb.AppStreamRequest{c.metadata()}
	for chunk := range slices.Chunk(c.archive, size) {
		out = append(out, file(chunk))
	}
	return out
}

// generate makes the call on a connection of its own. Like repo-server, it
// looks at the answer only after everything is sent.
func generate(ctx context.Context, socket string, c call) ([]string, error) {
	connection, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(100<<20), grpc.MaxCallSendMsgSize(200<<20)))
	if err != nil {
		return nil, err
	}
	defer func() { _ = connection.Close() }()
	stream, err := cmppb.NewConfigManagementPluginServiceClient(connection).GenerateManifest(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range c.all() {
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

// open begins a request by hand.
func open(t testing.TB, socket string) grpc.ClientStreamingClient[cmppb.AppStreamRequest, cmppb.ManifestResponse] {
	t.Helper()
	connection, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	stream, err := cmppb.NewConfigManagementPluginServiceClient(connection).GenerateManifest(within(t, time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

// entry is an entry of an archive.
type entry struct {
	name, data, link string
	kind             byte // a file, or by link and a trailing slash, unless set
}

func pack(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	gz := gzip.NewWriter(&out)
	tw := tar.NewWriter(gz)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Mode: 0o644, Size: int64(len(e.data)), Typeflag: e.kind, Linkname: e.link}
		switch {
		case e.kind != 0:
		case e.link != "":
			h.Typeflag = tar.TypeSymlink
		case strings.HasSuffix(e.name, "/"):
			h.Typeflag = tar.TypeDir
		default:
			h.Typeflag = tar.TypeReg
		}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(tw, e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(tw.Close(), gz.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// packDir packs what the directories of the project hold.
func packDir(t testing.TB, root string, dirs ...string) []byte {
	t.Helper()
	var entries []entry
	for _, dir := range dirs {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := os.ReadFile(path)
			name, _ := filepath.Rel(root, path)
			entries = append(entries, entry{name: filepath.ToSlash(name), data: string(data)})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return pack(t, entries...)
}

// chart packs a small chart with one template.
func chart(t testing.TB, template string, more ...entry) []byte {
	t.Helper()
	return pack(t, append([]entry{
		{name: "Chart.yaml", data: "apiVersion: v2\nname: shop\nversion: 1.0.0\n"},
		{name: "templates/a.yaml", data: template},
	}, more...)...)
}

const configMap = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\ndata:\n  a: b\n"

func env(application string, parameters string) map[string]string {
	return map[string]string{
		"ARGOCD_APP_NAME": application, "ARGOCD_APP_NAMESPACE": "shop", "ARGOCD_APP_SOURCE_PATH": ".",
		"ARGOCD_APP_PARAMETERS": parameters, "KUBE_VERSION": "1.37.0", "KUBE_API_VERSIONS": "v1,apps/v1",
	}
}

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
