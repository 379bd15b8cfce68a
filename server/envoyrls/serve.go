package envoyrls

import (
	"runtime"
	"time"

	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
)

// ServerConfig is what a gRPC server of a door can be told. The zero ServerConfig works.
type ServerConfig struct {
	// Credentials are those of TLS. The default is none.
	Credentials credentials.TransportCredentials
	// MaxConnectionAge is how long a connection lasts before its client is asked to make another, and
	// MaxConnectionAgeGrace how long after that it is cut off. The default is for ever.
	MaxConnectionAge, MaxConnectionAgeGrace time.Duration
}

const (
	// maxMessage is the longest request.
	maxMessage = 1 << 20
	// workersPerProcessor is how many goroutines wait for requests, so that a request finds one whose stack has grown. One
	// that finds none gets its own.
	workersPerProcessor = 64
)

// Server returns a gRPC server that answers for the door, with health and reflection.
func (d *Door) Server(cfg ServerConfig) *grpc.Server {
	options := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.NumStreamWorkers(uint32(workersPerProcessor * runtime.GOMAXPROCS(0))),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionAge: cfg.MaxConnectionAge, MaxConnectionAgeGrace: cfg.MaxConnectionAgeGrace,
		}),
	}
	if cfg.Credentials != nil {
		options = append(options, grpc.Creds(cfg.Credentials))
	}
	s := grpc.NewServer(options...)
	pb.RegisterRateLimitServiceServer(s, d)
	healthpb.RegisterHealthServer(s, d.health)
	reflection.Register(s)
	return s
}
