package sluice_test

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/sluice-project/sluice"
	"pgregory.net/rapid"
)

const tickDay = sluice.Tick(day / time.Microsecond)

func tickOf(t time.Time) sluice.Tick { return sluice.Tick(t.UnixMicro()) }

func timeOf(at sluice.Tick, zone *time.Location) time.Time { return time.UnixMicro(int64(at)).In(zone) }

func mustLoad(t rapid.TB, zone string) *time.Location {
	location, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	return location
}

// every returns all calendars that there are in a zone.
func every(zone string) (all []sluice.Calendar) {
	for _, unit := range []sluice.CalendarUnit{sluice.Hour, sluice.Day, sluice.Year} {
		all = append(all, sluice.Calendar{Unit: unit, Zone: zone})
	}
	for from := 1; from <= 7; from++ {
		all = append(all, sluice.Calendar{Unit: sluice.Week, Zone: zone, From: from})
	}
	for from := 1; from <= 31; from++ {
		all = append(all, sluice.Calendar{Unit: sluice.Month, Zone: zone, From: from})
	}
	return all
}

// begins reports whether a window of the calendar begins with a date.
func begins(c sluice.Calendar, date time.Time) bool {
	switch c.Unit {
	case sluice.Week:
		monday := 1 + (int(date.Weekday())+6)%7
		return monday == max(1, c.From)
	case sluice.Month:
		tomorrow := date.AddDate(0, 0, 1)
		return date.Day() == max(1, c.From) || date.Day() < c.From && tomorrow.Day() == 1
	case sluice.Year:
		return date.YearDay() == 1
	}
	return true
}

// TestWindowEveryQuarterHour walks through 2024 to 2040 by quarters of an hour, and holds the windows of every calendar
// against what the standard library says of the local time. None of these zones turns its clocks back over a midnight.
func TestWindowEveryQuarterHour(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "UTC"} {
		t.Run(zone, func(t *testing.T) {
			t.Parallel()
			location := mustLoad(t, zone)
			calendars := every(zone)
			ends := make([]sluice.Tick, len(calendars))
			u := time.Date(2023, 12, 31, 23, 45, 0, 0, time.UTC)
			for i, c := range calendars {
				_, ends[i] = c.Window(tickOf(u))
			}
			dateAndHour := func() (date time.Time, hour string) {
				local := u.In(location)
				return time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, time.UTC), local.Format("15 -0700")
			}
			for date, hour := dateAndHour(); u.Year() <= 2040; u = u.Add(15 * time.Minute) {
				nowDate, nowHour := dateAndHour()
				if nowDate.Equal(date) && nowHour == hour {
					continue // an edge that is missed here shows at the next hour
				}
				at := tickOf(u)
				for i, c := range calendars {
					edge := c.Unit == sluice.Hour || nowDate.After(date) && begins(c, nowDate)
					if edge != (at == ends[i]) {
						t.Fatalf("%v: %s is the edge of two windows: %t, want %t; the next is %s",
							c, u.In(location), at == ends[i], edge, timeOf(ends[i], location))
					}
					if !edge {
						continue
					}
					start, end := c.Window(at)
					if start != at || end <= at {
						t.Fatalf("%v: the window that begins %s is %s to %s",
							c, u.In(location), timeOf(start, location), timeOf(end, location))
					}
					ends[i] = end
				}
				date, hour = nowDate, nowHour
			}
		})
	}
}

