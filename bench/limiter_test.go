package main

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestKeysDiffer(t *testing.T) {
	seen := map[string]bool{}
	for _, key := range makeKeys(spreadKeys).each(1) {
		if len(key) != keyBytes || seen[key] {
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
		err := verify(t.Context(), test.ask, makeKeys(100).each(1), 5)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: verify = %v, want %q", name, err, test.want)
		}
	}
}

func TestAllLimitersCount(t *testing.T) {
	c := startClients(t)
	verified := 0
	for _, g := range plan(everything()) {
		if g.ready != nil {
			continue // it needs programs that are built first; each run verifies them
		}
		for _, l := range g.limiters() {
			if l.goroutines != 0 && l.goroutines != crowds[0] {
				continue // the same with another pool
			}
			if err := l.verify(t.Context(), c); err != nil {
				t.Errorf("%s of %s: %v", l.name, g.name, err)
			}
			verified++
		}
	}
	if verified < 20 {
		t.Errorf("%d limiters were verified, want all", verified)
	}
}

func TestFollowing(t *testing.T) {
	keys := makeKeys(10).each(1)
	of := following(10, 3)
	for first, want := range map[int][]string{0: keys[:3], 7: keys[7:], 9: {keys[9], keys[0], keys[1]}} {
		if got, err := of(keys[first]); err != nil || !slices.Equal(got, want) {
			t.Errorf("following key %d = %v, %v, want %v", first, got, err, want)
		}
	}
	for _, key := range []string{makeKeys(11).at(10), "tenant:000005:user:00000004", "tenant:000005:user:0000000x"} {
		if got, err := of(key); err == nil {
			t.Errorf("following %s, which is none of the keys, = %v, want an error", key, got)
		}
	}
}

func TestBatchesAreAllOrNone(t *testing.T) {
	for allowed, want := range map[int]bool{0: false, 3: true} {
		if got, err := allOrNone(allowed, 3); got != want || err != nil {
			t.Errorf("%d of 3 = %t, %v, want %t", allowed, got, err, want)
		}
	}
	if _, err := allOrNone(2, 3); err == nil {
		t.Error("2 of 3 is no error, want one: the keys have not used the same")
	}
}

// everything is the settings of a run of all rows, with few keys.
func everything() settings {
	return settings{only: regexp.MustCompile(""), live: []int{10, 1000}}
}

func startClients(t *testing.T) clients {
	t.Helper()
	c, err := begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.end)
	return c
}
