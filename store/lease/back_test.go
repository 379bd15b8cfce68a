package lease_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/store/lease"
)

// What is held is given back when nobody asks for it, and when something ends it.

// requireEnded fails the test where units are out, or where a check is decided by what is held.
func requireEnded(t *testing.T, p *pool, l *sluice.Limiter) {
	t.Helper()
	if out := p.lent(); out != 0 {
		t.Errorf("%d units are out afterwards", out)
	}
	if d := check(t, l); d.Source != sluice.SourceStore {
		t.Errorf("decided by %s afterwards", d.Source)
	}
}

func TestIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPool(1_000_000)
		l, s, stop := running(t, p)
		defer stop()
		warm(t, l)
		time.Sleep(950 * time.Millisecond)
		if out := p.lent(); out != 0 {
			t.Errorf("%d units are still out though nobody asks", out)
		}
		left, checks, _ := p.seen()
		if taken := int64(checks) + 1; left != 1_000_000-taken { // and one by lease
			t.Errorf("%d units are left, want all but the %d that were taken", left, taken)
		}
		time.Sleep(time.Minute)
		if keys := s.Stats().Keys; keys != 0 {
			t.Errorf("%d keys are still held", keys)
		}
		if _, _, asks := p.seen(); len(asks) > 4 {
			t.Errorf("%d asks for one key that was asked for a moment", len(asks))
		}
	})
}

func TestStopGivesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPool(1_000_000)
		l, _, stop := running(t, p)
		warm(t, l)
		if p.lent() == 0 {
			t.Fatal("nothing is out")
		}
		stop()
		if out := p.lent(); out != 0 {
			t.Errorf("%d units are out after the end", out)
		}
		if d := check(t, l); d.Source != sluice.SourceStore {
			t.Errorf("after the end: by %s", d.Source)
		}
	})
}

// TestChanges gives back what is held before the key or its policy changes.
func TestChanges(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for name, change := range map[string]func(t *testing.T, l *sluice.Limiter, s *lease.Store) error{
		"reset": func(_ *testing.T, l *sluice.Limiter, _ *lease.Store) error { return l.Reset(ctx, "k") },
		"block": func(_ *testing.T, l *sluice.Limiter, _ *lease.Store) error { return l.Block(ctx, "k", time.Hour, "") },
		"refund": func(_ *testing.T, l *sluice.Limiter, _ *lease.Store) error {
			_, err := l.Refund(ctx, "k", 1)
			return err
		},
		"override": func(_ *testing.T, l *sluice.Limiter, _ *lease.Store) error { return l.RemoveOverride(ctx, "k") },
		"policy": func(t *testing.T, _ *sluice.Limiter, s *lease.Store) error {
			other, err := sluice.New(s, policy)
			check(t, other)
			check(t, other)
			time.Sleep(time.Millisecond)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPool(1_000_000)
				l, s, stop := running(t, p)
				defer stop()
				warm(t, l)
				if err := change(t, l, s); err != nil {
					t.Fatal(err)
				}
				requireEnded(t, p, l)
			})
		})
	}
}

// TestRefundOfWhatWasSpent: units that were spent from a loan go back, though the store did not know of them before.
func TestRefundOfWhatWasSpent(t *testing.T) {
	t.Parallel()
	for name, refund := range map[string]func(t *testing.T, l *sluice.Limiter, s *lease.Store, units int64) error{
		"alone": func(t *testing.T, l *sluice.Limiter, _ *lease.Store, units int64) error {
			_, err := l.Refund(t.Context(), "k", units)
			return err
		},
		"with others": func(t *testing.T, l *sluice.Limiter, s *lease.Store, units int64) error {
			p := l.Policy()
			return s.CheckAll(t.Context(), []sluice.Request{{Policy: &p, Key: "other"}, {Policy: &p, Key: "k", Refund: uint32(units)}})[1].Err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPool(1_000_000)
				l, s, stop := running(t, p)
				defer stop()
				taken := int64(0)
				for held := 0; held < 5; taken++ {
					if check(t, l).Source == sluice.SourceLease {
						held++
					}
					time.Sleep(time.Millisecond)
				}
				if err := refund(t, l, s, taken); err != nil {
					t.Fatal(err)
				}
				if left, _, _ := p.seen(); left != 1_000_000 || p.lent() != 0 {
					t.Errorf("all %d units were given back: %d are left, %d are out", taken, left, p.lent())
				}
			})
		})
	}
}

// TestResetWhileAsking resets a key whose loan is just being renewed: what comes of that is given back first.
func TestResetWhileAsking(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPool(1_000_000)
		l, _, stop := running(t, p)
		defer stop()
		warm(t, l)
		p.mu.Lock()
		p.takes = 20 * time.Millisecond
		p.mu.Unlock()
		for before := len(p.askedFor()); len(p.askedFor()) == before; {
			check(t, l)
			time.Sleep(time.Millisecond)
		}
		if err := l.Reset(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		if out := p.lent(); out != 0 {
			t.Errorf("%d units are out after a reset", out)
		}
	})
}

// TestNothingIsAskedForAtAnEnd: a key that was asked for and of which nothing is held is lent nothing by what ends loans.
func TestNothingIsAskedForAtAnEnd(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for name, end := range map[string]func(l *sluice.Limiter, stop func()) error{
		"reset": func(l *sluice.Limiter, _ func()) error { return l.Reset(ctx, "k") },
		"block": func(l *sluice.Limiter, _ func()) error { return l.Block(ctx, "k", time.Hour, "") },
		"stop":  func(_ *sluice.Limiter, stop func()) error { stop(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPool(1_000_000)
				l, _, stop := running(t, p)
				defer stop()
				synctest.Wait() // for Run to have begun
				check(t, l)     // is remembered
				check(t, l)     // is demand, and too little to ask for more
				if err := end(l, stop); err != nil {
					t.Fatal(err)
				}
				requireEnded(t, p, l)
			})
		})
	}
}

// TestLentMeanwhile asks so often while a block is under way that units are lent before it holds: they are not spent.
func TestLentMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPool(1_000_000)
		l, _, stop := running(t, p)
		defer stop()
		warm(t, l)
		p.amending = func() { warm(t, l) }
		if err := l.Block(t.Context(), "k", time.Hour, ""); err != nil {
			t.Fatal(err)
		}
		if d := check(t, l); d.Source != sluice.SourceStore {
			t.Errorf("decided by %s under a block", d.Source)
		}
		synctest.Wait()
		if out := p.lent(); out != 0 {
			t.Errorf("%d units are still out", out)
		}
	})
}

// TestBarredElsewhere: the next ask learns of it, and gives back.
func TestBarredElsewhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPool(1_000_000)
		l, _, stop := running(t, p)
		defer stop()
		warm(t, l)
		p.mu.Lock()
		p.stands = true
		p.mu.Unlock()
		begun := time.Now()
		for check(t, l).Source == sluice.SourceLease {
			time.Sleep(100 * time.Microsecond)
		}
		if took := time.Since(begun); took > policy.Lease.TTL {
			t.Errorf("it was spent for %s, longer than a lease lasts", took)
		}
		time.Sleep(100 * time.Millisecond)
		if out := p.lent(); out != 0 {
			t.Errorf("%d units are still out", out)
		}
	})
}
