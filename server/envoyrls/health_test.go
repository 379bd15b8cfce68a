package envoyrls

import (
	"testing"

	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/sluice-project/sluice/engine"
	"github.com/sluice-project/sluice/store/memstore"
)

// TestSetReadyOnChange says the same several times. Each time that the library is told of it, all who watch are woken, so it is
// told of changes only: what it was told besides stays.
func TestSetReadyOnChange(t *testing.T) {
	t.Parallel()
	store, err := memstore.New(memstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	d := New(engine.New(store, engine.Config{}), Options{}, Config{})
	answers := func(want healthpb.HealthCheckResponse_ServingStatus) {
		t.Helper()
		for _, service := range []string{"", healthName} {
			got, err := d.health.Check(t.Context(), &healthpb.HealthCheckRequest{Service: service})
			if err != nil || got.GetStatus() != want {
				t.Errorf("the health of %q is %v, %v, want %s", service, got, err, want)
			}
		}
	}
	answers(healthpb.HealthCheckResponse_NOT_SERVING)
	for _, ready := range []bool{true, false, true} {
		want := healthpb.HealthCheckResponse_NOT_SERVING
		if ready {
			want = healthpb.HealthCheckResponse_SERVING
		}
		d.SetReady(ready)
		answers(want)
		d.health.say(healthpb.HealthCheckResponse_UNKNOWN)
		d.SetReady(ready)
		answers(healthpb.HealthCheckResponse_UNKNOWN)
	}
}
