package control_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/store/ledger"
)

// counting counts how often it is asked for its version, and refuses ticks while it is told to.
type counting struct {
	ledger.Ledger
	asked   atomic.Int64
	refuses atomic.Bool
}

func (c *counting) Version(ctx context.Context) (ledger.Version, sluice.Tick, error) {
	c.asked.Add(1)
	return c.Ledger.Version(ctx)
}

func (c *counting) Commit(ctx context.Context, change ledger.Change) (ledger.Receipt, error) {
	if change.Due != 0 && c.refuses.Load() {
		return ledger.Receipt{}, context.DeadlineExceeded
	}
	return c.Ledger.Commit(ctx, change)
}

// TestATickThatIsNotDoneLeavesTimeToSleep has a tick that is over be left as it is: one that is to be skipped because no
// server was running, and one that the store refuses.
func TestATickThatIsNotDoneLeavesTimeToSleep(t *testing.T) {
	t.Parallel()
	for name, refuses := range map[string]bool{"skipped": false, "refused": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := &counting{Ledger: ledger.NewMemory(nil)}
				s := startOne(t, l)
				document := `{"cron":"0 12 * * *","missed":"skip","reset":{"policy":"api"}}`
				if _, err := s.PutSchedule(t.Context(), operator, parseSchedule(t, "noon", document), 0); err != nil {
					t.Fatal(err)
				}
				l.refuses.Store(refuses)
				now := time.Now().UTC()
				noon := time.Date(now.Year(), now.Month(), now.Day()+1, 12, 0, 0, 0, time.UTC)
				if !refuses {
					noon = noon.Add(2 * time.Hour) // no server was there at noon
				}
				time.Sleep(time.Until(noon))
				stop := s.run(t)
				defer stop()
				l.asked.Store(0)
				time.Sleep(20 * time.Second)
				if asked := l.asked.Load(); asked > 200 {
					t.Errorf("in 20 seconds the ledger was asked %d times for its version, want about 100", asked)
				}
			})
		})
	}
}

// TestTicksAreDoneOnTime has a schedule with a tick that was skipped go on: the next tick is not done late.
func TestTicksAreDoneOnTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := startOne(t, ledger.NewMemory(nil))
		document := `{"cron":"*/5 * * * *","missed":"skip","reset":{"policy":"api"}}`
		if _, err := s.PutSchedule(t.Context(), operator, parseSchedule(t, "often", document), 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Until(time.Now().Truncate(5 * time.Minute).Add(2 * time.Hour).Add(4 * time.Minute)))
		stop := s.run(t)
		defer stop()
		time.Sleep(2 * time.Minute)
		history, _, err := s.History(t.Context(), "often", "", 10)
		if err != nil || len(history) != 1 || history[0].At.Sub(history[0].Due) > 10*time.Millisecond {
			t.Errorf("the history is %+v, %v; want one tick, within 10ms of when it was due", history, err)
		}
	})
}
