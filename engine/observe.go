package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/sluice-project/sluice"
)

// Outcome says how a check, peek or refund ended.
type Outcome uint8

const (
	// Allowed is a caller who was let through.
	Allowed Outcome = iota
	// Denied is a caller who was refused.
	Denied
	// ShadowDenied is a caller who would have been refused, were the policy not in the shadow.
	ShadowDenied
	// Failed is a caller who got the store's error, because no on_error answers what he asked.
	Failed
)

// String returns "allowed", "denied", "shadow_denied" or "failed".
func (o Outcome) String() string {
	switch o {
	case Allowed:
		return "allowed"
	case Denied:
		return "denied"
	case ShadowDenied:
		return "shadow_denied"
	case Failed:
		return "failed"
	}
	return fmt.Sprintf("Outcome(%d)", uint8(o))
}

// Observation is what an observer is told of one check, peek or refund, or of several that ended alike. It names no key.
type Observation struct {
	// More is how many more there were than one.
	More int
	// Policy is the name of the policy; empty for the caller's own limits.
	Policy string
	// Outcome says how it ended.
	Outcome Outcome
	// Source says who decided; [sluice.SourceStore] where Outcome is Failed.
	Source sluice.Source
	// Peek says that nothing was asked to be taken.
	Peek bool
	// Refund says that units were given back, and nobody asked to be let through.
	Refund bool
	// Elapsed is what the store took; for one of several, what it took for them all.
	Elapsed time.Duration
	// Err is the store's error, also where the policy's on_error answered in its place.
	Err error
	// Abandoned says that Err is the caller's doing and says nothing of the store: he went away, or his deadline was over
	// before the store could have answered. What he asked may have been charged all the same, if Err says so.
	Abandoned bool
}

func outcomeOf(allowed, shadowDenied bool) Outcome {
	switch {
	case shadowDenied:
		return ShadowDenied
	case allowed:
		return Allowed
	}
	return Denied
}

func (e *Engine) observe(ctx context.Context, o Observation) {
	if e.observer != nil {
		e.observer(ctx, o)
	}
}

// now is the time where somebody wants to know how long the store takes; the clock is not read for nobody.
func (e *Engine) now() time.Time {
	if e.observer == nil && e.deadline <= 0 {
		return time.Time{}
	}
	return time.Now()
}

func (e *Engine) since(start time.Time) time.Duration {
	if e.observer == nil && e.deadline <= 0 {
		return 0
	}
	return time.Since(start)
}
