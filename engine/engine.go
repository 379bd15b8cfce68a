// Package engine is where every check passes: it finds the policy, asks the store, and says what holds when the store
// cannot answer or the policy runs in the shadow.
//
// It is the only place where fail-open or fail-closed is chosen. It knows no protocol: doors translate what comes over
// HTTP and its like into a [Query], and the [Answer] back. It changes no policy: it is handed snapshots of them. It
// imports the core package, package policy and the standard library.
package engine

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/policy"
)

// Config is what an [Engine] can be told. The zero Config works.
type Config struct {
	// Logger is told when the store begins to fail and when it answers again, never of single checks. The default
	// discards.
	Logger *slog.Logger
	// Observer is told of every check and peek that went to the store, on the caller's goroutine after the answer: it
	// must be quick, and safe for concurrent use. The default is none.
	Observer func(context.Context, Observation)
	// Fallback decides by this server's share of the limits what the store cannot decide, for policies with
	// [sluice.Local]: a store of this process alone, which has no other use. The default is none, and Local is [sluice.Deny].
	Fallback sluice.Store
	// Fleet returns how many servers there are, by the last that is known, and which of them this is, counted from 0. It is
	// called for every check that Fallback decides. The default is that there is one.
	Fleet func() (index, count int)
	// View says how long the snapshot may be decided by. The default is for ever.
	View View
	// Deadline is how long a check may take that the store calls stale: looking at the view and asking again have the
	// rest of the time that began with the first question. It is the store's own timeout: a caller whose deadline is over
	// in less than half of it has not seen the store fail. The default is as long as the store takes for each; then every
	// deadline of a caller counts.
	Deadline time.Duration
}

// View is where snapshots come from.
type View interface {
	// Before returns the instant of the store's clock until which the snapshot of the latest [Engine.Swap] may be decided
	// by; 0 where that is not known, and the snapshot is the best that there is.
	Before() sluice.Tick
	// Refresh sees to it that the snapshot, and Before, are those of now. Where it fails, Before is 0.
	Refresh(ctx context.Context) error
}

// always is the view of a snapshot that holds until the next one comes.
type always struct{}

func (always) Before() sluice.Tick           { return 0 }
func (always) Refresh(context.Context) error { return nil }

// Engine answers checks by the policies of its snapshot. It is safe for concurrent use; nothing runs behind its
// callers' back.
type Engine struct {
	store    sluice.Store
	observer func(context.Context, Observation)
	view     View
	deadline time.Duration
	health   health
	fallback fallback
	snapshot atomic.Pointer[policy.Snapshot] // nil before the first Swap
}

// noPolicies is the snapshot before the first Swap.
var noPolicies policy.Snapshot

// New returns an engine that asks the store, without any policies: [Engine.Swap] brings them.
func New(store sluice.Store, cfg Config) *Engine {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.View == nil {
		cfg.View = always{}
	}
	if cfg.Fleet == nil {
		cfg.Fleet = func() (int, int) { return 0, 1 }
	}
	return &Engine{
		store: store, observer: cfg.Observer, view: cfg.View, deadline: cfg.Deadline, health: health{logger: cfg.Logger, short: cfg.Deadline / 2},
		fallback: fallback{store: cfg.Fallback, fleet: cfg.Fleet},
	}
}

// Swap puts a snapshot in place of the one before. A check under way ends by the one that it began with.
func (e *Engine) Swap(s *policy.Snapshot) { e.snapshot.Store(s) }

// Snapshot returns the policies that checks are answered by now; an empty one before the first [Engine.Swap].
func (e *Engine) Snapshot() *policy.Snapshot {
	if s := e.snapshot.Load(); s != nil {
		return s
	}
	return &noPolicies
}

// Loaded reports whether there was a [Engine.Swap].
func (e *Engine) Loaded() bool { return e.snapshot.Load() != nil }

// StoreFailure returns the latest error of the store while it fails, nil while it answers. A store that has failed
// counts as answering again when it answers a second or more after its latest error.
func (e *Engine) StoreFailure() error { return e.health.failure() }
