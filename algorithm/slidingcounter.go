package algorithm

import "github.com/sluice-project/sluice"

// The sliding counter estimates a sliding window from two aligned fixed ones: what the current window counted, and the
// part of what the one before counted that still overlaps the last period, as if it had come evenly. The estimate is
// what Cloudflare described in "How we built rate limiting capable of scaling to millions of domains" (2017); units are
// compared as fractions, so a cost fits when current + cost + previous*overlap is at most the count.
//
// State: used units in the window that starts at the instant at, and prev in the one before.

func (s *state) advanceCounter(l *sluice.Limit, now int64) (used int64) {
	p := period(l)
	switch {
	case now >= s.at+2*p:
		return 0
	case now >= s.at+p:
		s.at, s.prev, s.used = s.at+p, s.used, 0
	}
	units, fraction := mulDivRem(s.prev, p-max(0, now-s.at), p)
	if fraction > 0 {
		units++
	}
	return s.used + units
}

// retryCounterAt returns when the weight of the previous window has fallen far enough: within this window or, as what
// this one counted is then itself the previous, within the next.
func (s *state) retryCounterAt(l *sluice.Limit, cost int64) int64 {
	p := period(l)
	next := s.at + p
	if room := l.Capacity() - s.used - cost; room >= 0 {
		return next - mulDiv(room, p, s.prev)
	}
	room := l.Capacity() - cost
	if s.used <= room {
		return next
	}
	return next + p - mulDiv(room, p, s.used)
}
