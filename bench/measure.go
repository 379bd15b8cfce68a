package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// load is what a limiter is asked.
type load struct {
	keys       keyList // asked for in random order
	goroutines int
	// every is how many checks there are to each one whose latency is taken, so that reading the clock stays a small
	// part of what is measured.
	every int
	// batch is how many decisions one ask is.
	batch int
}

// figures are what one limiter did under one load.
type figures struct {
	perSecond float64       // decisions, failed ones not counted
	p50, p99  time.Duration // of an ask
	// allocs and bytes are what the whole process allocated, by decision.
	allocs, bytes float64
	// refused and failed are shares of all asks, 0 to 1.
	refused, failed float64
	// calls of scripts that Redis has carried out, by decision and by second.
	calls, callsPerSecond float64
	// cpu is the processor time that a server has used for a decision, in nanoseconds.
	cpu float64
	// weight is the memory that a key takes in Redis.
	weight
}

// tally is what one goroutine did: how many times it asked.
type tally struct {
	checks, refused, failed int64
	latency                 histogram
	err                     error // of the last that failed
}

// measure runs a load for a time and returns what came of it. It starts with the garbage of whoever ran before
// collected. A check that fails is counted; it is an error that all fail, or that ctx ends.
func measure(ctx context.Context, ask ask, l load, duration time.Duration, use *scope) (figures, error) {
	tallies := make([]tally, l.goroutines)
	start := make(chan struct{})
	var stop atomic.Bool
	var wg sync.WaitGroup
	for i := range tallies {
		wg.Go(func() {
			<-start
			tallies[i].run(ask, l, &stop)
		})
	}
	runtime.GC()
	used, err := use.usage(ctx)
	if err != nil {
		return figures{}, err
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	close(start)
	select {
	case <-time.After(duration):
	case <-ctx.Done():
	}
	stop.Store(true)
	wg.Wait()
	elapsed := time.Since(began)
	runtime.ReadMemStats(&after)
	if err := ctx.Err(); err != nil {
		return figures{}, err
	}
	usedNow, err := use.usage(ctx)
	if err != nil {
		return figures{}, err
	}

	var all tally
	for i := range tallies {
		all.add(&tallies[i])
	}
	if all.failed == all.checks {
		return figures{}, fmt.Errorf("all %d checks failed, the last one by: %w", all.checks, all.err)
	}
	asks, seconds := float64(all.checks), elapsed.Seconds()
	decisions, calls := asks*float64(l.batch), float64(usedNow.calls-used.calls)
	return figures{
		perSecond:      float64(all.checks-all.failed) * float64(l.batch) / seconds,
		p50:            all.latency.quantile(0.50),
		p99:            all.latency.quantile(0.99),
		allocs:         float64(after.Mallocs-before.Mallocs) / decisions,
		bytes:          float64(after.TotalAlloc-before.TotalAlloc) / decisions,
		refused:        float64(all.refused) / asks,
		failed:         float64(all.failed) / asks,
		calls:          calls / decisions,
		callsPerSecond: calls / seconds,
		cpu:            float64(usedNow.cpu-used.cpu) / decisions,
	}, nil
}

// usage is what servers have done so far.
type usage struct {
	calls int64 // of scripts, by Redis
	cpu   time.Duration
}

func (s *scope) usage(ctx context.Context) (u usage, err error) {
	if u.calls, err = s.scriptCalls(ctx); err == nil && s.cpu != nil {
		u.cpu, err = s.cpu()
	}
	return u, err
}

// run asks until it is stopped, at least once.
func (t *tally) run(ask ask, l load, stop *atomic.Bool) {
	ctx := context.Background()
	random := rand.NewPCG(rand.Uint64(), rand.Uint64())
	n := uint64(l.keys.len())
	for untimed := 0; ; untimed-- {
		key := l.keys.at(int(random.Uint64() % n))
		if untimed > 0 {
			t.count(ask(ctx, key))
		} else {
			began := time.Now()
			allowed, err := ask(ctx, key)
			t.latency.record(time.Since(began))
			t.count(allowed, err)
			untimed = l.every
		}
		if stop.Load() {
			return
		}
	}
}

func (t *tally) count(allowed bool, err error) {
	t.checks++
	switch {
	case err != nil:
		t.failed++
		t.err = err
	case !allowed:
		t.refused++
	}
}

func (t *tally) add(other *tally) {
	t.checks += other.checks
	t.refused += other.refused
	t.failed += other.failed
	t.latency.add(&other.latency)
	if other.err != nil {
		t.err = other.err
	}
}

// medianFigures returns the median of each figure over the rounds, and how far apart the slowest and the fastest were,
// as a share of the median rate.
func medianFigures(rounds []figures) (f figures, span float64) {
	of := func(figure func(figures) float64) float64 {
		values := make([]float64, len(rounds))
		for i, r := range rounds {
			values[i] = figure(r)
		}
		return median(values)
	}
	f = figures{
		perSecond:      of(func(r figures) float64 { return r.perSecond }),
		p50:            time.Duration(of(func(r figures) float64 { return float64(r.p50) })),
		p99:            time.Duration(of(func(r figures) float64 { return float64(r.p99) })),
		allocs:         of(func(r figures) float64 { return r.allocs }),
		bytes:          of(func(r figures) float64 { return r.bytes }),
		refused:        of(func(r figures) float64 { return r.refused }),
		failed:         of(func(r figures) float64 { return r.failed }),
		calls:          of(func(r figures) float64 { return r.calls }),
		callsPerSecond: of(func(r figures) float64 { return r.callsPerSecond }),
		cpu:            of(func(r figures) float64 { return r.cpu }),
	}
	slowest, fastest := rounds[0].perSecond, rounds[0].perSecond
	for _, r := range rounds {
		slowest, fastest = min(slowest, r.perSecond), max(fastest, r.perSecond)
	}
	return f, (fastest - slowest) / f.perSecond
}

// median returns the middle of the values, of which there is at least one, or the mean of the two in the middle.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// clockCost returns how long a reading of the clock takes, which is in every latency.
func clockCost() time.Duration {
	var h histogram
	for range 10_000 {
		began := time.Now()
		h.record(time.Since(began))
	}
	return h.quantile(0.5)
}
