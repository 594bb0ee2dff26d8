package cmpserver

import (
	"bytes"
	"testing"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/cmpserver/cmppb"
)

// TestChunksAreNotCopied holds the promise of frame: a chunk is a part of the
// message that was received, and costs no allocation.
func TestChunksAreNotCopied(t *testing.T) {
	chunk := bytes.Repeat([]byte("x"), 1024)
	message, err := proto.Marshal(&cmppb.AppStreamRequest{Request: &cmppb.AppStreamRequest_File{File: &cmppb.File{Chunk: chunk}}})
	if err != nil {
		t.Fatal(err)
	}
	received := mem.BufferSlice{mem.SliceBuffer(message)}
	codec, f := newCodec(), &frame{}
	allocations := testing.AllocsPerRun(100, func() {
		if err := codec.Unmarshal(received, f); err != nil {
			t.Fatal(err)
		}
	})
	if allocations > 0 {
		t.Errorf("%v allocations for a chunk", allocations)
	}
	if !bytes.Equal(f.chunk, chunk) || &f.chunk[len(chunk)-1] != &message[len(message)-1] {
		t.Error("the chunk is not that of the message")
	}
}
