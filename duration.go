package sluice

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ParseDuration reads a duration as Go writes it, and with whole days of 24 hours before it: "100ms", "1m30s", "1d",
// "1d12h". It is the inverse of [DurationText]. The error is an [*InvalidError] that says what would be right.
func ParseDuration(text string) (time.Duration, error) {
	invalid := &InvalidError{
		Field:   "duration",
		Problem: quoteShort(text) + ` is no duration; write a number and ms, s, m, h or d, as in "100ms" or "1m30s"`,
	}
	days, rest, found := strings.Cut(text, "d")
	if !found {
		d, err := time.ParseDuration(text)
		if err != nil {
			return 0, invalid
		}
		return d, nil
	}
	n, err := strconv.ParseUint(days, 10, 16) // 65535 days are within a time.Duration
	if err != nil || strings.HasPrefix(rest, "-") || strings.HasPrefix(rest, "+") {
		return 0, invalid
	}
	d := time.Duration(n) * day
	if rest == "" {
		return d, nil
	}
	more, err := time.ParseDuration(rest)
	if err != nil || d+more < d {
		return 0, invalid
	}
	return d + more, nil
}

// DurationText returns a duration in the largest unit that divides it, as in "15m", "1d" and "90s"; one that is no whole
// number of milliseconds as Go writes it.
func DurationText(d time.Duration) string {
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{day, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}, {time.Millisecond, "ms"}} {
		if n := d / u.unit; n > 0 && d%u.unit == 0 && (u.unit != day || n <= 1<<16-1) {
			return fmt.Sprintf("%d%s", n, u.name)
		}
	}
	return d.String()
}
