package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/sluice-project/sluice"
)

// Generated limits, policies, keys and dates: over the whole range of what is legal, and mostly where it is interesting.

const (
	day = 24 * time.Hour
	// lastInstant is the last that a test asks at: the beginning of the year 2200, up to which all arithmetic is exact.
	lastInstant = sluice.Tick(7258118400 * 1e6)
	century     = sluice.Tick(100 * 365 * 24 * 3600 * 1e6)
)

func drawCount(d dice) int64 {
	switch d.roll(8) {
	case 0, 1, 2:
		return int64(1 + d.roll(5))
	case 3, 4:
		return pick[int64](d, 7, 10, 60, 64, 65, 100)
	case 5:
		return int64(1 + d.roll(1000))
	case 6:
		return pick[int64](d, 1_000_000, 3_000_000, sluice.MaxCount-1, sluice.MaxCount)
	}
	return int64(1 + d.roll(sluice.MaxCount))
}

func drawPeriod(d dice) time.Duration {
	switch d.roll(4) {
	case 0, 1:
		return pick(d, time.Second, 10*time.Millisecond, time.Minute, time.Hour, time.Millisecond, day)
	case 2:
		return pick(d, 2*time.Millisecond, 7*time.Millisecond, 999*time.Millisecond, 30*time.Second, 7*day, 365*day, sluice.MaxPeriod)
	}
	magnitude := pick(d, time.Second, 100*time.Millisecond, time.Minute, time.Hour, day, sluice.MaxPeriod)
	return time.Duration(1+d.roll(int(magnitude/time.Millisecond))) * time.Millisecond
}

// drawRule gives a limit one of the algorithms.
func drawRule(d dice, l sluice.Limit) sluice.Limit {
	switch d.roll(6) {
	case 5:
		return sluice.PerCalendar(l.Count(), drawCalendar(d))
	case 0:
		return l.WithAlgorithm(sluice.SlidingWindow)
	case 1:
		return l.WithBurst(drawBurst(d, l.Count()))
	case 2:
		return l.WithAlgorithm(sluice.FixedWindow)
	case 3:
		return l.WithAlgorithm(sluice.SlidingCounter)
	}
	return l.WithAligned()
}

func drawCalendar(d dice) sluice.Calendar {
	c := sluice.Calendar{
		Unit: pick(d, sluice.Day, sluice.Hour, sluice.Week, sluice.Month, sluice.Year),
		Zone: pick(d, "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kathmandu"),
	}
	switch from := d.roll(31); c.Unit {
	case sluice.Week:
		c.From = 1 + from%7
	case sluice.Month:
		c.From = 1 + from
	}
	return c
}

func drawBurst(d dice, count int64) int64 {
	if d.roll(2) == 0 {
		return count
	}
	return drawCount(d)
}

func drawLimit(d dice, name string) sluice.Limit {
	return drawRule(d, sluice.Per(drawCount(d), drawPeriod(d))).WithName(name)
}

// drawLimits returns the limits of a policy, mostly one or two. It always rolls for as many as there may be, so that
// rapid can leave some out of a sequence that fails.
func drawLimits(d dice) []sluice.Limit {
	names := [sluice.MaxLimits]string{"second", "day", "a.b-c_d", "0", "e", "f", "g", strings.Repeat("x", 63)}
	n := pick(d, 1, 1, 1, 2, 2, 2, 3, 4, len(names))
	var limits []sluice.Limit
	for _, name := range names {
		limits = append(limits, drawLimit(d, name))
	}
	return limits[:n]
}

// drawChanged returns limits of which some have other numbers, and at times one more or one less.
func drawChanged(d dice, limits []sluice.Limit) []sluice.Limit {
	var changed []sluice.Limit
	for _, l := range limits {
		other := l
		switch d.roll(7) {
		case 0, 1:
			other = sameRule(l, drawCount(d), l.Period())
		case 2:
			if l.Algorithm() == sluice.TokenBucket {
				other = l.WithBurst(drawCount(d))
			}
		case 3:
			other = sameRule(l, l.Count(), drawPeriod(d))
		case 4:
			other = drawRule(d, sluice.Per(l.Count(), l.Period()))
		case 5:
			other = drawRule(d, sluice.Per(drawCount(d), drawPeriod(d)))
		case 6:
			if len(limits) > 1 {
				continue // it is gone
			}
		}
		changed = append(changed, other.WithName(l.Name()))
	}
	if len(changed) == 0 || len(changed) < sluice.MaxLimits && d.roll(6) == 5 {
		changed = append(changed, drawLimit(d, "added"))
	}
	return changed
}

