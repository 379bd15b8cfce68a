package server

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/policy/filesource"
	"github.com/sluice-project/sluice/server/telemetry"
	"github.com/sluice-project/sluice/store/denycache"
	"github.com/sluice-project/sluice/store/ledger"
	"github.com/sluice-project/sluice/store/memstore"
	"github.com/sluice-project/sluice/store/redisstore"
)

// backend is a store and what runs behind it.
type backend interface {
	sluice.Store
	// ledger returns what the fleet that shares the store has besides counters; outlasting says whether it outlasts the
	// process.
	ledger() (l ledger.Ledger, outlasting bool)
	// run does what the store needs done, until ctx ends.
	run(ctx context.Context)
	// wait returns when it is known whether the store can be reached, when ctx ends, or after so much time.
	wait(ctx context.Context, most time.Duration)
}

// openStore returns the store of the configuration. It waits for nothing: a store that cannot be reached answers errors
// until it can.
// Holds is what the deny cache around a Redis is told by, see [denycache.Config].
func openStore(
	settings *filesource.File, logger *slog.Logger, t *telemetry.Telemetry, holds func(before sluice.Tick) bool,
) (backend, error) {
	if settings.Store == "memory" {
		store, err := memstore.New(memstore.Config{MaxKeys: settings.StoreMaxKeys})
		if err != nil {
			return nil, err
		}
		t.Keys(func() int64 { return store.Stats().Keys }, func() int64 { return store.Stats().Evicted })
		return memory{store, ledger.NewMemory(nil)}, nil
	}
	config := redisstore.Config{Timeout: settings.StoreTimeout, Prefix: settings.KeyPrefix, HashKeys: settings.HashKeys}
	store, err := newRedis(settings.Store, config, logger)
	if err != nil {
		return nil, err
	}
	cache, err := denycache.New(store, denycache.Config{Holds: holds})
	if err != nil {
		return nil, err
	}
	t.Refused(func() int64 { return cache.Stats().Entries }, func() int64 { return cache.Stats().Evicted })
	return remembering{store, cache}, nil
}

// remembering is a backend whose refusals are remembered for the policies that say so.
type remembering struct {
	backend
	cache *denycache.Store
}

// Check implements [sluice.Store].
func (r remembering) Check(ctx context.Context, req sluice.Request) (sluice.Decision, error) {
	return r.cache.Check(ctx, req)
}

// CheckAll implements [sluice.Store].
func (r remembering) CheckAll(ctx context.Context, reqs []sluice.Request) []sluice.Result {
	return r.cache.CheckAll(ctx, reqs)
}

// Reset implements [sluice.Store].
func (r remembering) Reset(ctx context.Context, policy *sluice.Policy, key string) error {
	return r.cache.Reset(ctx, policy, key)
}

// Amend implements [sluice.Store].
func (r remembering) Amend(ctx context.Context, a sluice.Amendment) (sluice.Standing, error) {
	return r.cache.Amend(ctx, a)
}

func (r remembering) run(ctx context.Context) {
	var group sync.WaitGroup
	defer group.Wait()
	group.Go(func() { _ = r.cache.Run(ctx) }) // it ends with ctx
	r.backend.run(ctx)
}

// memory is the embedded store.
type memory struct {
	*memstore.Store
	entries *ledger.Memory
}

func (m memory) ledger() (ledger.Ledger, bool) { return m.entries, false }

func (m memory) run(ctx context.Context) { _ = m.Run(ctx) } // it ends with ctx

func (m memory) wait(context.Context, time.Duration) {}
