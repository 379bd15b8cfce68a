package sluice

import (
	"errors"
	"fmt"
	"time"
)

// Penalty bars a key that is refused too often: the refusal number After within one span of Within begins a block.
//
// The first block lasts For, each later one twice as long as the one before, at most Max. Once Max has passed since the
// end of the last block, the next is a first one again. A key that is barred is not refused anew: knocking lengthens
// nothing. What counts is a check that the limits refuse; a peek, a cost of 0 and a [Request] that is Uncounted do not.
type Penalty struct {
	// After is how many refusals begin a block, 1 to [MaxCount].
	After int64
	// Within is the span in which they lie, [MinPeriod] to [MaxPeriod] in whole milliseconds. Refusals are remembered as
	// admissions are by [SlidingWindow]: above 64 of them one may count up to a 64th of the span too long.
	Within time.Duration
	// For is how long the first block lasts, [MinPeriod] to [MaxPeriod] in whole milliseconds.
	For time.Duration
	// Max is the longest block, For to [MaxPeriod] in whole milliseconds. The default is For: all last the same.
	Max time.Duration
}

// Longest returns Max, or For where there is none.
func (p Penalty) Longest() time.Duration {
	if p.Max == 0 {
		return p.For
	}
	return p.Max
}

// Lasts returns how long a block lasts before which there were so many others that are not forgotten.
func (p Penalty) Lasts(others int) time.Duration {
	d := p.For
	for ; others > 0 && d < p.Longest(); others-- {
		d *= 2
	}
	return min(d, p.Longest())
}

// Validate reports everything that is wrong with the penalty, each fault as an [*InvalidError] whose field is "after",
// "within", "for" or "max"; or nil.
func (p Penalty) Validate() error {
	var faults []error
	fault := func(field, format string, args ...any) {
		faults = append(faults, &InvalidError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
	if p.After < 1 || p.After > MaxCount {
		fault("after", "it is %d; it must be 1 to %d refusals", p.After, int64(MaxCount))
	}
	span := func(field string, d time.Duration) {
		switch {
		case d < MinPeriod || d > MaxPeriod:
			fault(field, "it is %s; it must be 1ms to 366d", DurationText(d))
		case d%time.Millisecond != 0:
			fault(field, "it is %s; it must be whole milliseconds", DurationText(d))
		}
	}
	span("within", p.Within)
	span("for", p.For)
	if p.Max != 0 {
		span("max", p.Max)
		if p.Max < p.For {
			fault("max", "it is %s, shorter than the first block of %s; give at least that, or leave it out", DurationText(p.Max), DurationText(p.For))
		}
	}
	return errors.Join(faults...)
}
