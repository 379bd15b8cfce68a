package memstore_test

import (
	"context"
	"sync"
	"testing"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/storetest"
	"github.com/sluice-project/sluice/store/denycache"
)

// remembering is a harness whose store has a cache of refusals around it.
type remembering struct {
	harness
	cache *denycache.Store
}

func (h remembering) Store() sluice.Store { return h.cache }

func newRemembering(t *testing.T, h harness) storetest.Harness {
	t.Helper()
	cache, err := denycache.New(h.store, denycache.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = cache.Run(ctx) })
	running.Go(func() { _ = h.store.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return remembering{h, cache}
}

// TestConformanceBehindADenyCache: a policy that does not ask to be remembered is decided as without a cache.
func TestConformanceBehindADenyCache(t *testing.T) {
	t.Parallel()
	t.Run("instants injected", func(t *testing.T) {
		t.Parallel()
		storetest.Run(t, func(t *testing.T) storetest.Harness {
			s := newStore(t, 0)
			s.Freeze()
			return newRemembering(t, harness{s})
		})
	})
	t.Run("in real time", func(t *testing.T) {
		t.Parallel()
		storetest.RunRealTime(t, func(t *testing.T) storetest.Harness { return newRemembering(t, harness{newStore(t, 0)}) })
	})
}
