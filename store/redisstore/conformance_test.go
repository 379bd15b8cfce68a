package redisstore_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/redistest"
	"github.com/sluice-project/sluice/internal/storetest"
	"github.com/sluice-project/sluice/store/memstore"
	"github.com/sluice-project/sluice/store/redisstore"
)

type harness struct {
	store  *redisstore.Store
	client rueidis.Client
}

func newHarness(t *testing.T, url string) harness {
	t.Helper()
	client := newClient(t, url)
	store, err := redisstore.New(client, redisstore.Config{Timeout: patient})
	if err != nil {
		t.Fatal(err)
	}
	return harness{store, client}
}

func (h harness) Store() sluice.Store { return h.store }

// TTL takes off the hour that the script adds where the instant is injected.
func (h harness) TTL(ctx context.Context, policy, key string, _ sluice.Tick) (time.Duration, bool, error) {
	ms, err := h.client.Do(ctx, h.client.B().Pttl().Key(h.store.StateKey(policy, key)).Build()).AsInt64()
	switch {
	case err != nil || ms == -2:
		return 0, false, err
	case ms == -1:
		return storetest.NoExpiry, true, nil
	}
	return min(time.Duration(ms)*time.Millisecond-time.Hour, sluice.MaxWait), true, nil
}

func (h harness) Forget(ctx context.Context, policy, key string) error {
	return h.store.Reset(ctx, policy, key)
}

func (h harness) Persist(ctx context.Context, policy, key string) error {
	return h.client.Do(ctx, h.client.B().Persist().Key(h.store.StateKey(policy, key)).Build()).Error()
}

func (h harness) Size(ctx context.Context, policy, key string) (int, error) {
	n, err := h.client.Do(ctx, h.client.B().Strlen().Key(h.store.StateKey(policy, key)).Build()).AsInt64()
	return int(n), err
}

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Harness { return newHarness(t, redistest.Shared(t).URL()) })
}

func TestConformanceOnCluster(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		return newHarness(t, redistest.StartCluster(t).URL())
	})
}

func TestConformanceInRealTime(t *testing.T) {
	t.Parallel()
	storetest.RunRealTime(t, func(t *testing.T) storetest.Harness { return newHarness(t, redistest.Shared(t).URL()) })
}

// TestEqualsMemory is promise 6: the same checks, on memory and on Redis, and no decision differs in any field.
func TestEqualsMemory(t *testing.T) {
	t.Parallel()
	memory, err := memstore.New(memstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	storetest.Equal(t, 0, uint64(time.Now().UnixNano()), map[string]storetest.Harness{
		"memory": memoryHarness{memory},
		"redis":  newHarness(t, redistest.Shared(t).URL()),
	})
}

// memoryHarness is what [storetest.Equal] needs of the embedded store.
type memoryHarness struct {
	store *memstore.Store
}

func (h memoryHarness) Store() sluice.Store { return h.store }

func (h memoryHarness) TTL(context.Context, string, string, sluice.Tick) (time.Duration, bool, error) {
	return 0, false, nil
}

func (h memoryHarness) Forget(ctx context.Context, policy, key string) error {
	return h.store.Reset(ctx, policy, key)
}
