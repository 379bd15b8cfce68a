package server

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/policy/filesource"
	"github.com/sluice-project/sluice/server/telemetry"
	"github.com/sluice-project/sluice/store/breaker"
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
	// fallback returns the store that decides by this server's share what the store cannot decide, and which of how many
	// servers this is; nil where the store is in this process and cannot fail.
	fallback() (s sluice.Store, fleet func() (index, count int))
	// configure takes over what the settings say, as far as a store can that is in use.
	configure(settings *filesource.File)
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
	return newFront(store, settings, t, holds)
}

// front is a Redis and what stands before it: a server answers by units that it has taken ahead and by refusals that it
// remembers, for the policies that say so; and it does not wait for a Redis that does not answer.
type front struct {
	sluice.Store // the deny cache around the leases around the breaker around the Redis
	redis        *redis
	breaker      *breaker.Store
	cache        *denycache.Store
	leases       *lease.Store
	shares       *memstore.Store // what this server decides alone
	fleet        *fleet
}

func newFront(
	store *redis, settings *filesource.File, t *telemetry.Telemetry, holds func(before sluice.Tick) bool,
) (*front, error) {
	shares, err := memstore.New(memstore.Config{MaxKeys: settings.StoreMaxKeys})
	if err != nil {
		return nil, err
	}
	guard, err := breaker.New(store, breaker.Config{Timeout: settings.StoreTimeout, Parts: redisstore.Parts, Part: store.part})
	if err != nil {
		return nil, err
	}
	leases, err := lease.New(guarded{guard, store}, lease.Config{})
	if err != nil {
		return nil, err
	}
	cache, err := denycache.New(leases, denycache.Config{Holds: holds})
	if err != nil {
		return nil, err
	}
	t.Leased(func() int64 { return leases.Stats().Keys }, func() int64 { return leases.Stats().Asks })
	t.Refused(func() int64 { return cache.Stats().Entries }, func() int64 { return cache.Stats().Evicted })
	f := &front{
		Store: cache, redis: store, breaker: guard, cache: cache, leases: leases, shares: shares, fleet: newFleet(store),
	}
	t.Outage(telemetry.OutageSources{
		Open:     func() int { return guard.Stats().Open },
		Openings: func() int64 { return guard.Stats().Openings },
		Servers: func() int {
			_, count := f.fleet.rank()
			return count
		},
		Keys:    func() int64 { return shares.Stats().Keys },
		Evicted: func() int64 { return shares.Stats().Evicted },
	})
	return f, nil
}

// guarded is a Redis behind a breaker.
type guarded struct {
	*breaker.Store
	redis *redis
}

// Lend implements [lease.Lender]. What Redis would be asked of keys whose part does not answer is answered at once.
func (g guarded) Lend(ctx context.Context, asks []lease.Ask) []lease.Answer {
	answers := make([]lease.Answer, len(asks))
	sent := make([]lease.Ask, 0, len(asks))
	places := make([]int, 0, len(asks))
	for i, a := range asks {
		if answers[i].Err = g.Refusal(a.Policy.Name, a.Key); answers[i].Err == nil {
			sent, places = append(sent, a), append(places, i)
		}
	}
	if len(sent) > 0 {
		for i, a := range g.redis.Lend(ctx, sent) {
			answers[places[i]] = a
		}
	}
	return answers
}

func (f *front) fallback() (sluice.Store, func() (index, count int)) { return f.shares, f.fleet.rank }

func (f *front) ledger() (ledger.Ledger, bool) { return f.redis.ledger() }

func (f *front) configure(settings *filesource.File) { f.redis.configure(settings.Store) }

func (f *front) wait(ctx context.Context, most time.Duration) { f.redis.wait(ctx, most) }

// run ends the connection to Redis last: what is held then is given back.
func (f *front) run(ctx context.Context) {
	connected, disconnect := context.WithCancel(context.WithoutCancel(ctx))
	var front, behind sync.WaitGroup
	behind.Go(func() { f.redis.run(connected, f.breaker.Look) })
	behind.Go(func() { _ = f.breaker.Run(connected) }) // it ends with the context, as do all of these
	behind.Go(func() { _ = f.shares.Run(connected) })
	front.Go(func() { _ = f.cache.Run(ctx) })
	front.Go(func() { _ = f.leases.Run(ctx) })
	front.Go(func() { f.fleet.run(ctx) })
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

func (m memory) fallback() (sluice.Store, func() (index, count int)) { return nil, nil }

func (m memory) configure(*filesource.File) {}

func (m memory) run(ctx context.Context) { _ = m.Run(ctx) } // it ends with ctx

func (m memory) wait(context.Context, time.Duration) {}
