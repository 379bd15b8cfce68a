package storetest

import (
	"fmt"

	"github.com/sluice-project/sluice"
)

// Promise 1 where units are lent: callers are let through at one instant, and the store counts what they took at another.
// For most algorithms only the first matters. A fixed window from first use begins and ends with the second: a unit of a
// loan that was lost was never spent, and is in use all the same. So the windows are drawn by what servers said and by the
// ends of loans, and what is held against the limit in them is what callers were let through by.

// entry is what happened to a key at one instant.
type entry struct {
	at      sluice.Tick
	through int64 // units that callers were let through by, less than 0 where they were given back
	used    int64 // units that count as used from then on, less than 0 where they do no more
}

// account is what happened to a key, in its order.
type account []entry

// within reports whether a limit may have let callers through like that.
func (all account) within(l sluice.Limit) error {
	var let admissions
	for _, a := range all {
		if a.through != 0 {
			let = append(let, admission{a.at, a.through})
		}
	}
	if l.Algorithm() != sluice.FixedWindow {
		return let.within(l)
	}
	if err := all.withinFixed(l); err != nil {
		return err
	}
	// However windows lie, one that ends in a span of a period had begun before it with a unit at least, unless the clock
	// begins them. Those of a calendar are of unequal length.
	if _, ok := l.Calendar(); ok {
		return nil
	}
	most := 2 * l.Count()
	if !l.Aligned() {
		most--
	}
	return let.inAnyPeriod(l, most)
}

// withinFixed: count in each window, which begins with the first use after the one before, or with the clock's. One of
// which all is given back was none; what is let through by loans while there is none is held against the next.
func (all account) withinFixed(l sluice.Limit) error {
	period := ticks(l.Period())
	calendar, dated := l.Calendar()
	through, used, end := int64(0), int64(0), sluice.Tick(0)
	for _, a := range all {
		if end > 0 && a.at >= end {
			through, used, end = 0, 0, 0
		}
		switch {
		case dated:
			_, end = calendar.Window(a.at)
		case l.Aligned():
			end = a.at - a.at%period + period
		case used == 0 && a.used > 0:
			end = a.at + period
		}
		back := min(max(0, -a.used), used) // no more than counts
		used += max(0, a.used) - back
		if through = max(0, through+max(0, a.through)-back); through > l.Count() {
			return fmt.Errorf("%s admitted %d units at %d and before in a window that ends at %d", l, through, a.at, end)
		}
	}
	return nil
}
