package main

import (
	"context"
	"sync"

	"github.com/sethvargo/go-limiter/memorystore"
	throttledmemory "github.com/throttled/throttled/v2/store/memstore"
	ululememory "github.com/ulule/limiter/v3/drivers/store/memory"
	"golang.org/x/time/rate"
)

func memoryRivals() []limiter {
	return []limiter{
		{name: "go-limiter", open: openGoLimiter},
		{name: "throttled", open: openThrottledMemory},
		{name: "ulule", open: openUluleMemory},
		{name: "x/time", open: openXTime},
	}
}

func openGoLimiter(_ *scope, a allowance) (ask, error) {
	store, err := memorystore.New(&memorystore.Config{Tokens: uint64(a.burst), Interval: day, InitialAlloc: memoryKeys})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, key string) (bool, error) {
		_, _, _, ok, err := store.Take(ctx, key)
		return ok, err
	}, nil
}

// openThrottledMemory opens the store without a bound on its keys, which spares it the order of last use.
func openThrottledMemory(_ *scope, a allowance) (ask, error) {
	store, err := throttledmemory.NewCtx(0)
	if err != nil {
		return nil, err
	}
	return throttledOn(store, a)
}

func openUluleMemory(_ *scope, a allowance) (ask, error) {
	return ululeOn(ululememory.NewStore(), a), nil
}

// openXTime makes a limiter for each key as it comes, the least that a program with x/time must do. It never forgets a
// key, and says only yes or no.
func openXTime(_ *scope, a allowance) (ask, error) {
	var limiters sync.Map
	perSecond := rate.Limit(float64(a.perDay) / day.Seconds())
	return func(_ context.Context, key string) (bool, error) {
		limiter, ok := limiters.Load(key)
		if !ok {
			limiter, _ = limiters.LoadOrStore(key, rate.NewLimiter(perSecond, a.burst))
		}
		return limiter.(*rate.Limiter).Allow(), nil
	}, nil
}
