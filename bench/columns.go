package main

import (
	"fmt"
	"strconv"
)

// column is one of a table. Where all its cells are empty it is left out.
type column struct {
	title string
	left  bool // aligned to the left, as words are
	cell  func(r row, rows []row) string
}

// loadColumns begin most tables.
var loadColumns = []column{
	{"keys", true, func(r row, _ []row) string { return r.keys }},
	{"goroutines", false, func(r row, _ []row) string { return strconv.Itoa(r.goroutines) }},
	{"limiter", true, func(r row, _ []row) string { return r.limiter }},
	{"decisions/s", false, func(r row, _ []row) string { return rateText(r.figures.perSecond) }},
	{"range", false, func(r row, _ []row) string { return percent(r.span) }},
	{"p50", false, func(r row, _ []row) string { return latencyText(float64(r.figures.p50)) }},
	{"p99", false, func(r row, _ []row) string { return latencyText(float64(r.figures.p99)) }},
}

var allocColumns = []column{
	{"allocs/op", false, func(r row, _ []row) string { return allocsText(r.figures.allocs) }},
	{"B/op", false, func(r row, _ []row) string { return bytesText(r.figures.bytes) }},
}

var (
	failedColumn = column{"failed", false, func(r row, _ []row) string {
		if r.figures.failed == 0 {
			return ""
		}
		return percent(r.figures.failed)
	}}
	callsColumn = column{"calls/100", false, func(r row, _ []row) string {
		if r.figures.calls == 0 {
			return ""
		}
		return digits(100 * r.figures.calls)
	}}
	callRateColumn = column{"calls/s", false, func(r row, _ []row) string { return rateText(r.figures.callsPerSecond) }}
	cpuColumn      = column{"server CPU", false, func(r row, _ []row) string { return latencyText(r.figures.cpu) }}
)

// versus is our figure by the best of others.
func versus(title string, m metric, wanted func(row) bool) column {
	return column{title: title, cell: func(r row, rows []row) string {
		if c, ok := compare(m, r, rows, wanted); ok && r.ours {
			return digits(c.ratio())
		}
		return ""
	}}
}

var (
	bestColumns = []column{
		versus("x best", rateMetric, rivals), versus("x best p50", p50Metric, rivals), versus("x best p99", p99Metric, rivals),
	}
	redisRateColumns = []column{
		versus("x redis_rate", rateMetric, rivalCalled(redisRate)),
		versus("x redis_rate p50", p50Metric, rivalCalled(redisRate)),
		versus("x redis_rate p99", p99Metric, rivalCalled(redisRate)),
	}
	getColumns = []column{versus("x GET p50", p50Metric, yardsticks)}
	cpuColumns = []column{versus("x best CPU", cpuMetric, rivals)}
)

// firstColumn is the decisions a second by those of the first row of the contest.
var firstColumn = column{"x first", false, func(r row, rows []row) string {
	for _, first := range rows {
		if first.contest == r.contest {
			return digits(r.figures.perSecond / first.figures.perSecond)
		}
	}
	return ""
}}

var weightColumns = []column{
	{"limiter", true, func(r row, _ []row) string { return r.limiter }},
	{"MEMORY USAGE, 1 check", false, func(r row, _ []row) string { return bytesText(r.figures.first) }},
	{fmt.Sprintf("%d checks", laterChecks), false, func(r row, _ []row) string { return bytesText(r.figures.later) }},
	{"used_memory a key", false, func(r row, _ []row) string { return bytesText(r.figures.whole) }},
	versus("x best, MEMORY USAGE", firstMetric, rivals),
	versus("x best, used_memory", wholeMetric, rivals),
}

func percent(share float64) string {
	if share == 0 || share >= 0.0995 {
		return fmt.Sprintf("%.0f%%", 100*share)
	}
	return fmt.Sprintf("%.2g%%", 100*share)
}