// sameRule returns a limit of the same algorithm with another count and period.
func sameRule(l sluice.Limit, count int64, period time.Duration) sluice.Limit {
	other := sluice.Per(count, period)
	if c, ok := l.Calendar(); ok {
		return sluice.PerCalendar(count, c)
	}
	switch {
	case l.Algorithm() == sluice.TokenBucket:
		return other.WithBurst(l.Burst())
	case l.Aligned():
		return other.WithAligned()
	}
	return other.WithAlgorithm(l.Algorithm())
}

func drawKey(d dice) string {
	switch d.roll(8) {
	case 0, 1:
		return fmt.Sprintf("user:%d", d.roll(1000))
	case 2:
		return string([]byte{byte(d.roll(256))})
	case 3:
		return pick(d, "{a}b", "{}", "a{b", "}{", "#", "#00", "..", "a//b", "a|b", "%00", "*", "[a]")
	case 4:
		return strings.Repeat(drawBytes(d, 3), pick(d, 67, 66, 1365))
	}
	return drawBytes(d, 1+d.roll(24))
}

func drawBytes(d dice, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(d.roll(256))
	}
	return string(b)
}

// drawKeys returns one to three different keys.
func drawKeys(d dice) []string {
	keys := make([]string, 1+d.roll(3))
	seen := make(map[string]bool)
	for i := range keys {
		keys[i] = drawKey(d)
		if seen[keys[i]] {
			keys[i] = fmt.Sprintf("another:%d", i)
		}
		seen[keys[i]] = true
	}
	return keys
}

// drawDate returns an instant from 1970 to 2200.
func drawDate(d dice) sluice.Tick {
	const year = sluice.Tick(365.25 * 24 * 3600 * 1e6)
	date := pick(d,
		56*year,                // 2026
		1,                      // 1970, the first instant there is
		sluice.Tick(1<<31*1e6), // 2038, where seconds leave 31 bits
		sluice.Tick(1<<32*1e6), // 2106, where seconds leave 32 bits
		1<<51, 1<<52,           // 2041 and 2112, where floats lose the half and the quarter of a microsecond
		sluice.Tick(1+d.roll(int(lastInstant-year))),
		lastInstant-year,
	)
	return date + sluice.Tick(d.roll(1_000_000))
}

// drawVersion returns a policy's limits, and in every second case a penalty.
func drawVersion(d dice) version {
	v := version{limits: drawLimits(d)}
	if p := drawPenalty(d); d.roll(2) == 1 {
		v.penalty = p
	}
	return v
}

// drawChangedVersion returns a version that differs from another in its limits, its penalty or both.
func drawChangedVersion(d dice, v version) version {
	changed := version{limits: drawChanged(d, v.limits), penalty: v.penalty}
	p := drawPenalty(d)
	switch d.roll(4) {
	case 1:
		changed.limits = v.limits
		changed.penalty = p
	case 2:
		changed.penalty = p
	case 3:
		changed.penalty = nil
	}
	return changed
}

// drawPenalty returns a penalty whose refusals a store keeps exactly.
func drawPenalty(d dice) *sluice.Penalty {
	p := &sluice.Penalty{
		After:  pick[int64](d, 1, 2, 2, 3, 3, 4, 5, 10, 64),
		Within: drawPeriod(d),
		For:    drawPeriod(d),
	}
	switch d.roll(4) {
	case 1, 2:
		p.Max = min(p.For*time.Duration(pick(d, 1, 2, 3, 4, 8, 100)), sluice.MaxPeriod)
	case 3:
		p.Max = sluice.MaxPeriod
	}
	return p
}

// drawAmend returns what bars a key or gives it limits of its own.
func drawAmend(d dice, kind stepKind) amend {
	a := amend{
		until: pick(d, untilOn, untilOn, untilOn, untilThen, untilThen, untilNever, untilNever, untilNext, untilNow, untilPast, untilFar),
		lasts: drawPeriod(d),
	}
	if d.roll(8) == 7 {
		a.lasts += 123 * time.Microsecond
	}
	a.lasts = min(a.lasts, sluice.MaxPeriod)
	if kind == stepExcept {
		a.limits = drawLimits(d)
		for i, l := range a.limits {
			if _, calendar := l.Calendar(); calendar { // no limit of one key has one
				a.limits[i] = sluice.PerDay(l.Count()).WithAligned().WithName(l.Name())
			}
		}
	} else {
		a.reason = pick(d, "abuse", "", "Ünïcödé \x00\n|{}\"", strings.Repeat("x", sluice.MaxReasonBytes))
	}
	return a
}
