package sluice

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Bounds of a legal [Limit]. Arithmetic is exact over the whole of them.
const (
	// MaxCount is the greatest count, burst and cost, in units.
	MaxCount = math.MaxUint32
	// MinPeriod is the shortest period; every period is a whole number of milliseconds.
	MinPeriod = time.Millisecond
	// MaxPeriod is the longest period, but for those of calendars.
	MaxPeriod = 366 * 24 * time.Hour
)

// Algorithm is the rule by which a [Limit] gives units back. What each one promises in its worst case, and what it
// costs, is in docs/algorithms.md.
type Algorithm uint8

const (
	// SlidingWindow admits at most count units in every span of one period, wherever the span starts. It is the
	// default, because "100/minute" should mean never more than 100 in any minute.
	SlidingWindow Algorithm = iota
	// TokenBucket admits burst units at once and earns count units a period, evenly: at most burst + D*count/period
	// units in any span D.
	TokenBucket
	// FixedWindow admits count units in each window. A span that straddles the edge of two windows can hold twice
	// the count.
	FixedWindow
	// SlidingCounter is the weighted estimate over two aligned windows that other products call a sliding window. It
	// is for those who need the same numbers; it can admit more than count in one period, see docs/algorithms.md.
	SlidingCounter
)

var algorithmNames = [...]string{
	SlidingWindow:  "sliding-window",
	TokenBucket:    "token-bucket",
	FixedWindow:    "fixed-window",
	SlidingCounter: "sliding-counter",
}

// String returns the name that the text form of a limit uses, such as "token-bucket".
func (a Algorithm) String() string {
	if int(a) < len(algorithmNames) {
		return algorithmNames[a]
	}
	return fmt.Sprintf("Algorithm(%d)", uint8(a))
}

// Limit is so many units per period, by one algorithm. The zero Limit is not legal: build one with [Per], [PerSecond]
// and their like or with [ParseLimit]. A Limit is a small comparable value and safe to share.
type Limit struct {
	name      string
	count     int64
	burst     int64 // of a token bucket only
	period    time.Duration
	algorithm Algorithm
	aligned   bool     // of a fixed window only
	calendar  Calendar // of a fixed window only; zero where it has none
}

// Per returns a limit of count units in every span of one period, by [SlidingWindow]. Count is 1 to [MaxCount], period
// [MinPeriod] to [MaxPeriod] in whole milliseconds; [Limit.Validate] says whether they are, and [New] asks it.
func Per(count int64, period time.Duration) Limit { return Limit{count: count, period: period} }

// PerSecond returns [Per] with a period of one second.
func PerSecond(count int64) Limit { return Per(count, time.Second) }

// PerMinute returns [Per] with a period of one minute.
func PerMinute(count int64) Limit { return Per(count, time.Minute) }

// PerHour returns [Per] with a period of one hour.
func PerHour(count int64) Limit { return Per(count, time.Hour) }

// PerDay returns [Per] with a period of 24 hours.
func PerDay(count int64) Limit { return Per(count, 24*time.Hour) }

// PerCalendar returns a limit of count units in each window of a calendar, by [FixedWindow]. Count is 1 to [MaxCount].
func PerCalendar(count int64, c Calendar) Limit {
	return Limit{count: count, period: c.Unit.longest(), algorithm: FixedWindow, calendar: c.canonical()}
}

// WithBurst returns the limit as a [TokenBucket] that holds burst units, 1 to [MaxCount].
func (l Limit) WithBurst(burst int64) Limit {
	l.algorithm, l.burst = TokenBucket, burst
	return l
}

// WithAlgorithm returns the limit under another algorithm. A token bucket that was given no burst holds count units.
func (l Limit) WithAlgorithm(a Algorithm) Limit {
	l.algorithm = a
	if a == TokenBucket && l.burst == 0 {
		l.burst = l.count
	}
	return l
}

// WithAligned returns the limit as a [FixedWindow] whose windows start at whole multiples of the period since the Unix
// epoch, instead of at a key's first use.
func (l Limit) WithAligned() Limit {
	l.algorithm, l.aligned = FixedWindow, true
	return l
}

// WithName returns the limit under a name: a letter or digit, then up to 62 of a-z, 0-9, '.', '_' and '-'. A limit is
// known by its policy and its name: one that changes its numbers and keeps its name keeps what its keys have used.
func (l Limit) WithName(name string) Limit {
	l.name = name
	return l
}

// Name returns the limit's name. Without one it is the period: "second", "minute", "hour", "day", "week", or a text
// such as "15m"; of a calendar it is the unit, so it can be "month" and "year" too.
func (l Limit) Name() string {
	if l.name != "" {
		return l.name
	}
	if c, ok := l.Calendar(); ok {
		return c.Unit.String()
	}
	if n, ok := periodNames[l.period]; ok {
		return n
	}
	return string(appendPeriod(nil, l.period))
}

// Count returns the units per period.
func (l Limit) Count() int64 { return l.count }

// Period returns the time over which the count is given. Of a calendar it is no shorter than any window of its unit, in
// whatever zone and year: for an hour 1 hour, for a day 2 days, for a week 8, for a month 32, for a year 367.
func (l Limit) Period() time.Duration { return l.period }

// Algorithm returns the rule by which units come back.
func (l Limit) Algorithm() Algorithm { return l.algorithm }

// Burst returns the units that a [TokenBucket] holds; 0 for every other algorithm.
func (l Limit) Burst() int64 { return l.burst }

