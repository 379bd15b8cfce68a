package control_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/control"
	"github.com/sluice-project/sluice/store/ledger"
)

// TestALateTickEndsNothing has a schedule's block and override be over before any server can carry them out: a block and
// an override that somebody has set meanwhile stay.
func TestALateTickEndsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := startOne(t, ledger.NewMemory(nil))
		for name, job := range map[string]string{
			"bar":    `"block":{"policy":"api","key":"k","for":"1m"}`,
			"except": `"override":{"policy":"api","key":"k","limits":["1/s"],"for":"1m"}`,
		} {
			if _, err := s.PutSchedule(t.Context(), operator, parseSchedule(t, name, `{"cron":"@daily",`+job+`}`), 0); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(36 * time.Hour) // midnight is hours ago
		if _, err := s.Block(t.Context(), operator, "api", "k", sluice.Bar{For: time.Hour, Reason: "abuse"}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Override(t.Context(), operator, "api", "k", sluice.Exception{Limits: []sluice.Limit{sluice.PerSecond(5)}}); err != nil {
			t.Fatal(err)
		}
		stop := s.run(t)
		defer stop()
		time.Sleep(time.Second)
		standing, err := s.Standing(t.Context(), "api", "k")
		if err != nil || standing.Block == nil || standing.Block.Reason != "abuse" || standing.Override == nil || standing.Override.Limits[0].Count() != 5 {
			t.Errorf("the key's standing is %+v, %v; want what was set by hand", standing, err)
		}
		for _, name := range []string{"bar", "except"} {
			history, _, err := s.History(t.Context(), name, "", 10)
			if err != nil || len(history) != 1 || history[0].Error == "" {
				t.Errorf("the history of %s is %+v, %v; want one tick that says why nothing was done", name, history, err)
			}
		}
	})
}

// closedKeys is a store of keys that does nothing while it is closed.
type closedKeys struct {
	control.Keys
	closed atomic.Bool
}

func (k *closedKeys) Amend(ctx context.Context, a sluice.Amendment) (sluice.Standing, error) {
	if k.closed.Load() && a.Bar != nil {
		return sluice.Standing{}, errors.New("the key's store is closed")
	}
	return k.Keys.Amend(ctx, a)
}

// TestWhatWaitsForAKeyIsReplaced has a key's store be away for an hour while a schedule bars the key each minute: one
// entry waits and not sixty, and it is the last one that is done when the store is back. One that is over waits no more.
func TestWhatWaitsForAKeyIsReplaced(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		length string
		waits  int
	}{"lasting": {"1h", 1}, "over": {"10s", 0}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				shared, keys := ledger.NewMemory(nil), &closedKeys{Keys: newKeys(t)}
				s := newServer(t, "s", shared, keys)
				if _, err := s.PutPolicy(t.Context(), operator, parsePolicy(t, "api", `{"limits":["10/s"]}`), 0); err != nil {
					t.Fatal(err)
				}
				document := fmt.Sprintf(`{"cron":"* * * * *","block":{"policy":"api","key":"k","for":%q}}`, test.length)
				if _, err := s.PutSchedule(t.Context(), operator, parseSchedule(t, "bar", document), 0); err != nil {
					t.Fatal(err)
				}
				keys.closed.Store(true)
				stop := s.run(t)
				defer stop()
				time.Sleep(time.Until(time.Now().Truncate(time.Minute).Add(time.Hour + 30*time.Second)))
				if waiting := waitingEntries(t, shared); waiting != test.waits {
					t.Errorf("%d entries wait for the key, want %d", waiting, test.waits)
				}
				keys.closed.Store(false)
				time.Sleep(time.Second)
				if waiting := waitingEntries(t, shared); waiting != 0 {
					t.Errorf("%d entries wait for the key that can be reached again, want none", waiting)
				}
				want := sluice.Tick(time.Now().Truncate(time.Minute).Add(time.Hour).UnixMicro())
				standing, err := s.Standing(t.Context(), "api", "k")
				if err != nil || (standing.Block != nil) != (test.waits > 0) || standing.Block != nil && standing.Block.Until != want {
					t.Errorf("the key's standing is %+v, %v; want %d blocks until %d", standing.Block, err, test.waits, want)
				}
			})
		})
	}
}

func waitingEntries(t *testing.T, l ledger.Ledger) (n int) {
	contents, err := l.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range contents.Entries {
		if e.Kind == "outbox" {
			n++
		}
	}
	return n
}
