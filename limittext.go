package sluice

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The text form of a limit: COUNT/PERIOD [burst N] [ALGORITHM [aligned]], or COUNT/UNIT calendar ZONE [from DAY].

const day = 24 * time.Hour

// units are the spellings of a period's unit; the first spelling of a unit is the one that is printed.
var units = []struct {
	period    time.Duration
	spellings []string
	alone     string // how exactly one of it is printed
}{
	{7 * day, []string{"w", "week", "weeks"}, "week"},
	{day, []string{"d", "day", "days"}, "day"},
	{time.Hour, []string{"h", "hour", "hours"}, "hour"},
	{time.Minute, []string{"m", "min", "minute", "minutes"}, "minute"},
	{time.Second, []string{"s", "sec", "second", "seconds"}, "s"},
	{time.Millisecond, []string{"ms", "millisecond", "milliseconds"}, "ms"},
}

// periodNames are the default names of limits whose period is one unit.
var periodNames = map[time.Duration]string{
	time.Millisecond: "millisecond", time.Second: "second", time.Minute: "minute",
	time.Hour: "hour", day: "day", 7 * day: "week",
}

// ParseLimit reads a limit from its text form:
//
//	COUNT/PERIOD [burst N] [ALGORITHM [aligned]]
//	COUNT/UNIT calendar ZONE [from DAY]
//
// as in "100/minute", "5/30s", "10/s burst 20", "1000/day fixed-window aligned" and "10000/month calendar Europe/Berlin".
//
// PERIOD is an optional whole number and a unit: ms, s, m (minute), h, d (day, 24 hours) or w (week), or their English
// names. ALGORITHM is sliding-window, token-bucket, fixed-window or sliding-counter; without it the limit is a token
// bucket where a burst is given, else a sliding window. The burst of a token bucket is its count unless said.
//
// Of a [Calendar], UNIT is hour, day, week, month or year, and ZONE a name of the IANA time zone database or UTC. A week
// may begin "from monday" to "from sunday", a month "from day 1" to "from day 31", where "day" may be left out. The word
// fixed-window may stand before "calendar"; no other algorithm can.
//
// For every legal limit without a name, ParseLimit(l.String()) is l. The error is an [*InvalidError] that says what is
// wrong, where, and what would be right.
func ParseLimit(text string) (Limit, error) {
	l, problem := parseLimit(text)
	if problem != "" {
		return Limit{}, &InvalidError{Field: "limit", Problem: fmt.Sprintf("%s: %s", quoteShort(text), problem)}
	}
	if err := l.Validate(); err != nil {
		return Limit{}, &InvalidError{Field: "limit", Problem: fmt.Sprintf("%s: %s", quoteShort(text), err.(*InvalidError).Problem)}
	}
	return l, nil
}

func parseLimit(text string) (l Limit, problem string) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return l, `it is empty; write COUNT/PERIOD, as in "100/minute" or "10/s burst 20"`
	}
	count, period, found := strings.Cut(words[0], "/")
	if !found {
		return l, fmt.Sprintf(`%s has no "/"; write COUNT/PERIOD, as in "100/minute"`, quoteShort(words[0]))
	}
	if l.count, problem = parseCount("count", count); problem != "" {
		return l, problem
	}
	words = words[1:]
	if n := slices.Index(words, "calendar"); n >= 0 {
		if n > 1 || n == 1 && words[0] != FixedWindow.String() {
			return l, fmt.Sprintf(`"calendar" goes with fixed-window only, not with %s; the order is COUNT/UNIT calendar ZONE [from DAY]`,
				quoteShort(strings.Join(words[:n], " ")))
		}
		return parseCalendar(l.count, period, words[n+1:])
	}
	if l.period, problem = parsePeriod(period); problem != "" {
		return l, problem
	}

	burst := int64(0)
	if len(words) > 0 && words[0] == "burst" {
		if len(words) == 1 {
			return l, `"burst" needs a number after it, as in "burst 20"`
		}
		if burst, problem = parseCount("burst", words[1]); problem != "" {
			return l, problem
		}
		l = l.WithBurst(burst)
		words = words[2:]
	}
	if len(words) > 0 && words[0] != "aligned" {
		a, ok := parseAlgorithm(words[0])
		switch {
		case words[0] == "burst":
			return l, `"burst" is given twice`
		case !ok:
			return l, fmt.Sprintf("%s is neither \"burst\" nor an algorithm; the algorithms are %s",
				quoteShort(words[0]), strings.Join(algorithmNames[:], ", "))
		case burst != 0 && a != TokenBucket:
			return l, fmt.Sprintf("a burst goes with token-bucket only, not with %s", a)
		}
		l = l.WithAlgorithm(a)
		words = words[1:]
	}
	if len(words) > 0 && words[0] == "aligned" {
		if l.algorithm != FixedWindow {
			return l, fmt.Sprintf("\"aligned\" goes after fixed-window only, not with %s", l.algorithm)
		}
		l = l.WithAligned()
		words = words[1:]
	}
	if len(words) > 0 {
		return l, fmt.Sprintf("%s is one word too many; the order is COUNT/PERIOD [burst N] [ALGORITHM [aligned]]", quoteShort(words[0]))
	}
	return l, ""
}

