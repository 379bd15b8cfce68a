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
		{perSecond: 300, p50: 1, p99: 30, allocs: 2, bytes: 10, failed: 0.5, calls: 1, callsPerSecond: 7, cpu: 20},
		{perSecond: 100, p50: 3, p99: 10, allocs: 1, bytes: 30, refused: 0.25, calls: 3, callsPerSecond: 9, cpu: 10},
		{perSecond: 200, p50: 2, p99: 20, allocs: 3, bytes: 20, failed: 0.25, refused: 0.5, calls: 2, callsPerSecond: 8, cpu: 30},
	})
	want := figures{perSecond: 200, p50: 2, p99: 20, allocs: 2, bytes: 20, failed: 0.25, refused: 0.25, calls: 2, callsPerSecond: 8, cpu: 20}
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
	}, load{keys: makeKeys(2), goroutines: 4, every: 3, batch: 1}, duration, &scope{})
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
	}, load{keys: keys, goroutines: 1, every: 1, batch: 1}, 20*time.Millisecond, &scope{})
	if err != nil || len(asked) != keys.len() {
		t.Errorf("asked for %d keys, error %v, want all %d", len(asked), err, keys.len())
	}
}

func TestMeasureTakesLatency(t *testing.T) {
	const pause = 2 * time.Millisecond
	f, err := measure(t.Context(), func(context.Context, string) (bool, error) {
		for began := time.Now(); time.Since(began) < pause; {
		}
		return true, nil
	}, load{keys: makeKeys(1), goroutines: 1, every: 1, batch: 1}, 20*pause, &scope{})
	if err != nil || f.p50 < pause*99/100 {
		t.Errorf("p50 %v, error %v, want at least %v", f.p50, err, pause)
	}
}

func TestMeasureFails(t *testing.T) {
	down := errors.New("down")
	one := load{keys: makeKeys(1), goroutines: 1, every: 1, batch: 1}
	_, err := measure(t.Context(), func(context.Context, string) (bool, error) { return true, down }, one, time.Millisecond, &scope{})
	if !errors.Is(err, down) || !strings.Contains(err.Error(), "all") {
		t.Errorf("measure where all checks fail = %v, want an error that says so and wraps %v", err, down)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	_, err = measure(ctx, func(context.Context, string) (bool, error) { return true, nil }, one, time.Hour, &scope{})
	if !errors.Is(err, context.Canceled) || time.Since(began) > time.Minute {
		t.Errorf("measure after its context ended = %v in %s, want context.Canceled at once", err, time.Since(began))
	}
}

func TestMeasureReckonsByDecision(t *testing.T) {
	c := startClients(t)
	var used time.Duration
	asked := 0
	f, err := measure(t.Context(), func(ctx context.Context, _ string) (bool, error) {
		asked++
		used += 30 * time.Microsecond
		return true, c.goRedis.Eval(ctx, "redis.call('time') return redis.call('time')", nil).Err()
	}, load{keys: makeKeys(1), goroutines: 1, every: 1, batch: 10}, 20*time.Millisecond, &scope{
		clients: c, cpu: func() (time.Duration, error) { return used, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(f.calls-0.1) > 1e-9 || math.Abs(f.cpu-3000) > 1e-6 {
		t.Errorf("%v calls and %v ns of a server by decision, want 0.1 and 3000: an ask of 10 was one script and 30 us", f.calls, f.cpu)
	}
	if most := 10 * float64(asked) / 0.02; f.perSecond > most || f.perSecond < most/10 {
		t.Errorf("%v decisions/s, want up to %v: ten for each of %d asks", f.perSecond, most, asked)
	}
	if rate := f.calls * f.perSecond; math.Abs(f.callsPerSecond-rate) > rate/1000 {
		t.Errorf("%v calls a second, want %v", f.callsPerSecond, rate)
	}
}

func TestJudge(t *testing.T) {
	for _, test := range []struct {
		refused bool
		figures figures
		ok      bool
	}{
		{false, figures{}, true},
		{false, figures{failed: 0.5}, true},
		{false, figures{refused: 0.001}, false},
		{true, figures{refused: 1}, true},
		{true, figures{refused: 0.9, failed: 0.1}, true},
		{true, figures{refused: 0.999}, false},
	} {
		if err := (contest{refused: test.refused}).judge(test.figures); (err == nil) != test.ok {
			t.Errorf("judge %+v where refused is wanted %t = %v, want ok %t", test.figures, test.refused, err, test.ok)
		}
	}
}
