//go:build unix

package callers

import (
	"context"
	"strings"
	"time"

	common "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/sluice-project/sluice/server/e2e/chaos/plan"
	"github.com/sluice-project/sluice/server/e2e/chaos/record"
	"github.com/sluice-project/sluice/server/e2e/chaos/world"
)

// envoy asks as Envoy would. The answer does not say who has decided; one without the limit is on_error's.
type envoy struct {
	conn   *grpc.ClientConn
	client pb.RateLimitServiceClient
	server *world.Server
	plan   *plan.Plan
}

func newEnvoy(s *world.Server, p *plan.Plan) (client, error) {
	within := insecure.NewCredentials()
	if config := s.TLS(); config != nil {
		within = credentials.NewTLS(config)
	}
	conn, err := grpc.NewClient(
		s.GRPC, grpc.WithTransportCredentials(within), grpc.WithDisableRetry(),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.5, MaxDelay: 300 * time.Millisecond},
			MinConnectTimeout: patience,
		}),
	)
	if err != nil {
		return nil, err
	}
	return &envoy{conn, pb.NewRateLimitServiceClient(conn), s, p}, nil
}

func (c *envoy) close() { _ = c.conn.Close() } // its calls are over

func (c *envoy) ask(checks []record.Check) {
	check := &checks[0]
	s := &c.plan.Subjects[check.Subject]
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if token := c.server.Token(); token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	answer, err := c.client.ShouldRateLimit(ctx, &pb.RateLimitRequest{
		Domain: plan.EnvoyDomain, HitsAddend: uint32(check.Cost),
		Descriptors: []*common.RateLimitDescriptor{{
			Entries: []*common.RateLimitDescriptor_Entry{{Key: c.plan.Policies[s.Policy].Name, Value: s.Key}},
		}},
	})
	switch code := status.Code(err); {
	case code == codes.OK && len(answer.GetStatuses()) == 1:
	case code == codes.DeadlineExceeded:
		check.Ending = record.Silent
		return
	case code == codes.Unavailable && strings.Contains(err.Error(), "connection refused"):
		check.Ending = record.Refused
		return
	case code == codes.Unavailable:
		check.Ending = record.Broken
		return
	case code == codes.Unauthenticated || code == codes.PermissionDenied:
		check.Ending = record.Denied
		return
	default:
		check.Ending = record.Failed
		return
	}
	check.Allowed = answer.GetOverallCode() == pb.RateLimitResponse_OK
	one := answer.GetStatuses()[0]
	switch {
	case one.GetCurrentLimit() == nil:
		check.Source = record.ErrorPolicy
	case check.Allowed:
		check.Source, check.Remaining = record.Store, int32(one.GetLimitRemaining())
	default: // the protocol says nothing of what is left of a limit that a request is over
		check.Source = record.Store
	}
}
