package main

import (
	"context"
	"strings"
	"sync"
	"testing"
)

func TestKeysDiffer(t *testing.T) {
	seen := map[string]bool{}
	for _, key := range makeKeys(spreadKeys) {
		if len(key) != 27 || seen[key] {
			t.Fatalf("key %q has %d bytes and is there twice: %t, want 27 bytes, once", key, len(key), seen[key])
		}
		seen[key] = true
	}
}

func TestVerifyFindsWhatDoesNotCount(t *testing.T) {
	counting := func(limit int, share bool) ask {
		var mu sync.Mutex
		used := map[string]int{}
		return func(_ context.Context, key string) (bool, error) {
			mu.Lock()
			defer mu.Unlock()
			if share {
				key = ""
			}
			used[key]++
			return used[key] <= limit, nil
		}
	}
	for name, test := range map[string]struct {
		ask  ask
		want string // in the error
	}{
		"counts":         {counting(5, false), ""},
		"one too many":   {counting(6, false), "check 6 of a key with a limit of 5: allowed is true"},
		"one too few":    {counting(4, false), "check 5 of a key with a limit of 5: allowed is false"},
		"keys are one":   {counting(5, true), "allowed is false, want true"},
		"never refuses":  {func(context.Context, string) (bool, error) { return true, nil }, "allowed is true, want false"},
		"always refuses": {func(context.Context, string) (bool, error) { return false, nil }, "check 1 of a key"},
		"fails":          {func(context.Context, string) (bool, error) { return true, context.Canceled }, "context canceled"},
	} {
		err := verify(t.Context(), test.ask, makeKeys(100), 5)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: verify = %v, want %q", name, err, test.want)
		}
	}
}

func TestAllLimitersCount(t *testing.T) {
	c := startClients(t)
	for store, limiters := range map[string][]limiter{"redis": redisLimiters(), "memory": memoryLimiters()} {
		for _, l := range limiters {
			ask, err := l.open(c, few)
			if err != nil {
				t.Fatalf("open %s on %s: %v", l.name, store, err)
			}
			if err := verify(t.Context(), ask, makeKeys(100), few.burst); err != nil {
				t.Errorf("%s on %s: %v", l.name, store, err)
			}
			if err := c.forget(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func startClients(t *testing.T) clients {
	t.Helper()
	s, err := startRedis(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	c, err := connect(s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	return c
}
