package cmpserver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"google.golang.org/grpc"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/cmpserver/cmppb"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/source"
)

// repository is what a stream has brought.
type repository struct {
	*archive
	// id is equal only for equal trees.
	id string
	// dir is the application's directory in the tree.
	dir string
	env map[string]string
	// received is the size of the archive, and reused whether its content was
	// there already.
	received int64
	reused   bool
}

func (r repository) getenv(name string) string { return r.env[name] }

// label is a variable for a log or a trace.
func (r repository) label(name string) string {
	const most = 253 // of a name in Kubernetes
	value := r.env[name]
	return value[:min(len(value), most)]
}

// mostPath is how long the application's path may be, as far as it was sent
// and as a whole: every name that a render asks for begins with it.
const mostPath = 4096

var errNoMetadata = errors.New("the first message of the stream has no metadata")

// receive reads a whole stream, whatever is wrong with it, and returns what it
// brought; metadata is returned as far as it came. Argo CD's own server has
// the same two rules: the metadata comes first, and once.
//
// The caller releases the archive if there is no error.
func (s *server) receive(stream grpc.ServerStream) (repository, error) {
	f := &frame{}
	defer f.free()
	if err := stream.RecvMsg(f); err != nil {
		return repository{}, fmt.Errorf("receiving the metadata: %w", err)
	}
	in := &chunkReader{stream: stream, frame: f, sum: sha256.New()}
	r, err := s.receiveArchive(stream.Context(), in, f.metadata)
	r.received = in.received
	if drainErr := in.drain(); err == nil && drainErr != nil {
		s.archives.release(r.archive)
		err = drainErr
	}
	return r, err
}

func (s *server) receiveArchive(ctx context.Context, in *chunkReader, metadata *cmppb.ManifestRequestMetadata) (repository, error) {
	if metadata == nil {
		return repository{}, errNoMetadata
	}
	r := repository{dir: path.Clean("./" + metadata.GetAppRelPath()), env: make(map[string]string, len(metadata.GetEnv()))}
	for _, e := range metadata.GetEnv() {
		r.env[e.GetName()] = e.GetValue()
	}
	if r.dir == ".." || strings.HasPrefix(r.dir, "../") || strings.HasPrefix(metadata.GetAppRelPath(), "/") {
		return r, errors.New("the application's path leaves the repository")
	}
	if len(r.dir)+len(r.env["ARGOCD_APP_SOURCE_PATH"]) > mostPath {
		return r, fmt.Errorf("the application's path is longer than %d bytes", mostPath)
	}
	r.id = strings.ToLower(metadata.GetChecksum())
	if r.id == "" {
		return r, source.ErrChecksum
	}
	found, received := s.archives.join(ctx, r.id)
	if r.archive = found; found != nil {
		r.reused = true
		if err := in.verify(r.id); err != nil {
			s.archives.release(r.archive)
			return r, err
		}
		return r, nil
	}
	defer received()
	account := &account{archives: s.archives}
	defer account.close()
	tree, err := source.ReadTarGz(ctx, in, source.Archive{
		Limits: s.opts.Limits, Like: s.archives.like(),
		Reserve: func(n int64) error {
			return account.reserve(ctx, n)
		},
	})
	if err != nil {
		return r, err
	}
	if err := in.verify(r.id); err != nil {
		return r, err
	}
	r.archive = s.archives.add(r.id, tree, account)
	return r, nil
}

// chunkReader reads the archive out of the stream. It keeps no copy.
type chunkReader struct {
	stream grpc.ServerStream
	frame  *frame
	sum    interface {
		io.Writer
		Sum([]byte) []byte
	}
	rest     []byte
	received int64
	done     error
}

// next receives one chunk.
func (c *chunkReader) next() error {
	if c.done != nil {
		return c.done
	}
	if err := c.stream.RecvMsg(c.frame); err != nil {
		c.done = err
		return err
	}
	if !c.frame.isFile {
		return errors.New("a message of the stream has no part of the archive")
	}
	c.rest = c.frame.chunk
	c.received += int64(len(c.rest))
	_, _ = c.sum.Write(c.rest) // never fails
	return nil
}

func (c *chunkReader) Read(p []byte) (int, error) {
	for len(c.rest) == 0 {
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// verify takes the rest of the stream and compares the checksum of all of it.
func (c *chunkReader) verify(checksum string) error {
	for {
		c.rest = nil
		switch err := c.next(); {
		case errors.Is(err, io.EOF):
			if hex.EncodeToString(c.sum.Sum(nil)) != checksum {
				return source.ErrChecksum
			}
			return nil
		case err != nil:
			return err
		}
	}
}

// drain takes what is left of the stream, wrong messages included.
func (c *chunkReader) drain() error {
	for c.done == nil {
		c.done = c.stream.RecvMsg(c.frame)
	}
	if errors.Is(c.done, io.EOF) {
		return nil
	}
	return fmt.Errorf("receiving the repository: %w", c.done)
}
