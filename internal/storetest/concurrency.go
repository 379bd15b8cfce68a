package storetest

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/sluice-project/sluice"
	"pgregory.net/rapid"
)

// testConcurrency lets many goroutines ask for one key under limits that give nothing back meanwhile: exactly as much
// is admitted as there is, whatever the interleaving. It runs on the store's own clock, as live traffic does.
func (s *suite) testConcurrency(t rapid.TB) {
	count := s.hot
	year := sluice.Per(count, sluice.MaxPeriod)
	oneOf := sluice.Per(1, sluice.MaxPeriod) // so that a bucket earns nothing
	policies := [][]sluice.Limit{
		{year},
		{oneOf.WithBurst(count)},
		{year.WithAlgorithm(sluice.FixedWindow)},
		{year.WithAligned()},
		{year.WithAlgorithm(sluice.SlidingCounter)},
		{oneOf.WithBurst(2 * count).WithName("wide"), year.WithName("narrow"), year.WithAligned().WithName("clock")},
	}
	for _, limits := range policies {
		for _, cost := range []int64{1, 7} {
			s.rush(t, limits, cost, count/cost)
		}
	}
}

// rush asks for more than there is and counts what is admitted.
func (s *suite) rush(t rapid.TB, limits []sluice.Limit, cost, want int64) {
	const goroutines, batch = 8, 5
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	req := sluice.Request{Policy: &sluice.Policy{Name: s.policyName(), Limits: limits}, Key: "hot", Cost: cost}
	var admitted, faults atomic.Int64
	count := func(d sluice.Decision, err error) {
		switch {
		case err != nil:
			faults.Add(1)
			t.Logf("%s: %v", describe(limits), err)
		case d.Allowed:
			admitted.Add(1)
		}
	}
	rounds := 2*int(want)/goroutines/(1+batch) + 1 // twice what there is
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for range rounds {
				count(s.harness.Store().Check(ctx, req))
				for _, r := range s.harness.Store().CheckAll(ctx, slices.Repeat([]sluice.Request{req}, batch)) {
					count(r.Decision, r.Err)
				}
			}
		})
	}
	all.Wait()
	if admitted.Load() != want || faults.Load() > 0 {
		t.Errorf("%s: %d checks of cost %d were admitted and %d failed, want exactly %d and 0",
			describe(limits), admitted.Load(), cost, faults.Load(), want)
	}
}
