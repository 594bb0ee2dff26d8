package cmpserver

import (
	"errors"

	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // the codec of all other messages
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/cmpserver/cmppb"
)

// frame is an AppStreamRequest that is received over and over. The chunk lies
// in gRPC's buffer and is valid until the next one is received: a repository
// comes in messages of 1 KiB, and each allocation would be one of a hundred
// thousand.
type frame struct {
	metadata *cmppb.ManifestRequestMetadata
	chunk    []byte
	isFile   bool
	buffer   mem.Buffer
}

// free gives the buffer back.
func (f *frame) free() {
	if f.buffer != nil {
		f.buffer.Free()
	}
	*f = frame{}
}

// codec decodes frames, and leaves everything else to gRPC's own codec.
type codec struct{ encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2("proto")} }

func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	f, ok := v.(*frame)
	if !ok {
		return c.CodecV2.Unmarshal(data, v)
	}
	f.free()
	f.buffer = data.MaterializeToBuffer(mem.DefaultBufferPool())
	return f.parse(f.buffer.ReadOnlyData())
}

// The numbers of the fields in plugin.proto.
const (
	fieldMetadata = 1
	fieldFile     = 2
	fieldChunk    = 1
)

var errMessage = errors.New("not a message of the plugin contract")

// parse reads the wire format. Of a oneof the last field wins, one that comes
// again is merged, and fields that are not known are skipped, as everywhere in
// protobuf.
func (f *frame) parse(data []byte) error {
	for len(data) > 0 {
		number, kind, n := protowire.ConsumeTag(data)
		if n < 0 {
			return errMessage
		}
		data = data[n:]
		if kind != protowire.BytesType || number != fieldMetadata && number != fieldFile {
			if n = protowire.ConsumeFieldValue(number, kind, data); n < 0 {
				return errMessage
			}
			data = data[n:]
			continue
		}
		value, n := protowire.ConsumeBytes(data)
		if n < 0 {
			return errMessage
		}
		data = data[n:]
		if number == fieldFile {
			f.metadata, f.isFile = nil, true
			if err := f.parseFile(value); err != nil {
				return err
			}
			continue
		}
		f.chunk, f.isFile = nil, false
		if f.metadata == nil {
			f.metadata = &cmppb.ManifestRequestMetadata{}
		}
		if err := (proto.UnmarshalOptions{Merge: true}).Unmarshal(value, f.metadata); err != nil {
			return errMessage
		}
	}
	return nil
}

func (f *frame) parseFile(data []byte) error {
	for len(data) > 0 {
		number, kind, n := protowire.ConsumeTag(data)
		if n < 0 {
			return errMessage
		}
		data = data[n:]
		if number == fieldChunk && kind == protowire.BytesType {
			f.chunk, n = protowire.ConsumeBytes(data)
		} else {
			n = protowire.ConsumeFieldValue(number, kind, data)
		}
		if n < 0 {
			return errMessage
		}
		data = data[n:]
	}
	return nil
}
