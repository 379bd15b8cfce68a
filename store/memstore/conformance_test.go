package memstore_test

import (
	"context"
	"testing"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/storetest"
	"github.com/sluice-project/sluice/store/memstore"
)

type harness struct {
	store *memstore.Store
}

func (h harness) Store() sluice.Store { return h.store }

func (h harness) TTL(_ context.Context, policy *sluice.Policy, key string, _ sluice.Tick) (time.Duration, bool, error) {
	life, exists := h.store.Life(policy, key)
	return life, exists, nil
}

func (h harness) StandingTTL(_ context.Context, policy, key string, _ sluice.Tick) (time.Duration, bool, error) {
	life, exists := h.store.StandingLife(policy, key)
	if life == memstore.ForGood {
		life = storetest.NoExpiry
	}
	return life, exists, nil
}

func (h harness) Forget(ctx context.Context, policy *sluice.Policy, key string) error {
	return h.store.Reset(ctx, policy, key)
}

func (h harness) ForgetStanding(_ context.Context, policy, key string) error {
	h.store.ForgetStanding(policy, key)
	return nil
}

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		s := newStore(t, 0)
		s.Freeze()
		return harness{s}
	})
}

func TestConformanceInRealTime(t *testing.T) {
	t.Parallel()
	storetest.RunRealTime(t, func(t *testing.T) storetest.Harness {
		s := newStore(t, 0)
		go func() { _ = s.Run(t.Context()) }()
		return harness{s}
	})
}
