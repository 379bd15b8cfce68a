package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/sluice-project/sluice"
)

// instant says an instant to people: to the second, in UTC, and how far it is from now.
func instant(at time.Time) string { return instantAt(at, time.Now()) }

func instantAt(at, now time.Time) string {
	return fmt.Sprintf("%s (%s)", at.UTC().Format(time.RFC3339), distance(at.Sub(now)))
}

// lasting says until when something holds; the zero time is for good.
func lasting(until time.Time) string {
	if until.IsZero() {
		return "for good"
	}
	return instant(until)
}

// untilText says until when something holds, within a sentence; the zero time is for good.
func untilText(at time.Time) string {
	if at.IsZero() {
		return "for good"
	}
	return "until " + instant(at)
}

// distance says how far an instant is from now, in one unit: "in 15m", "2h ago" or "now".
func distance(d time.Duration) string {
	text := rounded(d.Abs())
	switch {
	case text == "0s":
		return "now"
	case d < 0:
		return text + " ago"
	}
	return "in " + text
}

// rounded returns a duration in the largest unit of which it is at least two, rounded to whole ones.
func rounded(d time.Duration) string {
	const day = 24 * time.Hour
	unit, name := time.Second, "s"
	switch {
	case d >= 2*day:
		unit, name = day, "d"
	case d >= 2*time.Hour:
		unit, name = time.Hour, "h"
	case d >= 2*time.Minute:
		unit, name = time.Minute, "m"
	}
	return fmt.Sprintf("%d%s", (d+unit/2)/unit, name)
}

// duration is the value of a flag that says how long, as [sluice.ParseDuration] reads it: with days, too.
type duration time.Duration

// String returns the text of the value, "" of none.
func (d *duration) String() string {
	if *d == 0 {
		return ""
	}
	return sluice.DurationText(time.Duration(*d))
}

// Set reads the value.
func (d *duration) Set(text string) error {
	read, err := sluice.ParseDuration(text)
	if err != nil {
		return errors.New(`it must be a number and ms, s, m, h or d, as in "15m" or "7d"`)
	}
	*d = duration(read)
	return nil
}

// Type returns what the help calls the value.
func (d *duration) Type() string { return "duration" }

// milliseconds returns a duration in whole milliseconds, rounded up.
func milliseconds(d time.Duration) int64 {
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}
