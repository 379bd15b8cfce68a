package schedule_test

import (
	"slices"
	"sort"
	"testing"
	"time"
	_ "time/tzdata" // the same zones on every machine

	"github.com/sluice-project/sluice/schedule"
)

// zones are those whose every change of clocks is walked through.
var zones = []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "UTC"}

// compile returns a schedule that does something, compiled.
func compile(t *testing.T, cron, zone string, missed schedule.Missed) *schedule.Compiled {
	t.Helper()
	s := schedule.Schedule{
		Name: "test", Cron: cron, Timezone: zone, Missed: missed,
		Job: schedule.Job{Reset: &schedule.Reset{Policy: "api"}},
	}
	c, err := s.Compile()
	if err != nil {
		t.Fatalf("Compile of %q in %s: %v", cron, zone, err)
	}
	return c
}

// oracle is an expression, and the same as a condition on what a clock shows.
type oracle struct {
	cron     string
	realTime bool
	fits     func(clock time.Time) bool
}

func at(hour, minute int) func(time.Time) bool {
	return func(c time.Time) bool { return c.Hour() == hour && c.Minute() == minute }
}

// walk returns the ticks of each oracle from one instant to before another, by looking at a clock of the zone at every
// step: after each step of the clock, everything that it showed for the first time or left out comes now.
func walk(zone *time.Location, from, to time.Time, step time.Duration, oracles []oracle) [][]int64 {
	ticks := make([][]int64, len(oracles))
	reading := func(t time.Time) time.Time {
		y, m, d := t.Date()
		return time.Date(y, m, d, t.Hour(), t.Minute(), 0, 0, time.UTC)
	}
	newest := reading(from.In(zone))
	for t := from.Add(step); t.Before(to); t = t.Add(step) {
		now := reading(t.In(zone))
		var shown []time.Time
		for newest.Before(now) {
			newest = newest.Add(step)
			shown = append(shown, newest)
		}
		for i, o := range oracles {
			if o.realTime && o.fits(now) || !o.realTime && slices.ContainsFunc(shown, o.fits) {
				ticks[i] = append(ticks[i], t.Unix())
			}
		}
	}
	return ticks
}

// hold compares the ticks of a schedule with those of an oracle.
func hold(t *testing.T, o oracle, zone string, from, to time.Time, want []int64) {
	t.Helper()
	c := compile(t, o.cron, zone, schedule.Latest)
	last := from
	for i := 0; ; i++ {
		next := c.Next(last)
		if !next.Before(to) {
			if i != len(want) {
				t.Errorf("%q in %s: %d ticks, want %d; the first that is missing is at %s", o.cron, zone, i, len(want), time.Unix(want[i], 0).UTC())
			}
			break
		}
		if i == len(want) || next.Unix() != want[i] || next.Nanosecond() != 0 {
			t.Errorf("%q in %s: Next(%s) = %s, want tick number %d of %d", o.cron, zone, last, next, i, len(want))
			return
		}
		if late := next.Add(-time.Nanosecond); i%97 == 0 && !c.Next(late).Equal(next) {
			t.Errorf("%q in %s: Next(%s) = %s, want %s", o.cron, zone, late, c.Next(late), next)
		}
		last = next
	}
	// What is due looks backwards and counts.
	first := from
	for now := from.Add(time.Hour); now.Before(to); now = now.Add(61*time.Hour + 7*time.Minute + time.Second) {
		n := upTo(want, now) - upTo(want, first)
		ticks, skipped := c.Due(first, now)
		if len(ticks)+skipped != n || len(ticks) != min(n, 1) || n > 0 && ticks[0].Unix() != want[upTo(want, now)-1] {
			t.Errorf("%q in %s: Due(%s, %s) = %s, %d, want the newest of %d", o.cron, zone, first, now, ticks, skipped, n)
			return
		}
		if earlier := now.Add(-5 * 24 * time.Hour); now.Unix()%3 == 0 && earlier.After(from) {
			first = earlier
		}
	}
}

