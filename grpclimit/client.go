package grpclimit

import (
	"context"
	"errors"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// UnaryClient returns an interceptor that asks the limiter about each call that is no stream before it leaves the client. A
// call that is refused fails as it would at a server, and none is sent; with [Waiting] it waits for its turn.
func UnaryClient(limiter Limiter, config Config) grpc.UnaryClientInterceptor {
	g := newGate(limiter, config, ByTarget())
	return func(
		ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption,
	) error {
		if _, err := g.pass(ctx, Call{Method: method, Message: req, Target: conn.Target()}); err != nil {
			return err
		}
		return invoke(ctx, method, req, reply, conn, opts...)
	}
}

// StreamClient is [UnaryClient] for streams, which are asked about before they begin. Under [Config].PerMessage each
// message is asked about before it is sent. Where one is refused, the stream is given up, as it is after other errors of
// SendMsg: what waits for responses is given the refusal too.
func StreamClient(limiter Limiter, config Config) grpc.StreamClientInterceptor {
	g := newGate(limiter, config, ByTarget())
	return func(
		ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption,
	) (grpc.ClientStream, error) {
		call := Call{Method: method, Target: conn.Target()}
		if !g.config.PerMessage {
			if _, err := g.pass(ctx, call); err != nil {
				return nil, err
			}
			return open(ctx, desc, conn, method, opts...)
		}
		ctx, cancel := context.WithCancel(ctx)
		stream, err := open(ctx, desc, conn, method, opts...)
		if err != nil {
			cancel()
			return nil, err
		}
		return &clientStream{ClientStream: stream, gate: g, ctx: ctx, call: call, one: !desc.ServerStreams, cancel: cancel}, nil
	}
}

// clientStream is a stream of which each message that is sent is asked about. Its context is canceled when it has ended,
// by whatever of that the caller sees.
type clientStream struct {
	grpc.ClientStream
	gate   *gate
	ctx    context.Context // that of ClientStream must not be asked for before there is a response
	call   Call
	one    bool // there is one response
	cancel context.CancelFunc

	mu      sync.Mutex // one goroutine may send while another receives
	refused error
}

func (s *clientStream) SendMsg(m any) error {
	if err := s.refusal(); err != nil {
		return err
	}
	call := s.call
	call.Message = m
	_, err := s.gate.pass(s.ctx, call)
	if err != nil {
		s.mu.Lock()
		s.refused = err
		s.mu.Unlock()
		s.cancel()
		return err
	}
	err = s.ClientStream.SendMsg(m)
	if err != nil && !errors.Is(err, io.EOF) { // after io.EOF there is a status to receive
		s.cancel()
	}
	return err
}

func (s *clientStream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if err == nil && !s.one {
		return nil
	}
	s.cancel()
	if refused := s.refusal(); refused != nil && err != nil {
		return refused
	}
	return err
}

func (s *clientStream) Header() (metadata.MD, error) {
	md, err := s.ClientStream.Header()
	if err != nil {
		s.cancel()
	}
	return md, err
}

func (s *clientStream) refusal() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused
}
