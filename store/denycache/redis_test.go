package denycache_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/redistest"
	"github.com/sluice-project/sluice/store/denycache"
	"github.com/sluice-project/sluice/store/redisstore"
)

// newRedis returns a store in a private Redis, and what asks that how many scripts it has carried out.
func newRedis(tb testing.TB, server *redistest.Server) (store *redisstore.Store, calls func() int) {
	tb.Helper()
	option, err := redisstore.ClientOption(server.URL())
	if err != nil {
		tb.Fatal(err)
	}
	client, err := rueidis.NewClient(option)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(client.Close)
	store, err = redisstore.New(client, redisstore.Config{Timeout: 10 * time.Second})
	if err != nil {
		tb.Fatal(err)
	}
	return store, func() (n int) {
		tb.Helper()
		for line := range strings.Lines(fmt.Sprint(server.Do(tb, "INFO", "commandstats"))) {
			for _, command := range []string{"cmdstat_evalsha:calls=", "cmdstat_eval:calls="} {
				if rest, ok := strings.CutPrefix(line, command); ok {
					count, _, _ := strings.Cut(rest, ",")
					calls, err := strconv.Atoi(count)
					if err != nil {
						tb.Fatal(err)
					}
					n += calls
				}
			}
		}
		return n
	}
}

// TestFloodOnRedis has one key asked for at full speed for two seconds by many goroutines.
func TestFloodOnRedis(t *testing.T) {
	t.Parallel()
	const lasts = 2 * time.Second
	under, calls := newRedis(t, redistest.Start(t, redistest.Options{}))
	cache := newCache(t, under, denycache.Config{})
	defer run(t, cache)()
	policy := &sluice.Policy{Name: "api", Limits: hour, DenyCache: true, Penalty: after(sluice.MaxCount)}
	req := sluice.Request{Policy: policy, Key: "abuser", Cost: 1}
	for range 6 {
		if _, err := cache.Check(t.Context(), req); err != nil {
			t.Fatal(err)
		}
	}
	before := calls()
	var refused atomic.Int64
	var all sync.WaitGroup
	begun := time.Now()
	for range 64 {
		all.Go(func() {
			for time.Since(begun) < lasts {
				d, err := cache.Check(t.Context(), req)
				if err != nil || d.Allowed {
					t.Errorf("%s, %v, want a refusal", d, err)
					return
				}
				refused.Add(1)
			}
		})
	}
	all.Wait()
	took := time.Since(begun)
	asked := calls() - before
	t.Logf("%d refusals in %s, %d script calls", refused.Load(), took, asked)
	// Where the machine stops for longer than a refusal is remembered, all ask anew, in a call or two.
	if most := int(2*took/time.Second) + 3; asked > most {
		t.Errorf("Redis was called %d times in %s, want about twice a second", asked, took)
	}
	if refused.Load() < 1000 {
		t.Errorf("%d refusals, want a flood of them", refused.Load())
	}
}

// TestTwoStoresOnRedis: what is done to a key by one store is seen by the other within a second, and what the other
// refuses from memory counts towards the penalty.
func TestTwoStoresOnRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	one, _ := newRedis(t, server)
	other, _ := newRedis(t, server)
	here, there := newCache(t, one, denycache.Config{}), newCache(t, other, denycache.Config{})
	defer run(t, here)()
	defer run(t, there)()
	policy := &sluice.Policy{Name: "api", Limits: hour, DenyCache: true}
	check := func(cache *denycache.Store, key string) sluice.Decision {
		d, err := cache.Check(t.Context(), sluice.Request{Policy: policy, Key: key, Cost: 5})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for name, do := range map[string]func(key string) error{
		"reset": func(key string) error { return here.Reset(t.Context(), policy, key) },
		"override": func(key string) error {
			_, err := here.Amend(t.Context(), sluice.Amendment{
				Policy: policy.Name, Key: key, Except: &sluice.Exception{Limits: []sluice.Limit{sluice.PerHour(5).WithBurst(50)}},
			})
			return err
		},
		"unblock": func(key string) error {
			_, err := here.Amend(t.Context(), sluice.Amendment{Policy: policy.Name, Key: key, Unbar: true})
			return err
		},
	} {
		key := name
		if name == "unblock" {
			if _, err := here.Amend(t.Context(), sluice.Amendment{Policy: policy.Name, Key: key, Bar: &sluice.Bar{For: time.Hour}}); err != nil {
				t.Fatal(err)
			}
		} else if d := check(there, key); !d.Allowed {
			t.Fatalf("%s: the first: %s", name, d)
		}
		d := check(there, key)
		for tries := 0; d.Source != sluice.SourceDenyCache && tries < 20; tries++ { // a machine that stalls lets a refusal grow old
			d = check(there, key)
		}
		if d.Allowed || d.Source != sluice.SourceDenyCache {
			t.Errorf("%s: before it: %s by %s, want it refused from memory", name, d, d.Source)
		}
		if err := do(key); err != nil {
			t.Fatal(err)
		}
		done := time.Now()
		for {
			asked := time.Since(done)
			if check(there, key).Allowed {
				break
			}
			if asked > time.Second {
				t.Fatalf("%s: it is not seen elsewhere within a second", name)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}

	barred := *policy
	barred.Name, barred.Penalty = "strict", after(20)
	policy = &barred
	check(there, "abuser")
	for range 21 {
		check(there, "abuser")
	}
	begun := time.Now()
	for {
		if _, blocked := check(here, "abuser").Blocked(); blocked {
			break
		}
		if time.Since(begun) > 1500*time.Millisecond { // a second, and the other's own memory
			t.Fatal("20 refusals from memory begin no block that is seen elsewhere")
		}
		time.Sleep(10 * time.Millisecond)
	}
}
