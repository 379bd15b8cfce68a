package algorithm

import "github.com/sluice-project/sluice"

// A fixed window counts the units of one window, which begins with a key's first use or, aligned, at a multiple of the
// period since the Unix epoch. A span that straddles the edge of two windows can hold twice the count.
//
// State: used units in the window that starts at the instant at.

func (s *state) advanceWindow(l *sluice.Limit, now int64) (used int64) {
	if now >= s.at+period(l) {
		return 0
	}
	return s.used
}
