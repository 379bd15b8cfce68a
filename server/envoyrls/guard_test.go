package envoyrls

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// streamOf is a stream that has a context and nothing else.
type streamOf struct {
	grpc.ServerStream
	ctx context.Context
}

func (s streamOf) Context() context.Context { return s.ctx }

// TestPanic has the methods of a service panic. Their callers are told, and the log, and the process goes on.
func TestPanic(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	g := &guard{Server: grpc.NewServer(), logger: slog.New(slog.NewTextHandler(&log, nil)), aside: make(map[*peer.Peer]int)}
	desc := g.guarded(&grpc.ServiceDesc{
		ServiceName: "s",
		Methods: []grpc.MethodDesc{{MethodName: "Once", Handler: func(any, context.Context, func(any) error, grpc.UnaryServerInterceptor) (any, error) {
			panic("a fault of ours")
		}}},
		Streams: []grpc.StreamDesc{{StreamName: "Often", Handler: func(any, grpc.ServerStream) error { panic("a fault of ours") }}},
	})
	ctx := peer.NewContext(t.Context(), &peer.Peer{})
	for name, call := range map[string]func() error{
		"/s/Once": func() error {
			_, err := desc.Methods[0].Handler(nil, ctx, nil, nil)
			return err
		},
		"/s/Often": func() error { return desc.Streams[0].Handler(nil, streamOf{ctx: ctx}) },
	} {
		log.Reset()
		if err := call(); status.Code(err) != codes.Internal || strings.Contains(err.Error(), "ours") {
			t.Errorf("%s is answered %v, want that it is Internal and no more", name, err)
		}
		if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "a fault of ours") || !strings.Contains(got, "guard_test.go") || !strings.Contains(got, name) {
			t.Errorf("%s: the log has %q, want one line with what was wrong and where", name, got)
		}
	}
	if len(g.aside) != 0 {
		t.Errorf("calls that have ended by a panic count still: %v", g.aside)
	}
}
