package schedule_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-project/sluice/schedule"
)

func TestDue(t *testing.T) {
	t.Parallel()
	const begin = "2026-06-15T12:00:00Z"
	for _, test := range []struct {
		cron      string
		missed    schedule.Missed
		last, now string
		want      []string
		skipped   int
	}{
		{"@hourly", schedule.Latest, begin, "2026-06-15T12:59:59.999999Z", nil, 0},
		{"@hourly", schedule.Latest, begin, "2026-06-15T13:00:00Z", []string{"2026-06-15T13:00:00Z"}, 0},
		{"@hourly", schedule.Latest, begin, "2026-06-16T12:30:00Z", []string{"2026-06-16T12:00:00Z"}, 23},
		{"@hourly", schedule.Latest, begin, begin, nil, 0},
		{"@hourly", schedule.Latest, begin, "2026-06-15T11:00:00Z", nil, 0}, // a clock that steps back
		{"@hourly", schedule.All, begin, "2026-06-15T15:30:00Z", []string{"2026-06-15T13:00:00Z", "2026-06-15T14:00:00Z", "2026-06-15T15:00:00Z"}, 0},
		{"@hourly", schedule.All, "2026-06-15T12:59:59.5Z", "2026-06-15T13:00:00Z", []string{"2026-06-15T13:00:00Z"}, 0},
		{"@hourly", schedule.All, "2026-06-15T13:00:00.000001Z", "2026-06-15T13:59:59Z", nil, 0},
		{"@hourly", schedule.Skip, begin, "2026-06-15T15:01:00Z", []string{"2026-06-15T15:00:00Z"}, 2},
		{"@hourly", schedule.Skip, begin, "2026-06-15T15:01:00.000001Z", nil, 3},
		{"@every 1s", schedule.Skip, begin, "2026-06-15T12:00:10.5Z", []string{"2026-06-15T12:00:10Z"}, 9},
		{"@every 90s", schedule.Latest, begin, "2026-06-15T12:05:00Z", []string{"2026-06-15T12:04:30Z"}, 2},
		{"@every 1s", schedule.Latest, "1996-06-15T12:00:00Z", begin, []string{begin}, 946684800 - 1},
		{"* * * * *", schedule.Latest, "1996-06-15T12:00:00Z", begin, []string{begin}, 15778080 - 1},
	} {
		c := compile(t, test.cron, "UTC", test.missed)
		ticks, skipped := c.Due(instant(t, test.last), instant(t, test.now))
		var want []time.Time
		for _, text := range test.want {
			want = append(want, instant(t, text))
		}
		if !slices.EqualFunc(ticks, want, time.Time.Equal) || skipped != test.skipped {
			t.Errorf("%s, %s: Due(%s, %s) = %s, %d, want %s, %d", test.cron, test.missed, test.last, test.now, ticks, skipped, test.want, test.skipped)
		}
	}
}

func TestDueAtMost(t *testing.T) {
	t.Parallel()
	for _, cron := range []string{"@every 1s", "* * * * *", "0-59 0-22 * * *"} {
		c := compile(t, cron, "UTC", schedule.All)
		last, now := instant(t, "2021-01-01T00:00:00Z"), instant(t, "2026-06-15T12:00:00Z")
		ticks, skipped := c.Due(last, now)
		if len(ticks) != schedule.MaxMissed || !ticks[len(ticks)-1].Equal(now) || skipped < 2_000_000 {
			t.Fatalf("%s: %d ticks from %s to %s, %d skipped, want 1000 up to %s and some millions",
				cron, len(ticks), ticks[0], ticks[len(ticks)-1], skipped, now)
		}
		// Those that are left go on where they were.
		rest, none := c.Due(ticks[0], now)
		if !slices.Equal(rest, ticks[1:]) || none != 0 {
			t.Errorf("%s: after %s there are %d ticks and %d skipped, want 999 and none", cron, ticks[0], len(rest), none)
		}
	}
}

// TestDueIsNext holds what is due against going from tick to tick.
func TestDueIsNext(t *testing.T) {
	t.Parallel()
	crons := []string{
		"@every 17s", "@every 1h", "@hourly", "*/7 * * * *", "30 2 * * *", "*/10 1-4 * * *", "0 0 1 * mon", "5 4 29 2 *", "0 3 * * *",
	}
	rapid.Check(t, func(r *rapid.T) {
		cron := rapid.SampledFrom(crons).Draw(r, "cron")
		zone := rapid.SampledFrom(zones).Draw(r, "zone")
		if cron[:2] == "@e" {
			zone = "UTC"
		}
		missed := rapid.SampledFrom([]schedule.Missed{schedule.Latest, schedule.All, schedule.Skip}).Draw(r, "missed")
		c := compile(t, cron, zone, missed)
		around := time.Date(rapid.IntRange(2020, 2200).Draw(r, "year"), rapid.SampledFrom([]time.Month{3, 4, 10, 11, 12}).Draw(r, "month"), 1, 0, 0, 0, 0, time.UTC)
		last := around.Add(time.Duration(rapid.Int64Range(0, int64(32*24*time.Hour)).Draw(r, "last")))
		now := last.Add(time.Duration(rapid.Int64Range(-1, int64(5*24*time.Hour)).Draw(r, "span")))
		var all []time.Time
		for tick := c.Next(last); !tick.After(now); tick = c.Next(tick) {
			all = append(all, tick)
		}
		want := all[max(0, len(all)-1):]
		switch {
		case missed == schedule.All:
			want = all[max(0, len(all)-schedule.MaxMissed):]
		case missed == schedule.Skip && len(want) == 1 && now.Sub(want[0]) > time.Minute:
			want = nil
		}
		got, skipped := c.Due(last, now)
		if !slices.Equal(got, want) || skipped != len(all)-len(want) {
			r.Errorf("%q in %s, %s: Due(%s, %s) = %d ticks %s, %d skipped, want %d of %d: %s", cron, zone, missed, last, now,
				len(got), got, skipped, len(want), len(all), want)
		}
	})
}

func BenchmarkDue(b *testing.B) {
	s := schedule.Schedule{
		Name: "a", Cron: "30 2 * * *", Timezone: "Europe/Berlin", Job: schedule.Job{Reset: &schedule.Reset{Policy: "api"}},
	}
	c, err := s.Compile()
	if err != nil {
		b.Fatal(err)
	}
	last := time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)
	b.ReportAllocs()
	for b.Loop() {
		if ticks, _ := c.Due(last, last.Add(time.Second)); ticks != nil {
			b.Fatal(ticks)
		}
	}
}
