package cmpserver

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/cmpserver/cmppb"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/source"
)

// stream is the receiving half of the three streaming methods.
type stream interface {
	Context() context.Context
	Recv() (*cmppb.AppStreamRequest, error)
}

// repository is what a stream has brought.
type repository struct {
	tree source.Tree
	// dir is the application's directory in the tree.
	dir string
	env map[string]string
}

// receive reads a whole stream, whatever is wrong with it, and returns what it
// brought. Argo CD's own server has the same two rules: the metadata comes
// first, and once.
func receive(s stream, limits source.Limits) (repository, error) {
	chunks := &chunkReader{stream: s}
	r, err := receiveArchive(s, chunks, limits)
	if drainErr := chunks.drain(); err == nil {
		err = drainErr
	}
	return r, err
}

func receiveArchive(s stream, chunks *chunkReader, limits source.Limits) (repository, error) {
	first, err := s.Recv()
	if err != nil {
		chunks.done = err
		return repository{}, fmt.Errorf("receiving the metadata: %w", err)
	}
	metadata := first.GetMetadata()
	if metadata == nil {
		return repository{}, errors.New("the first message of the stream has no metadata")
	}
	tree, err := source.ReadTarGz(s.Context(), chunks, metadata.GetChecksum(), limits)
	if err != nil {
		return repository{}, err
	}
	env := make(map[string]string, len(metadata.GetEnv()))
	for _, e := range metadata.GetEnv() {
		env[e.GetName()] = e.GetValue()
	}
	return repository{tree: tree, dir: metadata.GetAppRelPath(), env: env}, nil
}

// chunkReader reads the archive out of the stream. It keeps no copy.
type chunkReader struct {
	stream stream
	rest   []byte
	done   error
}

func (c *chunkReader) Read(p []byte) (int, error) {
	for len(c.rest) == 0 {
		if c.done != nil {
			return 0, c.done
		}
		message, err := c.stream.Recv()
		switch {
		case err != nil:
			c.done = err
		case message.GetFile() == nil:
			return 0, errors.New("a message of the stream has no part of the archive")
		default:
			c.rest = message.GetFile().GetChunk()
		}
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// drain takes what is left of the stream.
func (c *chunkReader) drain() error {
	for c.done == nil {
		_, c.done = c.stream.Recv()
	}
	if errors.Is(c.done, io.EOF) {
		return nil
	}
	return fmt.Errorf("receiving the repository: %w", c.done)
}