// Aligned reports whether the windows of a [FixedWindow] start at whole multiples of the period. Those of a calendar do
// not.
func (l Limit) Aligned() bool { return l.aligned }

// Calendar returns the calendar whose windows a [FixedWindow] has, and whether there is one. Equal calendars are equal
// values.
func (l Limit) Calendar() (c Calendar, ok bool) { return l.calendar, l.calendar != Calendar{} }

// Capacity returns the greatest cost that can ever fit: the burst of a token bucket, else the count.
func (l Limit) Capacity() int64 {
	if l.algorithm == TokenBucket {
		return l.burst
	}
	return l.count
}

// Share returns what server i of n, counted from 0, has of the limit when no store tells them what the others admit:
// floor(count/n) units, and one more where i < count mod n, and so with the burst of a token bucket. The shares of all
// servers add up to the limit, or to less where some of them cannot have any: ok is false, and the Limit means nothing,
// where i has no unit or no room for one. The share has the limit's name, period and algorithm. It panics unless
// 0 <= i < n.
func (l Limit) Share(i, n int) (share Limit, ok bool) {
	if i < 0 || i >= n {
		panic(fmt.Sprintf("sluice: there is no share %d of %d", i, n))
	}
	part := func(units int64) int64 {
		if int64(i) < units%int64(n) {
			return units/int64(n) + 1
		}
		return units / int64(n)
	}
	l.count = part(l.count)
	if l.algorithm == TokenBucket {
		l.burst = part(l.burst)
	}
	return l, l.count > 0 && l.Capacity() > 0
}

// Validate reports everything that is wrong with the limit as an [*InvalidError], or nil.
func (l Limit) Validate() error {
	var problems []string
	if l.name != "" && !validName(l.name) {
		problems = append(problems, fmt.Sprintf("the name %q is not a letter or digit followed by up to 62 of a-z, 0-9, '.', '_' and '-'", l.name))
	}
	if l.count < 1 || l.count > MaxCount {
		problems = append(problems, fmt.Sprintf("the count is %d; it must be 1 to %d", l.count, int64(MaxCount)))
	}
	calendar, byCalendar := l.Calendar()
	switch {
	case byCalendar:
		problems = append(problems, calendar.problems()...)
	case l.period < MinPeriod || l.period > MaxPeriod:
		problems = append(problems, fmt.Sprintf("the period is %s; it must be 1ms to 366d", l.period))
	case l.period%time.Millisecond != 0:
		problems = append(problems, fmt.Sprintf("the period is %s; it must be whole milliseconds", l.period))
	}
	switch {
	case int(l.algorithm) >= len(algorithmNames):
		problems = append(problems, fmt.Sprintf("there is no algorithm number %d", l.algorithm))
	case l.algorithm == TokenBucket && (l.burst < 1 || l.burst > MaxCount):
		problems = append(problems, fmt.Sprintf("the burst is %d; it must be 1 to %d", l.burst, int64(MaxCount)))
	case l.algorithm != TokenBucket && l.burst != 0:
		problems = append(problems, fmt.Sprintf("a burst goes with token-bucket only, not with %s", l.algorithm))
	}
	switch {
	case byCalendar && l.algorithm != FixedWindow:
		problems = append(problems, fmt.Sprintf("a calendar goes with fixed-window only, not with %s", l.algorithm))
	case byCalendar && l.aligned:
		problems = append(problems, "aligned and a calendar exclude each other: take one of them")
	case l.aligned && l.algorithm != FixedWindow:
		problems = append(problems, fmt.Sprintf("aligned goes with fixed-window only, not with %s", l.algorithm))
	}
	if problems != nil {
		return &InvalidError{Field: "limit", Problem: strings.Join(problems, "; ")}
	}
	return nil
}

// String returns the limit in the text form that [ParseLimit] reads, such as "10/s burst 20". The name is no part of it.
func (l Limit) String() string { return string(l.AppendTo(make([]byte, 0, 64))) }

// AppendTo appends [Limit.String], for callers who write it often: it allocates only where there is no room.
func (l Limit) AppendTo(b []byte) []byte {
	b = append(strconv.AppendInt(b, l.count, 10), '/')
	if c, ok := l.Calendar(); ok {
		b = append(append(b, c.Unit.String()...), ' ')
		return append(b, c.text()...)
	}
	b = appendPeriod(b, l.period)
	switch {
	case l.algorithm == TokenBucket:
		b = strconv.AppendInt(append(b, " burst "...), l.burst, 10)
	case l.aligned:
		b = append(append(append(b, ' '), l.algorithm.String()...), " aligned"...)
	case l.algorithm != SlidingWindow:
		b = append(append(b, ' '), l.algorithm.String()...)
	}
	return b
}

// MarshalText returns [Limit.String], or the error of [Limit.Validate].
func (l Limit) MarshalText() ([]byte, error) {
	if err := l.Validate(); err != nil {
		return nil, err
	}
	return []byte(l.String()), nil
}

// UnmarshalText is [ParseLimit].
func (l *Limit) UnmarshalText(text []byte) error {
	parsed, err := ParseLimit(string(text))
	if err == nil {
		*l = parsed
	}
	return err
}

func validName(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		case i > 0 && (c == '.' || c == '_' || c == '-'):
		default:
			return false
		}
	}
	return len(s) >= 1 && len(s) <= 63
}
