package envoyrls

import (
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// healthName is by what upstream is asked for its health; the empty name is the whole server.
const healthName = "ratelimit"

// serverHealth answers gRPC health checks.
type serverHealth = health.Server

func newHealth() *serverHealth {
	h := health.NewServer()
	h.SetServingStatus(healthName, healthpb.HealthCheckResponse_NOT_SERVING)
	h.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING)
	return h
}

// SetReady says whether requests should be sent here.
func (d *Door) SetReady(ready bool) {
	status := healthpb.HealthCheckResponse_NOT_SERVING
	if ready {
		status = healthpb.HealthCheckResponse_SERVING
	}
	d.health.SetServingStatus(healthName, status)
	d.health.SetServingStatus("", status)
}
