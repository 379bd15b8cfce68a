// Package telemetry is what operators can measure: counters and times for Prometheus, in a registry of its own.
//
// It names no key, and no label has a value that a caller can make up: policies are those of the configuration, and all
// limits that callers bring along count as one. It is told by the engine and the server what happens, and asks them
// nothing. It imports the engine and the core package.
package telemetry

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/engine"
)

// InlineLabel is the policy label of all limits that callers bring along; no policy can have such a name.
const InlineLabel = "~inline"

// Telemetry counts what a server does. It is safe for concurrent use.
type Telemetry struct {
	registry  *prometheus.Registry
	decisions *prometheus.CounterVec
	store     prometheus.Histogram
	errors    *prometheus.CounterVec
	loads     *prometheus.CounterVec

	mu     sync.Mutex                                     // guards that series is replaced
	series atomic.Pointer[map[outcome]prometheus.Counter] // of decisions, those that there are
}

// outcome is the labels of decisions.
type outcome struct {
	policy  string
	outcome engine.Outcome
	source  sluice.Source
}

// New returns telemetry in which nothing has happened yet. The version is that of the binary.
func New(version string) *Telemetry {
	t := &Telemetry{
		registry: prometheus.NewRegistry(),
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_decisions_total",
			Help: "Checks by policy, outcome and source. Outcomes: allowed, denied, shadow_denied (would be denied, but for shadow: true), " +
				"failed (the store's error was the answer). Sources: store, and who decided in its place: lease, deny-cache, fallback, " +
				"error-policy. Limits that callers bring along are the policy " + InlineLabel + ".",
		}, []string{"policy", "outcome", "source"}),
		store: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "sluice_store_duration_seconds",
			Help:    "How long the store took for a check or a look at a key; for one of several in a call, how long it took for them all.",
			Buckets: []float64{10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 1},
		}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_store_errors_total",
			Help: "Checks and looks that the store did not answer, by whether something may have been charged: no or maybe.",
		}, []string{"charged"}),
		loads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_config_loads_total",
			Help: "Times the configuration file was read, at the start, when it changed or on SIGHUP, by result: applied or refused.",
		}, []string{"result"}),
	}
	t.series.Store(&map[outcome]prometheus.Counter{})
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "sluice_build_info",
		Help:        "Always 1; the labels say which binary this is.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	build.Set(1)
	for _, charged := range []string{chargedNo, chargedMaybe} {
		t.errors.WithLabelValues(charged)
	}
	for _, result := range []string{loadApplied, loadRefused} {
		t.loads.WithLabelValues(result)
	}
	t.registry.MustRegister(t.decisions, t.store, t.errors, t.loads, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return t
}

// The values of the labels, so that a series is there before the first time.
const (
	chargedNo, chargedMaybe  = "no", "maybe"
	loadApplied, loadRefused = "applied", "refused"
)

// Handler answers with everything measured, in Prometheus's text format.
func (t *Telemetry) Handler() http.Handler {
	return promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{})
}

// Observe counts checks, peeks and refunds that ended alike; it is the engine's observer.
func (t *Telemetry) Observe(_ context.Context, o engine.Observation) {
	count := 1 + o.More
	if o.Err != nil || o.Source == sluice.SourceStore {
		for seconds, n := o.Elapsed.Seconds(), count; n > 0; n-- {
			t.store.Observe(seconds)
		}
	}
	switch {
	case errors.Is(o.Err, sluice.ErrUncertain):
		t.errors.WithLabelValues(chargedMaybe).Add(float64(count))
	case o.Err != nil:
		t.errors.WithLabelValues(chargedNo).Add(float64(count))
	}
	if o.Peek || o.Refund {
		return
	}
	policy := o.Policy
	if policy == "" {
		policy = InlineLabel
	}
	t.counter(outcome{policy, o.Outcome, o.Source}).Add(float64(count))
}

// counter returns the series of an outcome. There are few, and each check counts, so they are found without a lock and
// without the labels' names; the first time makes it, because a series of what never happens would be there for nothing.
func (t *Telemetry) counter(of outcome) prometheus.Counter {
	if c, there := (*t.series.Load())[of]; there {
		return c
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	more := maps.Clone(*t.series.Load())
	more[of] = t.decisions.WithLabelValues(of.policy, of.outcome.String(), of.source.String())
	t.series.Store(&more)
	return more[of]
}

// Loaded counts a configuration file that was read; err is why it was refused.
func (t *Telemetry) Loaded(err error) {
	result := loadApplied
	if err != nil {
		result = loadRefused
	}
	t.loads.WithLabelValues(result).Inc()
}

// Include adds what a door counts by itself.
func (t *Telemetry) Include(door prometheus.Collector) { t.registry.MustRegister(door) }

// Keys measures an embedded store: how many keys it holds, and how many it dropped although their state still meant
// something. It is called once; both functions are called at each look at the metrics.
func (t *Telemetry) Keys(held, evicted func() int64) {
	t.registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sluice_keys",
			Help: "Keys that the embedded store holds. Redis tells its own number.",
		}, func() float64 { return float64(held()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "sluice_keys_evicted_total",
			Help: "Keys that the embedded store dropped for lack of room although they were not used up: their limits began anew.",
		}, func() float64 { return float64(evicted()) }),
	)
}

