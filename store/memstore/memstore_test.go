package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/store/memstore"
)

func newStore(t testing.TB, maxKeys int) *memstore.Store {
	t.Helper()
	s, err := memstore.New(memstore.Config{MaxKeys: maxKeys})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// allow charges one unit of a limit to a key, and fails the test where it is refused.
func allow(t testing.TB, s *memstore.Store, limit sluice.Limit, key string) {
	t.Helper()
	req := sluice.Request{Policy: &sluice.Policy{Name: "p", Limits: []sluice.Limit{limit}}, Key: key, Cost: 1}
	if d, err := s.Check(context.Background(), req); err != nil || !d.Allowed {
		t.Fatalf("Check(%q) = %v, %v, want it allowed", key, d, err)
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	if _, err := memstore.New(memstore.Config{MaxKeys: -1}); err == nil {
		t.Error("New took a negative MaxKeys")
	}
}

func TestCheckAfterTheContextEnded(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := newStore(t, 0)
	_, err := s.Check(ctx, sluice.Request{Policy: &sluice.Policy{Name: "p", Limits: []sluice.Limit{sluice.PerHour(1)}}, Key: "k", Cost: 1})
	if !errors.Is(err, sluice.ErrNotSent) || !errors.Is(err, context.Canceled) {
		t.Errorf("Check: %v, want ErrNotSent and context.Canceled", err)
	}
	allow(t, s, sluice.PerHour(1), "k")
}

// TestLateCaller has a caller stopped for longer than a period where he has just read the clock, while another asks. The
// instant that he has read must not be decided by after that of the other: it would read as a clock that has stepped back
// by more than a period, and what the other took would come back early.
func TestLateCaller(t *testing.T) {
	t.Parallel()
	for _, known := range []bool{false, true} {
		const begin, period = 1_700_000_000_000_000, 100 * time.Millisecond
		s := newStore(t, 0)
		limit := sluice.Per(1, period)
		check := func() bool {
			req := sluice.Request{Policy: &sluice.Policy{Name: "p", Limits: []sluice.Limit{limit}}, Key: "k", Cost: 1}
			d, err := s.Check(context.Background(), req)
			if err != nil {
				t.Error(err)
			}
			return d.Allowed
		}
		if known {
			s.SetClock(func() int64 { return begin - int64(period/time.Microsecond) })
			check()
		}
		later := int64(begin + 2*period/time.Microsecond)
		another := make(chan bool, 1)
		var reads atomic.Int64
		s.SetClock(func() int64 {
			if reads.Add(1) > 1 {
				return later
			}
			go func() { another <- check() }()
			select {
			case allowed := <-another:
				another <- allowed
			case <-time.After(50 * time.Millisecond): // he waits for the one who has been stopped
			}
			return begin
		})
		check()
		if !<-another {
			t.Fatalf("known %t: the first check in two periods is refused", known)
		}
		if s.SetClock(func() int64 { return later + 1 }); check() {
			t.Errorf("known %t: a unit is granted, one tick after the only one of this period was", known)
		}
	}
}

// TestMaxKeys fills a store well past its maximum with keys that all mean something: each key too many costs one key,
// the one that would have ended soonest among those of its shard.
func TestMaxKeys(t *testing.T) {
	t.Parallel()
	const most = 1000
	s := newStore(t, most)
	for i := range 3 * most {
		allow(t, s, sluice.PerHour(1), fmt.Sprint("k", i))
		if got := s.Stats().Keys; got > most {
			t.Fatalf("after %d keys the store holds %d, more than %d", i+1, got, most)
		}
	}
	if got, want := s.Stats(), (memstore.Stats{Keys: most, Evicted: 2 * most}); got != want {
		t.Errorf("Stats = %+v, want %+v", got, want)
	}
}

func TestDeadKeysAreDroppedFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const most = 500
		s := newStore(t, most)
		for i := range most / 2 {
			allow(t, s, sluice.PerHour(1), fmt.Sprint("long", i))
			allow(t, s, sluice.PerMinute(1), fmt.Sprint("short", i))
		}
		time.Sleep(time.Minute)
		for i := range most / 2 {
			allow(t, s, sluice.PerHour(1), fmt.Sprint("new", i))
		}
		if got := s.Stats(); got.Evicted != 0 || got.Keys > most {
			t.Errorf("Stats = %+v, want none evicted: half of the keys meant nothing any more", got)
		}
		for i := range most / 2 {
			d, err := s.Check(t.Context(), sluice.Request{
				Policy: &sluice.Policy{Name: "p", Limits: []sluice.Limit{sluice.PerHour(1)}},
				Key:    fmt.Sprint("long", i), Cost: 1,
			})
			if err != nil || d.Allowed {
				t.Fatalf("long%d was forgotten", i)
			}
		}
	})
}

