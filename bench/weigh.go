package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"
)

// weight is the memory that a key takes in Redis, in bytes.
type weight struct {
	first float64 // MEMORY USAGE after one check
	later float64 // the same after laterChecks
	whole float64 // of used_memory, over many keys with one check each
}

const laterChecks = 100

// weighed is by what keys are weighed: more than they are asked for, and none expires meanwhile.
var weighed = allowance{burst: 1000, perDay: 1000}

// weightGroup is the memory that a key takes in Redis.
func weightGroup() group {
	ours := func(name string, limits limitsOf) limiter { return sluiceOnRedis("sluice "+name, "api", limits) }
	g := group{
		name: "weight", title: "Memory of a key in Redis", redis: true, weigh: true,
		columns: weightColumns, metrics: []metric{firstMetric, wholeMetric},
		note: fmt.Sprintf("Each key has 27 characters in Redis, ours the policy `api` within them. MEMORY USAGE is after 1 check and after %d; it leaves out a key's places in the server's tables, which used_memory, over many keys, has too.", laterChecks),
	}
	g.contests = []contest{{name: "weight", limiters: []limiter{
		ours("token-bucket", tokenBucket),
		ours("sliding-window", slidingWindow),
		ours("fixed-window", fixedWindow),
		ours("sliding-counter", slidingCounter),
		ours("3 buckets", threeBuckets),
		ours("3 kinds", threeKinds),
		{name: redisRate, open: openRedisRate},
		{name: "throttled", open: openThrottledRedis},
		{name: "ulule", open: openUluleRedis},
	}}}
	return g
}

func (g group) weighAll(ctx context.Context, c clients, s settings, progress io.Writer) ([]row, error) {
	var rows []row
	for _, contest := range g.contests {
		for _, l := range contest.limiters {
			fmt.Fprintf(progress, "%s/%s\n", contest.name, l.name)
			w, err := l.weigh(ctx, c, s.weighed)
			if err != nil {
				return nil, fmt.Errorf("weigh %s: %w", l.name, err)
			}
			r := contest.row(l)
			r.figures.weight = w
			rows = append(rows, r)
		}
	}
	return rows, nil
}

// weigh verifies the limiter, finds out how long its keys are in Redis, and weighs such as have 27 characters there.
func (l limiter) weigh(ctx context.Context, c clients, keys int) (w weight, err error) {
	if err := l.verify(ctx, c); err != nil {
		return w, err
	}
	s := &scope{clients: c}
	defer s.end()
	ask, err := l.open(s, weighed)
	if err != nil {
		return w, err
	}
	key, err := c.keyOf(ctx, ask, "k")
	if err != nil {
		return w, err
	}
	own := keyBytes - len(key) + len("k") // what is left to the caller
	makeKey := func(i int) string { return fmt.Sprintf("user:%0*d", own-len("user:"), i) }
	if key, err = c.keyOf(ctx, ask, makeKey(42)); err != nil {
		return w, err
	}
	if len(key) != keyBytes {
		return w, fmt.Errorf("the key %q has %d characters in Redis, want %d", key, len(key), keyBytes)
	}
	if w.first, err = c.memoryUsage(ctx, key); err != nil {
		return w, err
	}
	for range laterChecks - 1 {
		if _, err := ask(ctx, makeKey(42)); err != nil {
			return w, err
		}
	}
	if w.later, err = c.memoryUsage(ctx, key); err != nil {
		return w, err
	}
	if err := c.forget(ctx); err != nil {
		return w, err
	}
	before, err := c.usedMemory(ctx, 0)
	if err != nil {
		return w, err
	}
	all := make([]string, keys)
	for i := range all {
		all[i] = makeKey(i)
	}
	err = forEach(all, 256, func(key string) error {
		_, err := ask(ctx, key)
		return err
	})
	if err != nil {
		return w, err
	}
	after, err := c.usedMemory(ctx, time.Duration(keys)*10*time.Microsecond)
	if err != nil {
		return w, err
	}
	if err := c.has(ctx, keys); err != nil {
		return w, err
	}
	w.whole = (after - before) / float64(keys)
	return w, c.forget(ctx)
}

// keyOf returns the one key that a check makes in an empty Redis.
func (c clients) keyOf(ctx context.Context, ask ask, key string) (string, error) {
	if err := c.forget(ctx); err != nil {
		return "", err
	}
	if _, err := ask(ctx, key); err != nil {
		return "", err
	}
	keys, err := c.goRedis.Keys(ctx, "*").Result()
	if err != nil {
		return "", err
	}
	if len(keys) != 1 {
		return "", fmt.Errorf("one check made %d keys in Redis: %q", len(keys), keys)
	}
	return keys[0], nil
}

func (c clients) memoryUsage(ctx context.Context, key string) (float64, error) {
	n, err := c.goRedis.MemoryUsage(ctx, key).Result()
	return float64(n), err
}

// usedMemory returns the memory that Redis uses when it has stayed the same for a time: a table that grows is there twice
// until all of it has moved, which goes on while nobody asks.
func (c clients) usedMemory(ctx context.Context, still time.Duration) (float64, error) {
	const (
		pause, patience = 100 * time.Millisecond, 30 * time.Second
		same            = 50_000 // buffers of connections come and go
	)
	var last float64
	for began, since := time.Now(), time.Now(); ; {
		info, err := c.goRedis.InfoMap(ctx, "memory").Result()
		if err != nil {
			return 0, err
		}
		used, err := strconv.ParseFloat(info["Memory"]["used_memory"], 64)
		if err != nil {
			return 0, fmt.Errorf("redis says of used_memory %q: %w", info["Memory"]["used_memory"], err)
		}
		if math.Abs(used-last) > same {
			last, since = used, time.Now()
		}
		switch {
		case time.Since(since) >= still:
			return used, nil
		case time.Since(began) > patience:
			return 0, fmt.Errorf("redis's memory has not come to rest in %s", patience)
		}
		time.Sleep(pause)
	}
}
