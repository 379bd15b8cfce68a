package grpclimit_test

import (
	"context"
	"io"
	"net"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/grpclimit"
	"github.com/sluice-project/sluice/store/memstore"
)

// limiterFunc is a limiter that answers as a test needs it.
type limiterFunc func(ctx context.Context, key string, cost int64) (sluice.Decision, error)

func (f limiterFunc) Check(ctx context.Context, key string, cost int64) (sluice.Decision, error) {
	return f(ctx, key, cost)
}

func newLimiter(t *testing.T, limits ...sluice.Limit) *sluice.Limiter {
	t.Helper()
	store, err := memstore.New(memstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	limiter, err := sluice.New(store, sluice.Policy{Name: "api", Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	return limiter
}

// service counts the calls and messages that come to its handlers.
type service struct {
	testpb.UnimplementedTestServiceServer
	calls, messages atomic.Int64
	// deaf makes the handlers of streams take every end of what they receive for a good one, and return no error.
	deaf bool
	// ended is closed when the handler of FullDuplexCall returns, where it is not nil.
	ended chan struct{}
}

func (s *service) UnaryCall(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
	s.calls.Add(1)
	return &testpb.SimpleResponse{Username: "served"}, nil
}

func (s *service) StreamingOutputCall(
	_ *testpb.StreamingOutputCallRequest, stream grpc.ServerStreamingServer[testpb.StreamingOutputCallResponse],
) error {
	s.calls.Add(1)
	for range 3 {
		if err := stream.Send(&testpb.StreamingOutputCallResponse{}); err != nil {
			return err
		}
	}
	return nil
}

func (s *service) StreamingInputCall(
	stream grpc.ClientStreamingServer[testpb.StreamingInputCallRequest, testpb.StreamingInputCallResponse],
) error {
	s.calls.Add(1)
	for {
		if _, err := stream.Recv(); err == io.EOF || err != nil && s.deaf {
			return stream.SendAndClose(&testpb.StreamingInputCallResponse{AggregatedPayloadSize: int32(s.messages.Load())})
		} else if err != nil {
			return err
		}
		s.messages.Add(1)
	}
}

// FullDuplexCall answers each message with one.
func (s *service) FullDuplexCall(
	stream grpc.BidiStreamingServer[testpb.StreamingOutputCallRequest, testpb.StreamingOutputCallResponse],
) error {
	s.calls.Add(1)
	if s.ended != nil {
		defer close(s.ended)
	}
	for {
		if _, err := stream.Recv(); err == io.EOF || err != nil && s.deaf {
			return nil
		} else if err != nil {
			return err
		}
		s.messages.Add(1)
		if err := stream.Send(&testpb.StreamingOutputCallResponse{}); err != nil {
			return err
		}
	}
}

// serve starts a server for the service on the loopback, and returns a client of it.
func serve(t *testing.T, s *service, server []grpc.ServerOption, client ...grpc.DialOption) testpb.TestServiceClient {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := grpc.NewServer(server...)
	testpb.RegisterTestServiceServer(g, s)
	served := make(chan error, 1)
	go func() { served <- g.Serve(l) }()
	t.Cleanup(func() {
		g.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	if client == nil {
		client = []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	}
	conn, err := grpc.NewClient(l.Addr().String(), client...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return testpb.NewTestServiceClient(conn)
}

// limited are the options of a server that both interceptors limit.
func limited(l grpclimit.Limiter, c grpclimit.Config) []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(grpclimit.UnaryServer(l, c)), grpc.ChainStreamInterceptor(grpclimit.StreamServer(l, c)),
	}
}

// limitedClient are the options of a client that both interceptors limit.
func limitedClient(l grpclimit.Limiter, c grpclimit.Config) []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithChainUnaryInterceptor(grpclimit.UnaryClient(l, c)), grpc.WithChainStreamInterceptor(grpclimit.StreamClient(l, c)),
	}
}

func unary(ctx context.Context, c testpb.TestServiceClient, opts ...grpc.CallOption) error {
	_, err := c.UnaryCall(ctx, &testpb.SimpleRequest{}, opts...)
	return err
}

func wantCode(t *testing.T, err error, want codes.Code) {
	t.Helper()
	if got := status.Code(err); got != want {
		t.Fatalf("the call ended with %s (%v), want %s", got, err, want)
	}
}
