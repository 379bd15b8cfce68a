package control_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/control"
	"github.com/sluice-project/sluice/policy"
	"github.com/sluice-project/sluice/store/ledger"
)

// silent is a ledger that answers no Version while it is told not to. The switch must not be thrown during calls.
type silent struct {
	ledger.Ledger
	mute bool
}

func (s *silent) Version(ctx context.Context) (ledger.Version, sluice.Tick, error) {
	if s.mute {
		<-ctx.Done()
	}
	if err := ctx.Err(); err != nil {
		return 0, 0, err
	}
	return s.Ledger.Version(ctx)
}

// startOne returns a server whose view is that of a ledger which holds one policy.
func startOne(t *testing.T, l ledger.Ledger) *server {
	s := newServer(t, "s", l, newKeys(t))
	if err := s.Start(t.Context(), control.File{Policies: []policy.Policy{parsePolicy(t, "api", `{"limits":["10/s"]}`)}}); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestACallerWhoGivesUpAgesNoView has a caller be gone before the look that he asked for. That the ledger cannot be
// reached is not known then, so the view must not hold undated: somebody else may have changed something long ago.
func TestACallerWhoGivesUpAgesNoView(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := startOne(t, &silent{Ledger: ledger.NewMemory(nil)})
		time.Sleep(time.Minute) // as long as a process may sleep
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		late, cancel := context.WithTimeout(t.Context(), 0)
		defer cancel()
		for range 20 { // which of two things that are ready is done first is left to chance
			for what, ctx := range map[string]context.Context{"gone": gone, "late": late} {
				if err := s.Refresh(ctx); !errors.Is(err, ctx.Err()) || s.Before() == 0 {
					t.Fatalf("Refresh for a caller who is %s: %v, and the view holds until %d; want his error, and an instant", what, err, s.Before())
				}
			}
			if _, err := s.PutPolicy(gone, operator, parsePolicy(t, "x", `{"limits":["1/s"]}`), 0); !errors.Is(err, context.Canceled) || s.Before() == 0 {
				t.Fatalf("a change by a caller who is gone: %v, and the view holds until %d; want his error, and an instant", err, s.Before())
			}
		}
	})
}

// TestALookThatHangsHoldsNoCheck has the ledger say nothing more, while the keys' store may well answer: whoever asks
// for a fresh view is told within 100 ms that there is none, also while another look waits for longer.
func TestALookThatHangsHoldsNoCheck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &silent{Ledger: ledger.NewMemory(nil)}
		s := startOne(t, l)
		l.mute = true
		stop := s.run(t)
		defer stop()
		time.Sleep(1500 * time.Millisecond) // the look that Run makes has 5 s
		begun := time.Now()
		err := s.Refresh(t.Context())
		if took := time.Since(begun); !errors.Is(err, context.DeadlineExceeded) || took > 100*time.Millisecond || s.Before() != 0 {
			t.Errorf("Refresh: %v after %s, and the view holds until %d; want a deadline's error after 100ms, and 0", err, took, s.Before())
		}
	})
}

// TestHolds: a view holds for a second from when the ledger was asked, by this process's own clock and however long the
// answer takes, and only the latest does.
func TestHolds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &tardy{Ledger: ledger.NewMemory(nil)}
		s := startOne(t, l)
		if s.Holds(0) || !s.Holds(s.Before()) {
			t.Errorf("Holds(0) %t, Holds(Before) %t, want only the latter", s.Holds(0), s.Holds(s.Before()))
		}
		l.delay = 90 * time.Millisecond
		time.Sleep(2 * time.Second)
		old := s.Before()
		if s.Holds(old) {
			t.Error("two seconds later the view holds as before")
		}
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s.Holds(old) || !s.Holds(s.Before()) {
			t.Errorf("looked at anew: Holds of the old %t, of the new %t, want only the latter", s.Holds(old), s.Holds(s.Before()))
		}
		time.Sleep(time.Second - l.delay - time.Nanosecond)
		if !s.Holds(s.Before()) {
			t.Error("a moment before a second has passed since the ledger was asked the view holds no longer")
		}
		time.Sleep(time.Nanosecond)
		if s.Holds(s.Before()) {
			t.Error("a second after the ledger was asked the view still holds")
		}
	})
}

// tardy is a ledger whose answers take time after they were made.
type tardy struct {
	ledger.Ledger
	delay time.Duration
}

func (l *tardy) Version(ctx context.Context) (ledger.Version, sluice.Tick, error) {
	version, now, err := l.Ledger.Version(ctx)
	time.Sleep(l.delay)
	return version, now, err
}
