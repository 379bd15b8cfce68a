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
	"github.com/sluice-project/sluice/store/lease"
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
// until it can. Holds is what the deny cache around a Redis is told by, see [denycache.Config].
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
	return newFront(store, t, holds)
}

// front is a Redis and what stands before it: a server answers by units that it has taken ahead and by refusals that it
// remembers, for the policies that say so.
type front struct {
	sluice.Store // the deny cache around the leases around the Redis
	redis        *redis
	cache        *denycache.Store
	leases       *lease.Store
}

func newFront(store *redis, t *telemetry.Telemetry, holds func(before sluice.Tick) bool) (*front, error) {
	leases, err := lease.New(store, lease.Config{})
	if err != nil {
		return nil, err
	}
	cache, err := denycache.New(leases, denycache.Config{Holds: holds})
	if err != nil {
		return nil, err
	}
	t.Leased(func() int64 { return leases.Stats().Keys }, func() int64 { return leases.Stats().Asks })
	t.Refused(func() int64 { return cache.Stats().Entries }, func() int64 { return cache.Stats().Evicted })
	return &front{Store: cache, redis: store, cache: cache, leases: leases}, nil
}

func (f *front) ledger() (ledger.Ledger, bool) { return f.redis.ledger() }

func (f *front) wait(ctx context.Context, most time.Duration) { f.redis.wait(ctx, most) }

// run ends the connection to Redis last: what is held then is given back.
func (f *front) run(ctx context.Context) {
	connected, disconnect := context.WithCancel(context.WithoutCancel(ctx))
	var front, behind sync.WaitGroup
	behind.Go(func() { f.redis.run(connected) })
	front.Go(func() { _ = f.cache.Run(ctx) }) // they end with ctx
	front.Go(func() { _ = f.leases.Run(ctx) })
	front.Wait()
	disconnect()
	behind.Wait()
}

// memory is the embedded store.
type memory struct {
	*memstore.Store
	entries *ledger.Memory
}

func (m memory) ledger() (ledger.Ledger, bool) { return m.entries, false }

func (m memory) run(ctx context.Context) { _ = m.Run(ctx) } // it ends with ctx

func (m memory) wait(context.Context, time.Duration) {}