func TestWindow(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, calendar string // as in the text form of a limit
		at             string // in UTC
		start, end     string // in the zone
	}{
		{"short day", "day Europe/Berlin", "2024-03-31 12:00:00", "2024-03-31 00:00 +0100", "2024-04-01 00:00 +0200"},
		{"long day", "day Europe/Berlin", "2024-10-27 12:00:00", "2024-10-27 00:00 +0200", "2024-10-28 00:00 +0100"},
		{"first tick", "day Europe/Berlin", "2024-10-26 22:00:00", "2024-10-27 00:00 +0200", "2024-10-28 00:00 +0100"},
		{"last tick", "day Europe/Berlin", "2024-10-26 21:59:59.999999", "2024-10-26 00:00 +0200", "2024-10-27 00:00 +0200"},
		{"short day", "day America/New_York", "2024-03-10 12:00:00", "2024-03-10 00:00 -0500", "2024-03-11 00:00 -0400"},
		{"long day", "day America/New_York", "2024-11-03 12:00:00", "2024-11-03 00:00 -0400", "2024-11-04 00:00 -0500"},
		{"half an hour less", "day Australia/Lord_Howe", "2024-10-06 00:00:00", "2024-10-06 00:00 +1030", "2024-10-07 00:00 +1100"},
		{"half an hour more", "day Australia/Lord_Howe", "2024-04-07 00:00:00", "2024-04-07 00:00 +1100", "2024-04-08 00:00 +1030"},
		{"Ramadan begins", "day Africa/Casablanca", "2024-03-10 12:00:00", "2024-03-10 00:00 +0100", "2024-03-11 00:00 +0000"},
		{"Ramadan ends", "day Africa/Casablanca", "2024-04-14 12:00:00", "2024-04-14 00:00 +0000", "2024-04-15 00:00 +0100"},
		{"no midnight", "day America/Sao_Paulo", "2018-11-04 12:00:00", "2018-11-04 01:00 -0200", "2018-11-05 00:00 -0200"},
		{"no midnight", "day Africa/Cairo", "2024-04-26 12:00:00", "2024-04-26 01:00 +0300", "2024-04-27 00:00 +0300"},
		{"no midnight", "day Asia/Beirut", "2024-03-31 12:00:00", "2024-03-31 01:00 +0300", "2024-04-01 00:00 +0300"},
		{"no midnight", "day America/Havana", "2024-03-10 12:00:00", "2024-03-10 01:00 -0400", "2024-03-11 00:00 -0400"},
		{"midnight twice", "day America/Havana", "2024-11-03 12:00:00", "2024-11-03 00:00 -0400", "2024-11-04 00:00 -0500"},
		{"turned back from midnight", "day America/Sao_Paulo", "2018-02-17 12:00:00", "2018-02-17 00:00 -0200", "2018-02-18 00:00 -0300"},
		{"turned back after midnight", "day America/St_Johns", "2006-10-29 12:00:00", "2006-10-29 00:00 -0230", "2006-10-30 00:00 -0330"},
		{"yesterday shown again", "day America/St_Johns", "2006-10-29 02:45:00", "2006-10-29 00:00 -0230", "2006-10-30 00:00 -0330"},
		{"a date left out follows", "day Pacific/Apia", "2011-12-30 09:00:00", "2011-12-29 00:00 -1000", "2011-12-31 00:00 +1400"},
		{"a date left out came before", "day Pacific/Apia", "2011-12-30 10:00:00", "2011-12-31 00:00 +1400", "2012-01-01 00:00 +1400"},
		{"last day of a leap year", "day Europe/Berlin", "2104-12-31 12:00:00", "2104-12-31 00:00 +0100", "2105-01-01 00:00 +0100"},
		{"before 1970", "day Europe/Berlin", "1969-12-31 23:59:59.999999", "1970-01-01 00:00 +0100", "1970-01-02 00:00 +0100"},

		{"hour", "hour Asia/Kolkata", "2024-06-01 12:00:00", "2024-06-01 17:00 +0530", "2024-06-01 18:00 +0530"},
		{"before an hour left out", "hour Europe/Berlin", "2024-03-31 00:59:59", "2024-03-31 01:00 +0100", "2024-03-31 03:00 +0200"},
		{"hour shown twice, first", "hour Europe/Berlin", "2024-10-27 00:30:00", "2024-10-27 02:00 +0200", "2024-10-27 02:00 +0100"},
		{"hour shown twice, second", "hour Europe/Berlin", "2024-10-27 01:30:00", "2024-10-27 02:00 +0100", "2024-10-27 03:00 +0100"},
		{"half of an hour shown twice, first", "hour Australia/Lord_Howe", "2024-04-06 14:45:00", "2024-04-07 01:00 +1100", "2024-04-07 01:30 +1030"},
		{"half of an hour shown twice, second", "hour Australia/Lord_Howe", "2024-04-06 15:00:00", "2024-04-07 01:30 +1030", "2024-04-07 02:00 +1030"},
		{"half an hour left out", "hour Australia/Lord_Howe", "2024-10-05 15:30:00", "2024-10-06 02:30 +1100", "2024-10-06 03:00 +1100"},
		{"cut short, first", "hour America/St_Johns", "2006-10-29 02:30:30", "2006-10-29 00:00 -0230", "2006-10-28 23:01 -0330"},
		{"cut short, second", "hour America/St_Johns", "2006-10-29 02:31:00", "2006-10-28 23:01 -0330", "2006-10-29 00:00 -0330"},
		{"before 1970", "hour Asia/Kathmandu", "1969-12-31 23:00:00", "1970-01-01 04:00 +0530", "1970-01-01 05:00 +0530"},

		{"week", "week Europe/Berlin", "2024-03-31 12:00:00", "2024-03-25 00:00 +0100", "2024-04-01 00:00 +0200"},
		{"week from Monday", "week Europe/Berlin from monday", "2024-03-31 12:00:00", "2024-03-25 00:00 +0100", "2024-04-01 00:00 +0200"},
		{"week from Sunday", "week Europe/Berlin from sunday", "2024-03-31 12:00:00", "2024-03-31 00:00 +0100", "2024-04-07 00:00 +0200"},
		{"week from Wednesday", "week UTC from wednesday", "2024-12-31 12:00:00", "2024-12-25 00:00 +0000", "2025-01-01 00:00 +0000"},

		{"month of 29 days", "month UTC", "2024-02-29 12:00:00", "2024-02-01 00:00 +0000", "2024-03-01 00:00 +0000"},
		{"month of 28 days", "month UTC", "2100-02-28 12:00:00", "2100-02-01 00:00 +0000", "2100-03-01 00:00 +0000"},
		{"long month", "month Europe/Berlin", "2024-10-10 12:00:00", "2024-10-01 00:00 +0200", "2024-11-01 00:00 +0100"},
		{"before day 15", "month Europe/Berlin from 15", "2024-01-14 22:59:59", "2023-12-15 00:00 +0100", "2024-01-15 00:00 +0100"},
		{"day 15", "month Europe/Berlin from 15", "2024-01-14 23:00:00", "2024-01-15 00:00 +0100", "2024-02-15 00:00 +0100"},
		{"day 31 to a short month", "month UTC from 31", "2023-02-27 12:00:00", "2023-01-31 00:00 +0000", "2023-02-28 00:00 +0000"},
		{"day 31 of a short month", "month UTC from 31", "2023-02-28 00:00:00", "2023-02-28 00:00 +0000", "2023-03-31 00:00 +0000"},
		{"day 31 of a leap February", "month UTC from 31", "2024-03-01 00:00:00", "2024-02-29 00:00 +0000", "2024-03-31 00:00 +0000"},
		{"day 30 of February", "month UTC from 30", "2023-03-01 00:00:00", "2023-02-28 00:00 +0000", "2023-03-30 00:00 +0000"},
		{"day 29 of February", "month UTC from 29", "2024-02-29 00:00:00", "2024-02-29 00:00 +0000", "2024-03-29 00:00 +0000"},
		{"day 30 that a zone left out", "month Pacific/Apia from 30", "2011-12-30 09:59:59", "2011-11-30 00:00 -1000", "2011-12-31 00:00 +1400"},

		{"leap year", "year America/New_York", "2024-06-01 12:00:00", "2024-01-01 00:00 -0500", "2025-01-01 00:00 -0500"},
		{"year", "year Australia/Lord_Howe", "2199-12-31 12:59:59", "2199-01-01 00:00 +1100", "2200-01-01 00:00 +1100"},
	} {
		l, err := sluice.ParseLimit("1/" + strings.Replace(test.calendar, " ", " calendar ", 1))
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.Parse(time.DateTime, test.at)
		if err != nil {
			t.Fatal(err)
		}
		c, _ := l.Calendar()
		zone := mustLoad(t, c.Zone)
		start, end := unseen(c, tickOf(at))
		const layout = "2006-01-02 15:04 -0700"
		if s, e := timeOf(start, zone).Format(layout), timeOf(end, zone).Format(layout); s != test.start || e != test.end {
			t.Errorf("%s: the window of %s at %s is %s to %s, want %s to %s",
				test.name, test.calendar, test.at, s, e, test.start, test.end)
		}
	}
}

