package main

import (
	"fmt"
	"strings"
)

// goal is a figure that this library means to reach, told with what was found whether it does or not.
type goal struct {
	contest string // or, where it ends with a slash, all whose names begin with it
	limiter string // "" for that of any row, once for each contest
	what    string
	// figure is what is found of a row; ok is false where what it is compared with was not measured.
	figure func(r row, rows []row) (value float64, ok bool)
	want   float64
	most   bool // want is the most that it may be, in place of the least
	text   func(float64) string
}

// reached is what was found of a goal in the contest that was worst, of so many.
type reached struct {
	goal
	contest string
	found   float64
	of      int
}

func (r reached) met() bool {
	if r.most {
		return r.found <= r.want
	}
	return r.found >= r.want
}

// goals are all, in the order in which they are told.
func goals() []goal {
	const bucket = "sluice token-bucket"
	return []goal{
		{"redis/spread/256", bucket, "decisions/s, by redis_rate", by(rateMetric, rivalCalled(redisRate)), 5, false, timesText},
		{"redis/spread/256", bucket, "p99, by redis_rate", by(p99Metric, rivalCalled(redisRate)), 0.25, true, timesText},
		{"redis/spread/1024", bucket, "decisions/s, by redis_rate", by(rateMetric, rivalCalled(redisRate)), 6, false, timesText},
		{"redis/spread/256", "sluice sliding-window", "decisions/s, by redis_rate", by(rateMetric, rivalCalled(redisRate)), 3, false, timesText},
		{"redis/spread/256", "sluice 3 buckets", "decisions/s, by redis_rate with one limit", by(rateMetric, rivalCalled(redisRate)), 3, false, timesText},
		{"redis/spread/256", "sluice 3 kinds", "decisions/s, by redis_rate with one limit", by(rateMetric, rivalCalled(redisRate)), 3, false, timesText},
		{"redis/hot/256", bucket, "decisions/s, by redis_rate", by(rateMetric, rivalCalled(redisRate)), 25, false, timesText},
		{"redis/spread/1", bucket, "p50, by redis_rate", by(p50Metric, rivalCalled(redisRate)), 1, true, timesText},
		{"redis/spread/1", bucket, "p50, by a bare GET", by(p50Metric, yardsticks), 1.5, true, timesText},
		{"lease/hot/256", "sluice lease", "decisions/s, by redis_rate", by(rateMetric, rivalCalled(redisRate)), 200, false, timesText},
		{"lease/spread/256", "sluice lease", "decisions/s, by redis_rate", by(rateMetric, rivalCalled(redisRate)), 50, false, timesText},
		{"lease/hot/256", "sluice lease", "calls of Redis for 100 decisions", just(callsMetric), 0.01, true, func(n float64) string { return digits(100 * n) }},
		{"deny/hot/256", "sluice deny cache", "decisions/s, by redis_rate", by(rateMetric, rivalCalled(redisRate)), 200, false, timesText},
		{"deny/hot/256", "sluice deny cache", "calls of Redis a second", just(callRateMetric), 2, true, digits},
		{"memory/spread/", bucket, "decisions/s, by the best rival", by(rateMetric, rivals), 2, false, timesText},
		{"memory/hot/", bucket, "decisions/s, by the best rival", by(rateMetric, rivals), 1.5, false, timesText},
		{"memory/", bucket, "allocations", just(allocsMetric), 0, true, allocsText},
		{"weight", bucket, "MEMORY USAGE of a key", just(firstMetric), 120, true, func(n float64) string { return bytesText(n) + " B" }},
		{"envoy/hot/128", "sluice serve", "requests/s, by the best rival", by(rateMetric, rivals), 3, false, timesText},
		{"envoy/hot/128", "sluice serve", "server CPU, by the best rival", by(cpuMetric, rivals), 1. / 3, true, timesText},
		{"resp/1", "sluice serve", "decisions/s, by INCR", by(rateMetric, yardsticks), 1, false, timesText},
		{"resp/16", "sluice serve", "decisions/s, by INCR", by(rateMetric, yardsticks), 1, false, timesText},
		{"resp/64", "sluice serve", "decisions/s, by INCR", by(rateMetric, yardsticks), 0.7, false, timesText},
		{"growth/", "", "decisions/s, least step from a row to the next", leastStep, 0.5, false, timesText},
	}
}

func timesText(n float64) string { return digits(n) + "x" }

func by(m metric, wanted func(row) bool) func(row, []row) (float64, bool) {
	return func(r row, rows []row) (float64, bool) {
		c, ok := compare(m, r, rows, wanted)
		return c.ratio(), ok
	}
}

func just(m metric) func(row, []row) (float64, bool) {
	return func(r row, _ []row) (float64, bool) { return m.of(r.figures), true }
}

// leastStep is the least that is left of the rate from one row of the contest to the next: a cliff would be next to
// nothing.
func leastStep(r row, rows []row) (least float64, ok bool) {
	var last row
	for _, next := range rows {
		if next.contest != r.contest {
			continue
		}
		if last.limiter != "" {
			step := next.figures.perSecond / last.figures.perSecond
			if !ok || step < least {
				least, ok = step, true
			}
		}
		last = next
	}
	return least, ok
}

func (g goal) isOf(r row) bool {
	of := r.contest == g.contest || strings.HasSuffix(g.contest, "/") && strings.HasPrefix(r.contest, g.contest)
	return of && (g.limiter == "" || g.limiter == r.limiter)
}

// reach returns what was found of all goals, as far as their rows were measured: of several contests the worst.
func reach(goals []goal, tables []table) []reached {
	var all []reached
	for _, g := range goals {
		worst, contests := reached{goal: g}, map[string]bool{}
		for _, t := range tables {
			for _, r := range t.rows {
				if !g.isOf(r) || contests[r.contest] {
					continue
				}
				value, ok := g.figure(r, t.rows)
				if !ok {
					continue
				}
				contests[r.contest] = true
				if len(contests) == 1 || g.most && value > worst.found || !g.most && value < worst.found {
					worst.contest, worst.found = r.contest, value
				}
			}
		}
		if worst.of = len(contests); worst.of > 0 {
			all = append(all, worst)
		}
	}
	return all
}

// goalCells returns the table of what was found, its head first.
func goalCells(all []reached) [][]string {
	cells := [][]string{{"rows", "limiter", "figure", "wanted", "found", "reached"}}
	for _, r := range all {
		sign, met := "at least ", "yes"
		if r.most {
			sign = "at most "
		}
		if !r.met() {
			met = "no"
		}
		contest, limiter := r.contest, r.limiter
		if r.of > 1 {
			contest += fmt.Sprintf(", worst of %d", r.of)
		}
		if limiter == "" {
			limiter = "all"
		}
		cells = append(cells, []string{contest, limiter, r.what, sign + r.text(r.want), r.text(r.found), met})
	}
	return cells
}

// summary says how many were reached.
func summary(all []reached) string {
	met := 0
	for _, r := range all {
		if r.met() {
			met++
		}
	}
	return fmt.Sprintf("%d of %d goals are reached.", met, len(all))
}
