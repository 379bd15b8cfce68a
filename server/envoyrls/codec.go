package envoyrls

import (
	"bytes"

	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
)

const (
	// maxMessage is the longest request, in bytes: what a command of the Redis protocol may have. Those of Envoy have some
	// hundreds, but the values in them are its clients' headers, of which Envoy takes 60 KiB unless told otherwise.
	maxMessage = 64 << 10
	// maxDescriptors is how many descriptors a request may have: all are one call of the store.
	maxDescriptors = 1000
	// maxEntries is how many entries all of them may have together. One of two bytes takes 88 when it is decoded.
	maxEntries = 4000
	// smallMessage is the length up to which it does not matter what a message decodes to.
	smallMessage = 4 << 10
)

func errDescriptors(n int) error {
	return status.Errorf(codes.InvalidArgument, "the request has %d descriptors; it may have %d", n, maxDescriptors)
}

func errEntries(n int) error {
	return status.Errorf(codes.InvalidArgument, "the descriptors of the request have %d entries; they may have %d", n, maxEntries)
}

// size says why a request of so many descriptors and entries is refused; nil where it is not.
func size(descriptors, entries int) error {
	switch {
	case descriptors > maxDescriptors:
		return errDescriptors(descriptors)
	case entries > maxEntries:
		return errEntries(entries)
	}
	return nil
}

// boundedCodec is the codec of the library, but that it decodes no request with more in it than one may have.
type boundedCodec struct{ encoding.CodecV2 }

func newCodec() boundedCodec { return boundedCodec{encoding.GetCodecV2(proto.Name)} }

// bounded is into what a request is decoded, and why it is not: what the codec returns by itself is told as a fault of ours.
type bounded struct {
	request *pb.RateLimitRequest
	err     error
}

// Unmarshal implements [encoding.CodecV2].
func (c boundedCodec) Unmarshal(data mem.BufferSlice, v any) error {
	b, ok := v.(*bounded)
	if !ok {
		return c.CodecV2.Unmarshal(data, v)
	}
	if data.Len() <= smallMessage {
		return c.CodecV2.Unmarshal(data, b.request)
	}
	whole := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer whole.Free()
	if b.err = size(count(whole.ReadOnlyData())); b.err != nil {
		return nil
	}
	return c.CodecV2.Unmarshal(mem.BufferSlice{whole}, b.request)
}

// bound has a request be decoded within its bounds.
func bound(decode func(any) error) func(any) error {
	return func(v any) error {
		request, ok := v.(*pb.RateLimitRequest)
		if !ok {
			return decode(v)
		}
		b := bounded{request: request}
		if err := decode(&b); err != nil {
			return err
		}
		return b.err
	}
}

// The numbers of fields that may be there often: descriptors of a request, and entries of a descriptor.
const (
	descriptorsField = 2
	entriesField     = 1
)

// count returns how many descriptors and entries an encoded request has, up to where it cannot be read.
func count(request []byte) (descriptors, entries int) {
	each(request, descriptorsField, func(descriptor []byte) {
		descriptors++
		each(descriptor, entriesField, func([]byte) { entries++ })
	})
	return descriptors, entries
}

// each calls f with every value of a field that is a message.
func each(message []byte, field protowire.Number, f func([]byte)) {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return
		}
		message = message[n:]
		n = protowire.ConsumeFieldValue(number, kind, message)
		if n < 0 {
			return
		}
		if number == field && kind == protowire.BytesType {
			value, _ := protowire.ConsumeBytes(message)
			f(value)
		}
		message = message[n:]
	}
}

// maxObjects is how many objects the JSON form of a request can have: itself, its descriptors with a limit each, and their
// entries.
const maxObjects = 1 + 2*maxDescriptors + maxEntries

// tooManyObjects reports whether a JSON text can have more objects than a request may. It does not read it, so that braces in
// values count.
func tooManyObjects(text []byte) bool { return bytes.Count(text, []byte{'{'}) > maxObjects }
