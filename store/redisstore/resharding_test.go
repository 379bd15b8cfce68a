package redisstore_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/redistest"
	"github.com/sluice-project/sluice/store/redisstore"
)

// TestResharding moves slots of a Cluster from one master to another, as redis-cli does it, and checks keys in them
// meanwhile. All keys of a caller's key share a slot, so a script finds all of them on one node but while that slot is on
// its way.
func TestResharding(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	const (
		timeout = time.Second
		count   = 100_000
	)
	client := newClient(t, cluster.URL())
	store := newStore(t, client, redisstore.Config{Timeout: timeout})
	limiter := func(t *testing.T, key string) (a *tally, slot int, from, to *redistest.Server) {
		t.Helper()
		l, err := sluice.New(store, sluice.Policy{Name: "api", Limits: []sluice.Limit{sluice.PerHour(count)}})
		if err != nil {
			t.Fatal(err)
		}
		a = &tally{Limiter: l}
		for range 3 {
			if err := a.check(t, key, patient); err != nil {
				t.Fatal(err)
			}
		}
		slot = int(store.Slot("api", key))
		from = cluster.Owner(slot)
		for _, to = range cluster.Nodes {
			if to != from {
				break
			}
		}
		return a, slot, from, to
	}

	t.Run("MOVED", func(t *testing.T) {
		a, slot, from, to := limiter(t, "moved")
		cluster.BeginMove(t, slot, from, to)
		cluster.EndMove(t, slot, from, to)
		for range 3 {
			if err := a.check(t, "moved", patient); err != nil {
				t.Errorf("after the slot has moved: %v", err)
			}
		}
		a.expectCharged(t, "moved", count)
	})

	t.Run("TRYAGAIN", func(t *testing.T) {
		a, slot, from, to := limiter(t, "half")
		cluster.BeginMove(t, slot, from, to)
		a.expectError(t, "half", timeout*9/10, no, "TRYAGAIN") // it says so while its caller waits
		cluster.MoveKeys(t, from, to, "sluice:{api|half}")
		a.expectError(t, "half", timeout+late, no, "TRYAGAIN")
		for i, r := range a.CheckAll(t.Context(), []sluice.Ask{{Key: "half", Cost: 1}, {Key: "elsewhere", Cost: 1}, {Key: "half", Cost: 1}}) {
			if (r.Err != nil) != (i != 1) || r.Err != nil && chargedBy(r.Err) != no {
				t.Errorf("check %d of a batch: %v, %v, want an error for the key that moves, and that it was not charged", i, r.Decision, r.Err)
			}
		}
		cluster.EndMove(t, slot, from, to)
		a.heal(t, "half", count, patient)
	})

	t.Run("TRYAGAIN until the slot has moved", func(t *testing.T) {
		a, slot, from, to := limiter(t, "waits")
		cluster.BeginMove(t, slot, from, to)
		done := make(chan error, 1)
		go func() { done <- a.check(t, "waits", timeout+late) }()
		time.Sleep(50 * time.Millisecond) // the check comes while the slot is on its way
		select {
		case err := <-done:
			t.Errorf("while the slot is on its way: %v, want the check to wait", err)
			done <- err
		default:
		}
		cluster.EndMove(t, slot, from, to)
		if err := <-done; err != nil {
			t.Errorf("a check that came while the slot was on its way: %v", err)
		}
		a.expectCharged(t, "waits", count)
	})

	t.Run("ASK", func(t *testing.T) {
		a, slot, from, to := limiter(t, "ask")
		if err := a.Override(t.Context(), "ask", []sluice.Limit{sluice.PerHour(count)}, 0); err != nil {
			t.Fatal(err)
		}
		cluster.BeginMove(t, slot, from, to)
		for range 3 { // both keys are there yet
			if err := a.check(t, "ask", patient); err != nil {
				t.Errorf("before the keys have moved: %v", err)
			}
		}
		cluster.MoveKeys(t, from, to, "sluice:{api|ask}", "sluice:{api|ask}!")
		for range 3 { // both are there already
			if err := a.check(t, "ask", patient); err != nil {
				t.Errorf("after the keys have moved: %v", err)
			}
		}
		cluster.EndMove(t, slot, from, to)
		a.heal(t, "ask", count, patient)
	})

	t.Run("CLUSTERDOWN", func(t *testing.T) {
		a, slot, from, _ := limiter(t, "down")
		from.Do(t, "CLUSTER", "DELSLOTS", strconv.Itoa(slot))
		for range 3 {
			err := a.check(t, "down", timeout+late)
			if err == nil || chargedBy(err) != no || !strings.Contains(err.Error(), "CLUSTERDOWN") && !errors.Is(err, sluice.ErrNotSent) {
				t.Errorf("the slot has no master: %v, want CLUSTERDOWN or that it was not sent", err)
			}
		}
		from.Do(t, "CLUSTER", "ADDSLOTS", strconv.Itoa(slot))
		a.heal(t, "down", count, patient)
	})
}
