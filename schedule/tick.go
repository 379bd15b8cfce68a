package schedule

import (
	"math"
	"time"
)

// Compiled is a schedule without a fault, in the form that knows its ticks. It is safe for concurrent use, and not to
// be changed.
type Compiled struct {
	// Schedule is what was compiled.
	Schedule
	every int64 // seconds of @every; 0 of every other expression
	times calendar
	zone  *time.Location
}

// farthest is how far ahead ticks are looked for, in seconds. The rarest is 29 February, of which there is none
// for eight years around 2100.
const farthest = (8*366 + 7) * daySeconds

// Next returns the first tick after an instant, in UTC; the zero time where there is none that a program could live to
// see.
func (c *Compiled) Next(after time.Time) time.Time {
	from := after.Unix() + 1
	tick, found := c.next(from, from+farthest)
	if !found {
		return time.Time{}
	}
	return time.Unix(tick, 0).UTC()
}

// next returns the first tick of those from one instant to before another, in seconds since the Unix epoch.
func (c *Compiled) next(from, to int64) (tick int64, found bool) {
	if c.every != 0 {
		tick = -floorDiv(-from, c.every) * c.every
		return tick, tick < to
	}
	for at := from; at < to; {
		p := c.periodAt(at)
		if at == p.begin && c.inGap(p) {
			return at, true
		}
		r, ok := c.times.next(max(at+p.offset, p.first), min(to, p.end)+p.offset)
		if ok {
			return r - p.offset, true
		}
		at = p.end
	}
	return 0, false
}

// prev returns the last tick of those from one instant to before another.
func (c *Compiled) prev(from, to int64) (tick int64, found bool) {
	if c.every != 0 {
		tick = floorDiv(to-1, c.every) * c.every
		return tick, tick >= from
	}
	for at := to - 1; at >= from; {
		p := c.periodAt(at)
		r, ok := c.times.prev(max(from+p.offset, p.first), at+1+p.offset)
		switch {
		case ok:
			return r - p.offset, true
		case from <= p.begin && c.inGap(p):
			return p.begin, true
		}
		at = p.begin - 1
	}
	return 0, false
}

// count returns how many ticks there are from one instant to before another.
func (c *Compiled) count(from, to int64) (n int64) {
	if from >= to {
		return 0
	}
	if c.every != 0 {
		return floorDiv(to-1, c.every) - floorDiv(from-1, c.every)
	}
	for at := from; at < to; {
		p := c.periodAt(at)
		first := max(at+p.offset, p.first)
		n += c.times.count(first, min(to, p.end)+p.offset)
		if at == p.begin && c.inGap(p) {
			if _, also := c.times.next(first, first+1); !also {
				n++
			}
		}
		at = p.end
	}
	return n
}

// period is a span of time in which a zone's clocks run evenly. Instants are in seconds since the Unix epoch, readings
// are those of [calendar].
type period struct {
	begin, end int64 // instants: from begin to before end
	offset     int64 // what a reading is ahead of its instant
	// first is the reading from which on readings of this period can be ticks: those shown before are left out, for a
	// schedule that follows the calendar. From skipped on to before that of begin are those that no clock shows.
	first, skipped int64
}

// Instants that no period reaches beyond; sums of them with an offset and with farthest do not overflow.
const (
	never   = math.MinInt64 / 4
	forever = math.MaxInt64 / 4
)

// mostShift is more than any clock is ever put forward or back, in seconds: the greatest change was that of a day.
const mostShift = 2 * daySeconds

// periodAt returns the period that an instant is in.
func (c *Compiled) periodAt(at int64) period {
	p := zonePeriod(c.zone, at)
	shown := p.begin + p.offset
	p.skipped, p.first = shown, shown
	if c.times.everyHour() {
		return p
	}
	// Everything before the reading seen was shown by some clock, or skipped, before this period began.
	seen := int64(never)
	for q := p; q.begin > p.begin-mostShift && q.begin > never; {
		end := q.begin
		q = zonePeriod(c.zone, end-1)
		seen = max(seen, end+q.offset)
	}
	if seen > never {
		p.skipped, p.first = min(seen, shown), max(seen, shown)
	}
	return p
}

// inGap reports whether a reading that fits was skipped when the period began.
func (c *Compiled) inGap(p period) bool {
	_, found := c.times.next(p.skipped, p.begin+p.offset)
	return found
}

// zonePeriod returns the bounds and the offset of the period of a zone that an instant is in. Of two instants it may
// give periods that overlap, or follow one another and have the same offset: the time package bounds them by years,
// too.
func zonePeriod(zone *time.Location, at int64) period {
	t := time.Unix(at, 0).In(zone)
	_, offset := t.Zone()
	p := period{begin: never, end: forever, offset: int64(offset)}
	begin, end := t.ZoneBounds()
	if !begin.IsZero() {
		p.begin = begin.Unix()
	}
	if !end.IsZero() {
		p.end = end.Unix()
	}
	if p.end <= at {
		// In years for which the time package has a rule and no table, it takes it that a year has 365 days: on the
		// last day of a leap year, the bound lies behind. Nothing changes before that day ends.
		p.end = (floorDiv(at, daySeconds) + 1) * daySeconds
	}
	return p
}
