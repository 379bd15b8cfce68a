package sluice_test

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-project/sluice"
	"pgregory.net/rapid"
)

const day = 24 * time.Hour

func TestParseLimit(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text string
		want sluice.Limit
		name string // the default name
		prnt string // how it prints, where not as it is written
	}{
		{text: "100/minute", want: sluice.PerMinute(100), name: "minute"},
		{text: "100/m", want: sluice.PerMinute(100), name: "minute", prnt: "100/minute"},
		{text: "100/1m", want: sluice.PerMinute(100), name: "minute", prnt: "100/minute"},
		{text: "100/60s", want: sluice.PerMinute(100), name: "minute", prnt: "100/minute"},
		{text: "5/30s", want: sluice.Per(5, 30*time.Second), name: "30s"},
		{text: "5/15m", want: sluice.Per(5, 15*time.Minute), name: "15m"},
		{text: "5/90m", want: sluice.Per(5, 90*time.Minute), name: "90m"},
		{text: "10/s burst 20", want: sluice.PerSecond(10).WithBurst(20), name: "second"},
		{text: "10/s burst 20 token-bucket", want: sluice.PerSecond(10).WithBurst(20), name: "second", prnt: "10/s burst 20"},
		{text: "10/s token-bucket", want: sluice.PerSecond(10).WithBurst(10), name: "second", prnt: "10/s burst 10"},
		{text: " 10/s \t burst  20 ", want: sluice.PerSecond(10).WithBurst(20), name: "second", prnt: "10/s burst 20"},
		{text: "1000/day fixed-window aligned", want: sluice.PerDay(1000).WithAligned(), name: "day"},
		{text: "1000/day fixed-window", want: sluice.PerDay(1000).WithAlgorithm(sluice.FixedWindow), name: "day"},
		{text: "9/hour sliding-counter", want: sluice.PerHour(9).WithAlgorithm(sluice.SlidingCounter), name: "hour"},
		{text: "9/hour sliding-window", want: sluice.PerHour(9), name: "hour", prnt: "9/hour"},
		{text: "1/ms", want: sluice.Per(1, time.Millisecond), name: "millisecond"},
		{text: "1/week", want: sluice.Per(1, 7*day), name: "week"},
		{text: "1/14d", want: sluice.Per(1, 14*day), name: "14d"},
		{
			text: "10000/month calendar Europe/Berlin", name: "month",
			want: sluice.PerCalendar(10000, sluice.Calendar{Unit: sluice.Month, Zone: "Europe/Berlin"}),
		},
		{
			text: "10000/month calendar Europe/Berlin from day 15", name: "month",
			want: sluice.PerCalendar(10000, sluice.Calendar{Unit: sluice.Month, Zone: "Europe/Berlin", From: 15}),
		},
		{
			text: "10000/mo fixed-window calendar Europe/Berlin from 31", name: "month",
			want: sluice.PerCalendar(10000, sluice.Calendar{Unit: sluice.Month, Zone: "Europe/Berlin", From: 31}),
			prnt: "10000/month calendar Europe/Berlin from day 31",
		},
		{
			text: "1/months calendar UTC from day 1", name: "month",
			want: sluice.PerCalendar(1, sluice.Calendar{Unit: sluice.Month, Zone: "UTC"}),
			prnt: "1/month calendar UTC",
		},
		{
			text: "5/week calendar Asia/Kathmandu from sunday", name: "week",
			want: sluice.PerCalendar(5, sluice.Calendar{Unit: sluice.Week, Zone: "Asia/Kathmandu", From: 7}),
		},
		{
			text: "5/w calendar UTC from monday", name: "week",
			want: sluice.PerCalendar(5, sluice.Calendar{Unit: sluice.Week, Zone: "UTC", From: 1}),
			prnt: "5/week calendar UTC",
		},
		{
			text: "5/h calendar America/Argentina/ComodRivadavia", name: "hour",
			want: sluice.PerCalendar(5, sluice.Calendar{Unit: sluice.Hour, Zone: "America/Argentina/ComodRivadavia"}),
			prnt: "5/hour calendar America/Argentina/ComodRivadavia",
		},
		{text: "5/day calendar UTC", want: sluice.PerCalendar(5, sluice.Calendar{Unit: sluice.Day, Zone: "UTC"}), name: "day"},
		{text: "5/year calendar UTC", want: sluice.PerCalendar(5, sluice.Calendar{Unit: sluice.Year, Zone: "UTC"}), name: "year"},
		{text: "4294967295/366d", want: sluice.Per(sluice.MaxCount, sluice.MaxPeriod), name: "366d"},
	} {
		got, err := sluice.ParseLimit(test.text)
		if err != nil || got != test.want {
			t.Errorf("ParseLimit(%q) = %#v, %v, want %#v", test.text, got, err, test.want)
			continue
		}
		if got.Name() != test.name {
			t.Errorf("ParseLimit(%q).Name() = %q, want %q", test.text, got.Name(), test.name)
		}
		want := test.prnt
		if want == "" {
			want = test.text
		}
		if got.String() != want {
			t.Errorf("ParseLimit(%q).String() = %q, want %q", test.text, got, want)
		}
	}
}