// TestTheSoonestToEndIsEvicted adds so few keys to a full store that each shard has one that ends soon to give up.
func TestTheSoonestToEndIsEvicted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const most = 2000
		s := newStore(t, most)
		for i := range most / 2 {
			allow(t, s, sluice.PerMinute(1), fmt.Sprint("short", i))
			allow(t, s, sluice.PerHour(1), fmt.Sprint("long", i))
		}
		for i := range 100 {
			allow(t, s, sluice.PerHour(1), fmt.Sprint("new", i))
		}
		if got, want := s.Stats(), (memstore.Stats{Keys: most, Evicted: 100}); got != want {
			t.Errorf("Stats = %+v, want %+v", got, want)
		}
		for i := range most / 2 {
			d, err := s.Check(t.Context(), sluice.Request{
				Policy: &sluice.Policy{Name: "p", Limits: []sluice.Limit{sluice.PerHour(1)}},
				Key:    fmt.Sprint("long", i), Cost: 1,
			})
			if err != nil || d.Allowed {
				t.Fatalf("long%d was evicted while shorter ones were there", i)
			}
		}
	})
}

func TestRunDropsWhatMeansNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, 0)
		for i := range 10_000 {
			allow(t, s, sluice.PerMinute(1), fmt.Sprint("short", i))
		}
		// These last longer than they did when they were first written: they must outlive the first minute.
		for i := range 100 {
			allow(t, s, sluice.PerMinute(2), fmt.Sprint("twice", i))
		}
		time.Sleep(30 * time.Second)
		for i := range 100 {
			allow(t, s, sluice.PerMinute(2), fmt.Sprint("twice", i))
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := s.Run(ctx); err != nil {
				t.Errorf("Run: %v", err)
			}
		})
		for _, test := range []struct {
			after time.Duration
			want  int64
		}{{28 * time.Second, 10_100}, {4 * time.Second, 100}, {27 * time.Second, 100}, {3 * time.Second, 0}} {
			time.Sleep(test.after)
			if got := s.Stats(); got.Keys != test.want || got.Evicted != 0 {
				t.Errorf("Stats = %+v, want %d keys", got, test.want)
			}
		}
		cancel()
		wg.Wait()
	})
}

func TestWritesSweepWithoutRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, 0)
		for i := range 10_000 {
			allow(t, s, sluice.PerSecond(1), fmt.Sprint("a", i))
		}
		time.Sleep(time.Second)
		for i := range 10_000 {
			allow(t, s, sluice.PerSecond(1), fmt.Sprint("b", i))
		}
		if got := s.Stats().Keys; got > 10_100 {
			t.Errorf("the store holds %d keys, of which 10,000 mean something", got)
		}
	})
}

