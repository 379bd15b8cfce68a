package main

import (
	"context"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/store/memstore"
	"github.com/sluice-project/sluice/store/redisstore"
)

const day = 24 * time.Hour

// patience is how long a check may take: go-redis's default, so that a stall of the machine fails all or none.
const patience = 3 * time.Second

func sluiceOnRedis(name string, limit func(allowance) sluice.Limit) limiter {
	return limiter{name: name, ours: true, open: func(c clients, a allowance) (ask, error) {
		store, err := redisstore.New(c.rueidis, redisstore.Config{Timeout: patience})
		if err != nil {
			return nil, err
		}
		return sluiceOn(store, limit(a))
	}}
}

func sluiceInMemory(name string, limit func(allowance) sluice.Limit) limiter {
	return limiter{name: name, ours: true, open: func(_ clients, a allowance) (ask, error) {
		store, err := memstore.New(memstore.Config{})
		if err != nil {
			return nil, err
		}
		return sluiceOn(store, limit(a))
	}}
}

func sluiceOn(store sluice.Store, limit sluice.Limit) (ask, error) {
	api, err := sluice.New(store, sluice.Policy{Name: "bench-" + limit.Algorithm().String(), Limits: []sluice.Limit{limit}})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, key string) (bool, error) {
		d, err := api.Check(ctx, key, 1)
		return d.Allowed, err
	}, nil
}

func tokenBucket(a allowance) sluice.Limit {
	return sluice.PerDay(int64(a.perDay)).WithBurst(int64(a.burst))
}

// slidingWindow promises more than any rival: they have token buckets, which GCRA is too, or fixed windows.
func slidingWindow(a allowance) sluice.Limit { return sluice.PerDay(int64(a.burst)) }
