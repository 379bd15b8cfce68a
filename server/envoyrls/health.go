package envoyrls

import (
	"context"
	"errors"
	"sync"
	"time"

	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// healthName is by what upstream is asked for its health; the empty name is the whole server.
const healthName = "ratelimit"

// serverHealth is what gRPC health checks are answered.
type serverHealth struct {
	*health.Server
	mu    sync.Mutex // held while ready is changed
	ready bool
}

func newHealth() *serverHealth {
	h := &serverHealth{Server: health.NewServer()}
	h.say(healthpb.HealthCheckResponse_NOT_SERVING)
	return h
}

func (h *serverHealth) say(status healthpb.HealthCheckResponse_ServingStatus) {
	h.SetServingStatus(healthName, status)
	h.SetServingStatus("", status)
}

// SetReady says whether requests should be sent here. It wakes those who watch only where that has changed: it is said
// several times a second, and they may be many.
func (d *Door) SetReady(ready bool) {
	h := d.health
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ready == ready {
		return
	}
	h.ready = ready
	if ready {
		h.say(healthpb.HealthCheckResponse_SERVING)
		return
	}
	h.say(healthpb.HealthCheckResponse_NOT_SERVING)
}

// mortalHealth is health whose watches have an end.
type mortalHealth struct {
	*serverHealth
	most time.Duration
}

// Watch implements [healthpb.HealthServer].
func (h mortalHealth) Watch(req *healthpb.HealthCheckRequest, stream healthpb.Health_WatchServer) error {
	prolong(stream.Context(), h.most)
	err := h.serverHealth.Watch(req, stream)
	if errors.Is(context.Cause(stream.Context()), errWatched) {
		return errWatched
	}
	return err
}
