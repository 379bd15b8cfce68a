package lease_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/store/lease"
)

var policy = sluice.Policy{
	Name: "p", Limits: []sluice.Limit{sluice.PerHour(1_000_000)}, Lease: &sluice.Lease{Share: 10, TTL: time.Second},
}

// running returns a limiter on a store that runs until stop is called.
func running(t testing.TB, p *pool) (l *sluice.Limiter, s *lease.Store, stop func()) {
	t.Helper()
	s, err := lease.New(p, lease.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if l, err = sluice.New(s, policy); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return l, s, func() {
		cancel()
		run.Wait()
	}
}

// check asks for one unit.
func check(t testing.TB, l *sluice.Limiter) sluice.Decision {
	t.Helper()
	d, err := l.Check(context.Background(), "k", 1)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// warm makes so much demand that units are lent.
func warm(t testing.TB, l *sluice.Limiter) {
	t.Helper()
	for range 100 {
		if check(t, l).Source == sluice.SourceLease {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("nothing was lent")
}

func TestNew(t *testing.T) {
	t.Parallel()
	if _, err := lease.New(newPool(0), lease.Config{MaxKeys: -1}); err == nil {
		t.Error("New took a negative MaxKeys")
	}
}

func TestBeforeRun(t *testing.T) {
	t.Parallel()
	p := newPool(1000)
	s, err := lease.New(p, lease.Config{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := sluice.New(s, policy)
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if d := check(t, l); d.Source != sluice.SourceStore {
			t.Fatalf("before Run a check is decided by %s", d.Source)
		}
	}
	if _, checks, asks := p.seen(); checks != 100 || len(asks) != 0 {
		t.Errorf("%d checks and %d asks, want 100 and none", checks, len(asks))
	}
}

// TestSteadyDemand has 1,000 checks a second for ten seconds: hardly any is asked at the store.
func TestSteadyDemand(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPool(1_000_000)
		l, _, stop := running(t, p)
		defer stop()
		leased := 0
		for range 10_000 {
			if d := check(t, l); d.Source == sluice.SourceLease {
				leased++
				if d.ResetAfter > time.Hour || d.ResetAfter < time.Hour-time.Second || len(d.Limits()) != 1 {
					t.Fatalf("by lease: %s, want what the store has said, less the time that has passed", d)
				}
			}
			time.Sleep(time.Millisecond)
		}
		if _, checks, asks := p.seen(); leased < 9900 || checks+len(asks) > 100 {
			t.Errorf("%d of 10,000 by lease, %d checks and %d asks at the store", leased, checks, len(asks))
		}
	})
}

// TestSlowDemand has ten checks a second of each of many keys: they are lent, too.
func TestSlowDemand(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPool(1_000_000)
		l, _, stop := running(t, p)
		defer stop()
		leased := 0
		for range 50 {
			if check(t, l).Source == sluice.SourceLease {
				leased++
			}
			time.Sleep(100 * time.Millisecond)
		}
		if leased < 30 {
			t.Errorf("%d of 50 were decided by lease", leased)
		}
	})
}

// TestNothingIsSpentTooLate lends slowly, much, and once: the time of a loan counts from before it was asked for.
func TestNothingIsSpentTooLate(t *testing.T) {
	t.Parallel()
	for _, takes := range []time.Duration{0, 300 * time.Millisecond, 900 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			p := newPool(1_000_000)
			p.takes, p.more = takes, 100_000
			l, _, stop := running(t, p)
			defer stop()
			leased := 0
			for range 5000 {
				d := check(t, l)
				p.mu.Lock()
				var lent span
				if len(p.granted) > 0 {
					p.broken, lent = true, p.granted[0]
				}
				p.mu.Unlock()
				if d.Source == sluice.SourceLease {
					leased++
					if time.Now().Before(lent.from) || !time.Now().Before(lent.until) {
						t.Fatalf("a unit was spent at %s, and lent from %s until %s", time.Now(), lent.from, lent.until)
					}
				}
				time.Sleep(time.Millisecond)
			}
			if want := int((policy.Lease.TTL - takes) / time.Millisecond * 9 / 10); leased < want {
				t.Errorf("only %d were decided by lease, want %d", leased, want)
			}
		})
	}
}

