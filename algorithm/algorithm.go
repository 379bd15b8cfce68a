// Package algorithm is the arithmetic of rate limiting: what a limit remembers of a key, how that changes as time goes
// by, and whether a cost fits.
//
// It is pure: the instant is an argument, there is no clock, no I/O and no lock. All of it is exact, in whole ticks
// (microseconds) and whole units with remainder, over the whole range of a legal limit; there is no floating point. The
// Redis store does the same arithmetic in Lua; internal/storetest holds both against a third model.
//
// It imports the core and the standard library only.
package algorithm

import (
	"math"
	"time"

	"github.com/sluice-project/sluice"
)

// State is what one limit remembers of one key. The zero State is a key that was never seen. What the fields mean
// depends on the algorithm of the limit that wrote them, see the file of each.
type State struct {
	at   int64 // an instant in ticks
	used int64 // units
	prev int64 // units of the window before (sliding-counter)
	log  admissions
}

// numbers are those of a limit, in the units of the arithmetic.
type numbers struct {
	algorithm sluice.Algorithm
	aligned   bool
	count     int64
	capacity  int64
	period    int64 // ticks
}

func numbersOf(l *sluice.Limit) numbers {
	return numbers{
		algorithm: l.Algorithm(),
		aligned:   l.Aligned(),
		count:     l.Count(),
		capacity:  l.Capacity(),
		period:    int64(l.Period() / time.Microsecond),
	}
}

// fresh reports whether the state is that of a key never seen.
func (s *State) fresh() bool { return s.used == 0 && s.prev == 0 }

// advance brings the state from when it was written to now, without asking for anything. It reports whether the state
// came from so far ahead that it was replaced by "all used now": then it must be stored whatever the answer is, or it
// would move on with every look.
func (s *State) advance(n numbers, now int64) (replaced bool) {
	if s.fresh() {
		return false
	}
	if s.instant(n)-now > n.period {
		s.spend(n, now, n.capacity)
		return true
	}
	switch n.algorithm {
	case sluice.TokenBucket:
		s.advanceBucket(n, now)
	case sluice.SlidingWindow:
		s.advanceLog(n, now)
	case sluice.FixedWindow:
		s.advanceWindow(n, now)
	case sluice.SlidingCounter:
		s.advanceCounter(n, now)
	}
	if s.fresh() {
		*s = State{log: s.log.emptied()}
	}
	return false
}

// instant is where a state stands in time, to see whether it comes from ahead.
func (s *State) instant(n numbers) int64 {
	if n.algorithm == sluice.SlidingWindow {
		return s.log.newest().at
	}
	return s.at
}

// spend replaces the state by one in which so many units are used at now.
func (s *State) spend(n numbers, now, units int64) {
	*s = State{log: s.log.emptied()}
	if units > 0 {
		s.take(n, now, units)
	}
}

// take charges units, of a state that was advanced to now.
func (s *State) take(n numbers, now, units int64) {
	switch n.algorithm {
	case sluice.TokenBucket:
		s.takeBucket(now, units)
	case sluice.SlidingWindow:
		s.takeLog(n, now, units)
	case sluice.FixedWindow, sluice.SlidingCounter:
		if s.fresh() {
			s.at = windowStart(n, now)
		}
		s.used += units
	}
}

// usedAt returns the whole units that count as used, rounded up, of a state that was advanced to now.
func (s *State) usedAt(n numbers, now int64) int64 {
	switch {
	case s.fresh():
		return 0
	case n.algorithm == sluice.TokenBucket:
		return s.used - earned(n, s.at, now)
	case n.algorithm == sluice.SlidingCounter:
		return s.used + s.weighted(n, now)
	default:
		return s.used
	}
}

// fits reports whether a cost fits into a state that was advanced to now.
func (s *State) fits(n numbers, now, cost int64) bool {
	return cost <= n.capacity-s.usedAt(n, now)
}

// outcome says what the limit tells the caller; charged says that the cost is already in the state.
func (s *State) outcome(n numbers, now, cost int64, charged bool) sluice.Outcome {
	o := sluice.Outcome{
		Allowed:    charged || s.fits(n, now, cost),
		Remaining:  max(0, n.capacity-s.usedAt(n, now)),
		ResetAfter: wait(s.resetAt(n), now),
	}
	switch {
	case o.Allowed:
	case cost > n.capacity:
		o.RetryAfter = sluice.Never
	default:
		o.RetryAfter = wait(s.retryAt(n, cost), now)
	}
	return o
}

// resetAt returns the instant at which a state reads like a key never seen; forever where that lies beyond reckoning.
func (s *State) resetAt(n numbers) int64 {
	if s.fresh() {
		return 0
	}
	switch n.algorithm {
	case sluice.TokenBucket:
		return after(s.at, earnTime(n, s.used))
	case sluice.SlidingWindow:
		return s.log.newest().at + n.period
	case sluice.FixedWindow:
		return s.at + n.period
	default:
		return s.resetCounterAt(n)
	}
}

// retryAt returns the instant at which a cost that does not fit, but can, fits first if nobody else asks.
func (s *State) retryAt(n numbers, cost int64) int64 {
	switch n.algorithm {
	case sluice.TokenBucket:
		return after(s.at, earnTime(n, s.used+cost-n.capacity))
	case sluice.SlidingWindow:
		return s.retryLogAt(n, cost)
	case sluice.FixedWindow:
		return s.at + n.period
	default:
		return s.retryCounterAt(n, cost)
	}
}

// sameRule reports whether a state that was written by old numbers means the same under new ones. What a limit holds is
// no part of it, because a state says what was taken and not what is left; a bucket's count is, as its pace.
func sameRule(old, n numbers) bool {
	return old.algorithm == n.algorithm && old.aligned == n.aligned && old.period == n.period &&
		(n.algorithm != sluice.TokenBucket || old.count == n.count)
}

// carry turns a state that was advanced to now by the numbers of another rule into one of new numbers: what was used
// stays used.
func (s *State) carry(old, n numbers, now int64) {
	switch {
	case s.fresh():
	case old.algorithm == n.algorithm && old.period == n.period && n.algorithm == sluice.TokenBucket:
		s.carryBucket(old, n, now)
	default:
		s.spend(n, now, s.usedAt(old, now))
	}
}

// forever stands for every instant that is too far off to reckon with.
const forever = math.MaxInt64

// after adds a span to an instant. A bucket whose numbers changed can have an instant before the epoch.
func after(at, span int64) int64 {
	if span >= forever-max(0, at) {
		return forever
	}
	return at + span
}

// wait returns the time from now to an instant, never more than [sluice.MaxWait].
func wait(at, now int64) time.Duration {
	const most = int64(sluice.MaxWait / time.Microsecond)
	return time.Duration(min(max(0, at-now), most)) * time.Microsecond
}
