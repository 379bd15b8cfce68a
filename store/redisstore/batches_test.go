package redisstore_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/redistest"
	"github.com/sluice-project/sluice/store/redisstore"
)

// TestBatchOnClusterIsOneRoundTrip asks a Cluster to which a round trip takes long for many keys of all its nodes: all leave
// at once, and are answered after the time of one.
func TestBatchOnClusterIsOneRoundTrip(t *testing.T) {
	t.Parallel()
	const trip = 250 * time.Millisecond
	cluster := redistest.StartCluster(t)
	option, err := redisstore.ClientOption(cluster.URL())
	if err != nil {
		t.Fatal(err)
	}
	roads := map[string]string{}
	for _, node := range cluster.Nodes {
		roads[node.Addr()] = newRoad(t, node.Addr(), 0, trip).Addr().String()
	}
	option.DialCtxFn = func(ctx context.Context, address string, dialer *net.Dialer, _ *tls.Config) (net.Conn, error) {
		return dialer.DialContext(ctx, "tcp", roads[address])
	}
	client, err := rueidis.NewClient(option)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	store := newStore(t, client, redisstore.Config{Timeout: patient})
	l, err := sluice.New(store, sluice.Policy{Name: "api", Limits: []sluice.Limit{sluice.PerHour(10)}})
	if err != nil {
		t.Fatal(err)
	}
	asks := make([]sluice.Ask, 100)
	nodes := map[*redistest.Server]int{}
	for i := range asks {
		asks[i] = sluice.Ask{Key: fmt.Sprint("k", i%50), Cost: 1} // each key twice
		nodes[cluster.Owner(int(store.Slot("api", asks[i].Key)))]++
	}
	if len(nodes) != len(cluster.Nodes) {
		t.Fatalf("the keys are on %d nodes, want %d: the test shows nothing", len(nodes), len(cluster.Nodes))
	}
	for round := range 3 {
		asked := time.Now()
		results := l.CheckAll(t.Context(), asks)
		took := time.Since(asked)
		for i, r := range results {
			if want := int64(10 - 2*round - 1 - i/50); r.Err != nil || r.Decision.Remaining != want {
				t.Fatalf("check %d of round %d: %v, %v, want %d remaining", i, round, r.Decision, r.Err, want)
			}
		}
		if round > 0 && (took < trip || took > 2*trip) { // in the first the nodes were told the script
			t.Errorf("%d checks on %d nodes took %s, want one round trip of %s", len(asks), len(nodes), took, trip)
		}
	}
}

// TestVeryManyChecksOfOne has one caller ask more than may wait at a time. They are decided in pieces, in their order, and
// others find room meanwhile.
func TestVeryManyChecksOfOne(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	client := newClient(t, server.URL())
	l := newLimiter(t, client, redisstore.Config{Timeout: 3 * patient}, sluice.PerHour(60_000))
	asks := make([]sluice.Ask, 1<<16+1000)
	for i := range asks {
		asks[i] = sluice.Ask{Key: "k", Cost: 1}
	}
	done := make(chan []sluice.Result, 1)
	go func() { done <- l.CheckAll(t.Context(), asks) }()
	for range 20 {
		if _, err := l.Check(t.Context(), "other", 1); err != nil {
			t.Errorf("a check of somebody else: %v", err)
		}
	}
	for i, r := range <-done {
		if r.Err != nil || r.Decision.Allowed != (i < 60_000) || r.Decision.Allowed && r.Decision.Remaining != int64(60_000-1-i) {
			t.Fatalf("check %d: %v, %v", i, r.Decision, r.Err)
		}
	}

	server.Pause(t)
	defer server.Continue(t)
	short := newLimiter(t, client, redisstore.Config{Timeout: 100 * time.Millisecond}, sluice.PerHour(60_000))
	asked := time.Now()
	unsent := 0
	for _, r := range short.CheckAll(t.Context(), asks) {
		switch {
		case r.Err == nil || !errors.Is(r.Err, context.DeadlineExceeded):
			t.Fatalf("on a frozen server: %v, %v, want context.DeadlineExceeded", r.Decision, r.Err)
		case errors.Is(r.Err, sluice.ErrNotSent):
			unsent++
		}
	}
	if took := time.Since(asked); took > 100*time.Millisecond+2*late { // there is much to write down, and the race detector looks on
		t.Errorf("on a frozen server %d checks took %s, want 100ms", len(asks), took)
	}
	if unsent < len(asks)-1000 {
		t.Errorf("%d of %d checks were not sent, want all but those that were under way", unsent, len(asks))
	}
}
