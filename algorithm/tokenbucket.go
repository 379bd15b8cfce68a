package algorithm

import "math/bits"

// A token bucket holds at most burst units, starts full, and earns count units a period, evenly; see Turner, "New
// directions in communications", IEEE Communications Magazine 24(10), 1986.
//
// State: used units were taken since the instant at, when the bucket was full to the brim. What it has earned since is
// counted down to the fraction by the division alone, so that no fraction is ever stored or rounded: the bucket lacks
// used - (now-at)*count/period units. Each whole period that passes moves at forward by it and takes count units off
// used; a bucket that is full again is as good as new.

func (s *State) advanceBucket(n numbers, now int64) {
	if now <= s.at {
		return // the clock stepped back, or no time went by
	}
	periods, rest := (now-s.at)/n.period, (now-s.at)%n.period
	if periods >= divUp(s.used, n.count) {
		s.used = 0
		return
	}
	s.used -= periods * n.count
	s.at = now - rest
	if s.used <= mulDiv(rest, n.count, n.period) {
		s.used = 0
	}
}

func (s *State) takeBucket(now, units int64) {
	if s.used == 0 {
		s.at = now
	}
	s.used += units
}

// carryBucket keeps the units that are lacking and, in whole ticks, the fraction of a unit that was earned.
func (s *State) carryBucket(old, n numbers, now int64) {
	if now <= s.at {
		return
	}
	units, fraction := mulDivRem(now-s.at, old.count, old.period)
	s.used -= units
	s.at = now - fraction/n.count
}

// earned returns the whole units that a bucket earned from at to now, which are less than one period apart or stand
// the wrong way round.
func earned(n numbers, at, now int64) int64 {
	if now <= at {
		return 0
	}
	return mulDiv(now-at, n.count, n.period)
}

// earnTime returns the least time in which so many units are earned, in ticks; forever where it does not fit.
func earnTime(n numbers, units int64) int64 {
	hi, lo := bits.Mul64(uint64(units), uint64(n.period))
	if hi >= uint64(n.count) {
		return forever
	}
	quotient, rest := bits.Div64(hi, lo, uint64(n.count))
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
