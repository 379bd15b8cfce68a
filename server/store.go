package server

import (
	"context"
	"log/slog"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/policy/filesource"
	"github.com/sluice-project/sluice/server/telemetry"
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
func openStore(settings *filesource.File, logger *slog.Logger, t *telemetry.Telemetry) (backend, error) {
	if settings.Store == "memory" {
		store, err := memstore.New(memstore.Config{MaxKeys: settings.StoreMaxKeys})
		if err != nil {
			return nil, err
		}
		t.Keys(func() int64 { return store.Stats().Keys }, func() int64 { return store.Stats().Evicted })
		return memory{store, ledger.NewMemory(nil)}, nil
	}
	config := redisstore.Config{Timeout: settings.StoreTimeout, Prefix: settings.KeyPrefix, HashKeys: settings.HashKeys}
	return newRedis(settings.Store, config, logger)
}

// memory is the embedded store.
type memory struct {
	*memstore.Store
	entries *ledger.Memory
}

func (m memory) ledger() (ledger.Ledger, bool) { return m.entries, false }

func (m memory) run(ctx context.Context) { _ = m.Run(ctx) } // it ends with ctx

func (m memory) wait(context.Context, time.Duration) {}
