package control_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/store/ledger"
)

// TestServersTickTogether has two servers begin each tick before either has done it. The job writes no policy, so that
// nothing but the tick itself tells them apart.
func TestServersTickTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		shared, keys := slow{ledger.NewMemory(nil)}, newKeys(t)
		a, b := newServer(t, "a", shared, keys), newServer(t, "b", shared, keys)
		if _, err := a.PutPolicy(t.Context(), operator, parsePolicy(t, "api", `{"limits":["10/s"]}`), 0); err != nil {
			t.Fatal(err)
		}
		bar := parseSchedule(t, "bar", `{"cron":"@every 1s","block":{"policy":"api","key":"bad","for":"1h"}}`)
		if _, err := a.PutSchedule(t.Context(), operator, bar, 0); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		for _, s := range []*server{a, b} {
			defer s.run(t)()
		}
		time.Sleep(10*time.Second + 2*commitTime)
		history, _, err := a.History(t.Context(), "bar", "", 1000)
		if err != nil || len(history) != 10 {
			t.Fatalf("the history has %d ticks, %v; want 10", len(history), err)
		}
		for i, d := range history {
			if want := begun.Truncate(time.Second).Add(time.Duration(10-i) * time.Second); !d.Due.Equal(want) || d.Error != "" {
				t.Errorf("tick %d from the end: %+v, want that of %s", i, d, want)
			}
		}
		standing, err := a.Standing(t.Context(), "api", "bad")
		want := sluice.Tick(history[0].Due.Add(time.Hour).UnixMicro())
		if err != nil || standing.Block == nil || standing.Block.Until != want {
			t.Errorf("the key's standing is %+v, %v; want a block until %d", standing, err, want)
		}
	})
}

// commitTime is what a tick's commit takes with a slow ledger.
const commitTime = 50 * time.Millisecond

// slow is a ledger of which all servers have the same view when the first tick's commit arrives.
type slow struct{ ledger.Ledger }

func (s slow) Commit(ctx context.Context, c ledger.Change) (ledger.Receipt, error) {
	if c.Due != 0 {
		time.Sleep(commitTime)
	}
	return s.Ledger.Commit(ctx, c)
}
