package main

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReach(t *testing.T) {
	rows := []row{
		{contest: "a/1", limiter: "ours", ours: true, figures: figures{perSecond: 600, p99: 5}},
		{contest: "a/1", limiter: "redis_rate", figures: figures{perSecond: 100, p99: 10}},
		{contest: "a/1", limiter: "redis_rate, pool 256", figures: figures{perSecond: 200, p99: 20}},
		{contest: "a/1", limiter: "ulule", figures: figures{perSecond: 500, p99: 1}},
		{contest: "a/16", limiter: "ours", ours: true, figures: figures{perSecond: 100}},
		{contest: "a/16", limiter: "other", ours: true, figures: figures{perSecond: 80}},
		{contest: "a/16", limiter: "another", ours: true, figures: figures{perSecond: 20}},
	}
	rate := by(rateMetric, rivalCalled(redisRate))
	found := map[string]bool{}
	for _, r := range reach([]goal{
		{"a/1", "ours", "rate", rate, 3, false, timesText},
		{"a/1", "ours", "more", rate, 3.01, false, timesText},
		{"a/1", "ours", "p99", by(p99Metric, rivalCalled(redisRate)), 0.5, true, timesText},
		{"a/1", "ours", "best p99", by(p99Metric, rivals), 4.9, true, timesText},
		{"a/", "ours", "any", just(rateMetric), 100, false, rateText},
		{"a/", "ours", "worst", just(rateMetric), 599, true, rateText},
		{"a/", "", "step", leastStep, 0.3, false, timesText},
		{"a", "ours", "no such contest", just(rateMetric), 0, false, rateText},
		{"a/1", "theirs", "no such limiter", just(rateMetric), 0, false, rateText},
		{"a/16", "ours", "no rival", rate, 0, false, timesText},
	}, []table{{rows: rows}}) {
		found[r.contest+" "+r.what+" "+r.text(r.found)] = r.met()
	}
	want := map[string]bool{
		"a/1 rate 3.00x": true, "a/1 more 3.00x": false, "a/1 p99 0.50x": true, "a/1 best p99 5.00x": false,
		"a/16 any 100": true, "a/1 worst 600": false, "a/1 step 0.17x": false,
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("reach (-want +got):\n%s", diff)
	}
}

// TestGoalsAreMeasured finds goals that no row could ever reach, because nothing is called like that.
func TestGoalsAreMeasured(t *testing.T) {
	var rows []row
	for _, group := range plan(everything()) {
		for _, c := range group.contests {
			for _, l := range c.limiters {
				rows = append(rows, c.row(l))
			}
		}
	}
	for _, g := range goals() {
		if !slices.ContainsFunc(rows, g.isOf) {
			t.Errorf("no row is that of the goal %q of %s %s", g.what, g.contest, g.limiter)
		}
	}
}
