// Package envoyrls is the door for Envoy: it answers the rate limit service protocol, over gRPC and as JSON, by files in
// envoyproxy/ratelimit's own format, which package config below it reads.
//
// It translates between that protocol and the engine and decides nothing: which rule a descriptor means is in the files,
// and whether there is room, and what holds when the store does not answer, the engine says. What it answers by itself is
// what needs no counter: a limit of none, a number beyond all limits, and how several answers make one. It imports the
// engine, the core package, package config, and the libraries for gRPC, Envoy's protocol and metrics; no other door and
// no store.
package envoyrls

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/engine"
	"github.com/sluice-project/sluice/server/envoyrls/config"
)

// namespace returns the namespace of the counters of a rule, see [engine.NewRule]: one for each period, as in
// "envoy.minute" and "envoy.5minute". What is stored of a key is by the limits that asked last; so limits of several
// periods, which one descriptor may have from its rule and from requests, must not ask for one key.
func namespace(r *config.Rule) string {
	if r.Every > 1 {
		return fmt.Sprintf("envoy.%d%s", r.Every, r.Unit)
	}
	return "envoy." + r.Unit.String()
}

// Options are the settings of the door that may change while it is open. The zero Options work.
type Options struct {
	// OnError says what a descriptor is answered when the store does not answer. The default is [sluice.Allow].
	OnError sluice.ErrorPolicy
	// DenyCache answers from memory, for up to a second, what was refused.
	DenyCache bool
	// NearLimitRatio is the part of a limit beyond which a hit counts as near the limit. The default is 0.8.
	NearLimitRatio float64
	// Shadow makes the overall code OK, whatever the descriptors are answered.
	Shadow bool
	// Quota makes every rule a quota: a request is refused only where all of them are used up.
	Quota bool
	// DynamicMetadata adds to each answer the metadata of the rules that let the request through.
	DynamicMetadata bool
	// Headers are added to each answer. The default is none.
	Headers Headers
}

// Headers are the names of the fields that tell the client of the limit that is closest. No name is no field.
type Headers struct{ Limit, Remaining, Reset string }

const defaultNearLimitRatio = 0.8

// Config is what a [Door] can be told at its start. The zero Config works.
type Config struct {
	// StoreTimeout is how long the store takes at the most: where a caller gives less time, a bit of that is kept to
	// answer in. The default is 0, for a store that keeps every deadline by itself.
	StoreTimeout time.Duration
	// Now is the time. The default is [time.Now].
	Now func() time.Time
	// Logger is told of what should not happen, never of single requests. The default discards.
	Logger *slog.Logger
}

// Door answers the protocol. It is safe for concurrent use.
type Door struct {
	pb.UnimplementedRateLimitServiceServer

	engine  *engine.Engine
	timeout time.Duration
	now     func() time.Time
	logger  *slog.Logger
	metrics metrics
	health  *serverHealth

	mu      sync.Mutex // guards the changes of state
	options Options
	config  *config.Config // nil before the first Apply
	state   atomic.Pointer[state]
}

// state is all that an answer depends on but the counters. It is never changed.
type state struct {
	options   Options
	config    *config.Config
	rules     []*rule // by their IDs
	overrides overrides
}

// rule is a rule and what is told of it.
type rule struct {
	*config.Rule
	limit    *engine.Rule // nil where the rule is unlimited, or bars everybody
	current  *pb.RateLimitResponse_RateLimit
	metadata *structpb.Struct
	counters *counters
	near     int64 // beyond how many a hit is near the limit
	period   time.Duration
	aligned  bool // windows start at whole periods
}

// New returns the door to an engine. Before the first [Door.Apply] it answers that there is no configuration.
func New(e *engine.Engine, options Options, cfg Config) *Door {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	d := &Door{engine: e, timeout: cfg.StoreTimeout, now: cfg.Now, logger: cfg.Logger, options: options, health: newHealth()}
	d.metrics.init()
	return d
}

// Apply puts a configuration in place of the one before. Requests under way end by the one that they began with.
func (d *Door) Apply(c *config.Config) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.renew(c, d.options)
}

// Configure puts options in place of those before.
func (d *Door) Configure(options Options) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.renew(d.config, options)
}

// renew makes a state of a configuration and options.
func (d *Door) renew(c *config.Config, options Options) error {
	if options.NearLimitRatio == 0 {
		options.NearLimitRatio = defaultNearLimitRatio
	}
	if c == nil {
		d.options = options
		return nil
	}
	s := &state{options: options, config: c, rules: make([]*rule, len(c.Rules))}
	s.overrides.init(options, d.metrics.override())
	named := d.metrics.renew(c)
	for i, r := range c.Rules {
		made, err := newRule(r, options, named[i])
		if err != nil {
			return err
		}
		s.rules[i] = made
	}
	d.options, d.config = options, c
	d.state.Store(s)
	return nil
}

// Loaded counts that the files were read; err is why they were refused.
func (d *Door) Loaded(err error) {
	if err != nil {
		d.metrics.refused.Add(1)
		return
	}
	d.metrics.loaded.Add(1)
}

// Domains returns how many domains the configuration has; 0 before the first [Door.Apply].
func (d *Door) Domains() int {
	if s := d.state.Load(); s != nil {
		return s.config.Domains()
	}
	return 0
}

func newRule(from *config.Rule, options Options, c *counters) (*rule, error) {
	r := &rule{Rule: from, counters: c, period: from.Limit.Period(), aligned: from.Limit.Aligned()}
	if r.period == 0 { // of one that bars everybody
		r.period, r.aligned = time.Duration(from.Every)*from.Unit.Period(), true
	}
	r.near = int64(float32(from.Requests) * float32(options.NearLimitRatio))
	if !from.Unlimited {
		r.current = &pb.RateLimitResponse_RateLimit{
			Name: from.Name, RequestsPerUnit: uint32(from.Requests), Unit: pb.RateLimitResponse_RateLimit_Unit(from.Unit),
		}
	}
	var err error
	if from.Metadata != nil {
		if r.metadata, err = structpb.NewStruct(from.Metadata); err != nil {
			return nil, fmt.Errorf("%s:%d: metadata: %w", from.File, from.Line, err)
		}
	}
	if from.Limit == (sluice.Limit{}) {
		return r, nil
	}
	r.limit, err = engine.NewRule(namespace(from), []sluice.Limit{from.Limit}, engine.RuleConfig{
		OnError: options.OnError, Shadow: from.Shadow, DenyCache: options.DenyCache,
	})
	if err != nil {
		return nil, fmt.Errorf("%s:%d: %w", from.File, from.Line, err)
	}
	return r, nil
}
