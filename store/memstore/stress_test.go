package memstore_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/store/memstore"
)

// TestNoUnitIsGrantedTwice asks for a few keys from many goroutines, while others fill the store with keys that end at
// once and have it drop them, reset and block them: whatever is moved around the few, each gets its units, and none
// twice. Some of the few are too long to be held within an entry.
func TestNoUnitIsGrantedTwice(t *testing.T) {
	t.Parallel()
	const keys, units, askers, churners, most = 6, 20_000, 4, 4, 1500
	s := newStore(t, most)
	ctx, cancel := context.WithCancel(t.Context())
	var askings, churn sync.WaitGroup
	churn.Go(func() { _ = s.Run(ctx) })
	for g := range churners {
		churn.Go(func() { disturb(ctx, t, s, g) })
	}
	few := &sluice.Policy{Name: "few", Limits: []sluice.Limit{
		sluice.Per(units, 300*24*time.Hour).WithAlgorithm(sluice.FixedWindow),
	}}
	var granted [keys]atomic.Int64
	for range askers {
		askings.Go(func() {
			for i := range keys * (units + units/askers) {
				key := strings.Repeat("k", 10*(i%keys)+1)
				d, err := s.Check(ctx, sluice.Request{Policy: few, Key: key, Cost: 1})
				if err != nil {
					t.Error(err)
					return
				}
				if d.Allowed {
					granted[i%keys].Add(1)
				}
			}
		})
	}
	askings.Wait()
	cancel()
	churn.Wait()
	for i := range granted {
		if got := granted[i].Load(); got != units {
			t.Errorf("key %d: %d units were granted, want %d", i, got, units)
		}
	}
	if got := s.Stats(); got.Keys > most || got.Evicted != 0 {
		t.Errorf("Stats = %+v, want at most %d keys, and none dropped that meant something", got, most)
	}
}

// TestEntryIsHeldByOne holds the entry of a key: a check of it comes to its end when the entry is released, not before. How
// long it is held is in the time of the machine, because who waits for an entry is not asleep.
func TestEntryIsHeldByOne(t *testing.T) {
	t.Parallel()
	s := newStore(t, 0)
	limit := sluice.PerHour(1000)
	allow(t, s, limit, "k")
	for range 20 {
		var released atomic.Bool
		var check sync.WaitGroup
		release := s.Hold("p", "k")
		check.Go(func() {
			allow(t, s, limit, "k")
			if !released.Load() {
				t.Error("a check was decided while another held the entry")
			}
		})
		time.Sleep(5 * time.Millisecond)
		released.Store(true)
		release()
		check.Wait()
	}
}

// disturb inserts, resets, blocks and lists keys that end within milliseconds, until ctx ends. It holds at most 200 keys.
func disturb(ctx context.Context, t *testing.T, s *memstore.Store, g int) {
	policy := &sluice.Policy{
		Name: "many", Limits: []sluice.Limit{sluice.Per(2, time.Duration(1+g)*time.Millisecond)},
		Penalty: &sluice.Penalty{After: 2, Within: time.Millisecond, For: time.Millisecond},
	}
	for i := 0; ctx.Err() == nil; i++ {
		key := fmt.Sprint(g, "-", i%200)
		if _, err := s.Check(context.Background(), sluice.Request{Policy: policy, Key: key, Cost: int64(1 + i%2)}); err != nil {
			t.Error(err)
			return
		}
		switch i % 16 {
		case 0:
			_ = s.Reset(context.Background(), policy, key)
		case 1:
			a := sluice.Amendment{Policy: "many", Key: key, Bar: &sluice.Bar{For: time.Millisecond}}
			if _, err := s.Amend(context.Background(), a); err != nil {
				t.Error(err)
			}
		case 2:
			if _, err := s.List(context.Background(), sluice.List{Policy: "many", Most: 10}); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestKeysOfEveryLength: keys that differ in their last byte only, or in their policy only, share nothing.
func TestKeysOfEveryLength(t *testing.T) {
	t.Parallel()
	s := newStore(t, 0)
	for _, policy := range []string{"p", "q"} {
		req := sluice.Request{Policy: &sluice.Policy{Name: policy, Limits: []sluice.Limit{sluice.PerHour(1)}}, Cost: 1}
		for n := range 100 {
			for _, last := range []string{"a", "b"} {
				for _, want := range []bool{true, false} {
					req.Key = strings.Repeat("k", n) + last
					if d, err := s.Check(t.Context(), req); err != nil || d.Allowed != want {
						t.Fatalf("policy %s, key %q: %v, %v, want allowed %t", policy, req.Key, d, err, want)
					}
				}
			}
		}
	}
	if got := s.Stats().Keys; got != 400 {
		t.Errorf("%d keys are held, want 400", got)
	}
}

// TestMemoryIsGivenBack fills the store, lets all of it end, and looks what it still holds.
func TestMemoryIsGivenBack(t *testing.T) {
	t.Parallel()
	s := newStore(t, 0)
	now := int64(1_700_000_000_000_000)
	s.SetClock(func() int64 { return now })
	for i := range 20_000 {
		allow(t, s, sluice.PerSecond(1), fmt.Sprint(i))
	}
	full := s.Capacity()
	if full < 20_000 {
		t.Fatalf("there is room for %d keys, of the 20,000 that are held", full)
	}
	now += 1e6
	for i := range 20_000 {
		allow(t, s, sluice.PerSecond(1), fmt.Sprint("k", i))
	}
	if held := s.Capacity(); held > full*5/4 {
		t.Errorf("there is room for %d keys, and was for %d, after 20,000 have taken the place of as many", held, full)
	}
	now += 1e6
	s.Sweep()
	if held := s.Capacity(); held != 0 {
		t.Errorf("there is room for %d keys in a store that is empty", held)
	}
}

// TestEntryIsTwoCacheLines, which is what the speed of many keys rests on: whether it has their size, and begins where one
// of them begins.
func TestEntryIsTwoCacheLines(t *testing.T) {
	t.Parallel()
	s := newStore(t, 0)
	for i := range 1000 {
		key := fmt.Sprint(i)
		allow(t, s, sluice.PerHour(1), key)
		if at := s.EntryAddress("p", key); at%memstore.EntrySize != 0 || memstore.EntrySize != 128 {
			t.Fatalf("the entry of key %d has %d bytes at %#x, want 128 at a multiple of it", i, memstore.EntrySize, at)
		}
	}
}

// BenchmarkProcs asks from as many goroutines as there are processors, for one key and for 100,000 in random order.
func BenchmarkProcs(b *testing.B) {
	for _, n := range []int{1, 100_000} {
		b.Run(fmt.Sprint("keys=", n), func(b *testing.B) {
			l, err := sluice.New(newStore(b, 0), sluice.Policy{Name: "p", Limits: []sluice.Limit{sluice.PerDay(8640).WithBurst(1 << 31)}})
			if err != nil {
				b.Fatal(err)
			}
			keys := make([]string, n)
			for i := range keys {
				keys[i] = fmt.Sprintf("tenant:%06d:user:%08d", i%97, i)
				if _, err := l.Check(b.Context(), keys[i], 1); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := uint32(1); pb.Next(); i = i*1664525 + 1013904223 {
					key := keys[uint64(i)*uint64(n)>>32]
					if d, err := l.Check(context.Background(), key, 1); err != nil || !d.Allowed {
						b.Error(d, err)
					}
				}
			})
		})
	}
}
