package e2e

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/redistest"
	"github.com/sluice-project/sluice/store/redisstore"
)

// liveKeys is how many keys a policy has that is reset as a whole; the variable gives another number.
func liveKeys(t *testing.T) int {
	text, given := os.LookupEnv("SLUICE_LIVE_KEYS")
	if !given {
		return 20_000
	}
	keys, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("SLUICE_LIVE_KEYS: %v", err)
	}
	return keys
}

// TestResetOfManyKeys resets a policy with many live keys: no call of it holds Redis for long, every server asks by new
// counters within a second, also one that was frozen meanwhile, and what the old ones counted goes away by itself.
func TestResetOfManyKeys(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t, redistest.Options{})
	f := startFleet(t, 3, fmt.Sprintf("store: %q\nstore_timeout: %s\npolicies: {a: {limits: {day: 10/day}}}\n", redis.URL(), patient))
	keys := liveKeys(t)
	fill(t, redis.URL(), sluice.Policy{Name: "a", Limits: []sluice.Limit{sluice.PerDay(10).WithName("day")}}, keys)
	before := redis.Do(t, "DBSIZE").(int64)
	remaining := func(s *server) int64 {
		var d struct{ Remaining int64 }
		s.admin().must(t, http.MethodGet, "/v1/policies/a/key?key=k0", "", &d)
		return d.Remaining
	}
	for i, s := range f {
		if got := remaining(s); got != 9 {
			t.Fatalf("server %d says that %d remain, want 9", i, got)
		}
	}
	redis.Do(t, "CONFIG", "SET", "slowlog-log-slower-than", "10000")
	redis.Do(t, "SLOWLOG", "RESET")
	asleep := f[2]
	asleep.Freeze(t)
	f[0].admin().must(t, http.MethodPost, "/v1/policies/a/reset", "", nil)
	for i, s := range f[:2] {
		waitFor(t, time.Second, fmt.Sprintf("server %d asks by new counters", i), func() bool { return remaining(s) == 10 })
	}
	time.Sleep(time.Second) // longer than the frozen server's view holds
	asleep.Thaw(t)
	if got := remaining(asleep); got != 10 {
		t.Errorf("the server that was frozen says at once that %d remain, want 10", got)
	}
	if slow := redis.Do(t, "SLOWLOG", "GET").([]any); len(slow) != 0 {
		t.Errorf("calls have held Redis for more than 10 ms: %v", slow)
	}
	if after := redis.Do(t, "DBSIZE").(int64); after < before {
		t.Errorf("there were %d keys and are %d: the reset has walked through them", before, after)
	}
	if checked := requireExpiry(t, []*redistest.Server{redis}); checked < keys {
		t.Errorf("%d keys were looked at, want at least %d", checked, keys)
	}
}

// fill makes one check for each of many keys.
func fill(t *testing.T, storeURL string, policy sluice.Policy, keys int) {
	t.Helper()
	option, err := redisstore.ClientOption(storeURL)
	if err != nil {
		t.Fatal(err)
	}
	client, err := rueidis.NewClient(option)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	store, err := redisstore.New(client, redisstore.Config{Timeout: patient})
	if err != nil {
		t.Fatal(err)
	}
	l, err := sluice.New(store, policy)
	if err != nil {
		t.Fatal(err)
	}
	const batch = 250
	var wg sync.WaitGroup
	for worker := range 2 {
		wg.Go(func() {
			for from := worker * batch; from < keys; from += 2 * batch {
				asks := make([]sluice.Ask, 0, batch)
				for i := from; i < min(keys, from+batch); i++ {
					asks = append(asks, sluice.Ask{Key: "k" + strconv.Itoa(i), Cost: 1})
				}
				for _, r := range l.CheckAll(t.Context(), asks) {
					if r.Err != nil || !r.Decision.Allowed {
						t.Errorf("a check of a new key: %v, %v", r.Decision, r.Err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}
