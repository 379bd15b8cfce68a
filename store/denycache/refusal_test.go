package denycache

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/store/memstore"
)

// TestRetryAfter compares what is said of a larger cost with what the store says of it: never too late, and exactly where
// docs/algorithms.md promises that.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	exact, never := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		count := rapid.SampledFrom([]int64{1, 2, 3, 7, 10, 64, 1000, 999_983, sluice.MaxCount}).Draw(rt, "count")
		period := rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second, time.Minute, sluice.MaxPeriod}).Draw(rt, "period")
		l := sluice.Per(count, period)
		switch rapid.IntRange(0, 4).Draw(rt, "algorithm") {
		case 0:
			l = l.WithBurst(rapid.SampledFrom([]int64{1, 5, 100, sluice.MaxCount}).Draw(rt, "burst"))
		case 1:
			l = l.WithAlgorithm(sluice.FixedWindow)
		case 2:
			l = l.WithAligned()
		case 3:
			l = l.WithAlgorithm(sluice.SlidingCounter)
		}
		units := func(label string) int64 {
			about := rapid.SampledFrom([]int64{1, l.Capacity(), l.Capacity() / 2}).Draw(rt, label)
			return min(sluice.MaxCount, max(0, about+rapid.Int64Range(-2, 2).Draw(rt, label)))
		}
		var taken []int64
		var pauses []time.Duration
		for range rapid.IntRange(1, 5).Draw(rt, "checks") {
			taken = append(taken, units("taken"))
			pauses = append(pauses, min(time.Second, period/time.Duration(rapid.IntRange(1, 100).Draw(rt, "pause"))))
		}
		small := units("small")
		large := min(sluice.MaxCount, small+rapid.SampledFrom([]int64{1, 2, 5, l.Capacity()}).Draw(rt, "more"))

		var d, want sluice.Decision
		synctest.Test(t, func(t *testing.T) {
			store, err := memstore.New(memstore.Config{})
			if err != nil {
				t.Fatal(err)
			}
			policy := &sluice.Policy{Name: "p", Limits: []sluice.Limit{l}}
			ask := func(cost int64, peek bool) sluice.Decision {
				d, err := store.Check(t.Context(), sluice.Request{Policy: policy, Key: "k", Cost: cost, Peek: peek})
				if err != nil {
					t.Fatal(err)
				}
				return d
			}
			for i, cost := range taken {
				ask(cost, false)
				time.Sleep(pauses[i])
			}
			d, want = ask(small, true), ask(large, true)
		})
		if want.Allowed || large <= small {
			return
		}
		got := retryAfter(l, d.Limits()[0].Outcome, small, large)
		at := fmt.Sprintf("%s, a cost of %d after %s: retry after %s, want %s", l, large, d, got, want.RetryAfter)
		whole := period%(time.Microsecond*time.Duration(l.Count())) == 0 // a unit is earned in whole ticks
		switch {
		case got > want.RetryAfter:
			rt.Fatalf("%s at most", at)
		case large > l.Capacity():
			never++
			if got != sluice.Never {
				rt.Fatal(at)
			}
		case d.ResetAfter == sluice.MaxWait: // it may be more
		case l.Algorithm() == sluice.FixedWindow, l.Algorithm() == sluice.TokenBucket && whole, large == l.Capacity():
			exact++
			if got != want.RetryAfter {
				rt.Fatal(at)
			}
		case l.Algorithm() == sluice.TokenBucket:
			if got < want.RetryAfter-time.Microsecond {
				rt.Fatalf("%s or a tick less", at)
			}
		case got < d.RetryAfter:
			rt.Fatalf("%s, and no less than for the smaller cost", at)
		}
	})
	if exact < 5 || never < 5 {
		t.Errorf("%d were exact and %d could never fit, want some of each", exact, never)
	}
}