// unseen returns a window that is not the one last found, unless another test has just asked for it.
func unseen(c sluice.Calendar, at sluice.Tick) (start, end sluice.Tick) {
	c.Window(at + 400*tickDay)
	return c.Window(at)
}

// TestWindowOfIllegalCalendar shows that one which [sluice.Limit.Validate] refuses has the windows of days in UTC.
func TestWindowOfIllegalCalendar(t *testing.T) {
	t.Parallel()
	at := tickOf(time.Date(2024, 6, 1, 12, 0, 0, 0, time.UTC))
	for _, c := range []sluice.Calendar{
		{},
		{Zone: "Europe/Berlin"},
		{Unit: 6, Zone: "Europe/Berlin"},
		{Unit: sluice.Month, Zone: "Europe/Nowhere", From: 15},
		{Unit: sluice.Month, Zone: "Europe/Berlin", From: 32},
		{Unit: sluice.Month, Zone: "Europe/Berlin", From: -1},
		{Unit: sluice.Week, Zone: "Europe/Berlin", From: 8},
		{Unit: sluice.Year, Zone: "Europe/Berlin", From: 1},
	} {
		if start, end := c.Window(at); start != at-tickDay/2 || end != at+tickDay/2 {
			t.Errorf("%v.Window(%d) = %d, %d", c, at, start, end)
		}
		if err := sluice.PerCalendar(1, c).Validate(); err == nil {
			t.Errorf("%v is legal", c)
		}
	}
}