// TestNoMoreThanThereIs has a pool run dry while answers get lost and asks fail: never is more admitted than there was.
func TestNoMoreThanThereIs(t *testing.T) {
	t.Parallel()
	for seed := range 20 {
		synctest.Test(t, func(t *testing.T) {
			const units = 20_000
			p := newPool(units)
			p.takes = time.Duration(seed) * 10 * time.Millisecond
			l, _, stop := running(t, p)
			admitted := int64(0)
			for i := range 40_000 {
				p.mu.Lock()
				p.loses = i/500%3 == seed%3
				if i%700 == 0 {
					p.fails = sluice.ErrNotSent
				}
				p.mu.Unlock()
				if check(t, l).Allowed {
					admitted++
				}
				time.Sleep(100 * time.Microsecond)
			}
			stop()
			if admitted > units || admitted < units/4 {
				t.Errorf("seed %d: %d of %d units were admitted", seed, admitted, units)
			}
		})
	}
}

func TestAllIsAdmittedWhereNothingFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const units = 20_000
		p := newPool(units)
		l, _, stop := running(t, p)
		defer stop()
		admitted := 0
		for range 2 * units {
			if check(t, l).Allowed {
				admitted++
			}
			time.Sleep(100 * time.Microsecond)
		}
		if admitted != units {
			t.Errorf("%d of %d units were admitted", admitted, units)
		}
	})
}

// TestBefore: by a view that may be out of date, nothing is spent.
func TestBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPool(1_000_000)
		l, s, stop := running(t, p)
		defer stop()
		warm(t, l)
		own := policy
		ask := func(before time.Time) sluice.Source {
			d, err := s.Check(t.Context(), sluice.Request{Policy: &own, Key: "k", Cost: 1, Before: sluice.Tick(before.UnixMicro())})
			if err != nil {
				t.Fatal(err)
			}
			return d.Source
		}
		for range 20 { // the policy is another one, so units are lent anew
			ask(time.Now().Add(time.Second))
			time.Sleep(time.Millisecond)
		}
		if got := ask(time.Now().Add(time.Second)); got != sluice.SourceLease {
			t.Errorf("long before: decided by %s", got)
		}
		if got := ask(time.Now()); got != sluice.SourceStore {
			t.Errorf("too late: decided by %s", got)
		}
		if _, _, asks := p.seen(); asks[len(asks)-1].Before == 0 {
			t.Error("the last ask says nothing of the instant from which on the policy may be another")
		}
	})
}

// TestRenewalsAreByTheViewOfNow renews a loan for long, by views that hold a second each: an ask by the view of the first
// check would be refused.
func TestRenewalsAreByTheViewOfNow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPool(1_000_000)
		_, s, stop := running(t, p)
		defer stop()
		for range 5000 {
			before := sluice.Tick(time.Now().Add(time.Second).UnixMicro())
			if _, err := s.Check(t.Context(), sluice.Request{Policy: &policy, Key: "k", Cost: 1, Before: before}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.stale > 0 {
			t.Errorf("%d of %d asks were by a view that no longer held", p.stale, len(p.sent))
		}
	})
}

// TestWhatIsNotLent is asked at the store, always.
func TestWhatIsNotLent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPool(1_000_000)
		l, s, stop := running(t, p)
		defer stop()
		warm(t, l)
		policy, key := l.Policy(), "k"
		for _, req := range []sluice.Request{
			{Policy: &policy, Key: key, Cost: 1, Peek: true},
			{Policy: &policy, Key: key},
			{Policy: &policy, Key: key, Cost: 1, At: 1},
			{Policy: &policy, Key: key, Cost: 1, Refusals: 1},
			{Policy: &sluice.Policy{Name: "p", Limits: policy.Limits}, Key: key, Cost: 1},
		} {
			for range 10 {
				if d, err := s.Check(t.Context(), req); err != nil || d.Source != sluice.SourceStore {
					t.Errorf("%+v is decided by %s, %v", req, d.Source, err)
				}
				time.Sleep(time.Millisecond)
			}
		}
	})
}