func TestParseLimitErrors(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ text, want string }{
		{"", "it is empty"},
		{"100", `has no "/"`},
		{"/minute", "out of range"},
		{"0/minute", "1 to 4294967295"},
		{"-1/minute", "not a whole number"},
		{"1.5/minute", "not a whole number"},
		{"1e3/minute", "not a whole number"},
		{"4294967296/s", "1 to 4294967295"},
		{"99999999999999999999/s", "1 to 4294967295"},
		{"10/", "has no unit"},
		{"10/5", "has no unit"},
		{"10/fortnight", `unit "fortnight" is unknown; it must be one of ms, s (second)`},
		{"10/Minute", `unit "Minute" is unknown`},
		{"10/month", `no fixed length; write days, as in "30d" or "365d", or by whose calendar, as in "month calendar Europe/Berlin"`},
		{"10/years fixed-window aligned", "no fixed length"},
		{"0/month calendar UTC", "1 to 4294967295"},
		{"10/month calendar", `"calendar" needs a time zone after it`},
		{"10/month calendar from day 15", `"calendar" needs a time zone after it`},
		{"10/month calendar Europe/Berln", `the zone "Europe/Berln" is unknown; write a name of the IANA time zone database`},
		{"10/month calendar Europe", `the zone "Europe" is unknown`},
		{"10/month calendar Local", `the zone "Local" is unknown`},
		{"10/month calendar right/Europe/Berlin", `the zone "right/Europe/Berlin" is unknown`},
		{"10/month calendar ../zoneinfo/UTC", `the zone "../zoneinfo/UTC" is unknown`},
		{"10/month calendar " + strings.Repeat("Europe/", 1000), "is unknown"},
		{"10/2h calendar UTC", `"2h" is no unit of a calendar; it must be one of hour, day, week, month and year, without a number`},
		{"10/7d calendar UTC", `"7d" is no unit of a calendar`},
		{"10/minute calendar UTC", `"minute" is no unit of a calendar`},
		{"10/ calendar UTC", `"" is no unit of a calendar`},
		{"10/month calendar UTC from", `a month begins "from day 1" to "from day 31"; "" is none`},
		{"10/month calendar UTC from day", `"day" is none of these days`},
		{"10/month calendar UTC from day 0", `"day 0" is none of these days`},
		{"10/month calendar UTC from day 32", `"day 32" is none of these days`},
		{"10/month calendar UTC from day 015", `"day 015" is none of these days`},
		{"10/month calendar UTC from monday", `"monday" is none of these days`},
		{"10/week calendar UTC from", `a week begins "from monday" to "from sunday"; "" is none`},
		{"10/week calendar UTC from 3", `"3" is none of these days`},
		{"10/day calendar UTC from 3", `"from" goes with a week or a month, not with a calendar day`},
		{"10/month calendar UTC from 3 from 4", `"from" is one word too many; the order is COUNT/UNIT calendar ZONE [from DAY]`},
		{"10/month calendar UTC aligned", `"aligned" is one word too many`},
		{"10/day fixed-window aligned calendar UTC", `"calendar" goes with fixed-window only, not with "fixed-window aligned"`},
		{"10/day token-bucket calendar UTC", `"calendar" goes with fixed-window only, not with "token-bucket"`},
		{"10/day burst 20 calendar UTC", `"calendar" goes with fixed-window only, not with "burst 20"`},
		{"10/0s", "1ms to 366d"},
		{"10/367d", "1ms to 366d"},
		{"10/99999999999999999999d", "1ms to 366d"},
		{"10/53w", "1ms to 366d"},
		{"10/s burst", "needs a number"},
		{"10/s burst x", "not a whole number"},
		{"10/s burst 0", "1 to 4294967295"},
		{"10/s burst 2 burst 3", "given twice"},
		{"10/s burst 2 sliding-window", "burst goes with token-bucket only"},
		{"10/s leaky-bucket", "the algorithms are sliding-window, token-bucket, fixed-window, sliding-counter"},
		{"10/s aligned", `"aligned" goes after fixed-window only`},
		{"10/s token-bucket aligned", `"aligned" goes after fixed-window only`},
		{"10/s fixed-window aligned aligned", "one word too many"},
		{"10/s fixed-window burst 3", "one word too many"},
		{strings.Repeat("9", 5000), `has no "/"`},
	} {
		_, err := sluice.ParseLimit(test.text)
		var invalid *sluice.InvalidError
		if !errors.As(err, &invalid) || invalid.Field != "limit" || !strings.Contains(invalid.Problem, test.want) {
			t.Errorf("ParseLimit(%.40q): %v, want an InvalidError of limit with %q", test.text, err, test.want)
		}
		if err != nil && len(err.Error()) > 400 {
			t.Errorf("ParseLimit(%.40q): the message has %d bytes", test.text, len(err.Error()))
		}
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	berlin := sluice.Calendar{Unit: sluice.Month, Zone: "Europe/Berlin"}
	for _, test := range []struct {
		limit sluice.Limit
		want  string
	}{
		{sluice.Limit{}, "count is 0"},
		{sluice.PerSecond(0), "count is 0"},
		{sluice.PerSecond(-5), "count is -5"},
		{sluice.PerSecond(sluice.MaxCount + 1), "count is 4294967296"},
		{sluice.Per(1, 0), "period is 0s"},
		{sluice.Per(1, -time.Second), "period is -1s"},
		{sluice.Per(1, 1500*time.Microsecond), "whole milliseconds"},
		{sluice.Per(1, 367*day), "1ms to 366d"},
		{sluice.PerSecond(1).WithBurst(0), "burst is 0"},
		{sluice.PerSecond(1).WithBurst(5).WithAlgorithm(sluice.FixedWindow), "burst goes with token-bucket"},
		{sluice.PerSecond(1).WithAlgorithm(9), "no algorithm number 9"},
		{sluice.PerSecond(1).WithAligned().WithAlgorithm(sluice.SlidingWindow), "aligned goes with fixed-window"},
		{sluice.PerCalendar(0, berlin), "count is 0"},
		{sluice.PerCalendar(1, sluice.Calendar{}), "period is 0s"},
		{sluice.PerCalendar(1, sluice.Calendar{Zone: "UTC"}), "no calendar unit number 0"},
		{sluice.PerCalendar(1, sluice.Calendar{Unit: 6, Zone: "UTC"}), "no calendar unit number 6"},
		{sluice.PerCalendar(1, sluice.Calendar{Unit: sluice.Day}), "there is no time zone"},
		{sluice.PerCalendar(1, sluice.Calendar{Unit: sluice.Day, Zone: "Europe/Berlin "}), `zone "Europe/Berlin " is unknown`},
		{sluice.PerCalendar(1, sluice.Calendar{Unit: sluice.Day, Zone: "UTC", From: 1}), "only a week and a month begin with a day of choice, not a calendar day"},
		{sluice.PerCalendar(1, sluice.Calendar{Unit: sluice.Week, Zone: "UTC", From: 8}), "begins with day 8 of the week; it must be 1 to 7"},
		{sluice.PerCalendar(1, sluice.Calendar{Unit: sluice.Month, Zone: "UTC", From: -1}), "begins with day -1 of the month; it must be 1 to 31"},
		{sluice.PerCalendar(1, berlin).WithAligned(), "aligned and a calendar exclude each other"},
		{sluice.PerCalendar(1, berlin).WithBurst(5), "a calendar goes with fixed-window only, not with token-bucket"},
		{sluice.PerCalendar(1, berlin).WithAlgorithm(sluice.SlidingWindow), "a calendar goes with fixed-window only, not with sliding-window"},
		{sluice.PerSecond(1).WithName("Big"), `name "Big"`},
		{sluice.PerSecond(1).WithName(strings.Repeat("a", 64)), "up to 62"},
	} {
		if err := test.limit.Validate(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v.Validate() = %v, want %q", test.limit, err, test.want)
		}
		_, _ = test.limit.Name(), test.limit.Period() // never panic
	}
}

