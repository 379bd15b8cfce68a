package main

import (
	"bytes"
	"flag"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write what the report is into testdata, to be read before it is committed")

// sample is a table of two contests: in the first we are ahead in all but p99, in the second nobody is beside us.
func sample() table {
	columns := slices.Concat(loadColumns, allocColumns, []column{failedColumn, callsColumn}, bestColumns)
	metrics := []metric{rateMetric, p50Metric, p99Metric, allocsMetric}
	return table{title: "In memory", note: "Hot is one key.", columns: columns, metrics: metrics, rows: []row{
		{
			contest: "memory/hot/1", label: "One hot key", keys: "hot", goroutines: 1, limiter: "sluice token-bucket", ours: true, span: 0.031,
			figures: figures{perSecond: 1_270_000, p50: 500, p99: 2400 * time.Nanosecond, bytes: 3},
		},
		{
			contest: "memory/hot/1", label: "One hot key", keys: "hot", goroutines: 1, limiter: "x/time", span: 0.5,
			figures: figures{perSecond: 1_000_000, p50: time.Microsecond, p99: 3 * time.Microsecond, failed: 0.0012},
		},
		{
			contest: "memory/hot/1", label: "One hot key", keys: "hot", goroutines: 1, limiter: "ulule",
			figures: figures{perSecond: 900_000, p50: 1100, p99: 2 * time.Microsecond, allocs: 2, bytes: 56},
		},
		{
			contest: "memory/hot/16", keys: "hot", goroutines: 16, limiter: "sluice token-bucket", ours: true,
			figures: figures{perSecond: 54_321, p50: 143 * time.Microsecond, p99: 23_700 * time.Microsecond},
		},
	}}
}

func TestReport(t *testing.T) {
	r := report{head: "A run.", about: []string{"Machine: one."}, tables: []table{sample()}, goals: goals()}
	var text bytes.Buffer
	r.writeText(&text)
	for file, got := range map[string]string{
		"testdata/report.txt": text.String(),
		"testdata/report.md":  string(r.markdown()),
		"testdata/report.svg": string(r.chart()),
	} {
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

func TestCompare(t *testing.T) {
	rows := sample().rows
	for _, test := range []struct {
		metric metric
		rival  string
		ratio  float64
		behind bool
	}{
		{rateMetric, "x/time", 1.27, false},
		{p50Metric, "x/time", 0.5, false},
		{p99Metric, "ulule", 1.2, true},
		{allocsMetric, "x/time", 1, false},
	} {
		c, ok := compare(test.metric, rows[0], rows, rivals)
		if !ok || c.other.limiter != test.rival || c.ratio() != test.ratio || c.behind() != test.behind {
			t.Errorf("compare by %s = %t, rival %q, ratio %v, behind %t, want %q, %v, %t",
				test.metric.name, ok, c.other.limiter, c.ratio(), c.behind(), test.rival, test.ratio, test.behind)
		}
	}
	if c, ok := compare(rateMetric, rows[3], rows, rivals); ok {
		t.Errorf("compare without a rival in the contest = %v, want none", c)
	}
}

func TestTexts(t *testing.T) {
	for got, want := range map[string]string{
		rateText(12.34):      "12.3",
		rateText(999.6):      "1000",
		rateText(54_321):     "54.3k",
		rateText(999_499):    "999k",
		rateText(999_500):    "1.00M",
		latencyText(21):      "21.0ns",
		latencyText(9994):    "9.99us",
		latencyText(143_000): "143us",
		latencyText(2.4e9):   "2400ms",
		digits(0):            "0.00",
		digits(0.123):        "0.12",
		digits(0.0123):       "0.012",
		digits(0.0000456):    "0.000046",
		percent(0):           "0%",
		percent(0.0012):      "0.12%",
		percent(0.0994):      "9.9%",
		percent(0.87):        "87%",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
