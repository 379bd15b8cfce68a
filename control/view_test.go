package control_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/control"
	"github.com/sluice-project/sluice/policy"
	"github.com/sluice-project/sluice/store/ledger"
)

// TestAViewHoldsForASecond has nothing change, and sees until when the view may be decided by.
func TestAViewHoldsForASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, "s", ledger.NewMemory(nil), newKeys(t))
		if err := s.Start(t.Context(), tenASecond(t)); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			time.Sleep(time.Minute)
			if err := s.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			if left := s.Before() - sluice.Tick(time.Now().UnixMicro()); left != 1e6 {
				t.Errorf("the view that was seen to be right holds for %d µs more, want a second", left)
			}
		}
	})
}

// tenASecond is a file with one policy.
func tenASecond(t testing.TB) control.File {
	return control.File{Policies: []policy.Policy{parsePolicy(t, "api", `{"limits":["10/s"]}`)}}
}

// TestAnOverrideOfTheDocumentEnds has one end while nobody changes anything.
func TestAnOverrideOfTheDocumentEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, "s", ledger.NewMemory(nil), newKeys(t))
		p := parsePolicy(t, "api", `{"limits":["10/s"]}`)
		p.Overrides = []policy.Override{{
			Pattern: "vip", Limits: []sluice.Limit{sluice.PerSecond(50)}, Until: time.Now().Add(time.Hour),
		}}
		if _, err := s.PutPolicy(t.Context(), operator, p, 0); err != nil {
			t.Fatal(err)
		}
		stop := s.run(t)
		defer stop()
		for _, step := range []struct {
			passes time.Duration
			want   int64
		}{{time.Hour - time.Second, 50}, {2 * time.Second, 10}} {
			time.Sleep(step.passes)
			s.mu.Lock()
			live, _ := s.snapshot.Get("api")
			s.mu.Unlock()
			if got := live.For("vip").Limits[0].Count(); got != step.want {
				t.Errorf("after another %s the key has %d a second, want %d", step.passes, got, step.want)
			}
		}
	})
}

// TestALedgerLostBeforeAChange has the ledger lose everything between the look that a change is made from and the
// change: what was there is written again, and the change joins it.
func TestALedgerLostBeforeAChange(t *testing.T) {
	t.Parallel()
	l := &losing{Ledger: ledger.NewMemory(nil)}
	s := newServer(t, "s", l, newKeys(t))
	if err := s.Start(t.Context(), tenASecond(t)); err != nil {
		t.Fatal(err)
	}
	l.loses = true
	if _, err := s.PutPolicy(t.Context(), operator, parsePolicy(t, "other", `{"limits":["20/s"]}`), 0); err != nil {
		t.Fatal(err)
	}
	another := newServer(t, "another", l, newKeys(t))
	if err := another.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"api": "10/s", "other": "20/s"} {
		if live, err := another.Policy(name); err != nil || live.Limits[0].String() != want {
			t.Errorf("%s: %v, %v; want %s", name, live.Limits, err, want)
		}
	}
	lines, _, err := another.Audit(t.Context(), "", 10)
	if err != nil || len(lines) != 2 || lines[0].What != "put" || lines[1].What != "restored" {
		t.Errorf("the audit log reads %+v, %v; want that it was restored, then the change", lines, err)
	}
}

// losing is a ledger that can lose what it holds, right before a commit. It is for one goroutine.
type losing struct {
	ledger.Ledger
	loses bool
}

func (l *losing) Commit(ctx context.Context, c ledger.Change) (ledger.Receipt, error) {
	if l.loses {
		l.Ledger, l.loses = ledger.NewMemory(nil), false
	}
	return l.Ledger.Commit(ctx, c)
}