// upTo returns how many of the ticks are not after an instant.
func upTo(ticks []int64, now time.Time) int {
	return sort.Search(len(ticks), func(i int) bool { return ticks[i] > now.Unix() })
}

// TestAgainstTheClock walks through 2024 to 2040 in steps of a quarter of an hour, which every change of these clocks is
// a multiple of.
func TestAgainstTheClock(t *testing.T) {
	t.Parallel()
	oracles := []oracle{
		{"30 2 * * *", false, at(2, 30)},
		{"0 0 * * *", false, at(0, 0)},
		{"@daily", false, at(0, 0)},
		{"0 2 * * *", false, at(2, 0)},
		{"15,45 1-3 * * *", false, func(c time.Time) bool { return c.Hour() >= 1 && c.Hour() <= 3 && c.Minute()%30 == 15 }},
		{"*/15 */2 * * *", false, func(c time.Time) bool { return c.Hour()%2 == 0 }},
		{"0 1-23 * * *", false, func(c time.Time) bool { return c.Hour() != 0 && c.Minute() == 0 }},
		{"0,15 3 * * 0", false, func(c time.Time) bool { return c.Weekday() == time.Sunday && c.Hour() == 3 && c.Minute() < 30 }},
		{"30 1 29 2 *", false, func(c time.Time) bool { return at(1, 30)(c) && c.Month() == time.February && c.Day() == 29 }},
		{"0 12 31 * *", false, func(c time.Time) bool { return at(12, 0)(c) && c.Day() == 31 }},
		{"0 9 13 * fri", false, func(c time.Time) bool { return at(9, 0)(c) && (c.Day() == 13 || c.Weekday() == time.Friday) }},
		{"45 23 * jan,jul 6-7", false, func(c time.Time) bool {
			return at(23, 45)(c) && c.Month()%6 == 1 && (c.Weekday() == time.Saturday || c.Weekday() == time.Sunday)
		}},
		{"@monthly", false, func(c time.Time) bool { return at(0, 0)(c) && c.Day() == 1 }},
		{"@yearly", false, func(c time.Time) bool { return at(0, 0)(c) && c.YearDay() == 1 }},
		{"@weekly", false, func(c time.Time) bool { return at(0, 0)(c) && c.Weekday() == time.Sunday }},
		{"@hourly", true, func(c time.Time) bool { return c.Minute() == 0 }},
		{"30 * * * *", true, func(c time.Time) bool { return c.Minute() == 30 }},
		{"*/15 0-23 * 3,10 *", true, func(c time.Time) bool { return c.Month() == time.March || c.Month() == time.October }},
	}
	from := time.Date(2023, 12, 31, 0, 0, 0, 0, time.UTC)
	to := time.Date(2041, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, name := range zones {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			zone, err := time.LoadLocation(name)
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range walk(zone, from, to, 15*time.Minute, oracles) {
				hold(t, oracles[i], name, from, to, want)
			}
		})
	}
}

// TestAgainstTheClockByMinutes walks through a year in steps of a minute, and in zones whose clocks have made greater
// leaps: over midnight, and over a whole day.
func TestAgainstTheClockByMinutes(t *testing.T) {
	t.Parallel()
	oracles := []oracle{
		{"7 2 * * *", false, at(2, 7)},
		{"1-59/29 1,2,23 * * *", false, func(c time.Time) bool {
			return (c.Hour() == 1 || c.Hour() == 2 || c.Hour() == 23) && c.Minute()%29 == 1
		}},
		{"59 23 * * *", false, at(23, 59)},
		{"0 0 * * *", false, at(0, 0)},
		{"0 9 * * *", false, at(9, 0)},
		{"* * * * *", true, func(time.Time) bool { return true }},
		{"17 * * * 1-5", true, func(c time.Time) bool {
			return c.Minute() == 17 && c.Weekday() != time.Sunday && c.Weekday() != time.Saturday
		}},
	}
	years := map[string]int{"Pacific/Apia": 2011, "America/Sao_Paulo": 2017, "America/Santiago": 2026, "Africa/Cairo": 2026, "Asia/Kathmandu": 1985}
	for _, zone := range zones {
		years[zone] = 2027
	}
	for name, year := range years {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			zone, err := time.LoadLocation(name)
			if err != nil {
				t.Fatal(err)
			}
			from := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, -2)
			to := from.AddDate(1, 0, 4)
			for i, want := range walk(zone, from, to, time.Minute, oracles) {
				hold(t, oracles[i], name, from, to, want)
			}
		})
	}
}