// TestCheckAll: those of one key are decided in their order.
func TestCheckAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPool(1 << 40)
		l, _, stop := running(t, p)
		defer stop()
		warm(t, l)
		results := l.CheckAll(t.Context(), []sluice.Ask{{Key: "k", Cost: 1}, {Key: "other", Cost: 1}, {Key: "k", Cost: 900_000}, {Key: "k", Cost: 1}})
		var sources []sluice.Source
		for _, r := range results {
			if r.Err != nil || !r.Decision.Allowed {
				t.Fatalf("%v, %v", r.Decision, r.Err)
			}
			sources = append(sources, r.Decision.Source)
		}
		want := [...]sluice.Source{sluice.SourceLease, sluice.SourceStore, sluice.SourceStore, sluice.SourceStore}
		if [4]sluice.Source(sources) != want {
			t.Errorf("decided by %v, want %v", sources, want)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, before, _ := p.seen()
		l.CheckAll(ended, []sluice.Ask{{Key: "k", Cost: 1}})
		_, err := l.Check(ended, "k", 1)
		if _, checks, _ := p.seen(); err != nil || checks != before+2 {
			t.Errorf("with a context that has ended the store is to say so: %v", err)
		}
	})
}

// TestMaxKeys asks for many more keys than there are places.
func TestMaxKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPool(1 << 40)
		s, err := lease.New(p, lease.Config{MaxKeys: 64})
		if err != nil {
			t.Fatal(err)
		}
		l, err := sluice.New(s, policy)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		var run sync.WaitGroup
		run.Go(func() { _ = s.Run(ctx) })
		for range 20 {
			for i := range 1000 {
				if _, err := l.Check(ctx, fmt.Sprint(i), 1); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Millisecond)
		}
		if keys := s.Stats().Keys; keys > 64 {
			t.Errorf("units of %d keys are held, want at most 64", keys)
		}
		cancel()
		run.Wait()
	})
}

// TestConcurrently spends one pool from many goroutines, in real time.
func TestConcurrently(t *testing.T) {
	t.Parallel()
	const units, callers = 300_000, 8
	p := newPool(units)
	l, _, stop := running(t, p)
	var admitted, leased [callers]int64
	var group sync.WaitGroup
	for c := range callers {
		group.Go(func() {
			for i := range units / callers * 2 {
				d, err := l.Check(context.Background(), "k", 1)
				if err != nil {
					t.Error(err)
					return
				}
				if d.Allowed {
					admitted[c]++
				}
				if d.Source == sluice.SourceLease {
					leased[c]++
				}
				if i%10_000 == 0 {
					_ = l.Reset(context.Background(), "k")
				}
			}
		})
	}
	group.Wait()
	stop()
	total, byLease := int64(0), int64(0)
	for c := range callers {
		total, byLease = total+admitted[c], byLease+leased[c]
	}
	if byLease < units/10 {
		t.Errorf("%d of %d were admitted by lease: this shows nothing", byLease, total)
	}
	if total > units || total < units/2 {
		t.Errorf("%d of %d units were admitted", total, units)
	}
	if p.left+total != units {
		t.Errorf("%d units are left of %d, of which %d were admitted: the others were not given back", p.left, units, total)
	}
}

func TestASpentUnitAllocatesNothing(t *testing.T) {
	// Not parallel: it counts allocations.
	p := newPool(1 << 40)
	l, _, stop := running(t, p)
	defer stop()
	warm(t, l)
	leased := 0
	allocs := testing.AllocsPerRun(1000, func() {
		if check(t, l).Source == sluice.SourceLease {
			leased++
		}
	})
	if allocs >= 1 || leased == 0 {
		t.Errorf("%v allocations a check, %d of 1000 by lease", allocs, leased)
	}
}

var errOther = errors.New("other")

// TestFailures: where asking fails, the store decides.
func TestFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPool(1_000_000)
		l, _, stop := running(t, p)
		defer stop()
		for range 1000 {
			p.mu.Lock()
			p.fails = errOther
			p.mu.Unlock()
			if d := check(t, l); d.Source != sluice.SourceStore {
				t.Fatalf("decided by %s", d.Source)
			}
			time.Sleep(time.Millisecond)
		}
		if _, _, asks := p.seen(); len(asks) == 0 || len(asks) > 10 {
			t.Errorf("asked %d times in a second, want a few", len(asks))
		}
	})
}
