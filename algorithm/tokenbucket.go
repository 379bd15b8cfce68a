package algorithm

import (
	"math/bits"

	"github.com/sluice-project/sluice"
)

// A token bucket holds at most burst units, starts full, and earns count units a period, evenly; see Turner, "New
// directions in communications", IEEE Communications Magazine 24(10), 1986.
//
// State: used units were taken since the instant at, when the bucket was full to the brim. What it has earned since is
// counted down to the fraction by the division alone, so that no fraction is ever stored or rounded: the bucket lacks
// used - (now-at)*count/period units. Each whole period that passes moves at forward by it and takes count units off
// used; a bucket that is full again is as good as new.

func (s *state) advanceBucket(l *sluice.Limit, now int64) (used int64) {
	elapsed, p := now-s.at, period(l)
	if elapsed <= 0 {
		return s.used // the clock stepped back, or no time went by
	}
	if elapsed >= p {
		periods := elapsed / p
		if periods >= divUp(s.used, l.Count()) {
			return 0
		}
		elapsed -= periods * p
		s.used -= periods * l.Count()
		s.at = now - elapsed
	}
	return max(0, s.used-mulDiv(elapsed, l.Count(), p))
}

// carryBucket keeps the units that are lacking and, in whole ticks, the fraction of a unit that was earned.
func (s *state) carryBucket(old, l *sluice.Limit, now int64) {
	if now <= s.at {
		return
	}
	units, fraction := mulDivRem(now-s.at, old.Count(), period(old))
	s.used -= units
	s.at = now - fraction/l.Count()
}

// earnTime returns the least time in which so many units are earned, in ticks; forever where it does not fit.
func earnTime(l *sluice.Limit, units int64) int64 {
	count := uint64(l.Count())
	hi, lo := bits.Mul64(uint64(units), uint64(period(l)))
	if hi >= count {
		return forever
	}
	quotient, rest := bits.Div64(hi, lo, count)
	if rest > 0 {
		quotient++
	}
	return int64(min(quotient, forever))
}

// mulDiv returns a*b/c, rounded down, through a product of 128 bits. The quotient must fit.
func mulDiv(a, b, c int64) int64 {
	quotient, _ := mulDivRem(a, b, c)
	return quotient
}

func mulDivRem(a, b, c int64) (quotient, remainder int64) {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	q, r := bits.Div64(hi, lo, uint64(c))
	return int64(q), int64(r)
}

// divUp returns a/b, rounded up.
func divUp(a, b int64) int64 { return (a + b - 1) / b }
