package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/go-redis/redis_rate/v10"
	"github.com/throttled/throttled/v2"
	throttledredis "github.com/throttled/throttled/v2/store/goredisstore.v9"
	ulule "github.com/ulule/limiter/v3"
	ululeredis "github.com/ulule/limiter/v3/drivers/store/redis"
)

// crowds are the numbers of goroutines at which rivals are measured with a wide pool too, a connection for each goroutine
// in place of go-redis's default of ten for each CPU. Neither is always the faster one.
var crowds = []int{256, 1024}

// redisRate is the rival by which the figures on Redis are told.
const redisRate = "redis_rate"

func redisRivals() []limiter {
	return slices.Concat(withWidePools(redisRate, openRedisRate), withWidePools("throttled", openThrottledRedis),
		withWidePools("ulule", openUluleRedis))
}

func withWidePools(name string, open func(*scope, allowance) (ask, error)) []limiter {
	all := []limiter{{name: name, open: open}}
	for _, size := range crowds {
		wide := func(s *scope, a allowance) (ask, error) {
			s.goRedis = s.wide[size]
			return open(s, a)
		}
		all = append(all, limiter{name: fmt.Sprintf("%s, pool %d", name, size), goroutines: size, open: wide})
	}
	return all
}

func openRedisRate(s *scope, a allowance) (ask, error) {
	limiter := redis_rate.NewLimiter(s.goRedis)
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
func openThrottledRedis(s *scope, a allowance) (ask, error) {
	store, err := throttledredis.NewCtx(s.goRedis, "throttled:")
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

func openUluleRedis(s *scope, a allowance) (ask, error) {
	store, err := ululeredis.NewStore(s.goRedis)
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
