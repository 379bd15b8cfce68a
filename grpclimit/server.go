package grpclimit

import (
	"context"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// UnaryServer returns an interceptor that asks the limiter about each call that is no stream, and passes on to the handler
// those that are allowed. The metadata of the decision goes before the response, or with the refusal. Where several are
// chained, each adds its own: their limits should have different names.
func UnaryServer(limiter Limiter, config Config) grpc.UnaryServerInterceptor {
	g := newGate(limiter, config, ByIP())
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		md, err := g.pass(ctx, Call{Method: info.FullMethod, Message: req})
		_ = grpc.SetHeader(ctx, md) // it fails where the call has ended or somebody has sent headers, who then has none
		if err != nil {
			return nil, err
		}
		return handler(ctx, req)
	}
}

// StreamServer is [UnaryServer] for streams, which are asked about as they begin.
//
// Under [Config].PerMessage each message is asked about when the handler receives it. Where one is refused the handler is
// given the refusal in its place and of every later one, and the stream ends with it, whatever the handler returns. The
// metadata of the first decision goes before the responses, if none was sent by then, and that of the last one goes behind
// them.
func StreamServer(limiter Limiter, config Config) grpc.StreamServerInterceptor {
	g := newGate(limiter, config, ByIP())
	return func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		call := Call{Method: info.FullMethod}
		if !g.config.PerMessage {
			md, err := g.pass(stream.Context(), call)
			_ = stream.SetHeader(md) // as in UnaryServer
			if err != nil {
				return err
			}
			return handler(srv, stream)
		}
		limited := &serverStream{ServerStream: stream, gate: g, call: call}
		err := handler(srv, limited)
		last, refused := limited.end()
		stream.SetTrailer(last)
		if refused != nil {
			return refused
		}
		return err
	}
}

// serverStream is a stream of which each message that is received is asked about.
type serverStream struct {
	grpc.ServerStream
	gate *gate
	call Call

	mu      sync.Mutex // a handler may return while it still receives
	asked   bool
	last    metadata.MD // of the last decision
	refused error
}

func (s *serverStream) RecvMsg(m any) error {
	if _, refused := s.end(); refused != nil {
		return refused
	}
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	call := s.call
	call.Message = m
	md, err := s.gate.pass(s.Context(), call)

	s.mu.Lock()
	first := !s.asked
	s.asked, s.last, s.refused = true, md, err
	s.mu.Unlock()
	if first {
		_ = s.SetHeader(md) // it fails where the handler has sent headers: then it is in the trailer alone
	}
	return err
}

func (s *serverStream) end() (last metadata.MD, refused error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last, s.refused
}
