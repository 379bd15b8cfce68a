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

// state is what one limit remembers of one key. The zero state is a key that was never seen. What the fields mean
// depends on the algorithm of the limit that wrote them, see the file of each.
type state struct {
	at   int64 // an instant in ticks; of a sliding window, how many admissions at the front of the log are dead
	used int64 // units
	prev int64 // units of the window before (sliding-counter)
	log  *log  // of a sliding window, nil before its first admission
}

// fresh reports whether the state is that of a key never seen.
func (s *state) fresh() bool { return s.used == 0 && s.prev == 0 }

// advance brings the state from when it was written to now, without asking for anything. It returns the whole units
// that count as used at now, rounded up. It reports whether the state came from so far ahead that it was replaced by
// "all used now": then it must be stored whatever the answer is, or it would move on with every look.
func (s *state) advance(l *sluice.Limit, now int64) (used int64, replaced bool) {
	if s.fresh() {
		return 0, false
	}
	if s.instant(l)-now > period(l) {
		s.spend(l, now, l.Capacity())
		return l.Capacity(), true
	}
	switch l.Algorithm() {
	case sluice.TokenBucket:
		used = s.advanceBucket(l, now)
	case sluice.SlidingWindow:
		used = s.advanceLog(l, now)
	case sluice.FixedWindow:
		used = s.advanceWindow(l, now)
	default:
		used = s.advanceCounter(l, now)
	}
	if used == 0 {
		s.used, s.prev = 0, 0
	}
	return used, false
}

// instant is where a state stands in time, to see whether it comes from ahead.
func (s *state) instant(l *sluice.Limit) int64 {
	if l.Algorithm() == sluice.SlidingWindow {
		return s.log.newest().at
	}
	return s.at
}

// spend replaces the state by one in which so many units are used at now.
func (s *state) spend(l *sluice.Limit, now, units int64) {
	*s = state{log: s.log}
	if units > 0 {
		s.take(l, now, units)
	}
}

// take charges units, of a state that was advanced to now. As many more count as used then.
func (s *state) take(l *sluice.Limit, now, units int64) {
	switch {
	case l.Algorithm() == sluice.SlidingWindow:
		s.takeLog(l, now, units)
	case s.fresh():
		s.at = now
		if l.Aligned() || l.Algorithm() == sluice.SlidingCounter {
			s.at = now - now%period(l)
		} else if calendar, ok := l.Calendar(); ok {
			s.at = calendarStart(l, calendar, now)
		}
	}
	s.used += units
}

// resetAt returns the instant at which a state reads like a key never seen; forever where that lies beyond reckoning.
func (s *state) resetAt(l *sluice.Limit) int64 {
	switch {
	case s.fresh():
		return 0
	case l.Algorithm() == sluice.TokenBucket:
		return after(s.at, earnTime(l, s.used))
	case l.Algorithm() == sluice.SlidingCounter && s.used > 0:
		return s.at + 2*period(l)
	}
	return s.instant(l) + period(l)
}

// retryAt returns the instant at which a cost that does not fit, but can, fits first if nobody else asks.
func (s *state) retryAt(l *sluice.Limit, cost int64) int64 {
	switch l.Algorithm() {
	case sluice.TokenBucket:
		return after(s.at, earnTime(l, s.used+cost-l.Capacity()))
	case sluice.SlidingWindow:
		return s.retryLogAt(l, cost)
	case sluice.FixedWindow:
		return s.at + period(l)
	default:
		return s.retryCounterAt(l, cost)
	}
}

// sameRule reports whether a state that was written under the old limit means the same under the new one. What a limit
// holds is no part of it, because a state says what was taken and not what is left; a bucket's count is, as its pace.
func sameRule(old, l *sluice.Limit) bool {
	_, wasCalendar := old.Calendar()
	_, isCalendar := l.Calendar()
	return old.Algorithm() == l.Algorithm() && old.Aligned() == l.Aligned() && wasCalendar == isCalendar && old.Period() == l.Period() &&
		(l.Algorithm() != sluice.TokenBucket || old.Count() == l.Count())
}

// carry turns a state that was written by the limit of another rule into one of the new limit, at now: what was used
// stays used.
func (s *state) carry(old, l *sluice.Limit, now int64) {
	if !s.fresh() && s.instant(old)-now > period(old) {
		s.spend(l, now, l.Capacity())
		return
	}
	used, _ := s.advance(old, now)
	switch {
	case used == 0:
	case old.Algorithm() == l.Algorithm() && old.Period() == l.Period() && l.Algorithm() == sluice.TokenBucket:
		s.carryBucket(old, l, now)
	default:
		s.spend(l, now, used)
	}
}

// period returns a limit's period in ticks.
func period(l *sluice.Limit) int64 { return int64(l.Period() / time.Microsecond) }

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