func TestReset(t *testing.T) {
	t.Parallel()
	s := newStore(t, 0)
	for range 3 {
		for i := range 100 {
			allow(t, s, sluice.PerHour(1), fmt.Sprint(i))
		}
		for i := range 100 {
			for _, policy := range []string{"other", "p", "p"} {
				if err := s.Reset(t.Context(), &sluice.Policy{Name: policy}, fmt.Sprint(i)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if got := s.Stats(); got != (memstore.Stats{}) {
			t.Fatalf("Stats after Reset = %+v, want none", got)
		}
	}
}

func TestAKnownKeyAllocatesNothing(t *testing.T) {
	// Not parallel: it counts allocations.
	three := []sluice.Limit{sluice.Per(1<<30, time.Hour).WithName("a").WithBurst(1 << 30), sluice.Per(1<<30, time.Hour), sluice.Per(1<<30, time.Hour).WithName("c").WithAlgorithm(sluice.SlidingCounter)}
	for _, limits := range [][]sluice.Limit{three[:1], three[1:2], three[2:], three} {
		s := newStore(t, 0)
		l, err := sluice.New(s, sluice.Policy{Name: "p", Limits: limits})
		if err != nil {
			t.Fatal(err)
		}
		check := func() {
			if d, err := l.Check(context.Background(), "k", 1); err != nil || !d.Allowed {
				t.Fatal(d, err)
			}
		}
		for range 500 {
			check() // so that the log of a sliding window has its full size
		}
		if got := testing.AllocsPerRun(500, check); got != 0 {
			t.Errorf("%v: %v allocations a check, want none", limits, got)
		}
	}
}

// TestConcurrentKeys churns a small store from many goroutines and then looks whether its books are right.
func TestConcurrentKeys(t *testing.T) {
	t.Parallel()
	const most = 200
	s := newStore(t, most)
	ctx, cancel := context.WithCancel(t.Context())
	var run, wg sync.WaitGroup
	run.Go(func() { _ = s.Run(ctx) })
	for g := range 8 {
		wg.Go(func() {
			p := &sluice.Policy{Name: "p", Limits: []sluice.Limit{sluice.Per(1000, time.Duration(g+1)*time.Millisecond)}}
			for i := range 5000 {
				key := fmt.Sprint((i * (g + 7)) % 600)
				if _, err := s.Check(ctx, sluice.Request{Policy: p, Key: key, Cost: 1}); err != nil {
					t.Error(err)
				}
				if i%50 == 0 {
					_ = s.Reset(ctx, p, key)
				}
			}
		})
	}
	wg.Wait()
	if got := s.Stats().Keys; got < 0 || got > most {
		t.Errorf("the store says that it holds %d keys, want 0 to %d", got, most)
	}
	time.Sleep(10 * time.Millisecond) // real expiry: the periods are a few milliseconds
	for i := range 600 {
		_ = s.Reset(t.Context(), &sluice.Policy{Name: "p"}, fmt.Sprint(i))
	}
	if got := s.Stats().Keys; got != 0 {
		t.Errorf("after resetting every key the store says that it holds %d", got)
	}
	cancel()
	run.Wait()
}

func BenchmarkCheck(b *testing.B) {
	for _, test := range []struct {
		name  string
		limit sluice.Limit
	}{
		{"token-bucket", sluice.Per(1<<30, time.Hour).WithBurst(1 << 31)},
		{"sliding-window", sluice.Per(1<<31, time.Hour)},
		{"fixed-window", sluice.Per(1<<31, time.Hour).WithAlgorithm(sluice.FixedWindow)},
		{"sliding-counter", sluice.Per(1<<31, time.Hour).WithAlgorithm(sluice.SlidingCounter)},
	} {
		b.Run(test.name, func(b *testing.B) {
			l, err := sluice.New(newStore(b, 0), sluice.Policy{Name: "p", Limits: []sluice.Limit{test.limit}})
			if err != nil {
				b.Fatal(err)
			}
			keys := make([]string, 100_000)
			for i := range keys {
				keys[i] = fmt.Sprint("user:", i)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, err := l.Check(context.Background(), keys[i%len(keys)], 1); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}

// BenchmarkMadeUpKeys asks for a new key each time, where the store is full of keys that all mean something still.
func BenchmarkMadeUpKeys(b *testing.B) {
	l, err := sluice.New(newStore(b, 1_000_000), sluice.Policy{Name: "p", Limits: []sluice.Limit{sluice.PerHour(1000)}})
	if err != nil {
		b.Fatal(err)
	}
	key := []byte("made-up:")
	next := 0
	ask := func() {
		next++
		if _, err := l.Check(context.Background(), string(strconv.AppendInt(key, int64(next), 10)), 1); err != nil {
			b.Fatal(err)
		}
	}
	for range 1_100_000 {
		ask()
	}
	b.ReportAllocs()
	for b.Loop() {
		ask()
	}
}

// slowly is a context that takes its time to say that it has not ended.
type slowly struct{ context.Context }

func (slowly) Err() error {
	for begin := time.Now(); time.Since(begin) < 20*time.Microsecond; {
	}
	return nil
}

// TestOthersRunBetweenChecks has somebody wait for the only processor while many checks are made, for longer than a turn and
// for less than the ten milliseconds after which the scheduler lets him run anyway.
func TestOthersRunBetweenChecks(t *testing.T) {
	s := newStore(t, 0)
	reqs := slices.Repeat([]sluice.Request{{Policy: &sluice.Policy{Name: "p", Limits: []sluice.Limit{sluice.PerHour(1)}}, Key: "k"}}, 200)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	ran := make(chan bool, 1)
	go func() { ran <- true }()
	s.CheckAll(slowly{t.Context()}, reqs)
	if len(ran) == 0 {
		t.Error("nobody else had the processor before the checks were made")
	}
}
