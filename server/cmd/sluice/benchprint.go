package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// summary is what a benchmark has measured, as JSON.
type summary struct {
	Asked       string   `json:"asked"`
	Policy      string   `json:"policy,omitzero"`
	Limits      []string `json:"limits,omitzero"`
	Cost        int64    `json:"cost"`
	Keys        int      `json:"keys"`
	Concurrency int      `json:"concurrency"`
	Batch       int      `json:"batch"`
	// Rate is how many checks were due in a second; absent where callers asked as soon as they were answered.
	Rate int64 `json:"rate,omitzero"`
	// Seconds is how long it took, until the last call had ended.
	Seconds float64 `json:"seconds"`
	// Decisions are the checks that were allowed or refused by their limits.
	Decisions int64   `json:"decisions"`
	PerSecond float64 `json:"decisions_per_second"`
	Allowed   int64   `json:"allowed"`
	Refused   int64   `json:"refused"`
	// Failed are the checks that nobody decided, Errors how many by kind.
	Failed int64            `json:"failed"`
	Errors map[string]int64 `json:"errors"`
	// Missed are the checks that were due while all callers were busy, and never asked for.
	Missed int64 `json:"missed,omitzero"`
	// Calls is how many calls there were, and Latency what they took, the failed ones too.
	Calls   int64   `json:"calls"`
	Latency latency `json:"latency_us"`
	// Ping is what a bare PING of Redis takes, one at a time; absent where a server was asked.
	Ping      *latency  `json:"ping_us,omitzero"`
	Histogram []barJSON `json:"histogram"`

	told      map[string]string // how the first of each kind of error was told
	latencies *histogram
	pinged    *histogram
}

// latency is how long something took, in microseconds.
type latency struct {
	Min  float64 `json:"min"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p99.9"`
	Max  float64 `json:"max"`
}

// barJSON is a row of the histogram.
type barJSON struct {
	UpTo  float64 `json:"up_to_us"`
	Calls int64   `json:"calls"`
}

// summary returns what a run has measured. Pinged is nil where no Redis was asked directly.
func (b *benchmark) summary(r *benchRun, asked string, pinged *histogram) summary {
	s := summary{
		Asked: asked, Policy: b.policy, Limits: b.limits, Cost: b.cost, Keys: b.keys, Concurrency: b.concurrency, Batch: b.batch, Rate: b.rate,
		Seconds: r.elapsed.Seconds(), Missed: r.missed(), Errors: make(map[string]int64), told: make(map[string]string),
		latencies: new(histogram), pinged: pinged,
	}
	c := r.counts()
	s.Allowed, s.Refused, s.Failed, s.Decisions = c.allowed, c.refused, c.failed, c.allowed+c.refused
	s.PerSecond = float64(s.Decisions) / max(s.Seconds, 1e-9)
	for _, t := range r.tallies {
		s.Calls += t.calls
		s.latencies.join(&t.latencies)
		for why, f := range t.failures {
			s.Errors[why] += f.count
			s.told[why] = cmp.Or(s.told[why], f.first)
		}
	}
	s.Latency = latencyOf(s.latencies)
	if pinged != nil {
		l := latencyOf(pinged)
		s.Ping = &l
	}
	s.Histogram = []barJSON{}
	for _, row := range s.latencies.rows() {
		s.Histogram = append(s.Histogram, barJSON{microseconds(row.upTo), row.count})
	}
	return s
}

// quantiles are the columns of latency, per mille.
var quantiles = []int64{500, 900, 990, 999}

