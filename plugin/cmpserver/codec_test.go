package cmpserver

import (
	"bytes"
	"testing"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/cmpserver/cmppb"
)

func wire(tb testing.TB, m *cmppb.AppStreamRequest) []byte {
	tb.Helper()
	data, err := proto.Marshal(m)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func chunkMessage(chunk []byte) *cmppb.AppStreamRequest {
	return &cmppb.AppStreamRequest{Request: &cmppb.AppStreamRequest_File{File: &cmppb.File{Chunk: chunk}}}
}

// FuzzFrame compares the frame codec with protobuf's own: both accept the same
// messages, and understand them in the same way.
func FuzzFrame(f *testing.F) {
	f.Add(wire(f, chunkMessage([]byte("part of an archive"))))
	f.Add(wire(f, &cmppb.AppStreamRequest{Request: &cmppb.AppStreamRequest_Metadata{Metadata: &cmppb.ManifestRequestMetadata{
		AppName: "a", AppRelPath: "b", Checksum: "c", Size: 7, Env: []*cmppb.EnvEntry{{Name: "N", Value: "V"}},
	}}}))
	f.Add(append(wire(f, chunkMessage([]byte("one"))), wire(f, chunkMessage([]byte("two")))...))
	f.Add([]byte{0x12, 0x00})
	f.Add([]byte{0x12, 0x05, 0x0a, 0x7f})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Fuzz(func(t *testing.T, data []byte) {
		var want cmppb.AppStreamRequest
		wantErr := proto.Unmarshal(data, &want)
		got := &frame{}
		defer got.free()
		err := newCodec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(data)}, got)
		if err == nil && wantErr != nil && got.metadata == nil && !got.isFile {
			return // a broken field that nobody reads
		}
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("got %v, protobuf says %v", err, wantErr)
		}
		if err != nil {
			return
		}
		switch r := want.GetRequest().(type) {
		case *cmppb.AppStreamRequest_File:
			if !got.isFile || got.metadata != nil || !bytes.Equal(got.chunk, r.File.GetChunk()) {
				t.Errorf("a chunk is read as %+v", got)
			}
		case *cmppb.AppStreamRequest_Metadata:
			if got.isFile || got.metadata.GetChecksum() != r.Metadata.GetChecksum() || len(got.metadata.GetEnv()) != len(r.Metadata.GetEnv()) {
				t.Errorf("metadata is read as %+v", got)
			}
		case nil:
			if got.isFile || got.metadata != nil {
				t.Errorf("nothing is read as %+v", got)
			}
		}
	})
}

// BenchmarkChunk compares with protobuf's own codec.
func BenchmarkChunk(b *testing.B) {
	data := mem.BufferSlice{mem.SliceBuffer(wire(b, chunkMessage(make([]byte, 1024))))}
	c := newCodec()
	b.Run("frame", func(b *testing.B) {
		b.ReportAllocs()
		f := &frame{}
		for b.Loop() {
			if err := c.Unmarshal(data, f); err != nil {
				b.Fatal(err)
			}
		}
		f.free()
	})
	b.Run("protobuf", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := c.Unmarshal(data, &cmppb.AppStreamRequest{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
