package envoyrls

import (
	"context"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// maxAside is how many calls of a connection can be under way that ask for no decision: health, which is for everybody, and
// reflection. Whoever asks for them asks once, or watches once.
const maxAside = 8

var (
	errAside = status.Errorf(codes.ResourceExhausted, "the connection has %d calls under way that ask for no decision; end one first", maxAside)
	errFault = status.Error(codes.Internal, "a fault of the server; its log has more")
)

// guard registers services so that each call is looked at before anything of its message is read: an interceptor of unary
// calls comes too late, when a message has been waited for and decoded. Nor does the tap refuse: the context of a call that
// is refused there lasts until the deadline that its client has made up.
type guard struct {
	*grpc.Server
	admit  func(ctx context.Context, token string) error // nil where everybody may
	logger *slog.Logger

	mu    sync.Mutex // guards aside
	aside map[*peer.Peer]int
}

// RegisterService implements [grpc.ServiceRegistrar].
func (g *guard) RegisterService(desc *grpc.ServiceDesc, impl any) {
	g.Server.RegisterService(g.guarded(desc), impl)
}

func (g *guard) guarded(desc *grpc.ServiceDesc) *grpc.ServiceDesc {
	guarded := *desc
	guarded.Methods, guarded.Streams = slices.Clone(desc.Methods), slices.Clone(desc.Streams)
	for i := range guarded.Methods {
		m := &guarded.Methods[i]
		handler, method := m.Handler, "/"+desc.ServiceName+"/"+m.MethodName
		m.Handler = func(srv any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (_ any, err error) {
			defer g.recovered(method, &err)
			if err := g.begin(ctx, method); err != nil {
				return nil, err
			}
			defer g.end(ctx, method)
			return handler(srv, ctx, bound(decode), interceptor)
		}
	}
	for i := range guarded.Streams {
		s := &guarded.Streams[i]
		handler, method := s.Handler, "/"+desc.ServiceName+"/"+s.StreamName
		s.Handler = func(srv any, stream grpc.ServerStream) (err error) {
			defer g.recovered(method, &err)
			if err := g.begin(stream.Context(), method); err != nil {
				return err
			}
			defer g.end(stream.Context(), method)
			return handler(srv, stream)
		}
	}
	return &guarded
}

// recovered has a call that panicked answered an error: one must not end the process for all. It is to be deferred.
func (g *guard) recovered(method string, err *error) {
	if fault := recover(); fault != nil {
		g.logger.Error("a call ended by a fault of the server", "method", method, "panic", fault, "stack", string(debug.Stack()))
		*err = errFault
	}
}

// begin says why a call is refused; nil where it may go on, until end.
func (g *guard) begin(ctx context.Context, method string) error {
	if g.admit != nil && !isOpen(method) {
		if err := g.admit(ctx, tokenOf(ctx)); err != nil {
			return err
		}
	}
	if decides(method) {
		return nil
	}
	from, _ := peer.FromContext(ctx) // there is one of each connection
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.aside[from] >= maxAside {
		return errAside
	}
	g.aside[from]++
	return nil
}

func (g *guard) end(ctx context.Context, method string) {
	if decides(method) {
		return
	}
	from, _ := peer.FromContext(ctx)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.aside[from]--; g.aside[from] == 0 {
		delete(g.aside, from)
	}
}

// decides reports whether a method is the one that all of this is for.
func decides(method string) bool {
	return method == pb.RateLimitService_ShouldRateLimit_FullMethodName
}

// isOpen reports whether a method is for everybody.
func isOpen(method string) bool {
	return strings.HasPrefix(method, "/"+healthpb.Health_ServiceDesc.ServiceName+"/")
}

// tokenOf returns the token that a call shows in its metadata; "" where it shows none.
func tokenOf(ctx context.Context) string {
	values := metadata.ValueFromIncomingContext(ctx, "authorization")
	if len(values) == 0 {
		return ""
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}
