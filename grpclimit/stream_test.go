package grpclimit_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/grpclimit"
)

func TestStreamIsOneCall(t *testing.T) {
	t.Parallel()
	s := &service{}
	client := serve(t, s, limited(newLimiter(t, sluice.PerHour(1)), grpclimit.Config{}))
	for i, code := range []codes.Code{codes.OK, codes.ResourceExhausted} {
		stream, err := client.StreamingInputCall(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := stream.Send(&testpb.StreamingInputCallRequest{}); err != nil && err != io.EOF {
				t.Fatal(err)
			}
		}
		_, err = stream.CloseAndRecv()
		wantCode(t, err, code)
		header, err := stream.Header()
		if want := []string{`"hour";r=0;t=3600`}; err != nil || !cmp.Equal(want, header["ratelimit"]) {
			t.Errorf("stream %d: ratelimit %v (%v), want %v", i, header["ratelimit"], err, want)
		}
	}
	if calls, messages := s.calls.Load(), s.messages.Load(); calls != 1 || messages != 3 {
		t.Errorf("%d calls and %d messages, want 1 and 3", calls, messages)
	}
}

func TestPerMessage(t *testing.T) {
	t.Parallel()
	for _, deaf := range []bool{false, true} {
		t.Run(fmt.Sprintf("deaf %v", deaf), func(t *testing.T) {
			t.Parallel()
			s := &service{deaf: deaf}
			seen := 0
			config := grpclimit.Config{PerMessage: true, Cost: func(_ context.Context, c grpclimit.Call) int64 {
				seen += len(c.Message.(*testpb.StreamingOutputCallRequest).Payload.GetBody())
				return 1
			}}
			client := serve(t, s, limited(newLimiter(t, sluice.PerHour(3)), config))
			stream, err := client.FullDuplexCall(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			message := &testpb.StreamingOutputCallRequest{Payload: &testpb.Payload{Body: []byte("12345")}}
			for range 3 {
				if err := stream.Send(message); err != nil {
					t.Fatal(err)
				}
				if _, err := stream.Recv(); err != nil {
					t.Fatal(err)
				}
			}
			if err := stream.Send(message); err != nil {
				t.Fatal(err)
			}
			_, err = stream.Recv()
			wantCode(t, err, codes.ResourceExhausted)
			if got := len(status.Convert(err).Details()); got != 2 {
				t.Errorf("%d details, want two", got)
			}
			header, err := stream.Header()
			if want := (metadata.MD{"ratelimit-policy": {`"hour";q=3;w=3600`}, "ratelimit": {`"hour";r=2;t=3600`}}); err != nil || !cmp.Equal(want, ours(header)) {
				t.Errorf("header %v (%v), want that of the first decision: %v", header, err, want)
			}
			if want := (metadata.MD{"ratelimit-policy": {`"hour";q=3;w=3600`}, "ratelimit": {`"hour";r=0;t=3600`}, "retry-after": {"3600"}}); !cmp.Equal(want, ours(stream.Trailer())) {
				t.Errorf("trailer %v, want that of the last decision: %v", stream.Trailer(), want)
			}
			if got := s.messages.Load(); got != 3 || seen != 20 {
				t.Errorf("%d messages came to the handler and %d bytes to Cost, want 3 and 20", got, seen)
			}
		})
	}
}

func TestRefusedStreamStaysRefused(t *testing.T) {
	t.Parallel()
	asked := 0
	limiter := limiterFunc(func(context.Context, string, int64) (sluice.Decision, error) {
		asked++
		return sluice.Decision{Allowed: asked > 1}, nil
	})
	interceptor := grpclimit.StreamServer(limiter, grpclimit.Config{PerMessage: true, Key: grpclimit.ByMethod()})
	stream := &endless{ctx: t.Context()}
	err := interceptor(nil, stream, &grpc.StreamServerInfo{FullMethod: "/s/m"}, func(_ any, stream grpc.ServerStream) error {
		for range 3 {
			wantCode(t, stream.RecvMsg(nil), codes.ResourceExhausted)
		}
		return errors.New("something else")
	})
	wantCode(t, err, codes.ResourceExhausted)
	if asked != 1 || stream.received != 1 {
		t.Errorf("asked %d times about %d messages, want about one only", asked, stream.received)
	}
}

// endless is a stream that always has a message.
type endless struct {
	grpc.ServerStream
	ctx      context.Context
	received int
}

func (s *endless) Context() context.Context       { return s.ctx }
func (s *endless) RecvMsg(any) error              { s.received++; return nil }
func (s *endless) SetHeader(metadata.MD) error    { return nil }
func (s *endless) SetTrailer(trailer metadata.MD) {}

// Calls that are no stream, and streams of one request, have one message.
func TestPerMessageOfOneMessage(t *testing.T) {
	t.Parallel()
	client := serve(t, &service{}, limited(newLimiter(t, sluice.PerHour(2)), grpclimit.Config{PerMessage: true}))
	if err := unary(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	for _, code := range []codes.Code{codes.OK, codes.ResourceExhausted} {
		stream, err := client.StreamingOutputCall(t.Context(), &testpb.StreamingOutputCallRequest{})
		if err != nil {
			t.Fatal(err)
		}
		for err == nil {
			_, err = stream.Recv()
		}
		if err == io.EOF {
			err = nil
		}
		wantCode(t, err, code)
	}
}
