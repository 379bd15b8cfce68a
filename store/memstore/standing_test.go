package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/store/memstore"
)

// amend changes the standing of a key of the policy p.
func amend(t testing.TB, s *memstore.Store, key string, a sluice.Amendment) sluice.Standing {
	t.Helper()
	a.Policy, a.Key = "p", key
	is, err := s.Amend(context.Background(), a)
	if err != nil {
		t.Fatal(err)
	}
	return is
}

// except gives a key limits of its own, for good where the time is 0.
func except(t testing.TB, s *memstore.Store, key string, d time.Duration) {
	t.Helper()
	amend(t, s, key, sluice.Amendment{Except: &sluice.Exception{Limits: []sluice.Limit{sluice.PerHour(7)}, For: d}})
}

func TestAmendAfterTheContextEnded(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := newStore(t, 0)
	_, err := s.Amend(ctx, sluice.Amendment{Policy: "p", Key: "k", Bar: &sluice.Bar{For: time.Hour}})
	if !errors.Is(err, sluice.ErrNotSent) || !errors.Is(err, context.Canceled) {
		t.Errorf("Amend: %v, want ErrNotSent and context.Canceled", err)
	}
	if is := amend(t, s, "k", sluice.Amendment{}); is.Block != nil {
		t.Errorf("it was barred all the same: %+v", is.Block)
	}
	if _, err := s.List(ctx, sluice.List{Policy: "p", Most: 1}); !errors.Is(err, sluice.ErrNotSent) || !errors.Is(err, context.Canceled) {
		t.Errorf("List: %v, want ErrNotSent and context.Canceled", err)
	}
}

func TestListRefusesACursorOfAnother(t *testing.T) {
	t.Parallel()
	s := newStore(t, 0)
	for _, text := range []string{"!", "_w", "gA", "____________________"} {
		_, err := s.List(t.Context(), sluice.List{Policy: "p", Cursor: text, Most: 1})
		var invalid *sluice.InvalidError
		if !errors.As(err, &invalid) || invalid.Field != "cursor" {
			t.Errorf("List with the cursor %q: %v, want an InvalidError of it", text, err)
		}
	}
}

// TestPages reads a list of which every shard has a part, in pages that end everywhere.
func TestPages(t *testing.T) {
	t.Parallel()
	const keys = 3000
	s := newStore(t, 0)
	for i := range keys {
		amend(t, s, fmt.Sprint(i), sluice.Amendment{Bar: &sluice.Bar{For: time.Hour}})
	}
	for _, most := range []int{1, 7, 100, 1000} {
		seen := make(map[string]bool)
		l := sluice.List{Policy: "p", Most: most}
		for pages := 0; pages == 0 || l.Cursor != ""; pages++ {
			page, err := s.List(t.Context(), l)
			if err != nil || len(page.Entries) > most || pages > keys {
				t.Fatalf("page %d of %d: %d entries, error %v", pages, most, len(page.Entries), err)
			}
			for _, e := range page.Entries {
				if seen[e.Key] {
					t.Fatalf("pages of %d: %q is listed twice", most, e.Key)
				}
				seen[e.Key] = true
			}
			l.Cursor = page.Cursor
		}
		if len(seen) != keys {
			t.Errorf("pages of %d: %d keys are listed, want %d", most, len(seen), keys)
		}
	}
}

// TestBlocksAndOverridesStay fills a store that holds blocks and overrides with keys that outlast them: none of the first
// is dropped for one of the others.
func TestBlocksAndOverridesStay(t *testing.T) {
	t.Parallel()
	const most = 1000
	s := newStore(t, most)
	for i := range most / 4 {
		except(t, s, fmt.Sprint("good", i), 0)
		amend(t, s, fmt.Sprint("barred", i), sluice.Amendment{Bar: &sluice.Bar{For: time.Minute}})
	}
	for i := range 3 * most {
		allow(t, s, sluice.PerHour(1), fmt.Sprint("k", i))
	}
	if got, want := s.Stats(), (memstore.Stats{Keys: most, Evicted: 3*most - most/2}); got != want {
		t.Errorf("Stats = %+v, want %+v", got, want)
	}
	for i := range most / 4 {
		if is := amend(t, s, fmt.Sprint("good", i), sluice.Amendment{}); is.Override == nil {
			t.Fatalf("override %d was dropped", i)
		}
		if is := amend(t, s, fmt.Sprint("barred", i), sluice.Amendment{}); is.Block == nil {
			t.Fatalf("block %d was dropped", i)
		}
	}
}