func latencyOf(h *histogram) latency {
	return latency{
		microseconds(h.min), microseconds(h.quantile(500)), microseconds(h.quantile(900)), microseconds(h.quantile(990)),
		microseconds(h.quantile(999)), microseconds(h.max),
	}
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// failure returns an error where nothing was measured.
func (s *summary) failure() error {
	switch {
	case s.Decisions > 0:
		return nil
	case s.Failed == 0:
		return errors.New("no check was asked for: measure longer, by --duration, or ask more often, by --rate")
	}
	most := slices.MaxFunc(slices.Collect(maps.Keys(s.Errors)), func(a, b string) int { return cmp.Compare(s.Errors[a], s.Errors[b]) })
	return fmt.Errorf("all %d checks failed, most of them by %s: %s", s.Failed, most, s.told[most])
}

// print prints the summary for people.
func (s *summary) print(w io.Writer) error {
	calls := "a check a call"
	if s.Batch > 1 {
		calls = fmt.Sprintf("%d checks a call", s.Batch)
	}
	callers := "1 caller"
	if s.Concurrency > 1 {
		callers = fmt.Sprintf("%d callers", s.Concurrency)
	}
	pace := "as fast as they are answered"
	if s.Rate > 0 {
		pace = fmt.Sprintf("%d checks due a second", s.Rate)
	}
	keys := "key " + benchKey + "0"
	if s.Keys > 1 {
		keys = fmt.Sprintf("keys %s0 to %s%d", benchKey, benchKey, s.Keys-1)
	}
	parts := []func(io.Writer) error{
		text("%s, %s, cost %d\n%s for %.1fs, %s, %s\n\n%.0f decisions a second\n\n",
			s.Asked, keys, s.Cost, callers, s.Seconds, calls, pace, s.PerSecond),
		s.answers().print,
		s.failures,
		text("\n"),
		s.times().print,
		text("\n"),
		s.bars().print,
	}
	for _, part := range parts {
		if err := part(w); err != nil {
			return err
		}
	}
	return nil
}

func text(format string, args ...any) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := fmt.Fprintf(w, format, args...)
		return err
	}
}

// answers is the table of what became of checks.
func (s *summary) answers() *table {
	all := s.Decisions + s.Failed
	t := &table{columns: []column{{name: "CHECKS", whole: true}, {name: "COUNT", whole: true}, {name: "SHARE", whole: true}}}
	add := func(what string, count int64) { t.add(what, strconv.FormatInt(count, 10), share(count, all)) }
	add("allowed", s.Allowed)
	add("refused", s.Refused)
	add("failed", s.Failed)
	if s.Rate > 0 {
		t.add("missed", strconv.FormatInt(s.Missed, 10), "")
	}
	return t
}

// failures says why checks failed, and what it means that some were missed.
func (s *summary) failures(w io.Writer) error {
	var b strings.Builder
	for _, why := range slices.Sorted(maps.Keys(s.Errors)) {
		fmt.Fprintf(&b, "%d failed, %s: %s\n", s.Errors[why], why, shortened(printable(s.told[why]), maxWidth))
	}
	if s.Missed > 0 {
		b.WriteString("checks were missed because all callers were busy: they are in no figure below; ask less often, or by more callers\n")
	}
	if b.Len() == 0 {
		return nil
	}
	_, err := io.WriteString(w, "\n"+b.String())
	return err
}

// times is the table of latencies.
func (s *summary) times() *table {
	t := &table{columns: []column{{name: "LATENCY", whole: true}}}
	for _, name := range []string{"MIN", "P50", "P90", "P99", "P99.9", "MAX"} {
		t.columns = append(t.columns, column{name: name, whole: true})
	}
	add := func(what string, h *histogram) {
		cells := []string{what, brief(h.min)}
		for _, q := range quantiles {
			cells = append(cells, brief(h.quantile(q)))
		}
		t.add(append(cells, brief(h.max))...)
	}
	add("a call", s.latencies)
	if s.pinged != nil {
		add("a bare PING", s.pinged)
	}
	return t
}

// mostBar is the length of the longest bar.
const mostBar = 50

// bars is the histogram.
func (s *summary) bars() *table {
	t := &table{columns: []column{{name: "UP TO", whole: true}, {name: "CALLS", whole: true}, {whole: true}}}
	rows, most := s.latencies.rows(), int64(1)
	for _, row := range rows {
		most = max(most, row.count)
	}
	for _, row := range rows {
		length := (row.count*mostBar + most - 1) / most
		t.add(brief(row.upTo), strconv.FormatInt(row.count, 10), strings.Repeat("█", int(length)))
	}
	return t
}

// brief says a time in three digits.
func brief(d time.Duration) string {
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit).String()
}