// parseCalendar reads the unit of a count, and what stands after "calendar".
func parseCalendar(count int64, unit string, words []string) (l Limit, problem string) {
	var c Calendar
	for u := Hour; u.legal(); u++ {
		if slices.Contains(calendarUnits[u].spellings, unit) {
			c.Unit = u
		}
	}
	switch {
	case c.Unit == 0:
		return l, fmt.Sprintf("%s is no unit of a calendar; it must be one of hour, day, week, month and year, without a number",
			quoteShort(unit))
	case len(words) == 0 || words[0] == "from":
		return l, `"calendar" needs a time zone after it, as in "calendar Europe/Berlin" or "calendar UTC"`
	}
	c.Zone, words = strings.Clone(words[0]), words[1:] // the text may be long, and the limit be kept
	if len(words) > 0 && words[0] == "from" {
		if c.From, words, problem = parseFrom(c.Unit, words[1:]); problem != "" {
			return l, problem
		}
	}
	if len(words) > 0 {
		return l, fmt.Sprintf("%s is one word too many; the order is COUNT/UNIT calendar ZONE [from DAY]", quoteShort(words[0]))
	}
	return PerCalendar(count, c), ""
}

// parseFrom reads the day that stands after "from", and returns the words after it.
func parseFrom(unit CalendarUnit, words []string) (from int, rest []string, problem string) {
	said := quoteShort(strings.Join(words, " "))
	switch unit {
	case Week:
		for from = 1; from <= 7; from++ {
			if len(words) > 0 && words[0] == weekdayName(from) {
				return from, words[1:], ""
			}
		}
		return 0, nil, fmt.Sprintf(`a week begins "from monday" to "from sunday"; %s is none of these days`, said)
	case Month:
		if len(words) > 0 && words[0] == "day" {
			words = words[1:]
		}
		for from = 1; from <= 31; from++ {
			if len(words) > 0 && words[0] == strconv.Itoa(from) {
				return from, words[1:], ""
			}
		}
		return 0, nil, fmt.Sprintf(`a month begins "from day 1" to "from day 31"; %s is none of these days`, said)
	}
	return 0, nil, fmt.Sprintf(`"from" goes with a week or a month, not with a calendar %s`, unit)
}

func parseCount(what, s string) (n int64, problem string) {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, fmt.Sprintf("the %s %s is not a whole number in digits; it must be 1 to %d", what, quoteShort(s), int64(MaxCount))
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 1 || n > MaxCount {
		return 0, fmt.Sprintf("the %s %s is out of range; it must be 1 to %d", what, quoteShort(s), int64(MaxCount))
	}
	return n, ""
}

func parsePeriod(s string) (period time.Duration, problem string) {
	unit := strings.TrimLeft(s, "0123456789")
	factor := int64(1)
	if digits := s[:len(s)-len(unit)]; digits != "" {
		var err error
		if factor, err = strconv.ParseInt(digits, 10, 64); err != nil || factor < 1 || factor > int64(MaxPeriod/MinPeriod) {
			return 0, fmt.Sprintf("the period %s is out of range; it must be 1ms to 366d", quoteShort(s))
		}
	}
	for _, u := range units {
		for _, spelling := range u.spellings {
			if unit != spelling {
				continue
			}
			if factor > int64(MaxPeriod/u.period) {
				return 0, fmt.Sprintf("the period %s is out of range; it must be 1ms to 366d", quoteShort(s))
			}
			return time.Duration(factor) * u.period, ""
		}
	}
	switch unit {
	case "":
		return 0, fmt.Sprintf(`the period %s has no unit; write one of ms, s, m, h, d, w, as in "30s" or "minute"`, quoteShort(s))
	case "mo", "month", "months", "y", "year", "years":
		return 0, fmt.Sprintf(`%s has no fixed length; write days, as in "30d" or "365d", or by whose calendar, as in "month calendar Europe/Berlin"`,
			quoteShort(unit))
	}
	return 0, fmt.Sprintf(`the period's unit %s is unknown; it must be one of ms, s (second), m (minute), h (hour), d (day), w (week)`, quoteShort(unit))
}

func parseAlgorithm(s string) (Algorithm, bool) {
	for a, name := range algorithmNames {
		if s == name {
			return Algorithm(a), true
		}
	}
	return 0, false
}

// appendPeriod prints a period in the largest unit that divides it; weeks only when it is exactly one.
func appendPeriod(b []byte, p time.Duration) []byte {
	for i := range units {
		u := &units[i]
		switch {
		case p == u.period:
			return append(b, u.alone...)
		case u.period != 7*day && p > 0 && p%u.period == 0:
			return append(strconv.AppendInt(b, int64(p/u.period), 10), u.spellings[0]...)
		}
	}
	return append(b, p.String()...) // not legal, but printed in messages
}

// quoteShort quotes what a caller sent, cut where it is long, so that messages stay short.
func quoteShort(s string) string {
	const most = 64
	if len(s) > most {
		return strconv.Quote(s[:most]) + "..."
	}
	return strconv.Quote(s)
}