// oddZones have done what is hard to get right: midnights left out or shown twice, dates left out, clocks changed by half
// an hour or by seven, offsets of seconds, daylight saving that is behind standard time.
var oddZones = []string{
	"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Africa/Cairo", "Africa/Monrovia",
	"America/Havana", "America/Nuuk", "America/Sao_Paulo", "America/St_Johns", "Antarctica/Casey", "Antarctica/Troll",
	"Antarctica/Vostok", "Asia/Beirut", "Asia/Gaza", "Asia/Kathmandu", "Europe/Dublin", "Pacific/Apia", "Pacific/Chatham",
	"Pacific/Kiritimati", "Pacific/Kwajalein", "EST5EDT",
}

// drawCalendar draws any legal calendar.
func drawCalendar(t *rapid.T) sluice.Calendar {
	c := sluice.Calendar{
		Unit: sluice.CalendarUnit(rapid.Uint8Range(uint8(sluice.Hour), uint8(sluice.Year)).Draw(t, "unit")),
		Zone: rapid.SampledFrom(oddZones).Draw(t, "zone"),
	}
	if days := map[sluice.CalendarUnit]int{sluice.Week: 7, sluice.Month: 31}[c.Unit]; days > 0 {
		c.From = rapid.IntRange(0, days).Draw(t, "from")
	}
	return c
}

// TestWindowProperties shows of any window from 1970 to 2200 that it holds its instant, that it meets its neighbours, that
// it is no longer than the limit's period, and that it holds one hour or the dates that it should.
func TestWindowProperties(t *testing.T) {
	t.Parallel()
	last := tickOf(time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC))
	rapid.Check(t, func(t *rapid.T) {
		c := drawCalendar(t)
		location := mustLoad(t, c.Zone)
		at := sluice.Tick(rapid.Int64Range(0, int64(last)).Draw(t, "at"))
		if rapid.Bool().Draw(t, "near a change of the clocks") {
			if _, change := timeOf(at, location).ZoneBounds(); !change.IsZero() {
				at = tickOf(change) + sluice.Tick(rapid.Int64Range(-2*int64(tickDay), 2*int64(tickDay)).Draw(t, "ahead"))
			}
		}
		start, end := unseen(c, at)
		says := fmt.Sprintf("%v at %s: %s to %s", c, timeOf(at, location), timeOf(start, location), timeOf(end, location))
		if start > at || end <= at {
			t.Fatalf("%s does not hold its instant", says)
		}
		for _, inside := range []sluice.Tick{start, at, end - 1} {
			if s, e := unseen(c, inside); s != start || e != end {
				t.Fatalf("%s, but at %s %s to %s", says, timeOf(inside, location), timeOf(s, location), timeOf(e, location))
			}
		}
		before, meets := unseen(c, start-1)
		from, after := unseen(c, end)
		if edges := [4]sluice.Tick{before, start, end, after}; c.Edges(at) != edges || before >= start || after <= end {
			t.Fatalf("%s, between others from %s and to %s; Edges is %v, want %v",
				says, timeOf(before, location), timeOf(after, location), c.Edges(at), edges)
		}
		if meets != start || from != end {
			t.Fatalf("%s, but the one before ends %s and the one after starts %s",
				says, timeOf(meets, location), timeOf(from, location))
		}
		if most := sluice.PerCalendar(1, c).Period(); time.Duration(end-start)*time.Microsecond > most {
			t.Fatalf("%s is longer than %s", says, most)
		}
		holdsItsDates(t, c, location, start, end, says)
	})
}

