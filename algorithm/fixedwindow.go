package algorithm

import "github.com/sluice-project/sluice"

// A fixed window counts the units of one window, which begins with a key's first use or, aligned, at a multiple of the
// period since the Unix epoch. A span that straddles the edge of two windows can hold twice the count.
//
// State: used units in the window that starts at the instant at. A calendar window is as long as its month or day is; it
// is kept as one that started a period before its end, because a period is as long as the longest.

func (s *state) advanceWindow(l *sluice.Limit, now int64) (used int64) {
	if now >= s.at+period(l) {
		return 0
	}
	return s.used
}

// calendarStart returns the instant a period before the end of the window that holds now.
func calendarStart(l *sluice.Limit, calendar sluice.Calendar, now int64) int64 {
	_, end := calendar.Window(sluice.Tick(now))
	return int64(end) - period(l)
}
