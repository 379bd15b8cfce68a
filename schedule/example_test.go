package schedule_test

import (
	"fmt"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/schedule"
)

// A job at 02:30 happens once in every night, also in that in which the clock is put forward over it.
func ExampleCompiled_Next() {
	s := schedule.Schedule{
		Name: "nightly-reset", Cron: "30 2 * * *", Timezone: "Europe/Berlin",
		Job: schedule.Job{Reset: &schedule.Reset{Policy: "api"}},
	}
	c, err := s.Compile()
	if err != nil {
		fmt.Println(err)
		return
	}
	berlin, err := time.LoadLocation(s.Timezone)
	if err != nil {
		fmt.Println(err)
		return
	}
	tick := time.Date(2026, time.March, 28, 0, 0, 0, 0, berlin)
	for range 3 {
		tick = c.Next(tick)
		fmt.Println(tick.In(berlin))
	}
	// Output:
	// 2026-03-28 02:30:00 +0100 CET
	// 2026-03-29 03:00:00 +0200 CEST
	// 2026-03-30 02:30:00 +0200 CEST
}

// After three hours without a server, a schedule makes up for the newest tick that it has missed, unless it says otherwise.
func ExampleCompiled_Due() {
	last := time.Date(2026, time.June, 15, 12, 0, 0, 0, time.UTC)
	for _, missed := range []schedule.Missed{schedule.Latest, schedule.All, schedule.Skip} {
		s := schedule.Schedule{
			Name: "ramp-up", Cron: "@hourly", Missed: missed,
			Job: schedule.Job{Adjust: &schedule.Adjust{Policy: "api", Limit: "second", By: 1, Max: 50}},
		}
		c, err := s.Compile()
		if err != nil {
			fmt.Println(err)
			return
		}
		ticks, skipped := c.Due(last, last.Add(3*time.Hour+10*time.Minute))
		fmt.Printf("%s: %d skipped, to do", missed, skipped)
		for _, t := range ticks {
			fmt.Print(" ", t.Format("15:04"))
		}
		fmt.Println()
	}
	// Output:
	// latest: 2 skipped, to do 15:00
	// all: 0 skipped, to do 13:00 14:00 15:00
	// skip: 3 skipped, to do
}

func ExampleParseDocument() {
	s, err := schedule.ParseDocument("ramp-up", []byte(
		`{"cron": "@hourly", "adjust": {"policy": "api", "limit": "second", "by": 5, "max": 12}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(s.Document()))

	api := sluice.Policy{Name: "api", Limits: []sluice.Limit{sluice.PerSecond(10).WithBurst(20)}}
	_, adjusted, err := s.Job.Adjust.Apply(api)
	fmt.Println(adjusted.Old, "->", adjusted.New, err)

	_, err = schedule.ParseDocument("ramp-up", []byte(`{"cron": "0 0 30 2 *", "reset": {"policy": "api"}}`))
	fmt.Println(err)
	// Output:
	// {"cron":"@hourly","timezone":"UTC","missed":"latest","adjust":{"policy":"api","limit":"second","by":5,"max":12}}
	// 10/s burst 20 -> 12/s burst 20 <nil>
	// cron: "0 0 30 2 *" never comes: no month that it allows has a day 30; give another day or month
}
