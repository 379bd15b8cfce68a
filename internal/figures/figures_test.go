package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sluice-project/sluice"
)

func TestCommittedPictures(t *testing.T) {
	t.Parallel()
	for _, p := range pictures {
		path := filepath.Join("..", "..", "docs", "images", p.file)
		committed, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		drawn, err := p.draw()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(committed, drawn) {
			t.Errorf("%s is not what this program draws: run go generate ./internal/figures", path)
		}
	}
}

// TestWorstCases reaches the worst cases that docs/algorithms.md derives.
func TestWorstCases(t *testing.T) {
	t.Parallel()
	for _, limit := range []sluice.Limit{
		sluice.Per(1, time.Millisecond), sluice.Per(2, time.Millisecond), sluice.PerSecond(7), sluice.PerMinute(60),
		sluice.Per(500, time.Millisecond), sluice.Per(501, time.Millisecond), sluice.Per(1001, time.Millisecond),
		sluice.PerHour(sluice.MaxCount), sluice.Per(1, sluice.MaxPeriod),
	} {
		count, ticks := limit.Count(), int64(limit.Period()/time.Microsecond)
		for _, worst := range []struct {
			limit sluice.Limit
			want  int64 // units in one period
		}{
			{limit.WithAlgorithm(sluice.TokenBucket), 2*count - (count+ticks-1)/ticks},
			{limit, count},
			{limit.WithAlgorithm(sluice.FixedWindow), 2*count - 1},
			{limit.WithAligned(), 2 * count},
			{limit.WithAlgorithm(sluice.SlidingCounter), 2*count - (2*count+ticks-1)/ticks},
		} {
			got := max(attack(t, worst.limit, ticks, 0), attack(t, worst.limit, ticks, 1))
			if got != worst.want {
				t.Errorf("%v: the attack gets %d units in one period, want %d", worst.limit, got, worst.want)
			}
		}
	}
}

// attack returns how much a key gets in one period, which begins in the last tick of a period of the clock: as much as
// there is in its first instant, its second and its last. Some units may have been taken before, to begin a window.
func attack(t *testing.T, limit sluice.Limit, ticks, before int64) (got int64) {
	t.Helper()
	k, err := newKey(limit)
	if err != nil {
		t.Fatal(err)
	}
	start := ticks - int64(epoch)%ticks // of a period of the clock
	ask := func(at, cost int64) sluice.Decision {
		d, err := k.ask(sluice.Tick(start+at), cost)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	all := func(at int64) int64 {
		room := ask(at, 0).Remaining
		ask(at, room)
		return room
	}
	ask(0, before)
	return all(ticks-1) + all(ticks) + all(2*ticks-2)
}

func TestOutline(t *testing.T) {
	t.Parallel()
	o := outline{x: 1, y: 9}
	for i, y := range []int{9, 9, 4, 4, 9} {
		o.to(i+1, y)
	}
	if got, want := o.String(), "M1 9H3V4H5V9H5"; got != want {
		t.Errorf("outline = %q, want %q", got, want)
	}
}
