package main

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/rueidis"
	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/store/memstore"
	"github.com/sluice-project/sluice/store/redisstore"
)

const day = 24 * time.Hour

// patience is how long a check may take: go-redis's default, so that a stall of the machine fails all or none.
const patience = 3 * time.Second

// limitsOf returns the limits of a policy by which a key may use so much.
type limitsOf func(allowance) []sluice.Limit

// sluiceOnRedis names the policy, too: limiters on one server that do not have the same limits need different ones.
func sluiceOnRedis(name, policy string, limits limitsOf) limiter {
	return limiter{name: name, ours: true, open: func(s *scope, a allowance) (ask, error) {
		api, err := openOnRedis(s, policy, limits(a))
		if err != nil {
			return nil, err
		}
		return one(api), nil
	}}
}

// sluiceBatches asks by CheckAll, for so many keys at once.
func sluiceBatches(name string, batch int) limiter {
	return limiter{name: name, ours: true, batch: batch, open: func(s *scope, a allowance) (ask, error) {
		api, err := openOnRedis(s, "batches", tokenBucket(a))
		if err != nil {
			return nil, err
		}
		return batches(api, batch), nil
	}}
}

func sluiceInMemory(name string, limits limitsOf) limiter {
	return limiter{name: name, ours: true, open: func(_ *scope, a allowance) (ask, error) {
		store, err := memstore.New(memstore.Config{})
		if err != nil {
			return nil, err
		}
		api, err := sluice.New(store, sluice.Policy{Name: "api", Limits: limits(a)})
		if err != nil {
			return nil, err
		}
		return one(api), nil
	}}
}

func openOnRedis(s *scope, policy string, limits []sluice.Limit) (*sluice.Limiter, error) {
	store, err := redisstore.New(s.rueidis, redisstore.Config{Timeout: patience})
	if err != nil {
		return nil, err
	}
	return sluice.New(store, sluice.Policy{Name: policy, Limits: limits})
}

// one asks for one key at a time.
func one(api *sluice.Limiter) ask {
	return func(ctx context.Context, key string) (bool, error) {
		d, err := api.Check(ctx, key, 1)
		return d.Allowed, err
	}
}

// batches asks for a key and those that follow it.
func batches(api *sluice.Limiter, batch int) ask {
	keys := following(spreadKeys, batch)
	return func(ctx context.Context, key string) (bool, error) {
		batch, err := keys(key)
		if err != nil {
			return false, err
		}
		asks := make([]sluice.Ask, len(batch))
		for i, key := range batch {
			asks[i] = sluice.Ask{Key: key, Cost: 1}
		}
		allowed := 0
		for _, r := range api.CheckAll(ctx, asks) {
			if r.Err != nil {
				return false, r.Err
			}
			if r.Decision.Allowed {
				allowed++
			}
		}
		return allOrNone(allowed, len(batch))
	}
}

// allOrNone is the answer to a batch, all keys of which have used the same.
func allOrNone(allowed, batch int) (bool, error) {
	if allowed != 0 && allowed != batch {
		return false, fmt.Errorf("%d of a batch of %d were allowed; it must be all or none", allowed, batch)
	}
	return allowed > 0, nil
}

// alone gives a limiter a redis-server of its own, in which there are so many keys and no others.
func alone(l limiter, keys int) limiter {
	open := l.open
	l.keys = keys
	l.open = func(s *scope, a allowance) (ask, error) {
		c, err := begin(context.Background())
		if err != nil {
			return nil, err
		}
		s.clients = c
		s.atEnd(c.end)
		return open(s, a)
	}
	return l
}

// bareGet reads a value that is as long as a token bucket's, by the client that we use: what any call to Redis takes.
func bareGet() limiter {
	return limiter{name: "bare GET", yardstick: true, open: func(s *scope, _ allowance) (ask, error) {
		sets := make(rueidis.Commands, 0, spreadKeys)
		for _, key := range makeKeys(spreadKeys).each(1) {
			sets = append(sets, s.rueidis.B().Set().Key("bare:"+key).Value("a value that has 27 bytes, so").Build())
		}
		for _, r := range s.rueidis.DoMulti(context.Background(), sets...) {
			if err := r.Error(); err != nil {
				return nil, err
			}
		}
		return func(ctx context.Context, key string) (bool, error) {
			err := s.rueidis.Do(ctx, s.rueidis.B().Get().Key("bare:"+key).Build()).Error()
			return true, err
		}, nil
	}}
}

func tokenBucket(a allowance) []sluice.Limit {
	return []sluice.Limit{sluice.PerDay(int64(a.perDay)).WithBurst(int64(a.burst))}
}

// slidingWindow promises more than any rival: they have token buckets, which GCRA is too, or fixed windows.
func slidingWindow(a allowance) []sluice.Limit { return []sluice.Limit{sluice.PerDay(int64(a.burst))} }

func fixedWindow(a allowance) []sluice.Limit { return windowBy(sluice.FixedWindow)(a) }

func slidingCounter(a allowance) []sluice.Limit { return windowBy(sluice.SlidingCounter)(a) }

func windowBy(algorithm sluice.Algorithm) limitsOf {
	return func(a allowance) []sluice.Limit {
		return []sluice.Limit{sluice.PerDay(int64(a.burst)).WithAlgorithm(algorithm)}
	}
}

// threeBuckets are three limits of the cheapest kind in one policy.
func threeBuckets(a allowance) []sluice.Limit {
	bucket := tokenBucket(a)[0]
	return []sluice.Limit{bucket.WithName("first"), bucket.WithName("second"), bucket.WithName("third")}
}

// threeKinds are a bucket, a fixed window and a sliding window, the dearest, in one policy.
func threeKinds(a allowance) []sluice.Limit {
	return []sluice.Limit{tokenBucket(a)[0].WithName("bucket"), fixedWindow(a)[0].WithName("fixed"), slidingWindow(a)[0].WithName("sliding")}
}
