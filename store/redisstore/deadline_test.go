package redisstore_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/redistest"
	"github.com/sluice-project/sluice/store/redisstore"
)

// TestFrozenServerHoldsNobody has callers of all kinds ask a server that still accepts connections and answers nothing
// any more: on the connection that they have, and then on new ones, which each of them may be the first to want.
func TestFrozenServerHoldsNobody(t *testing.T) {
	t.Parallel()
	const timeout, margin = 200 * time.Millisecond, 400 * time.Millisecond
	for name, test := range map[string]struct {
		callers  int
		sentinel bool
	}{"alone": {1, false}, "together": {8, false}, "alone behind Sentinel": {1, true}, "together behind Sentinel": {8, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t, redistest.Options{})
			url := server.URL()
			if test.sentinel {
				url = "redis://" + redistest.StartSentinel(t, "main", server).Addr() + "?master_set=main"
			}
			l := newLimiter(t, newClient(t, url), redisstore.Config{Timeout: timeout}, sluice.PerHour(1000))
			expect(t, l, "k", 1, 999)
			server.Pause(t)
			defer server.Continue(t)
			asks := []func(context.Context) error{
				func(ctx context.Context) error { _, err := l.Check(ctx, "k", 1); return err },
				func(ctx context.Context) error { return l.Reset(ctx, "k") },
				func(ctx context.Context) error { _, err := l.Standing(ctx, "k"); return err },
				func(ctx context.Context) error { return l.CheckAll(ctx, []sluice.Ask{{Key: "k", Cost: 1}})[0].Err },
			}
			var wg sync.WaitGroup
			for c := range test.callers {
				wg.Go(func() {
					for round := range 3 * len(asks) {
						asked := time.Now()
						err := asks[(c+round)%len(asks)](context.Background())
						if took := time.Since(asked); err == nil || took > timeout+margin {
							t.Errorf("round %d: an answer after %s: %v; want an error within %s", round, took, err, timeout)
						}
					}
				})
			}
			wg.Wait()
		})
	}
}
