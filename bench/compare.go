package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// metric is a figure by which limiters are compared.
type metric struct {
	name   string
	of     func(figures) float64
	text   func(float64) string
	higher bool // the higher the better
}

var (
	rateMetric   = metric{"decisions/s", func(f figures) float64 { return f.perSecond }, rateText, true}
	p50Metric    = metric{"p50", func(f figures) float64 { return float64(f.p50) }, latencyText, false}
	p99Metric    = metric{"p99", func(f figures) float64 { return float64(f.p99) }, latencyText, false}
	allocsMetric = metric{"allocs/op", func(f figures) float64 { return math.Round(10*f.allocs) / 10 }, allocsText, false}

	callsMetric    = metric{"Redis calls", func(f figures) float64 { return f.calls }, digits, false}
	callRateMetric = metric{"Redis calls/s", func(f figures) float64 { return f.callsPerSecond }, digits, false}
	cpuMetric      = metric{"server CPU", func(f figures) float64 { return f.cpu }, latencyText, false}
	firstMetric    = metric{"MEMORY USAGE", func(f figures) float64 { return f.first }, bytesText, false}
	wholeMetric    = metric{"used_memory", func(f figures) float64 { return f.whole }, bytesText, false}
)

// comparison is one of our rows beside another that is best by a metric in the same contest.
type comparison struct {
	metric metric
	row    row
	other  row
}

// compare returns the comparison of one of our rows with the best of those that are wanted; ok is false where none of
// them was measured.
func compare(m metric, ours row, rows []row, wanted func(row) bool) (c comparison, ok bool) {
	c = comparison{metric: m, row: ours}
	for _, r := range rows {
		if r.contest != ours.contest || !wanted(r) {
			continue
		}
		value, best := m.of(r.figures), m.of(c.other.figures)
		if !ok || m.higher && value > best || !m.higher && value < best {
			c.other, ok = r, true
		}
	}
	return c, ok
}

func rivals(r row) bool { return !r.ours && !r.yardstick }

func yardsticks(r row) bool { return r.yardstick }

// rivalCalled returns a function that wants one rival, whatever its pool.
func rivalCalled(name string) func(row) bool {
	return func(r row) bool { return family(r.limiter) == name }
}

// family is the name of a limiter without its settings.
func family(limiter string) string {
	name, _, _ := strings.Cut(limiter, ",")
	return name
}

// ratio returns ours by the other's: 1 where both are 0.
func (c comparison) ratio() float64 {
	ours, other := c.metric.of(c.row.figures), c.metric.of(c.other.figures)
	if ours == other {
		return 1
	}
	return ours / other
}

// behind reports whether the other is better, by what two digits can show.
func (c comparison) behind() bool {
	ratio := math.Round(100*c.ratio()) / 100
	return c.metric.higher && ratio < 1 || !c.metric.higher && ratio > 1
}

// String returns the figure beside the other's, such as "p50 143us (redis_rate 98.0us)".
func (c comparison) String() string {
	m := c.metric
	return fmt.Sprintf("%s %s (%s %s)", m.name, m.text(m.of(c.row.figures)), c.other.limiter, m.text(m.of(c.other.figures)))
}

// rateText returns decisions a second to three digits, such as "54.3k" or "1.27M".
func rateText(perSecond float64) string {
	switch {
	case perSecond >= 999_500:
		return digits(perSecond/1e6) + "M"
	case perSecond >= 1000:
		return digits(perSecond/1e3) + "k"
	}
	return digits(perSecond)
}

// latencyText returns nanoseconds to three digits, such as "143us".
func latencyText(ns float64) string {
	d := time.Duration(ns)
	switch {
	case d >= time.Millisecond:
		return digits(ns/1e6) + "ms"
	case d >= time.Microsecond:
		return digits(ns/1e3) + "us"
	}
	return digits(ns) + "ns"
}

func bytesText(n float64) string { return fmt.Sprintf("%.0f", n) }

func allocsText(n float64) string { return fmt.Sprintf("%.1f", n) }

// digits returns at least two digits that are not 0, three from 0.1 on, and no more behind the point than they need.
func digits(n float64) string {
	switch {
	case n >= 99.95:
		return fmt.Sprintf("%.0f", n)
	case n >= 9.995:
		return fmt.Sprintf("%.1f", n)
	case n >= 0.0995 || n <= 0:
		return fmt.Sprintf("%.2f", n)
	}
	return strconv.FormatFloat(n, 'f', 1-int(math.Floor(math.Log10(n))), 64)
}