func TestPerCalendar(t *testing.T) {
	t.Parallel()
	c := sluice.Calendar{Unit: sluice.Month, Zone: "Europe/Berlin", From: 15}
	l := sluice.PerCalendar(100, c)
	if got, ok := l.Calendar(); got != c || !ok || l.Algorithm() != sluice.FixedWindow || l.Aligned() ||
		l.Capacity() != 100 || l.Burst() != 0 || l.Period() != 32*day || l.WithName("quota").Name() != "quota" {
		t.Errorf("%#v has not what it was given", l)
	}
	if got, ok := sluice.PerDay(100).WithAligned().Calendar(); ok {
		t.Errorf("a limit without a calendar has %v", got)
	}
	c.From = 1
	if first, unsaid := sluice.PerCalendar(100, c), sluice.PerCalendar(100, sluice.Calendar{Unit: c.Unit, Zone: c.Zone}); first != unsaid {
		t.Errorf("equal calendars give %#v and %#v", first, unsaid)
	}
}

// limits generates every legal limit without a name, but for the calendars of zones that have done nothing odd.
var limits = rapid.Custom(func(t *rapid.T) sluice.Limit {
	if rapid.IntRange(0, 5).Draw(t, "rule") == 0 {
		return sluice.PerCalendar(rapid.Int64Range(1, sluice.MaxCount).Draw(t, "count"), drawCalendar(t))
	}
	unit := rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second, time.Minute, time.Hour, day}).Draw(t, "unit")
	l := sluice.Per(
		rapid.Int64Range(1, sluice.MaxCount).Draw(t, "count"),
		time.Duration(rapid.Int64Range(1, int64(sluice.MaxPeriod/unit)).Draw(t, "periods"))*unit)
	switch rapid.IntRange(0, 4).Draw(t, "algorithm") {
	case 0:
		l = l.WithBurst(rapid.Int64Range(1, sluice.MaxCount).Draw(t, "burst"))
	case 1:
		l = l.WithAlgorithm(sluice.FixedWindow)
	case 2:
		l = l.WithAligned()
	case 3:
		l = l.WithAlgorithm(sluice.SlidingCounter)
	}
	return l
})

