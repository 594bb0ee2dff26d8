package bench

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/argoproj/argo-cd/v3/cmpserver/apiclient"
	"github.com/argoproj/argo-cd/v3/util/cmp"
	"github.com/argoproj/argo-cd/v3/util/io/files"
)

// chunkSize is Argo CD's default, and largeChunkSize what we recommend.
const (
	chunkSize      = 1 << 10
	largeChunkSize = 64 << 10
)

// archive is a repository as repo-server sends it, made once: the time that this takes is the same for all peers and
// would hide how they differ.
type archive struct {
	// chunks are all but the last few bytes of the stream, and sum the state of the checksum after them.
	chunks []*apiclient.AppStreamRequest
	sum    []byte
	size   int64
	// end is the same for all requests, unless they are to be of different commits.
	end []byte
}

// makeArchive uses Argo CD's own code, and then cuts the end of the tar off: it becomes a second member of the gzip
// stream, so that the archives of two commits differ without being made anew.
func makeArchive(tb testing.TB, repo string, chunkSize int) *archive {
	tb.Helper()
	var whole bytes.Buffer
	if _, err := files.Tar(repo, nil, nil, &whole); err != nil {
		tb.Fatal(err)
	}
	content := bytes.TrimRight(whole.Bytes(), "\x00")
	const block = 512
	content = whole.Bytes()[:(len(content)+block-1)/block*block]
	var packed bytes.Buffer
	gz := gzip.NewWriter(&packed)
	_, err := gz.Write(content)
	if err := errors.Join(err, gz.Close()); err != nil {
		tb.Fatal(err)
	}
	sum := sha256.New()
	sum.Write(packed.Bytes())
	state, err := sum.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		tb.Fatal(err)
	}
	a := &archive{sum: state, size: int64(packed.Len()), end: commit(0)}
	for chunk := range slices.Chunk(packed.Bytes(), chunkSize) {
		a.chunks = append(a.chunks, cmp.AppFileRequest(chunk))
	}
	return a
}

// commit is the end of the archive of the n-th commit: a file that no Application reads.
func commit(n int64) []byte {
	var out bytes.Buffer
	gz := gzip.NewWriter(&out)
	w := tar.NewWriter(gz)
	text := fmt.Sprintf("commit %d\n", n)
	err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "zz-commit", Mode: 0o644, Size: int64(len(text))})
	if err == nil {
		_, err = w.Write([]byte(text))
	}
	if err := errors.Join(err, w.Close(), gz.Close()); err != nil {
		panic(err) // writing to memory
	}
	return out.Bytes()
}

// request is what one call sends.
type request struct {
	*archive
	path string
	env  []string
	end  []byte
}

func (r request) metadata() (*apiclient.AppStreamRequest, error) {
	sum := sha256.New()
	if err := sum.(encoding.BinaryUnmarshaler).UnmarshalBinary(r.sum); err != nil {
		return nil, err
	}
	sum.Write(r.end)
	m := &apiclient.ManifestRequestMetadata{
		AppName: "core-pipeline", AppRelPath: r.path, Checksum: hex.EncodeToString(sum.Sum(nil)), Size_: r.size + int64(len(r.end)),
	}
	for _, kv := range r.env {
		name, value, _ := strings.Cut(kv, "=")
		m.Env = append(m.Env, &apiclient.EnvEntry{Name: name, Value: value})
	}
	return &apiclient.AppStreamRequest{Request: &apiclient.AppStreamRequest_Metadata{Metadata: m}}, nil
}

// call makes one request as repo-server does, over a connection of its own, and returns the number of manifests.
func (p *peer) call(ctx context.Context, r request) (int, error) {
	conn, client, err := apiclient.NewConfigManagementPluginClientSet(p.socket).NewConfigManagementPluginClient()
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	stream, err := client.GenerateManifest(ctx)
	if err != nil {
		return 0, err
	}
	metadata, err := r.metadata()
	if err != nil {
		return 0, err
	}
	if err := sendAll(stream, metadata, r); err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	response, err := stream.CloseAndRecv()
	return len(response.GetManifests()), err
}

func sendAll(stream cmp.StreamSender, metadata *apiclient.AppStreamRequest, r request) error {
	if err := stream.Send(metadata); err != nil {
		return err
	}
	for _, chunk := range r.chunks {
		if err := stream.Send(chunk); err != nil {
			return err
		}
	}
	return stream.Send(cmp.AppFileRequest(r.end))
}

// sample is what some clients saw.
type sample struct {
	latencies []time.Duration
	elapsed   time.Duration
}

// run lets clients call one after the other for the duration, but at least once each.
func (p *peer) run(ctx context.Context, clients int, duration time.Duration, next func(n int64) request, manifests int) (sample, error) {
	var mu sync.Mutex
	var all sample
	var errs []error
	var count atomic.Int64
	var group sync.WaitGroup
	begin := time.Now()
	for range clients {
		group.Go(func() {
			for first := true; first || time.Since(begin) < duration; first = false {
				n := count.Add(1)
				start := time.Now()
				got, err := p.call(ctx, next(n))
				took := time.Since(start)
				if err == nil && got != manifests && manifests > 0 && !p.isFloor() {
					err = fmt.Errorf("%d manifests, want %d", got, manifests)
				}
				mu.Lock()
				all.latencies = append(all.latencies, took)
				if err != nil {
					errs = append(errs, fmt.Errorf("%s: %w", p.name, err))
				}
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	group.Wait()
	all.elapsed = time.Since(begin)
	if len(errs) > 0 {
		return all, errs[0]
	}
	return all, nil
}

func (p *peer) isFloor() bool { return p.name == peerDrain || p.name == peerWalk }

func (p *peer) isNative() bool { return p.name == peerUncached || p.name == peerServe }

// quantile of the latencies, in milliseconds.
func (s sample) quantile(q float64) float64 {
	sorted := slices.Sorted(slices.Values(s.latencies))
	at := min(int(q*float64(len(sorted))), len(sorted)-1)
	return float64(sorted[at].Microseconds()) / 1000
}

func (s sample) rate() float64 { return float64(len(s.latencies)) / s.elapsed.Seconds() }
