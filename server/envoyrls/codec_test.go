package envoyrls

import (
	"bytes"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"

	common "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/sluice-project/sluice/engine"
	"github.com/sluice-project/sluice/store/memstore"
)

// maxDecoded is the most memory in which a request of [maxMessage] may be decoded, in bytes. SECURITY.md has it.
const maxDecoded = 1 << 20

// allocated returns how much memory a function takes. It is for tests that run alone.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// fill returns what a request is filled with up to its length.
func fill(part []byte, length int) []byte {
	return slices.Repeat(part, length/len(part))
}

// nested returns a field that is a message.
func nested(field protowire.Number, message []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, field, protowire.BytesType), message)
}

// TestDecodedMemory decodes requests that are made to take much memory for their length.
func TestDecodedMemory(t *testing.T) {
	entry, room := nested(entriesField, nil), maxMessage-10
	descriptor := append(nested(2, nil), nested(3, nil)...) // a limit and an addend
	widest := slices.Concat(fill(entry, 2*maxEntries/maxDescriptors), descriptor)
	for name, test := range map[string]struct {
		message []byte
		want    codes.Code
	}{
		"entries of one descriptor":     {nested(descriptorsField, fill(entry, room)), codes.InvalidArgument},
		"empty descriptors":             {fill(nested(descriptorsField, nil), room), codes.InvalidArgument},
		"descriptors with all they may": {slices.Repeat(nested(descriptorsField, widest), maxDescriptors), codes.OK},
		"descriptors that are cut off":  {append(fill(nested(descriptorsField, entry), room), 0x12, 0x7f), codes.InvalidArgument},
		"unknown fields":                {fill(nested(9, nil), room), codes.OK},
		"a long value":                  {nested(descriptorsField, nested(entriesField, nested(2, make([]byte, room-10)))), codes.OK},
	} {
		var err error
		took := allocated(func() {
			err = bound(func(v any) error { return newCodec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(test.message)}, v) })(new(pb.RateLimitRequest))
		})
		if len(test.message) > maxMessage || status.Code(err) != test.want || took > maxDecoded {
			t.Errorf("%s, of %d bytes, take %d bytes and are answered %v; want %d at most and %s", name, len(test.message), took, err, maxDecoded, test.want)
		}
	}
	store, err := memstore.New(memstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	door := New(engine.New(store, engine.Config{}), Options{}, Config{})
	for name, test := range map[string]struct {
		body string
		want int
	}{
		"descriptors": {`{"domain":"d","descriptors":[` + strings.Repeat("{},", room/3-20) + `{}]}`, 400},
		"entries":     {`{"domain":"d","descriptors":[{"entries":[` + strings.Repeat("{},", room/3-20) + `{}]}]}`, 400},
		"its length":  {`{"domain":"` + strings.Repeat("d", maxMessage) + `"}`, 413},
	} {
		w, r := httptest.NewRecorder(), httptest.NewRequest("POST", "/json", strings.NewReader(test.body))
		if took := allocated(func() { door.JSON(w, r) }); w.Code != test.want || took > maxDecoded {
			t.Errorf("JSON of too much by %s takes %d bytes and is answered %d; want %d at most and %d", name, took, w.Code, maxDecoded, test.want)
		}
	}
}

// TestCount counts what requests have in them without decoding them, and decodes them.
func TestCount(t *testing.T) {
	t.Parallel()
	full := &pb.RateLimitRequest{Domain: "d", HitsAddend: 3}
	for i := range maxDescriptors {
		d := &common.RateLimitDescriptor{HitsAddend: wrapperspb.UInt64(1), IsNegativeHits: true}
		for range maxEntries / maxDescriptors {
			d.Entries = append(d.Entries, &common.RateLimitDescriptor_Entry{Key: "k", Value: "v"})
		}
		if i%2 == 0 {
			d.Limit = &common.RateLimitDescriptor_RateLimitOverride{RequestsPerUnit: 1, Unit: typev3.RateLimitUnit_DAY}
		}
		full.Descriptors = append(full.Descriptors, d)
	}
	one := proto.CloneOf(full)
	one.Descriptors[0].Entries = append(one.Descriptors[0].Entries, &common.RateLimitDescriptor_Entry{})
	more := proto.CloneOf(full)
	more.Descriptors = append(more.Descriptors, &common.RateLimitDescriptor{})
	for _, test := range []struct {
		request *pb.RateLimitRequest
		want    string
	}{
		{&pb.RateLimitRequest{}, ""},
		{full, ""},
		{one, "the descriptors of the request have 4001 entries; they may have 4000"},
		{more, "the request has 1001 descriptors; it may have 1000"},
	} {
		data, err := proto.Marshal(test.request)
		if err != nil {
			t.Fatal(err)
		}
		var parts mem.BufferSlice // as it comes in frames
		for part := range slices.Chunk(bytes.Clone(data), 1000) {
			parts = append(parts, mem.SliceBuffer(part))
		}
		var got pb.RateLimitRequest
		err = bound(func(v any) error { return newCodec().Unmarshal(parts, v) })(&got)
		if status.Convert(err).Message() != test.want || err == nil && !proto.Equal(&got, test.request) {
			t.Errorf("%d bytes are decoded to %d descriptors, %v, want %q", len(data), len(got.GetDescriptors()), err, test.want)
		}
		if err := sizeOf(test.request); status.Convert(err).Message() != test.want {
			t.Errorf("%d bytes in another form are answered %v, want %q", len(data), err, test.want)
		}
	}
}
