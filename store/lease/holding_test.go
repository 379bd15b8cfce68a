package lease

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-project/sluice"
)

// TestSpendersShareWhatIsLeft has several spend one loan as fast as they can, until nothing is left of it.
func TestSpendersShareWhatIsLeft(t *testing.T) {
	t.Parallel()
	const units = 200_000
	policy := &sluice.Policy{Name: "p", Lease: &sluice.Lease{Share: 10, TTL: time.Second}}
	for range 10 {
		h := newHolding(1, policy, "k")
		h.terms.Store(&terms{until: time.Hour})
		h.left.Store(units)
		var spent atomic.Int64
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				n := int64(0)
				for terms, _ := h.spend(1, 0, 0); terms != nil; terms, _ = h.spend(1, 0, 0) {
					n++
				}
				spent.Add(n)
			})
		}
		group.Wait()
		if got := spent.Load(); got != units {
			t.Fatalf("%d of %d units were spent", got, units)
		}
	}
}
