package main

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// A quantile is that of all times in their order, right to 1/64; the least and the greatest are exact. Two histograms
// that are joined are the one of both.
func TestHistogram(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 2, 3, 10, 999, 20_000} {
		times := make([]time.Duration, n)
		var all, half, other histogram
		for i := range times {
			times[i] = time.Duration(r.Int64N(int64(1) << r.IntN(44)))
			all.add(times[i])
			if i%3 == 0 {
				half.add(times[i])
			} else {
				other.add(times[i])
			}
		}
		half.join(&other)
		half.join(new(histogram))
		if half != all {
			t.Errorf("%d times in two histograms that are joined are not the times in one", n)
		}
		slices.Sort(times)
		for _, q := range []int64{1, 500, 900, 990, 999, 1000} {
			want := times[max(0, (int(q)*n+999)/1000-1)]
			if got := all.quantile(q); (got - want).Abs() > want/64+1 {
				t.Errorf("quantile %d of %d times = %s, want %s", q, n, got, want)
			}
		}
		if all.min != times[0] || all.max != times[n-1] || all.total != int64(n) {
			t.Errorf("%d times from %s to %s, want %d from %s to %s", all.total, all.min, all.max, n, times[0], times[n-1])
		}
		rows, sum := all.rows(), int64(0)
		for i, row := range rows {
			sum += row.count
			if i > 0 && (row.upTo <= rows[i-1].upTo || row.upTo > rows[i-1].upTo*5/2) {
				t.Errorf("a row up to %s follows one up to %s", row.upTo, rows[i-1].upTo)
			}
		}
		last := len(rows) - 1
		if sum != int64(n) || rows[0].count == 0 || rows[last].count == 0 || rows[last].upTo < times[n-1] || last > 0 && rows[last-1].upTo > times[n-1] {
			t.Errorf("the rows of %d times up to %s are %v", n, times[n-1], rows)
		}
	}
	var none histogram
	if none.quantile(500) != 0 || none.rows() != nil {
		t.Errorf("no times have the median %s and the rows %v, want none", none.quantile(500), none.rows())
	}
	var odd histogram
	odd.add(-time.Second)
	odd.add(1 << 62)
	if odd.min != 0 || odd.max != 1<<62 || odd.quantile(1000) > odd.max {
		t.Errorf("a time below 0 and one of a century are %s and %s", odd.min, odd.max)
	}
}

func TestHistogramRows(t *testing.T) {
	t.Parallel()
	var h histogram
	for _, d := range []time.Duration{40, 90 * time.Microsecond, 110 * time.Microsecond, 120 * time.Microsecond, 3 * time.Millisecond} {
		h.add(d)
	}
	got := h.rows()
	for _, want := range []row{{100, 1}, {100 * time.Microsecond, 1}, {200 * time.Microsecond, 2}, {500 * time.Microsecond, 0}, {5 * time.Millisecond, 1}} {
		if !slices.Contains(got, want) {
			t.Errorf("the rows are %v, want among them %v", got, want)
		}
	}
}

func TestBrief(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0s", 7: "7ns", 1234: "1.23µs", 52_400: "52.4µs", 999_600: "1ms", 1_234_567: "1.23ms", 12 * time.Second: "12s", 83 * time.Second: "1m23s",
	} {
		if got := brief(d); got != want {
			t.Errorf("brief(%d) = %s, want %s", d, got, want)
		}
	}
}
