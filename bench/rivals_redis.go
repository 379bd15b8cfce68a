package main

import (
	"context"
	"fmt"

	"github.com/go-redis/redis_rate/v10"
	"github.com/throttled/throttled/v2"
	throttledredis "github.com/throttled/throttled/v2/store/goredisstore.v9"
	ulule "github.com/ulule/limiter/v3"
	ululeredis "github.com/ulule/limiter/v3/drivers/store/redis"
)

func redisLimiters() []limiter {
	return []limiter{
		sluiceOnRedis("sluice token-bucket", tokenBucket),
		sluiceOnRedis("sluice sliding-window", slidingWindow),
		{name: "redis_rate", open: openRedisRate},
		{name: "throttled", open: openThrottledRedis},
		{name: "ulule", open: openUluleRedis},
		widePool("redis_rate", openRedisRate),
		widePool("throttled", openThrottledRedis),
		widePool("ulule", openUluleRedis),
	}
}

// widePool returns a rival with a connection for each goroutine, in place of go-redis's default of ten for each CPU.
// Neither is always the faster one.
func widePool(name string, open func(clients, allowance) (ask, error)) limiter {
	return limiter{name: fmt.Sprintf("%s, pool %d", name, mostGoroutines), crowdOnly: true, open: func(c clients, a allowance) (ask, error) {
		c.goRedis = c.goRedisWide
		return open(c, a)
	}}
}

func openRedisRate(c clients, a allowance) (ask, error) {
	limiter := redis_rate.NewLimiter(c.goRedis)
	limit := redis_rate.Limit{Rate: a.perDay, Burst: a.burst, Period: day}
	return func(ctx context.Context, key string) (bool, error) {
		result, err := limiter.Allow(ctx, key, limit)
		if err != nil {
			return false, err
		}
		return result.Allowed > 0, nil
	}, nil
}

// openThrottledRedis leaves the number of attempts at its default: a check that loses the race for its key ten times
// fails, as it would for a user.
func openThrottledRedis(c clients, a allowance) (ask, error) {
	store, err := throttledredis.NewCtx(c.goRedis, "throttled:")
	if err != nil {
		return nil, err
	}
	return throttledOn(store, a)
}

func throttledOn(store throttled.GCRAStoreCtx, a allowance) (ask, error) {
	quota := throttled.RateQuota{MaxRate: throttled.PerDay(a.perDay), MaxBurst: a.burst - 1}
	limiter, err := throttled.NewGCRARateLimiterCtx(store, quota)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, key string) (bool, error) {
		limited, _, err := limiter.RateLimitCtx(ctx, key, 1)
		return !limited, err
	}, nil
}

func openUluleRedis(c clients, a allowance) (ask, error) {
	store, err := ululeredis.NewStore(c.goRedis)
	if err != nil {
		return nil, err
	}
	return ululeOn(store, a), nil
}

func ululeOn(store ulule.Store, a allowance) ask {
	limiter := ulule.New(store, ulule.Rate{Period: day, Limit: int64(a.burst)})
	return func(ctx context.Context, key string) (bool, error) {
		state, err := limiter.Get(ctx, key)
		return !state.Reached, err
	}
}