// holdsItsDates walks through a window, and through three hours around its edges by minutes.
func holdsItsDates(t *rapid.T, c sluice.Calendar, location *time.Location, start, end sluice.Tick, says string) {
	const minute = sluice.Tick(time.Minute / time.Microsecond)
	dateAt := func(at sluice.Tick) time.Time {
		y, m, d := timeOf(at, location).Date()
		return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	}
	if c.Unit == sluice.Hour {
		hour := func(at sluice.Tick) string { return timeOf(at, location).Format("2006-01-02 15 -07:00:00") }
		if hour(start) != hour(end-1) || hour(start) == hour(start-1) || hour(end-1) == hour(end) {
			t.Fatalf("%s is not all of one hour", says)
		}
		return
	}
	// No date inside begins a window but the first; dates that the zone left out do not count.
	first, after := dateAt(start), dateAt(end)
	begun := false
	for d := dateAt(start-1).AddDate(0, 0, 1); !d.After(first); d = d.AddDate(0, 0, 1) {
		begun = begun || begins(c, d)
	}
	if !begun {
		t.Fatalf("%s begins with a date that is none of a beginning", says)
	}
	for d := first.AddDate(0, 0, 1); d.Before(dateAt(end-1).AddDate(0, 0, 1)); d = d.AddDate(0, 0, 1) {
		if begins(c, d) {
			t.Fatalf("%s holds %s, with which another should begin", says, d.Format(time.DateOnly))
		}
	}
	// The edges are where local clocks first show their dates.
	for at := start - 180*minute; at < start; at += minute {
		if !dateAt(at).Before(first) {
			t.Fatalf("%s begins after %s, which is of its first date already", says, timeOf(at, location))
		}
	}
	for at := end - 180*minute; at < end; at += minute {
		if at >= start && !dateAt(at).Before(after) {
			t.Fatalf("%s ends after %s, which is of the next window's date already", says, timeOf(at, location))
		}
	}
}

// TestWindowAllocatesNothing is about an instant that is in the window which was found last.
func TestWindowAllocatesNothing(t *testing.T) {
	c := sluice.Calendar{Unit: sluice.Month, Zone: "Europe/Berlin", From: 15}
	at := tickOf(time.Date(2025, 7, 1, 12, 0, 0, 0, time.UTC))
	l := sluice.PerCalendar(1, c)
	if n := testing.AllocsPerRun(100, func() {
		at++
		c, _ := l.Calendar()
		c.Window(at)
		c.Edges(at)
	}); n != 0 {
		t.Errorf("Window and Edges allocate %v times, want 0", n)
	}
}

// TestWindowInParallel asks for windows far apart at once, of many calendars, some of zones that do not exist.
func TestWindowInParallel(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for i := range 2000 {
				zone := oddZones[(i+n)%len(oddZones)]
				if i%50 == n {
					zone = "Europe/Nowhere"
				}
				calendars := every(zone)
				c := calendars[(i*7+n)%len(calendars)]
				at := sluice.Tick(i) * 40 * tickDay
				if start, end := c.Window(at); start > at || end <= at {
					t.Errorf("%v.Window(%d) = %d, %d", c, at, start, end)
				}
			}
		})
	}
	wg.Wait()
}

// TestWindowOfAnyTick shows that no instant is too much.
func TestWindowOfAnyTick(t *testing.T) {
	t.Parallel()
	for _, at := range []sluice.Tick{math.MinInt64, -1, 0, math.MaxInt64} {
		for _, zone := range oddZones {
			for _, c := range every(zone) {
				c.Window(at)
			}
		}
	}
}

func TestCalendarUnitString(t *testing.T) {
	t.Parallel()
	for unit, want := range map[sluice.CalendarUnit]string{
		0: "CalendarUnit(0)", sluice.Hour: "hour", sluice.Year: "year", 6: "CalendarUnit(6)",
	} {
		if unit.String() != want {
			t.Errorf("CalendarUnit %d is %q, want %q", uint8(unit), unit, want)
		}
	}
}
