package model

import (
	"sort"
	"time"

	"github.com/sluice-project/sluice"
)

// calendarEnd returns where the window of a calendar ends that holds now: found by looking at what a clock on the wall of
// the zone shows, at one instant after the other.
func calendarEnd(c sluice.Calendar, now int64) int64 {
	zone, err := time.LoadLocation(c.Zone)
	if err != nil {
		panic(err) // of a limit that was validated
	}
	clock := func(t int64) time.Time { return time.UnixMicro(t).In(zone) }
	local := clock(now)
	if c.Unit == sluice.Hour {
		const minute = int64(time.Minute / time.Microsecond)
		for t := now - now%minute + minute; ; t += minute {
			if next := clock(t); next.Hour() != local.Hour() || offset(next) != offset(local) {
				return t
			}
		}
	}
	day := local
	for !begins(c, day.AddDate(0, 0, 1)) { // noon, so that no change of the clock moves a day
		day = time.Date(day.Year(), day.Month(), day.Day()+1, 12, 0, 0, 0, zone)
	}
	year, month, date := day.AddDate(0, 0, 1).Date()
	first := time.Date(year, month, date, 0, 0, 0, 0, time.UTC)
	reached := func(seconds int) bool {
		y, m, d := clock(now - now%1e6 + int64(seconds)*1e6).Date()
		return !time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Before(first)
	}
	return now - now%1e6 + int64(sort.Search(400*24*3600, reached))*1e6
}

// begins reports whether a window begins with the day of a local time.
func begins(c sluice.Calendar, local time.Time) bool {
	from := max(c.From, 1)
	switch c.Unit {
	case sluice.Week:
		return (int(local.Weekday())+6)%7 == from-1
	case sluice.Month:
		last := time.Date(local.Year(), local.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
		return local.Day() == min(from, last)
	case sluice.Year:
		return local.YearDay() == 1
	}
	return true
}

func offset(t time.Time) int {
	_, seconds := t.Zone()
	return seconds
}