// TestOverridesAreBounded adds more blocks and overrides than a store holds: each too many costs one, and those that
// have an end go first.
func TestOverridesAreBounded(t *testing.T) {
	t.Parallel()
	const most = 2000
	s := newStore(t, most)
	for i := range most / 2 {
		except(t, s, fmt.Sprint("good", i), 0)
		except(t, s, fmt.Sprint("while", i), time.Hour)
	}
	for i := range 100 {
		except(t, s, fmt.Sprint("new", i), 0)
	}
	if got, want := s.Stats(), (memstore.Stats{Keys: most, Evicted: 100}); got != want {
		t.Errorf("Stats = %+v, want %+v", got, want)
	}
	if got := s.Listed(); got != most {
		t.Errorf("%d keys are listed, want the %d that are held", got, most)
	}
	for i := range most / 2 {
		if is := amend(t, s, fmt.Sprint("good", i), sluice.Amendment{}); is.Override == nil {
			t.Fatalf("override %d for good was dropped while others were there", i)
		}
	}
	for i := range 3 * most {
		except(t, s, fmt.Sprint("many", i), 0)
	}
	if got := s.Stats().Keys; got != most {
		t.Errorf("the store holds %d keys, want %d", got, most)
	}
}

// TestStandingsEnd: what has ended leaves the lists and the memory, with and without counters beside it.
func TestStandingsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, 0)
		for i := range 100 {
			amend(t, s, fmt.Sprint("alone", i), sluice.Amendment{Bar: &sluice.Bar{For: time.Minute}})
			allow(t, s, sluice.PerHour(2), fmt.Sprint("beside", i))
			except(t, s, fmt.Sprint("beside", i), time.Minute)
		}
		except(t, s, "good", 0)
		time.Sleep(time.Minute)
		for i := range 100 {
			allow(t, s, sluice.PerHour(2), fmt.Sprint("beside", i))
		}
		if got := s.Listed(); got != 101 {
			t.Errorf("%d keys are listed, want 100 of which nobody has asked since and the one whose override is for good", got)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = s.Run(ctx) })
		time.Sleep(2 * time.Second)
		if got := s.Listed(); got != 1 {
			t.Errorf("%d keys are listed, want the one whose override is for good", got)
		}
		if got := s.Stats(); got != (memstore.Stats{Keys: 101}) {
			t.Errorf("Stats = %+v, want 100 with counters and one with an override", got)
		}
		time.Sleep(time.Hour)
		if got := s.Stats(); got != (memstore.Stats{Keys: 1}) {
			t.Errorf("Stats = %+v, want the override for good alone", got)
		}
		cancel()
		wg.Wait()
	})
}

// TestAShorterBlockEnds: one that is put in the place of a longer one leaves the memory when it ends itself.
func TestAShorterBlockEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, 0)
		for _, d := range []time.Duration{time.Hour, time.Second} {
			amend(t, s, "k", sluice.Amendment{Bar: &sluice.Bar{For: d}})
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = s.Run(ctx) })
		time.Sleep(3 * time.Second)
		if got := s.Stats().Keys; got != 0 {
			t.Errorf("%d keys are held, want none", got)
		}
		cancel()
		wg.Wait()
	})
}

// TestAListDropsWhatItFindsEnded: nobody asks for the keys, whose counters live on.
func TestAListDropsWhatItFindsEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, 0)
		for i := range 10 {
			allow(t, s, sluice.PerHour(2), fmt.Sprint(i))
			except(t, s, fmt.Sprint(i), time.Minute)
		}
		time.Sleep(time.Minute)
		page, err := s.List(t.Context(), sluice.List{Policy: "p", Overrides: true, Most: 1000})
		if err != nil || len(page.Entries) != 0 || page.Cursor != "" {
			t.Errorf("List = %+v, %v, want an empty page", page, err)
		}
		if got := s.Listed(); got != 0 {
			t.Errorf("%d keys are still listed", got)
		}
		if got := s.Stats().Keys; got != 10 {
			t.Errorf("%d keys are held, want 10 with counters", got)
		}
	})
}

