package sluice_test

import (
	"testing"
	"time"

	"github.com/sluice-project/sluice"
	"pgregory.net/rapid"
)

func TestShare(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		limit sluice.Limit
		i, n  int
		want  string // "" for none
	}{
		{sluice.PerMinute(100), 0, 1, "100/minute"},
		{sluice.PerMinute(10), 0, 4, "3/minute"},
		{sluice.PerMinute(10), 1, 4, "3/minute"},
		{sluice.PerMinute(10), 2, 4, "2/minute"},
		{sluice.PerMinute(10), 3, 4, "2/minute"},
		{sluice.PerMinute(3), 2, 4, "1/minute"},
		{sluice.PerMinute(3), 3, 4, ""},
		{sluice.PerSecond(10).WithBurst(7), 0, 4, "3/s burst 2"},
		{sluice.PerSecond(10).WithBurst(7), 3, 4, "2/s burst 1"},
		{sluice.PerSecond(10).WithBurst(3), 3, 4, ""},
		{sluice.PerSecond(3).WithBurst(10), 3, 4, ""},
		{sluice.PerDay(5).WithAligned(), 0, 2, "3/day fixed-window aligned"},
		{sluice.PerHour(5).WithAlgorithm(sluice.SlidingCounter), 1, 2, "2/hour sliding-counter"},
		{sluice.PerCalendar(5, sluice.Calendar{Unit: sluice.Month, Zone: "UTC"}), 1, 2, "2/month calendar UTC"},
	} {
		share, ok := test.limit.Share(test.i, test.n)
		if ok != (test.want != "") || ok && share.String() != test.want {
			t.Errorf("Limit(%s).Share(%d, %d) = %s, %v, want %q", test.limit, test.i, test.n, share, ok, test.want)
		}
	}
}

// TestSharesAddUp draws a limit and a number of servers: no two shares differ by more than a unit, a share is legal, and
// all of them together are the limit, unless it is too small for some to have any.
func TestSharesAddUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		some := rapid.OneOf(rapid.Int64Range(1, 40), rapid.Int64Range(1, sluice.MaxCount))
		l := sluice.Per(some.Draw(t, "count"), time.Duration(rapid.IntRange(1, 1000).Draw(t, "period"))*time.Second)
		if rapid.Bool().Draw(t, "bucket") {
			l = l.WithBurst(some.Draw(t, "burst"))
		}
		if rapid.Bool().Draw(t, "named") {
			l = l.WithName("some")
		}
		n := rapid.OneOf(rapid.IntRange(1, 50), rapid.IntRange(1, 5000)).Draw(t, "servers")
		var count, burst int64
		for i := range n {
			share, ok := l.Share(i, n)
			if !ok {
				continue
			}
			if err := share.Validate(); err != nil {
				t.Fatalf("Limit(%s).Share(%d, %d): %v", l, i, n, err)
			}
			if share.Name() != l.Name() || share.Period() != l.Period() || share.Algorithm() != l.Algorithm() {
				t.Fatalf("Limit(%s).Share(%d, %d) = %s, which is another kind of limit", l, i, n, share)
			}
			if less := l.Count()/int64(n) - share.Count(); less != 0 && less != -1 {
				t.Fatalf("Limit(%s).Share(%d, %d) = %s, which is no even part", l, i, n, share)
			}
			count, burst = count+share.Count(), burst+share.Burst()
		}
		if count > l.Count() || burst > l.Burst() {
			t.Fatalf("%d shares of %s are %d burst %d, more than it is", n, l, count, burst)
		}
		if all := l.Algorithm() != sluice.TokenBucket || min(l.Count(), l.Burst()) >= int64(n); all && (count != l.Count() || burst != l.Burst()) {
			t.Fatalf("%d shares of %s are %d burst %d", n, l, count, burst)
		}
	})
}

func TestShareOfNobody(t *testing.T) {
	t.Parallel()
	for _, of := range [][2]int{{-1, 2}, {2, 2}, {0, 0}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Share(%d, %d) returns, want a panic", of[0], of[1])
				}
			}()
			sluice.PerSecond(1).Share(of[0], of[1])
		}()
	}
}
