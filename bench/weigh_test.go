package main

import (
	"context"
	"strings"
	"sync"
	"testing"
)

func TestWeigh(t *testing.T) {
	c := startClients(t)
	weigh := func(name string, write func(ctx context.Context, key string) error) (weight, error) {
		return limiter{name: name, open: func(*scope, allowance) (ask, error) {
			var mu sync.Mutex
			used := map[string]int{}
			return func(ctx context.Context, key string) (bool, error) {
				mu.Lock()
				defer mu.Unlock()
				used[key]++
				return used[key] <= few.burst, write(ctx, key)
			}, nil
		}}.weigh(t.Context(), c, 1)
	}
	w, err := weigh("grows", func(ctx context.Context, key string) error {
		return c.goRedis.Append(ctx, "prefix:"+key, "0123456789").Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	if w.first < 27+10 || w.first > 150 || w.later < 27+10*laterChecks {
		t.Errorf("a key with 10 bytes takes %v bytes, and with %d %v", w.first, 10*laterChecks, w.later)
	}
	_, err = weigh("two keys", func(ctx context.Context, key string) error {
		return c.goRedis.MSet(ctx, "a"+key, 1, "b"+key, 1).Err()
	})
	if err == nil || !strings.Contains(err.Error(), "made 2 keys") {
		t.Errorf("weigh of a limiter that makes two keys = %v, want an error", err)
	}
}
