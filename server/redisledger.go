package server

import (
	"context"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/store/ledger"
)

// redisLedger is the ledger of a Redis that need not be there when the server starts.
type redisLedger struct{ *redis }

// Load implements [ledger.Ledger].
func (r redisLedger) Load(ctx context.Context) (ledger.Contents, error) {
	if c := r.reached.Load(); c != nil {
		return c.Ledger.Load(ctx)
	}
	return ledger.Contents{}, r.notConnected()
}

// Version implements [ledger.Ledger].
func (r redisLedger) Version(ctx context.Context) (ledger.Version, sluice.Tick, error) {
	if c := r.reached.Load(); c != nil {
		return c.Ledger.Version(ctx)
	}
	return 0, 0, r.notConnected()
}

// Commit implements [ledger.Ledger].
func (r redisLedger) Commit(ctx context.Context, change ledger.Change) (ledger.Receipt, error) {
	if c := r.reached.Load(); c != nil {
		return c.Ledger.Commit(ctx, change)
	}
	return ledger.Receipt{}, r.notConnected()
}

// Watch implements [ledger.Ledger].
func (r redisLedger) Watch(ctx context.Context, changed func()) error {
	if c := r.reached.Load(); c != nil {
		return c.Ledger.Watch(ctx, changed)
	}
	return r.notConnected()
}

// Log implements [ledger.Ledger].
func (r redisLedger) Log(ctx context.Context, log, before string, most int) ([]ledger.Line, string, error) {
	if c := r.reached.Load(); c != nil {
		return c.Ledger.Log(ctx, log, before, most)
	}
	return nil, "", r.notConnected()
}
