package main

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{7}, 7},
		{[]float64{9, 1}, 5},
		{[]float64{9, 1, 2}, 2},
		{[]float64{4, 1, 100, 2}, 3},
	} {
		if got := median(test.values); got != test.want {
			t.Errorf("median(%v) = %v, want %v", test.values, got, test.want)
		}
	}
}

func TestMedianFigures(t *testing.T) {
	got, span := medianFigures([]figures{
		{perSecond: 300, p50: 1, p99: 30, allocs: 2, bytes: 10, failed: 0.5},
		{perSecond: 100, p50: 3, p99: 10, allocs: 1, bytes: 30, refused: 0.25},
		{perSecond: 200, p50: 2, p99: 20, allocs: 3, bytes: 20, failed: 0.25, refused: 0.5},
	})
	want := figures{perSecond: 200, p50: 2, p99: 20, allocs: 2, bytes: 20, failed: 0.25, refused: 0.25}
	if got != want || span != 1 {
		t.Errorf("medianFigures = %+v, %v, want %+v, 1", got, span, want)
	}
}

func TestMeasureCountsEveryCheck(t *testing.T) {
	var asked atomic.Int64
	keep := make(chan []byte, 1) // what is allocated must not stay on the stack
	const duration = 50 * time.Millisecond
	down := errors.New("down")
	began := time.Now()
	f, err := measure(t.Context(), func(context.Context, string) (bool, error) {
		select {
		case keep <- make([]byte, 1000):
		default:
			<-keep
		}
		switch asked.Add(1) % 4 {
		case 0:
			return false, nil
		case 1:
			return true, nil
		}
		return false, down
	}, load{keys: []string{"a", "b"}, goroutines: 4, every: 3}, duration)
	if err != nil {
		t.Fatal(err)
	}
	longest := time.Since(began)
	if math.Abs(f.refused-0.25) > 0.01 || math.Abs(f.failed-0.5) > 0.01 {
		t.Errorf("refused %v and failed %v of all, want 0.25 and 0.5", f.refused, f.failed)
	}
	decided := 0.5 * float64(asked.Load())
	if least, most := 0.99*decided/longest.Seconds(), 1.01*decided/duration.Seconds(); f.perSecond < least || f.perSecond > most {
		t.Errorf("%v decisions/s, want %v to %v: those without an error by the time they took", f.perSecond, least, most)
	}
	if f.allocs < 0.9 || f.allocs > 1.5 || f.bytes < 900 || f.bytes > 1500 {
		t.Errorf("%v allocations of %v bytes a check, want about 1 of 1024", f.allocs, f.bytes)
	}
	if f.p50 <= 0 || f.p99 < f.p50 {
		t.Errorf("p50 %v, p99 %v, want them above 0 and in order", f.p50, f.p99)
	}
}

func TestMeasureSpreadsOverAllKeys(t *testing.T) {
	keys := makeKeys(100)
	asked := map[string]int{}
	_, err := measure(t.Context(), func(_ context.Context, key string) (bool, error) {
		asked[key]++
		return true, nil
	}, load{keys: keys, goroutines: 1, every: 1}, 20*time.Millisecond)
	if err != nil || len(asked) != len(keys) {
		t.Errorf("asked for %d keys, error %v, want all %d", len(asked), err, len(keys))
	}
}

func TestMeasureTakesLatency(t *testing.T) {
	const pause = 2 * time.Millisecond
	f, err := measure(t.Context(), func(context.Context, string) (bool, error) {
		for began := time.Now(); time.Since(began) < pause; {
		}
		return true, nil
	}, load{keys: []string{"a"}, goroutines: 1, every: 1}, 20*pause)
	if err != nil || f.p50 < pause*99/100 {
		t.Errorf("p50 %v, error %v, want at least %v", f.p50, err, pause)
	}
}

func TestMeasureFails(t *testing.T) {
	down := errors.New("down")
	one := load{keys: []string{"a"}, goroutines: 1, every: 1}
	_, err := measure(t.Context(), func(context.Context, string) (bool, error) { return true, down }, one, time.Millisecond)
	if !errors.Is(err, down) || !strings.Contains(err.Error(), "all") {
		t.Errorf("measure where all checks fail = %v, want an error that says so and wraps %v", err, down)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	_, err = measure(ctx, func(context.Context, string) (bool, error) { return true, nil }, one, time.Hour)
	if !errors.Is(err, context.Canceled) || time.Since(began) > time.Minute {
		t.Errorf("measure after its context ended = %v in %s, want context.Canceled at once", err, time.Since(began))
	}
}
