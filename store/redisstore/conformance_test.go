package redisstore_test

import (
	"context"
	"sync"
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
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = store.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return harness{store, client}
}

func (h harness) Store() sluice.Store { return h.store }

func (h harness) TTL(ctx context.Context, policy *sluice.Policy, key string, _ sluice.Tick) (time.Duration, bool, error) {
	return h.life(ctx, h.store.StateKey(policy, key))
}

func (h harness) StandingTTL(ctx context.Context, policy, key string, _ sluice.Tick) (time.Duration, bool, error) {
	return h.life(ctx, h.store.StandingKey(policy, key))
}

// life takes off the hour that the scripts add where the instant is injected.
func (h harness) life(ctx context.Context, key string) (time.Duration, bool, error) {
	ms, err := h.client.Do(ctx, h.client.B().Pttl().Key(key).Build()).AsInt64()
	switch {
	case err != nil || ms == -2:
		return 0, false, err
	case ms == -1:
		return storetest.NoExpiry, true, nil
	}
	return min(time.Duration(ms)*time.Millisecond-time.Hour, sluice.MaxWait), true, nil
}

func (h harness) Forget(ctx context.Context, policy *sluice.Policy, key string) error {
	return h.store.Reset(ctx, policy, key)
}

func (h harness) ForgetStanding(ctx context.Context, policy, key string) error {
	return h.client.Do(ctx, h.client.B().Del().Key(h.store.StandingKey(policy, key)).Build()).Error()
}

func (h harness) Persist(ctx context.Context, policy, key string) error {
	return h.persist(ctx, h.store.StateKey(&sluice.Policy{Name: policy}, key))
}

func (h harness) PersistStanding(ctx context.Context, policy, key string) error {
	return h.persist(ctx, h.store.StandingKey(policy, key))
}

func (h harness) persist(ctx context.Context, key string) error {
	return h.client.Do(ctx, h.client.B().Persist().Key(key).Build()).Error()
}

func (h harness) Size(ctx context.Context, policy, key string) (int, error) {
	state := h.store.StateKey(&sluice.Policy{Name: policy}, key)
	n, err := h.client.Do(ctx, h.client.B().Strlen().Key(state).Build()).AsInt64()
	return int(n), err
}

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Harness { return newHarness(t, redistest.Shared(t).URL()) })
}

// TestConformanceOnCluster: the scripts are the same, so what is new is only where keys are.
func TestConformanceOnCluster(t *testing.T) {
	t.Parallel()
	storetest.RunFew(t, func(t *testing.T) storetest.Harness {
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

func (h memoryHarness) TTL(context.Context, *sluice.Policy, string, sluice.Tick) (time.Duration, bool, error) {
	return 0, false, nil
}

func (h memoryHarness) StandingTTL(context.Context, string, string, sluice.Tick) (time.Duration, bool, error) {
	return 0, false, nil
}

func (h memoryHarness) Forget(ctx context.Context, policy *sluice.Policy, key string) error {
	return h.store.Reset(ctx, policy, key)
}

func (h memoryHarness) ForgetStanding(ctx context.Context, policy, key string) error {
	_, err := h.store.Amend(ctx, sluice.Amendment{Policy: policy, Key: key, Unbar: true, Unexcept: true})
	return err
}
