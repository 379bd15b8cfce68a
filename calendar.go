package sluice

import (
	"fmt"
	"strings"
	"time"
)

// CalendarUnit is how long the windows of a [Calendar] are.
type CalendarUnit uint8

// The units of a calendar. The zero value is none of them.
const (
	Hour CalendarUnit = iota + 1
	Day
	Week
	Month
	Year
)

// calendarUnits are the spellings of a calendar's unit, its name first, and the longest that a window of it can be.
var calendarUnits = [...]struct {
	spellings []string
	longest   time.Duration
}{
	Hour:  {[]string{"hour", "h", "hours"}, time.Hour},
	Day:   {[]string{"day", "d", "days"}, day + longestShift},
	Week:  {[]string{"week", "w", "weeks"}, 7*day + longestShift},
	Month: {[]string{"month", "mo", "months"}, 31*day + longestShift},
	Year:  {[]string{"year", "y", "years"}, 366*day + longestShift},
}

// longestShift is more than clocks are ever turned back: a day, as where a country moves to the other side of the date
// line. Since 1970 it has been seven hours at most.
const longestShift = day

// String returns "hour", "day", "week", "month" or "year".
func (u CalendarUnit) String() string {
	if u.legal() {
		return calendarUnits[u].spellings[0]
	}
	return fmt.Sprintf("CalendarUnit(%d)", uint8(u))
}

func (u CalendarUnit) legal() bool { return Hour <= u && u <= Year }

// longest returns the longest that a window can be, in any zone and year.
func (u CalendarUnit) longest() time.Duration {
	if u.legal() {
		return calendarUnits[u].longest
	}
	return 0
}

// Calendar divides time into windows as the wall clock and the calendar of a time zone do. It is a comparable value and
// safe to share. [PerCalendar] makes a limit by it, and [Limit.Validate] says whether it is legal.
type Calendar struct {
	// Unit is the length of a window: an hour, a day, a week, a month or a year.
	Unit CalendarUnit
	// Zone is a name of the IANA time zone database, such as "Europe/Berlin" or "UTC". The data is that of the time
	// package: of the system, else what the program carries by importing time/tzdata. It is read once in a process.
	Zone string
	// From is the day that a window begins with: of a week 1 (Monday) to 7 (Sunday), of a month 1 to 31, the last day of
	// months that are too short. 0 is 1. Every other unit has no From.
	From int
}

// maxFrom is the greatest From of a unit.
func (c Calendar) maxFrom() int {
	switch c.Unit {
	case Week:
		return 7
	case Month:
		return 31
	}
	return 0
}

// from returns From where 0 is spelled out.
func (c Calendar) from() int { return max(1, c.From) }

// canonical spells the first day 0, so that equal calendars are equal values.
func (c Calendar) canonical() Calendar {
	if c.From == 1 && c.maxFrom() > 0 {
		c.From = 0
	}
	return c
}

// problems says what is wrong with the calendar, and what would be right.
func (c Calendar) problems() (problems []string) {
	switch {
	case !c.Unit.legal():
		problems = append(problems, fmt.Sprintf("there is no calendar unit number %d", c.Unit))
	case c.From == 0 || 1 <= c.From && c.From <= c.maxFrom():
	case c.maxFrom() == 0:
		problems = append(problems, fmt.Sprintf("only a week and a month begin with a day of choice, not a calendar %s", c.Unit))
	default:
		problems = append(problems, fmt.Sprintf("the calendar begins with day %d of the %s; it must be 1 to %d",
			c.From, c.Unit, c.maxFrom()))
	}
	if _, problem := zoneOf(c.Zone); problem != "" {
		problems = append(problems, problem)
	}
	return problems
}

// text returns what follows the count's unit in the text form of a limit.
func (c Calendar) text() string {
	s := "calendar " + c.Zone
	switch {
	case c.From == 0:
	case c.Unit == Week && 1 <= c.From && c.From <= 7:
		s += " from " + weekdayName(c.From)
	default:
		s += fmt.Sprintf(" from day %d", c.From)
	}
	return s
}