func TestParseLimitInvertsString(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := limits.Draw(t, "limit")
		if err := l.Validate(); err != nil {
			t.Fatalf("%v: %v", l, err)
		}
		if got, err := sluice.ParseLimit(l.String()); err != nil || got != l {
			t.Fatalf("ParseLimit(%q) = %#v, %v, want %#v", l, got, err, l)
		}
	})
}

// What is written for each check can be written without an allocation.
func TestAppend(t *testing.T) {
	for _, l := range []sluice.Limit{
		sluice.PerMinute(100), sluice.PerSecond(4_000_000_000).WithBurst(4_000_000_001), sluice.Per(5, 90*time.Second).WithAlgorithm(sluice.SlidingCounter),
		sluice.PerDay(1000).WithAlgorithm(sluice.FixedWindow).WithAligned(),
	} {
		room := make([]byte, 0, 100)
		if got := string(l.AppendTo(append(room, "limit: "...))); got != "limit: "+l.String() {
			t.Errorf("AppendTo = %q, want the text %q behind what was there", got, l)
		}
		if n := testing.AllocsPerRun(100, func() { _ = l.AppendTo(room) }); n != 0 {
			t.Errorf("AppendTo of %s allocates %v times, want none where there is room", l, n)
		}
	}
	p := sluice.Policy{Limits: []sluice.Limit{sluice.PerSecond(1), sluice.PerDay(2), sluice.PerHour(3)}}
	d := sluice.NewDecision(sluice.Request{Policy: &p, Cost: 1})
	for i := range p.Limits {
		d.Add(sluice.Outcome{Allowed: true, Remaining: int64(i), ResetAfter: time.Second})
	}
	room := make([]sluice.LimitDecision, 0, 4)
	if got := d.AppendLimits(append(room, sluice.LimitDecision{})); len(got) != 4 || !slices.Equal(got[1:], d.Limits()) {
		t.Errorf("AppendLimits = %v, want %v behind what was there", got, d.Limits())
	}
	if n := testing.AllocsPerRun(100, func() { _ = d.AppendLimits(room) }); n != 0 {
		t.Errorf("AppendLimits allocates %v times, want none where there is room", n)
	}
}

// TestParseLimitKeepsNoText reads limits from long texts, as a caller can send them, and keeps the limits.
func TestParseLimitKeepsNoText(t *testing.T) {
	const many, long = 64, 1 << 20
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var kept []sluice.Limit
	for range many {
		l, err := sluice.ParseLimit("5/day calendar Europe/Berlin" + strings.Repeat(" ", long))
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, l)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > many*long/2 {
		t.Errorf("%d limits that were read from texts of 1 MiB take %d bytes", len(kept), grown)
	}
	runtime.KeepAlive(kept)
}

func FuzzParseLimit(f *testing.F) {
	for _, s := range []string{
		"100/minute", "10/s burst 20", "1000/day fixed-window aligned", "10/fortnight", "5/0x10s", "1/\x00", "9/month calendar UTC from day 15",
		"9/week calendar Europe/Berlin from sunday",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := sluice.ParseLimit(text)
		if err != nil {
			return
		}
		if err := l.Validate(); err != nil {
			t.Errorf("ParseLimit(%q) let an illegal limit in: %v", text, err)
		}
		if again, err := sluice.ParseLimit(l.String()); err != nil || again != l {
			t.Errorf("ParseLimit(%q) = %v, which does not parse to itself: %v, %v", text, l, again, err)
		}
	})
}
