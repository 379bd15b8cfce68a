package server_test

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/sluice-project/sluice/internal/redistest"
)

// TestAShortDeadlineTakesNoServerOut has a stranger give less time than Redis takes, which answers all the while: he gets what
// on_error says, his checks are counted, and the server stays in service.
func TestAShortDeadlineTakesNoServerOut(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t, redistest.Options{})
	dir := t.TempDir()
	rateLimits(t, dir, "1000")
	r := run(t, "", map[string]string{
		"store": redis.URL(), "store_timeout": "4s", "envoy.directory": dir, "listen.grpc": "127.0.0.1:0", "ready_requires_store": "true",
	})
	c := dial(t, r.server.Addr("listen.grpc").String(), insecure.NewCredentials())
	for range 3 {
		if _, left, err := askEnvoy(t.Context(), c, "a"); left == 0 || err != nil { // nothing waits any more
			t.Fatalf("with all the time there is a request has %d left, %v", left, err)
		}
		redis.Do(t, "CLIENT", "PAUSE", "400", "ALL") // it takes so long now
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		code, _, err := askEnvoy(ctx, c, "a")
		cancel()
		if code != pb.RateLimitResponse_OK || err != nil {
			t.Errorf("a request that Redis has no time for is answered %s, %v, want OK by on_error", code, err)
		}
		if got := servingStatus(t, c, "ratelimit"); got != healthpb.HealthCheckResponse_SERVING {
			t.Errorf("the health is %s, want SERVING", got)
		}
		if status, body := r.ask("GET", "/readyz", ""); status != http.StatusOK || !strings.Contains(body, `"ok"`) {
			t.Errorf("readyz is %d %s, want 200 and ok", status, body)
		}
	}
	_, body := r.ask("GET", "/metrics", "")
	count := map[string]int{}
	for line := range strings.Lines(body) {
		if name, n, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			count[name], _ = strconv.Atoi(n) // the others are no whole numbers
		}
	}
	maybe, no := count[`sluice_abandoned_checks_total{charged="maybe"}`], count[`sluice_abandoned_checks_total{charged="no"}`]
	if maybe == 0 || maybe+no != 3 { // one that met the server's own look was not sent
		t.Errorf("%d abandoned checks may have been charged and %d were not, want 3 in all and some that may", maybe, no)
	}
	if n := count[`sluice_store_errors_total{charged="maybe"}`] + count[`sluice_store_errors_total{charged="no"}`]; n != 0 {
		t.Errorf("%d errors of the store are counted, want none", n)
	}
	if strings.Contains(r.log.String(), "the store fails") {
		t.Errorf("the log says that the store fails:\n%s", r.log)
	}
}
