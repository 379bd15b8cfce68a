package envoyrls

import (
	"context"
	"testing"
	"time"

	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/tap"
)

// TestReceiveTime gives a request its time, however much its client would take, and leaves those that last.
func TestReceiveTime(t *testing.T) {
	t.Parallel()
	within := func(d time.Duration) context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		t.Cleanup(cancel)
		return ctx
	}
	for name, test := range map[string]struct {
		ctx    context.Context
		method string
		most   time.Duration // 0 for none
	}{
		"a client that says nothing": {t.Context(), pb.RateLimitService_ShouldRateLimit_FullMethodName, receiveTime},
		"one with very much time":    {within(time.Hour), pb.RateLimitService_ShouldRateLimit_FullMethodName, receiveTime},
		"one with less":              {within(time.Second), pb.RateLimitService_ShouldRateLimit_FullMethodName, time.Second},
		"one that watches":           {t.Context(), healthpb.Health_Watch_FullMethodName, 0},
	} {
		ctx, err := tapped(test.ctx, &tap.Info{FullMethodName: test.method})
		if err != nil {
			t.Fatal(err)
		}
		until, bounded := ctx.Deadline()
		if bounded != (test.most > 0) || bounded && (time.Until(until) > test.most || time.Until(until) < test.most-500*time.Millisecond) {
			t.Errorf("%s: it has time until %v (%v), want %v from now", name, until, bounded, test.most)
		}
	}
}