// weekdayName spells a day of the week, 1 (Monday) to 7 (Sunday).
func weekdayName(n int) string { return strings.ToLower(time.Weekday(n % 7).String()) }

// Window returns the window that holds an instant: it begins at start and ends before end, both a whole second. Windows
// leave no gap and do not overlap. They are exact from 1970 to 2200, as far as the rules of the zone are known.
//
//   - A day begins when the zone's clocks first show its date: with the first of two midnights, and where there is no
//     midnight, because clocks are turned forward over it, when they are turned. So it has 23, 24 or 25 hours, or
//     whatever the zone made of it; a date that a zone left out has no window.
//   - A week, a month and a year begin as their first day does.
//   - An hour is the time during which clocks show the same date and hour, at the same offset from UTC. So an hour that
//     clocks go through twice is two windows, and one that is cut short by turning them is a short window.
//
// An illegal calendar has the windows of days in UTC. Window is safe for concurrent use. It neither allocates nor locks
// where the window is the one last found for the calendar.
func (c Calendar) Window(at Tick) (start, end Tick) {
	e := c.Edges(at)
	return e[1], e[2]
}

// Edges returns where three windows begin and end that follow one another, the second of which holds the instant:
// [Calendar.Window] with its neighbours, at the same price. They serve whoever is told the time by another clock that is
// nearly right.
func (c Calendar) Edges(at Tick) [4]Tick {
	z, problem := zoneOf(c.Zone)
	if problem != "" || !c.Unit.legal() || c.From < 0 || c.From > c.maxFrom() {
		c = Calendar{Unit: Day, Zone: "UTC"}
		z = utc
	}
	last := &z.found[c.slot()]
	if e := last.Load(); e != nil && e[1] <= at && at < e[2] {
		return *e
	}
	const second = Tick(time.Second / time.Microsecond)
	now := at / second
	if at%second < 0 {
		now--
	}
	start, end := c.find(z, int64(now))
	before, _ := c.find(z, start-1)
	_, after := c.find(z, end)
	e := &[4]Tick{Tick(before) * second, Tick(start) * second, Tick(end) * second, Tick(after) * second}
	last.Store(e)
	return *e
}

// slot numbers the calendars of one zone, from 0 up to calendarSlots.
func (c Calendar) slot() int {
	switch c.Unit {
	case Week:
		return 3 + c.from() - 1
	case Month:
		return 3 + 7 + c.from() - 1
	case Year:
		return 2
	case Day:
		return 1
	}
	return 0
}

const calendarSlots = 3 + 7 + 31

// find returns the window that holds an instant, all in seconds since the Unix epoch.
func (c Calendar) find(z *zone, at int64) (start, end int64) {
	if c.Unit == Hour {
		return z.hour(at)
	}
	from := c.begin(z.local(at))
	next := c.next(from)
	// Clocks may have shown a later date already, or a date may have been left out.
	for end = z.first(next.Unix()); end <= at; end = z.first(next.Unix()) {
		from, next = next, c.next(next)
	}
	return z.first(from.Unix()), end
}

// begin returns the midnight with which the window of a local time begins. Local times and dates are written as if they
// were of UTC.
func (c Calendar) begin(local time.Time) time.Time {
	y, m, d := local.Date()
	switch c.Unit {
	case Week:
		return date(y, m, d-(int(local.Weekday())-c.from()+7)%7)
	case Month:
		if first := c.monthly(y, m); !local.Before(first) {
			return first
		}
		return c.monthly(y, m-1)
	case Year:
		return date(y, time.January, 1)
	}
	return date(y, m, d)
}

// next returns the midnight with which the window after that of another begins.
func (c Calendar) next(begin time.Time) time.Time {
	y, m, d := begin.Date()
	switch c.Unit {
	case Week:
		return date(y, m, d+7)
	case Month:
		return c.monthly(y, m+1)
	case Year:
		return date(y+1, time.January, 1)
	}
	return date(y, m, d+1)
}

// monthly returns the midnight in a month with which a window begins.
func (c Calendar) monthly(y int, m time.Month) time.Time {
	last := date(y, m+1, 0).Day()
	return date(y, m, min(c.from(), last))
}

func date(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }
