package telemetry_test

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/engine"
	"github.com/sluice-project/sluice/server/telemetry"
)

// series returns the lines of the metrics that begin with a prefix.
func series(t *telemetry.Telemetry, prefix string) []string {
	w := httptest.NewRecorder()
	t.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	var lines []string
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(line, prefix) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

func TestObserve(t *testing.T) {
	t.Parallel()
	m := telemetry.New("v1.2.3")
	for _, o := range []engine.Observation{
		{Policy: "api", Outcome: engine.Allowed, Elapsed: time.Millisecond},
		{Policy: "api", Outcome: engine.Allowed, Elapsed: time.Millisecond},
		{Policy: "api", Outcome: engine.Denied},
		{Policy: "api", Outcome: engine.Denied, Peek: true},
		{Policy: "api", Outcome: engine.Allowed, Refund: true},
		{Policy: "api", Outcome: engine.Denied, Source: sluice.SourceDenyCache},
		{Policy: "login", Outcome: engine.Allowed, Source: sluice.SourceErrorPolicy, Err: fmt.Errorf("redis: %w", sluice.ErrUncertain)},
		{Outcome: engine.Failed, Err: errors.New("redis: gone")},
		{Policy: "login", Source: sluice.SourceErrorPolicy, Err: fmt.Errorf("redis: %w", sluice.ErrUncertain), Abandoned: true},
		{Policy: "login", Source: sluice.SourceErrorPolicy, Err: fmt.Errorf("redis: %w", sluice.ErrUncertain), Abandoned: true, More: 2},
		{Outcome: engine.Failed, Err: fmt.Errorf("redis: %w", sluice.ErrNotSent), Abandoned: true},
	} {
		m.Observe(t.Context(), o)
	}
	m.Loaded(nil)
	m.Loaded(errors.New("a fault"))
	m.Loaded(errors.New("a fault"))
	m.Keys(func() int64 { return 7 }, func() int64 { return 2 })
	m.Refused(func() int64 { return 3 }, func() int64 { return 4 })

	for _, want := range []string{
		`sluice_decisions_total{outcome="allowed",policy="api",source="store"} 2`,
		`sluice_decisions_total{outcome="denied",policy="api",source="store"} 1`,
		`sluice_decisions_total{outcome="allowed",policy="login",source="error-policy"} 5`,
		`sluice_decisions_total{outcome="failed",policy="~inline",source="store"} 2`,
		`sluice_store_errors_total{charged="maybe"} 1`,
		`sluice_store_errors_total{charged="no"} 1`,
		`sluice_abandoned_checks_total{charged="maybe"} 4`,
		`sluice_abandoned_checks_total{charged="no"} 1`,
		`sluice_store_duration_seconds_count 12`,
		`sluice_config_loads_total{result="applied"} 1`,
		`sluice_config_loads_total{result="refused"} 2`,
		`sluice_keys 7`,
		`sluice_keys_evicted_total 2`,
		`sluice_decisions_total{outcome="denied",policy="api",source="deny-cache"} 1`,
		`sluice_deny_cache_keys 3`,
		`sluice_deny_cache_evicted_total 4`,
	} {
		if got := series(m, want); len(got) != 1 {
			name, _, _ := strings.Cut(want, "{")
			t.Errorf("the metrics lack %s; they have %q", want, series(m, name))
		}
	}
	if got := series(m, "sluice_build_info"); len(got) != 1 || !strings.Contains(got[0], `version="v1.2.3"`) {
		t.Errorf("build info = %q, want version v1.2.3", got)
	}
}

// However many count at once, each is counted, and an outcome that never was has no series.
func TestObserveAtOnce(t *testing.T) {
	t.Parallel()
	m := telemetry.New("")
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for i := range 1000 {
				m.Observe(t.Context(), engine.Observation{Policy: fmt.Sprintf("p%d", i%10), Outcome: engine.Outcome(i % 2)})
			}
		})
	}
	group.Wait()
	got := series(m, "sluice_decisions_total")
	if len(got) != 10 {
		t.Errorf("ten policies with one outcome each have %d series: %q", len(got), got)
	}
	for _, line := range got {
		if !strings.HasSuffix(line, " 800") {
			t.Errorf("the series %s, want 800: one of ten of 8000 checks", line)
		}
	}
}

func BenchmarkObserve(b *testing.B) {
	m := telemetry.New("")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m.Observe(b.Context(), engine.Observation{Policy: "api", Outcome: engine.Allowed, Elapsed: 50 * time.Microsecond})
		}
	})
}

// All limits that callers bring along are one series, in whatever namespaces.
func TestCallersGrowNoLabel(t *testing.T) {
	t.Parallel()
	m := telemetry.New("")
	for range 1000 {
		m.Observe(t.Context(), engine.Observation{Outcome: engine.Allowed})
	}
	if got := series(m, "sluice_decisions_total"); len(got) != 1 {
		t.Errorf("1000 inline checks made %d series, want 1: %.200q", len(got), got)
	}
}
