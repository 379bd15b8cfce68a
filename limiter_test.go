package sluice_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/store/memstore"
)

func newLimiter(t *testing.T, limits ...sluice.Limit) *sluice.Limiter {
	t.Helper()
	store, err := memstore.New(memstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := sluice.New(store, sluice.Policy{Name: "api", Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestNewKeepsItsOwnLimits(t *testing.T) {
	t.Parallel()
	mine := []sluice.Limit{sluice.PerSecond(1)}
	penalty := sluice.Penalty{After: 10, Within: time.Minute, For: time.Hour}
	own := penalty
	store, _ := memstore.New(memstore.Config{})
	l, err := sluice.New(store, sluice.Policy{Name: "api", Limits: mine, Penalty: &own})
	if err != nil {
		t.Fatal(err)
	}
	mine[0] = sluice.PerSecond(99)
	l.Policy().Limits[0] = sluice.PerSecond(98)
	if got := l.Policy().Limits[0]; got != sluice.PerSecond(1) {
		t.Errorf("the limiter's limit became %v", got)
	}
	own.After = 9
	l.Policy().Penalty.After = 8
	if got := *l.Policy().Penalty; got != penalty {
		t.Errorf("the limiter's penalty became %+v", got)
	}
	if _, err := sluice.New(store, sluice.Policy{Name: "Bad"}); err == nil {
		t.Error("New took a policy without limits and with a bad name")
	}
}

func TestRefund(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, sluice.PerHour(5), sluice.PerSecond(9).WithBurst(9))
	if d, err := l.Check(t.Context(), "k", 5); err != nil || !d.Allowed {
		t.Fatalf("Check(5) = %v, %v", d, err)
	}
	for _, step := range []struct{ units, left int64 }{{0, 0}, {2, 2}, {1, 3}, {sluice.MaxCount, 5}, {1, 5}} {
		d, err := l.Refund(t.Context(), "k", step.units)
		if err != nil || !d.Allowed || d.Remaining != step.left || d.RetryAfter != 0 || d.Cost != 0 {
			t.Errorf("Refund(%d) = %v, %v, want %d remaining", step.units, d, err, step.left)
		}
	}
	if d, err := l.Check(t.Context(), "k", 6); err != nil || d.Allowed {
		t.Errorf("Check(6) of 5 = %v, %v, want it refused", d, err)
	}
	for _, test := range []struct {
		key   string
		units int64
		want  string
	}{
		{"", 1, "key: it is empty; it must be 1 to 4096 bytes that say who is limited"},
		{"k", -1, "refund: it is -1; it must be a whole number from 0 to 4294967295"},
		{"k", sluice.MaxCount + 1, "refund: it is 4294967296; it must be a whole number from 0 to 4294967295"},
	} {
		_, err := l.Refund(t.Context(), test.key, test.units)
		var invalid *sluice.InvalidError
		if !errors.As(err, &invalid) || err.Error() != test.want {
			t.Errorf("Refund(%q, %d): %v, want %s", test.key, test.units, err, test.want)
		}
	}
}

func TestCheckRefusesBadInput(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, sluice.PerHour(5))
	for _, test := range []struct {
		key   string
		cost  int64
		field string
	}{
		{"", 1, "key"},
		{strings.Repeat("k", 4097), 1, "key"},
		{"k", -1, "cost"},
		{"k", sluice.MaxCount + 1, "cost"},
		{"k", 1 << 60, "cost"},
	} {
		_, err := l.Check(t.Context(), test.key, test.cost)
		var invalid *sluice.InvalidError
		if !errors.As(err, &invalid) || invalid.Field != test.field {
			t.Errorf("Check(%.10q, %d): %v, want an InvalidError of %s", test.key, test.cost, err, test.field)
		}
		if err := l.Wait(t.Context(), test.key, test.cost); !errors.As(err, &invalid) {
			t.Errorf("Wait(%.10q, %d): %v, want an InvalidError", test.key, test.cost, err)
		}
	}
	if err := l.Reset(t.Context(), ""); err == nil {
		t.Error("Reset took an empty key")
	}
	results := l.CheckAll(t.Context(), []sluice.Ask{{Key: "k", Cost: 2}, {Key: "", Cost: 1}, {Key: "k", Cost: -1}, {Key: "k", Cost: 2}})
	if results[1].Err == nil || results[2].Err == nil || results[0].Decision.Remaining != 3 || results[3].Decision.Remaining != 1 {
		t.Errorf("CheckAll with two bad asks between two good ones = %+v", results)
	}
	if got := l.CheckAll(t.Context(), nil); len(got) != 0 {
		t.Errorf("CheckAll(nil) = %v", got)
	}
}

func TestDecisionSaysWhoDenied(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, sluice.PerSecond(2), sluice.PerMinute(3), sluice.PerHour(100), sluice.PerDay(3), sluice.Per(9, 7*day))
		for range 2 {
			check(t, l, "k", 1)
		}
		d := check(t, l, "k", 1)
		if d.Allowed || !cmp.Equal(d.DeniedBy(), []string{"second"}) || d.RetryAfter != time.Second || d.Remaining != 0 || d.ResetAfter != 7*day {
			t.Errorf("third check in a second: %+v by %v", d, d.DeniedBy())
		}
		time.Sleep(time.Second)
		check(t, l, "k", 1)
		d = check(t, l, "k", 2)
		if !cmp.Equal(d.DeniedBy(), []string{"second", "minute", "day"}) || d.RetryAfter != day-time.Second {
			t.Errorf("two too many: %+v by %v", d, d.DeniedBy())
		}
		var remaining []int64
		for _, ld := range d.Limits() {
			remaining = append(remaining, ld.Remaining)
		}
		if want := []int64{1, 0, 97, 0, 6}; !cmp.Equal(remaining, want) {
			t.Errorf("remaining by limit = %v, want %v", remaining, want)
		}
		if d = check(t, l, "k", 50); d.RetryAfter != sluice.Never {
			t.Errorf("a cost that can never fit: retry after %v, want Never", d.RetryAfter)
		}
		if peeked, err := l.Peek(t.Context(), "k"); err != nil || peeked.Allowed || peeked.RetryAfter != day-time.Second {
			t.Errorf("Peek = %v, %v", peeked, err)
		}
		if err := l.Reset(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		if d = check(t, l, "k", 0); !d.Allowed || d.Remaining != 2 || d.ResetAfter != 0 {
			t.Errorf("after Reset: %v", d)
		}
	})
}

