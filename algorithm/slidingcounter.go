package algorithm

// The sliding counter estimates a sliding window from two aligned fixed ones: what the current window counted, and the
// part of what the one before counted that still overlaps the last period, as if it had come evenly. The estimate is
// what Cloudflare described in "How we built rate limiting capable of scaling to millions of domains" (2017); units are
// compared as fractions, so a cost fits when current + cost + previous*overlap is at most the count.
//
// State: used units in the window that starts at the instant at, and prev in the one before.

func (s *State) advanceCounter(n numbers, now int64) {
	switch {
	case now < s.at+n.period:
	case now < s.at+2*n.period:
		s.at, s.prev, s.used = s.at+n.period, s.used, 0
	default:
		s.prev, s.used = 0, 0
	}
}

// weighted returns the part of the previous window that still counts, rounded up.
func (s *State) weighted(n numbers, now int64) int64 {
	elapsed := max(0, now-s.at)
	units, fraction := mulDivRem(s.prev, n.period-elapsed, n.period)
	if fraction > 0 {
		units++
	}
	return units
}

func (s *State) resetCounterAt(n numbers) int64 {
	if s.used > 0 {
		return s.at + 2*n.period
	}
	return s.at + n.period
}

// retryCounterAt returns when the weight of the previous window has fallen far enough: within this window or, as what
// this one counted is then itself the previous, within the next.
func (s *State) retryCounterAt(n numbers, cost int64) int64 {
	next := s.at + n.period
	if room := n.capacity - s.used - cost; room >= 0 {
		return next - mulDiv(room, n.period, s.prev)
	}
	room := n.capacity - cost
	if s.used <= room {
		return next
	}
	return next + n.period - mulDiv(room, n.period, s.used)
}