// Leased has the metrics say of how many keys this server holds units, and how often it has asked Redis for some.
func (t *Telemetry) Leased(held, asks func() int64) {
	t.registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sluice_lease_keys",
			Help: "Keys of which this server holds units that it may spend without asking Redis.",
		}, func() float64 { return float64(held()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "sluice_lease_asks_total",
			Help: "Times this server has asked Redis for units of a key or has given some back; many share a call.",
		}, func() float64 { return float64(asks()) }),
	)
}

// Refused measures a cache of refusals: how many keys it remembers, and how many refusals it forgot for lack of room while
// they still held. It is called once; both functions are called at each look at the metrics.
func (t *Telemetry) Refused(held, evicted func() int64) {
	t.registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sluice_deny_cache_keys",
			Help: "Keys that the deny cache of this server remembers to be refused.",
		}, func() float64 { return float64(held()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "sluice_deny_cache_evicted_total",
			Help: "Refusals that the deny cache forgot for lack of room while they still held: Redis was asked again.",
		}, func() float64 { return float64(evicted()) }),
	)
}

// OutageSources say how a server stands towards the store that it shares with others.
type OutageSources struct {
	Open     func() int   // parts of the store that are not asked, because they do not answer
	Openings func() int64 // times at which that began
	Servers  func() int   // that are alive, by the last that is known
	Keys     func() int64 // that this server has decided by its share
	Evicted  func() int64 // of these, that it forgot for lack of room
}

// Outage measures that. It is called once; the functions are called at each look at the metrics.
func (t *Telemetry) Outage(s OutageSources) {
	t.registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sluice_breaker_open",
			Help: "Parts of the store that are not asked, because they do not answer: 0, or 1; on a Cluster up to 64.",
		}, func() float64 { return float64(s.Open()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "sluice_breaker_openings_total",
			Help: "Times a part of the store was not asked any more, because it did not answer.",
		}, func() float64 { return float64(s.Openings()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sluice_live_servers",
			Help: "Servers that share the store, this one with them, by the last that is known: while the store does not answer it stays.",
		}, func() float64 { return float64(s.Servers()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sluice_fallback_keys",
			Help: "Keys of which this server remembers what it has admitted by its share of the limits.",
		}, func() float64 { return float64(s.Keys()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "sluice_fallback_keys_evicted_total",
			Help: "Keys of which this server forgot what it had admitted by its share, for lack of room: each has its whole share anew.",
		}, func() float64 { return float64(s.Evicted()) }),
	)
}

// RESPStats is what is measured of the door for clients of Redis.
type RESPStats struct{ Open, Accepted, Refused, FailedLogins, ProtocolErrors, TimedOut int64 }

// RESP measures that door. It is called once; the function is called at each look at the metrics.
func (t *Telemetry) RESP(stats func() RESPStats) {
	const ends = "sluice_resp_connections_ended_total"
	counter := func(name, help string, labels prometheus.Labels, of func(RESPStats) int64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels}, func() float64 { return float64(of(stats())) })
	}
	cause := func(name string, of func(RESPStats) int64) prometheus.Collector {
		return counter(ends, "Connections of clients of Redis that the server ended, by cause: max_clients, protocol_error or timeout.",
			prometheus.Labels{"cause": name}, of)
	}
	t.registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sluice_resp_connections", Help: "Connections of clients of Redis that are open.",
		}, func() float64 { return float64(stats().Open) }),
		counter("sluice_resp_connections_total", "Connections of clients of Redis that were taken.", nil, func(s RESPStats) int64 { return s.Accepted }),
		counter("sluice_resp_failed_logins_total", "Times a client of Redis gave a wrong password.", nil, func(s RESPStats) int64 { return s.FailedLogins }),
		cause("max_clients", func(s RESPStats) int64 { return s.Refused }),
		cause("protocol_error", func(s RESPStats) int64 { return s.ProtocolErrors }),
		cause("timeout", func(s RESPStats) int64 { return s.TimedOut }),
	)
}