// TestOnceADay shows of each date of 2024 to 2040 that a daily job happens on it once.
func TestOnceADay(t *testing.T) {
	t.Parallel()
	for _, name := range zones {
		for _, cron := range []string{"@daily", "30 2 * * *", "0 3 * * *", "15 1 * * *", "59 23 * * *"} {
			c := compile(t, cron, name, schedule.Latest)
			zone, err := time.LoadLocation(name)
			if err != nil {
				t.Fatal(err)
			}
			last := time.Date(2024, 1, 1, 0, 0, 0, 0, zone).Add(-time.Second)
			for date := time.Date(2024, 1, 1, 12, 0, 0, 0, time.UTC); date.Year() < 2041; date = date.AddDate(0, 0, 1) {
				next := c.Next(last)
				if got, want := next.In(zone).Format(time.DateOnly), date.Format(time.DateOnly); got != want {
					t.Fatalf("%q in %s: the tick after %s is on %s, want one on %s", cron, name, last, got, want)
				}
				last = next
			}
		}
	}
}

// TestWhenClocksChange shows what the documentation says of the night on which they do.
func TestWhenClocksChange(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		cron, zone string
		after      string
		want       []string
	}{
		{"30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00+01:00", []string{"2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"}},
		{"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00+02:00", []string{"2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"}},
		{"*/15 2 * * *", "Europe/Berlin", "2026-03-29T00:00:00+01:00", []string{"2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"}},
		{"0 2,3 * * *", "Europe/Berlin", "2026-03-29T00:00:00+01:00", []string{"2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"}},
		{"@hourly", "Europe/Berlin", "2026-03-29T01:00:00+01:00", []string{"2026-03-29T03:00:00+02:00", "2026-03-29T04:00:00+02:00"}},
		{"@hourly", "Europe/Berlin", "2026-10-25T01:00:00+02:00", []string{"2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T03:00:00+01:00"}},
		{"0 */2 * * *", "Europe/Berlin", "2026-10-25T01:00:00+02:00", []string{"2026-10-25T02:00:00+02:00", "2026-10-25T04:00:00+01:00"}},
		{"15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00+10:30", []string{"2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"}},
		{"45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00:00+11:00", []string{"2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"}},
		{"15 * * * *", "Australia/Lord_Howe", "2026-10-04T01:15:00+10:30", []string{"2026-10-04T03:15:00+11:00"}},
		{"0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", []string{"2104-02-29T00:00:00Z"}},
		{"0 0 29 2 *", "Europe/Berlin", "2096-03-01T00:00:00Z", []string{"2104-02-29T00:00:00+01:00"}},
		{"30 2 * * *", "Europe/Berlin", "2199-03-30T12:00:00+01:00", []string{"2199-03-31T03:00:00+02:00"}},
		{"@every 90s", "", "1970-01-01T00:00:00Z", []string{"1970-01-01T00:01:30Z", "1970-01-01T00:03:00Z"}},
		{"@every 7d", "UTC", "2026-06-15T00:00:00Z", []string{"2026-06-18T00:00:00Z"}}, // 1970 began on a Thursday
		{"@every 90s", "", "1969-12-31T23:58:29.5Z", []string{"1969-12-31T23:58:30Z", "1970-01-01T00:00:00Z"}},
	} {
		c := compile(t, test.cron, test.zone, schedule.Latest)
		last := instant(t, test.after)
		for _, text := range test.want {
			want := instant(t, text)
			if got := c.Next(last); !got.Equal(want) {
				t.Errorf("%q in %s: Next(%s) = %s, want %s", test.cron, test.zone, last, got, want)
			}
			last = want
		}
	}
}

func instant(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}