// TestAListCostsNoOtherKeys lists a few keys among many: neither more steps nor more memory than among few.
func TestAListCostsNoOtherKeys(t *testing.T) {
	// Not parallel: it counts allocations.
	s := newStore(t, 0)
	for i := range 50 {
		except(t, s, fmt.Sprint("own", i), 0)
	}
	count := func() float64 {
		return testing.AllocsPerRun(20, func() {
			page, err := s.List(context.Background(), sluice.List{Policy: "p", Overrides: true, Most: 1000})
			if err != nil || len(page.Entries) != 50 {
				t.Fatalf("%d entries, error %v, want 50", len(page.Entries), err)
			}
		})
	}
	among50 := count()
	for i := range 50_000 {
		allow(t, s, sluice.PerHour(1), fmt.Sprint("k", i))
	}
	if got := count(); got > among50 {
		t.Errorf("among 50 keys it allocates %v times, among 50,050 %v times", among50, got)
	}
}

// TestAnAllowedCheckAllocatesNothing where the policy has a penalty, the key has been refused before, or has limits of
// its own.
func TestAnAllowedCheckAllocatesNothing(t *testing.T) {
	// Not parallel: it counts allocations.
	s := newStore(t, 0)
	l, err := sluice.New(s, sluice.Policy{
		Name: "p", Limits: []sluice.Limit{sluice.Per(1<<30, time.Hour).WithBurst(1 << 30)},
		Penalty: &sluice.Penalty{After: 10, Within: time.Hour, For: time.Hour},
	})
	if err != nil {
		t.Fatal(err)
	}
	own := []sluice.Limit{sluice.Per(1<<31, time.Hour).WithBurst(1 << 31)}
	if err := l.Override(context.Background(), "own", own, 0); err != nil {
		t.Fatal(err)
	}
	if d, err := l.Check(context.Background(), "refused", 1<<31); err != nil || d.Allowed {
		t.Fatal(d, err)
	}
	for _, key := range []string{"plain", "own", "refused"} {
		check := func() {
			if d, err := l.Check(context.Background(), key, 1); err != nil || !d.Allowed {
				t.Fatal(d, err)
			}
		}
		check()
		if got := testing.AllocsPerRun(500, check); got != 0 {
			t.Errorf("%s: %v allocations a check, want none", key, got)
		}
	}
}

// TestConcurrentStandings changes, lists and drops the standings of few keys from many goroutines, in a store that is too
// small for them, and then looks whether its books are right.
func TestConcurrentStandings(t *testing.T) {
	t.Parallel()
	const most, keys = 200, 600
	s := newStore(t, most)
	policy := &sluice.Policy{
		Name: "p", Limits: []sluice.Limit{sluice.Per(2, 5*time.Millisecond)},
		Penalty: &sluice.Penalty{After: 2, Within: time.Second, For: time.Millisecond},
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 3000 {
				key := fmt.Sprint((i * (g + 7)) % keys)
				_, err := s.Check(t.Context(), sluice.Request{Policy: policy, Key: key, Cost: int64(1 + i%3)})
				if err != nil {
					t.Error(err)
				}
				switch (i + g) % 20 {
				case 0:
					except(t, s, key, time.Duration(i%3)*time.Millisecond)
				case 1:
					amend(t, s, key, sluice.Amendment{Bar: &sluice.Bar{For: time.Millisecond}})
				case 2:
					amend(t, s, key, sluice.Amendment{Unbar: true, Unexcept: true})
				case 3:
					_ = s.Reset(t.Context(), policy, key)
				case 4:
					if _, err := s.List(t.Context(), sluice.List{Policy: "p", Overrides: i%2 == 0, Most: 10}); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	if got := s.Stats().Keys; got < 0 || got > most {
		t.Errorf("the store says that it holds %d keys, want 0 to %d", got, most)
	}
	for i := range keys {
		amend(t, s, fmt.Sprint(i), sluice.Amendment{Unbar: true, Unexcept: true})
		_ = s.Reset(t.Context(), policy, fmt.Sprint(i))
	}
	if keys, listed := s.Stats().Keys, s.Listed(); keys != 0 || listed != 0 {
		t.Errorf("after all was taken back the store says that it holds %d keys and lists %d", keys, listed)
	}
}
