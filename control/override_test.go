package control_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/control"
	"github.com/sluice-project/sluice/policy"
	"github.com/sluice-project/sluice/store/ledger"
)

// TestAViewEndsWithItsOverride has an override end before the view would: a check that comes then is not decided by it,
// and gets a view without it as soon as it asks.
func TestAViewEndsWithItsOverride(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := startOne(t, ledger.NewMemory(nil))
		end := time.Now().Add(300*time.Millisecond + time.Nanosecond)
		p := parsePolicy(t, "api", `{"limits":["10/s"]}`)
		p.Overrides = []policy.Override{{Pattern: "*", Limits: []sluice.Limit{sluice.PerSecond(50)}, Until: end}}
		if _, err := s.PutPolicy(t.Context(), operator, p, control.AnyRevision); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if left := s.Before() - sluice.Tick(end.UnixMicro()); left != 0 {
				t.Errorf("the view holds for %d µs longer than its override", left)
			}
			time.Sleep(99 * time.Millisecond)
			if err := s.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(3*time.Millisecond + time.Microsecond) // the clock counts whole microseconds, and the end is within one
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.mu.Lock()
		live, _ := s.snapshot.Get("api")
		s.mu.Unlock()
		if left := s.Before() - sluice.Tick(time.Now().UnixMicro()); live.For("k").Limits[0].Count() != 10 || left != 1e6 {
			t.Errorf("after the end the key has %s, by a view that holds for %d µs more; want 10/s and a second", live.For("k").Limits[0], left)
		}
	})
}
