package redisstore_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/redistest"
	"github.com/sluice-project/sluice/store/redisstore"
)

// TestNoCallIsLong asks a Cluster for more checks of one key than share a call elsewhere: there, too, no call has more. They
// are decided in their order, and a penalty that begins in one of them holds in the next.
func TestNoCallIsLong(t *testing.T) {
	t.Parallel()
	const checks, refusals, calls = 600, 400, 3
	cluster := redistest.StartCluster(t)
	store := newStore(t, newClient(t, cluster.URL()), redisstore.Config{Timeout: patient})
	policy := &sluice.Policy{
		Name: "p", Limits: []sluice.Limit{sluice.PerDay(1)},
		Penalty: &sluice.Penalty{After: refusals, Within: time.Hour, For: time.Hour},
	}
	req := sluice.Request{Policy: policy, Key: "k", Cost: 2}
	if _, err := store.Check(t.Context(), sluice.Request{Policy: policy, Key: "k", Cost: 1}); err != nil { // so that the script is known
		t.Fatal(err)
	}
	count := func() (n int) {
		for _, node := range cluster.Nodes {
			stats := node.Do(t, "INFO", "commandstats").(string)
			if _, after, found := strings.Cut(stats, "cmdstat_evalsha:calls="); found {
				calls, _, _ := strings.Cut(after, ",")
				more, err := strconv.Atoi(calls)
				if err != nil {
					t.Fatal(err)
				}
				n += more
			}
		}
		return n
	}
	before := count()
	for i, r := range store.CheckAll(t.Context(), slices.Repeat([]sluice.Request{req}, checks)) {
		if _, barred := r.Decision.Blocked(); r.Err != nil || r.Decision.Allowed || barred != (i >= refusals-1) {
			t.Fatalf("check %d: %v, %v, barred %t, want it barred from the refusal number %d on", i, r.Decision, r.Err, barred, refusals)
		}
	}
	if got := count() - before; got != calls {
		t.Errorf("%d checks of one key are %d calls, want %d", checks, got, calls)
	}
}

// TestFrozenNodeOfACluster looks whether keys of the other nodes are decided as ever.
func TestFrozenNodeOfACluster(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	client := newClient(t, cluster.URL())
	l := newLimiter(t, client, redisstore.Config{Timeout: 2 * time.Second}, sluice.PerDay(1_000_000))
	node := map[string]int{} // where each key is
	for i := range 30 {
		key := fmt.Sprint("k", i)
		expect(t, l, key, 1, 999_999)
		for n, s := range cluster.Nodes {
			found, _ := s.Do(t, "KEYS", "sluice:{api|"+key+"}").([]any)
			if len(found) == 1 {
				node[key] = n
			}
		}
	}
	cluster.Nodes[2].Pause(t)
	defer cluster.Nodes[2].Continue(t)
	var wg sync.WaitGroup
	for key, n := range node {
		wg.Go(func() {
			for range 20 {
				_, err := l.Check(t.Context(), key, 1)
				if (err != nil) != (n == 2) {
					t.Errorf("a key of node %d while node 2 is frozen: %v", n, err)
				}
				if err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestClusterThatLooksSingle asks a node as if it were alone: calls for several keys are refused there, and made apart.
func TestClusterThatLooksSingle(t *testing.T) {
	t.Parallel()
	option, err := redisstore.ClientOption("redis://" + redistest.StartCluster(t).Nodes[0].Addr())
	if err != nil {
		t.Fatal(err)
	}
	option.ForceSingleClient = true
	client, err := rueidis.NewClient(option)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	l := newLimiter(t, client, redisstore.Config{Timeout: patient}, sluice.PerHour(5))
	var mine []sluice.Ask
	for i := range 100 {
		if key := fmt.Sprint(i); len(mine) < 20 {
			if _, err := l.Peek(t.Context(), key); err == nil { // the others are MOVED
				mine = append(mine, sluice.Ask{Key: key, Cost: 2})
			}
		}
	}
	for range 2 {
		for i, r := range l.CheckAll(t.Context(), mine) {
			if r.Err != nil || !r.Decision.Allowed {
				t.Errorf("key %s: %v, %v", mine[i].Key, r.Decision, r.Err)
			}
		}
	}
}

// TestSlots compares the slots by which checks gather with those of a Cluster's node.
func TestSlots(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	store := newStore(t, newClient(t, cluster.URL()), redisstore.Config{Timeout: patient})
	for _, key := range []string{"a", "user:000000042", "\x00\xff", "{x}", "#", strings.Repeat("long", 300), "123456789"} {
		policy := &sluice.Policy{Name: "api", ResetAt: 7}
		if got, want := store.Slot("api", key), cluster.Nodes[0].Do(t, "CLUSTER", "KEYSLOT", store.StateKey(policy, key)); int64(got) != want {
			t.Errorf("the slot of %q is %d, want %d", key, got, want)
		}
	}
}
