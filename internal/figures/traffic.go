package main

import (
	"context"
	"slices"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/store/memstore"
)

// Instants and spans are in ticks, microseconds, and count from the left edge of the picture.
const (
	tick   = sluice.Tick(1)
	second = sluice.Tick(time.Second / time.Microsecond)
	period = 60 * second
	end    = 300 * second
)

// epoch is the instant of the left edge: a whole number of periods, so that aligned windows begin with the minutes of
// the picture.
const epoch = 1_000_000 * period

// row is one algorithm of a picture.
type row struct {
	name  string
	limit sluice.Limit
}

const count = 60

var rows = []row{
	{"token-bucket, burst 60", sluice.PerMinute(count).WithAlgorithm(sluice.TokenBucket)},
	{"sliding-window", sluice.PerMinute(count)},
	{"fixed-window, aligned", sluice.PerMinute(count).WithAligned()},
	{"sliding-counter", sluice.PerMinute(count).WithAlgorithm(sluice.SlidingCounter)},
}

// sameTraffic returns the instants of requests that are mostly steady and sometimes not, in order.
func sameTraffic() []sluice.Tick {
	return merge(
		every(2*second, second/2, end),
		every(second/50, 55*second, 56*second),
		every(second/50, 61*second, 62*second),
		every(second/3, 150*second, 210*second),
	)
}

// worstTraffic returns the instants of requests by somebody who wants as much as he can get in one period: all at once
// just before an edge, and whatever there is from then on.
func worstTraffic() []sluice.Tick {
	before := period - second/10
	return merge(
		every(second/1000, before, before+count*second/1000),
		every(second/5, period, end),
	)
}

// every returns the instants from start until end, without it, one gap apart.
func every(gap, start, end sluice.Tick) (instants []sluice.Tick) {
	for at := start; at < end; at += gap {
		instants = append(instants, at)
	}
	return instants
}

// merge returns the instants of several lists, in order.
func merge(lists ...[]sluice.Tick) []sluice.Tick {
	all := slices.Concat(lists...)
	slices.Sort(all)
	return all
}

// key is somebody who was never seen before, under one limit.
type key struct {
	store  *memstore.Store
	policy sluice.Policy
}

func newKey(limit sluice.Limit) (*key, error) {
	store, err := memstore.New(memstore.Config{})
	return &key{store, sluice.Policy{Name: "figure", Limits: []sluice.Limit{limit}}}, err
}

// ask asks at an instant, which counts from the left edge of the picture.
func (k *key) ask(at sluice.Tick, cost int64) (sluice.Decision, error) {
	return k.store.Check(context.Background(), sluice.Request{Policy: &k.policy, Key: "k", Cost: cost, At: epoch + at})
}

// admitted returns which of the instants a limit admits a request at.
func admitted(limit sluice.Limit, instants []sluice.Tick) (admitted []sluice.Tick, err error) {
	k, err := newKey(limit)
	if err != nil {
		return nil, err
	}
	for _, at := range instants {
		d, err := k.ask(at, 1)
		if err != nil {
			return nil, err
		}
		if d.Allowed {
			admitted = append(admitted, at)
		}
	}
	return admitted, nil
}

// within returns how many of the instants, which are in order, lie in the half-open span from start to end.
func within(instants []sluice.Tick, start, end sluice.Tick) (n int) {
	for _, at := range instants {
		if start <= at && at < end {
			n++
		}
	}
	return n
}

// most returns the greatest number of the instants in any half-open span of that length.
func most(instants []sluice.Tick, span sluice.Tick) (n int) {
	for _, start := range instants {
		n = max(n, within(instants, start, start+span))
	}
	return n
}
