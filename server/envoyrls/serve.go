package envoyrls

import (
	"cmp"
	"context"
	"runtime"
	"time"

	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/reflection"
)

// ServerConfig is what a gRPC server of a door can be told. The zero ServerConfig works.
type ServerConfig struct {
	// Credentials are those of TLS. The default is none.
	Credentials credentials.TransportCredentials
	// MaxConnectionAge is how long a connection lasts before its client is asked to make another, and
	// MaxConnectionAgeGrace how long after that it is cut off. Who takes no answers, but lives, has a connection for so long. The
	// default is 30 minutes, and 30 seconds.
	MaxConnectionAge, MaxConnectionAgeGrace time.Duration
	// IdleTime is how long a connection may be open without a request, and how long somebody may watch the health through
	// one. The default is for ever, and 10 minutes.
	IdleTime time.Duration
	// Admit reports whether a caller may ask who shows a token, "" for none; the error is what he is told. By default
	// everybody may. Health is for everybody.
	Admit func(ctx context.Context, token string) error
}

const (
	// maxHeader is the longest header of a request, in bytes: Envoy's have some hundreds.
	maxHeader = 16 << 10
	// maxStreams is how many requests of a connection can be under way; a client that has more waits, or connects again.
	maxStreams = 250
	// connWindow is how many bytes a client may have on the way, of all its requests together.
	connWindow = 1 << 20
	// defaultAge and defaultAgeGrace are how long a connection lasts. A tenth of the age may come on top of it or off, so that
	// connections do not all end together, which the library sees to; endTime is what it takes to end one besides.
	defaultAge, defaultAgeGrace, endTime = 30 * time.Minute, 30 * time.Second, 5 * time.Second
	// handshakeTime is how long a client may take to begin.
	handshakeTime = 10 * time.Second
	// leastPing is how often a client may ask whether the connection is there; pingTime is when the server does, of one that
	// is silent, so that those whose clients are gone end.
	leastPing, pingTime = 10 * time.Second, time.Minute
	// workersPerProcessor is how many goroutines wait for requests, so that a request finds one whose stack has grown. One
	// that finds none gets its own.
	workersPerProcessor = 64
)

// Server returns a gRPC server that answers for the door, with health and reflection.
func (d *Door) Server(cfg ServerConfig) *grpc.Server {
	age, grace := cmp.Or(cfg.MaxConnectionAge, defaultAge), cmp.Or(cfg.MaxConnectionAgeGrace, defaultAgeGrace)
	options := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.MaxHeaderListSize(maxHeader),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.ConnectionTimeout(handshakeTime),
		grpc.StaticStreamWindowSize(maxMessage), // else it grows to 16 MiB where a client sends much
		grpc.StaticConnWindowSize(connWindow),
		grpc.Creds(meter(cfg.Credentials, age+age/10+grace+endTime)),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: leastPing, PermitWithoutStream: true}),
		grpc.NumStreamWorkers(uint32(workersPerProcessor * runtime.GOMAXPROCS(0))),
		grpc.InTapHandle(tapped),
		grpc.ForceServerCodecV2(newCodec()),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionAge: age, MaxConnectionAgeGrace: grace, MaxConnectionIdle: cfg.IdleTime, Time: pingTime,
		}),
	}
	s := grpc.NewServer(options...)
	guarded := &guard{Server: s, admit: cfg.Admit, logger: d.logger, aside: make(map[*peer.Peer]int)}
	pb.RegisterRateLimitServiceServer(guarded, d)
	healthpb.RegisterHealthServer(guarded, mortalHealth{d.health, cmp.Or(cfg.IdleTime, defaultWatchTime)})
	reflection.Register(guarded)
	return s
}
