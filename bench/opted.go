package main

import (
	"context"
	"slices"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/store/denycache"
	"github.com/sluice-project/sluice/store/lease"
	"github.com/sluice-project/sluice/store/redisstore"
)

// leaseGroup is decisions by units that were taken ahead, of keys that are far from their limit.
func leaseGroup() group {
	g := group{
		name: "lease", title: "Leases", redis: true, allowance: plenty,
		columns: slices.Concat(loadColumns, []column{callsColumn, failedColumn}, redisRateColumns),
		metrics: []metric{rateMetric, p50Metric, p99Metric},
		note:    "Keys are far from their limit. `lease` takes units ahead in one call and spends them without asking; its policy has the defaults, 10% and 1 s.",
	}
	limiters := append([]limiter{sluiceLease(), sluiceOnRedis("sluice token-bucket", "bucket", tokenBucket)}, withWidePools(redisRate, openRedisRate)...)
	keys := makeKeys(spreadKeys)
	g.add("hot", keys.first(1), 256, 64, limiters...)
	g.add("spread", keys, 256, 64, limiters...)
	return g
}

// denyGroup is refusals of one key that has used up what it may, and does not stop asking.
func denyGroup() group {
	g := group{
		name: "deny", title: "Deny cache", redis: true, allowance: spent,
		columns: slices.Concat(loadColumns, []column{callRateColumn, failedColumn}, redisRateColumns),
		metrics: []metric{rateMetric, p50Metric, p99Metric},
		note:    "One key has used up what it may, and is asked for at full speed: every check is refused. `deny cache` remembers that for a second at most; calls/s are calls of scripts in Redis.",
	}
	limiters := append([]limiter{sluiceDenyCache(), sluiceOnRedis("sluice token-bucket", "bucket", tokenBucket)}, withWidePools(redisRate, openRedisRate)...)
	for _, goroutines := range []int{1, 256} {
		g.add("hot", makeKeys(1), goroutines, 64, limiters...)
	}
	for i := range g.contests {
		g.contests[i].refused = true
	}
	return g
}

func sluiceLease() limiter {
	return limiter{name: "sluice lease", ours: true, open: func(s *scope, a allowance) (ask, error) {
		under, err := redisstore.New(s.rueidis, redisstore.Config{Timeout: patience})
		if err != nil {
			return nil, err
		}
		store, err := lease.New(under, lease.Config{})
		if err != nil {
			return nil, err
		}
		s.background(store.Run)
		return open(store, sluice.Policy{
			Name: "leased", Limits: tokenBucket(a), Lease: &sluice.Lease{Share: sluice.DefaultLeaseShare, TTL: sluice.DefaultLeaseTTL},
		})
	}}
}

func sluiceDenyCache() limiter {
	return limiter{name: "sluice deny cache", ours: true, open: func(s *scope, a allowance) (ask, error) {
		under, err := redisstore.New(s.rueidis, redisstore.Config{Timeout: patience})
		if err != nil {
			return nil, err
		}
		store, err := denycache.New(under, denycache.Config{})
		if err != nil {
			return nil, err
		}
		s.background(store.Run)
		return open(store, sluice.Policy{Name: "cached", Limits: tokenBucket(a), DenyCache: true})
	}}
}

func open(store sluice.Store, policy sluice.Policy) (ask, error) {
	api, err := sluice.New(store, policy)
	if err != nil {
		return nil, err
	}
	return one(api), nil
}

// background runs something until the end of the scope.
func (s *scope) background(run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = run(ctx) // it returns when it is told to
	}()
	s.atEnd(func() {
		cancel()
		<-ended
	})
}
