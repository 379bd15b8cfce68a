package algorithm

import "github.com/sluice-project/sluice"

// A fixed window counts the units of one window, which begins with a key's first use or, aligned, at a multiple of the
// period since the Unix epoch. A span that straddles the edge of two windows can hold twice the count.
//
// State: used units in the window that starts at the instant at.

func (s *State) advanceWindow(n numbers, now int64) {
	if now >= s.at+n.period {
		s.used = 0
	}
}

// windowStart returns where a window starts whose first use is now.
func windowStart(n numbers, now int64) int64 {
	if n.aligned || n.algorithm == sluice.SlidingCounter {
		return now - now%n.period
	}
	return now
}
