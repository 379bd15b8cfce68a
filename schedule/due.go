package schedule

import (
	"slices"
	"time"
)

// Due returns the ticks to carry out now, the oldest first, by what the schedule says of missed ones. Last is the
// instant up to which ticks have been dealt with: that of the last call, of the last tick done, or since when the
// schedule exists. Skipped is how many of the ticks after last and up to now are not to be carried out.
//
// With those ticks done, everything up to now has been dealt with, also where there are none. Where now is not after
// last, nothing is due. However long ago last is, and however many ticks there were, the time that it takes is short.
func (c *Compiled) Due(last, now time.Time) (ticks []time.Time, skipped int) {
	from, to := last.Unix()+1, now.Unix()+1
	due := c.count(from, to)
	most := min(due, 1)
	switch c.Missed {
	case All:
		most = min(due, MaxMissed)
	case Skip:
		from = max(from, now.Add(-Grace-1).Unix()+1)
	}
	for int64(len(ticks)) < most {
		tick, found := c.prev(from, to)
		if !found {
			break
		}
		ticks = append(ticks, time.Unix(tick, 0).UTC())
		to = tick
	}
	slices.Reverse(ticks)
	return ticks, int(due) - len(ticks)
}