func check(t *testing.T, l *sluice.Limiter, key string, cost int64) sluice.Decision {
	t.Helper()
	d, err := l.Check(t.Context(), key, cost)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestObserve(t *testing.T) {
	t.Parallel()
	inner, _ := memstore.New(memstore.Config{})
	var seen []sluice.Observation
	store := sluice.Observe(inner, func(_ context.Context, o sluice.Observation) { seen = append(seen, o) })
	l, err := sluice.New(store, sluice.Policy{Name: "api", Limits: []sluice.Limit{sluice.PerHour(1)}})
	if err != nil {
		t.Fatal(err)
	}
	check(t, l, "a", 1)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Check(ended, "b", 1); !errors.Is(err, sluice.ErrNotSent) || !errors.Is(err, context.Canceled) {
		t.Errorf("Check with an ended context: %v, want ErrNotSent and context.Canceled", err)
	}
	l.CheckAll(t.Context(), []sluice.Ask{{Key: "a", Cost: 1}, {Key: "c", Cost: 1}})
	var got []string
	for _, o := range seen {
		got = append(got, o.Request.Key)
		if (o.Err != nil) != (o.Request.Key == "b") || o.Elapsed < 0 {
			t.Errorf("observed %+v", o)
		}
	}
	if want := []string{"a", "b", "a", "c"}; !cmp.Equal(got, want) {
		t.Errorf("observed keys %v, want %v", got, want)
	}
	if seen[2].Decision.Allowed || !seen[3].Decision.Allowed {
		t.Errorf("observed decisions %v and %v", seen[2].Decision, seen[3].Decision)
	}
}

func TestWaitAdmitsInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		inner, _ := memstore.New(memstore.Config{})
		asked := 0
		store := sluice.Observe(inner, func(context.Context, sluice.Observation) { asked++ })
		l, err := sluice.New(store, sluice.Policy{Name: "api", Limits: []sluice.Limit{sluice.PerSecond(1).WithBurst(1)}})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		var mu sync.Mutex
		var order []int
		var wg sync.WaitGroup
		for i := range 5 {
			wg.Go(func() {
				if err := l.Wait(t.Context(), "k", 1); err != nil {
					t.Errorf("Wait %d: %v", i, err)
				}
				mu.Lock()
				defer mu.Unlock()
				order = append(order, i)
				if got, want := time.Since(start), time.Duration(len(order)-1)*time.Second; got != want {
					t.Errorf("admission %d came after %v, want %v", len(order), got, want)
				}
			})
			synctest.Wait()
		}
		wg.Wait()
		if want := []int{0, 1, 2, 3, 4}; !cmp.Equal(order, want) {
			t.Errorf("admitted in order %v, want %v", order, want)
		}
		if asked != 9 {
			t.Errorf("the store was asked %d times, want 9: once for the first, twice for each that slept", asked)
		}
	})
}

func TestWaitFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, sluice.PerMinute(1))
		check(t, l, "k", 1)
		start := time.Now()

		short, cancel := context.WithTimeout(t.Context(), 59*time.Second)
		defer cancel()
		err := l.Wait(short, "k", 1)
		var refused *sluice.RefusedError
		if !errors.As(err, &refused) || !errors.Is(err, context.DeadlineExceeded) || refused.Decision.RetryAfter != time.Minute {
			t.Errorf("Wait for a minute with 59 s left: %v", err)
		}
		if err := l.Wait(t.Context(), "k", 2); !errors.Is(err, sluice.ErrNever) {
			t.Errorf("Wait for more than the limit holds: %v, want ErrNever", err)
		}
		if time.Since(start) != 0 {
			t.Errorf("they failed after %v, want at once", time.Since(start))
		}

		// One that gives up while it sleeps, and one that gives up in the queue behind it: the third is served.
		var wg sync.WaitGroup
		sleeper, stopSleeper := context.WithCancel(t.Context())
		queued, stopQueued := context.WithCancel(t.Context())
		for _, ctx := range []context.Context{sleeper, queued} {
			wg.Go(func() {
				if err := l.Wait(ctx, "k", 1); !errors.Is(err, context.Canceled) {
					t.Errorf("Wait that was cancelled: %v", err)
				}
			})
			synctest.Wait()
		}
		wg.Go(func() {
			if err := l.Wait(t.Context(), "k", 1); err != nil || time.Since(start) != time.Minute {
				t.Errorf("Wait behind two that gave up: %v after %v", err, time.Since(start))
			}
		})
		synctest.Wait()
		stopQueued()
		synctest.Wait()
		stopSleeper()
		wg.Wait()
		if d := check(t, l, "k", 0); d.Remaining != 0 {
			t.Errorf("remaining %d, want 0: only one was admitted", d.Remaining)
		}
	})
}
