package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/store/breaker"
)

const timeout = 100 * time.Millisecond

// parted is a store of parts, each of which answers within a millisecond, not at all, or with an error.
type parted struct {
	sluice.Store // nil: nothing else is called
	parts        []ward
	of           func(policy, key string) int
}

type ward struct {
	frozen atomic.Bool
	fails  atomic.Pointer[error] // at once
	slow   atomic.Int64          // how long an answer takes, in place of a millisecond
	asked  atomic.Int64          // checks
	looked atomic.Int64          // peeks
	waits  atomic.Int64          // checks that wait now
	most   atomic.Int64          // of them at any time
}

func (p *parted) Check(ctx context.Context, req sluice.Request) (sluice.Decision, error) {
	w := &p.parts[p.of(req.Policy.Name, req.Key)]
	if req.Peek {
		w.looked.Add(1)
	} else {
		w.asked.Add(1)
	}
	if err := w.fails.Load(); err != nil {
		return sluice.Decision{}, *err
	}
	n := w.waits.Add(1)
	defer w.waits.Add(-1)
	for most := w.most.Load(); n > most && !w.most.CompareAndSwap(most, n); most = w.most.Load() {
	}
	took := time.Millisecond
	if slow := w.slow.Load(); slow != 0 {
		took = time.Duration(slow)
	}
	if w.frozen.Load() {
		took = time.Hour
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	select {
	case <-time.After(took):
		return sluice.NewDecision(req), nil
	case <-ctx.Done():
		return sluice.Decision{}, fmt.Errorf("%w: %w", sluice.ErrUncertain, ctx.Err())
	}
}

func (p *parted) CheckAll(ctx context.Context, reqs []sluice.Request) []sluice.Result {
	results := make([]sluice.Result, len(reqs))
	var group sync.WaitGroup
	for i, req := range reqs {
		group.Go(func() { results[i].Decision, results[i].Err = p.Check(ctx, req) })
	}
	group.Wait()
	return results
}

// scene is a store of parts and a breaker around it that runs.
type scene struct {
	t     *testing.T
	store *parted
	*breaker.Store
}

// play runs a test in a bubble.
func play(t *testing.T, parts int, f func(*testing.T, *scene)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &parted{parts: make([]ward, parts), of: func(_, key string) int {
			n, _ := strconv.Atoi(key)
			return n % parts
		}}
		b, err := breaker.New(s, breaker.Config{Timeout: timeout, Parts: parts, Part: s.of})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- b.Run(ctx) }()
		synctest.Wait()
		f(t, &scene{t, s, b})
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
	})
}

var some = sluice.Policy{Name: "some", Limits: []sluice.Limit{sluice.PerSecond(1)}}

func request(key string) sluice.Request { return sluice.Request{Policy: &some, Key: key, Cost: 1} }

// check asks for a key and returns how long that took and the error.
func (s *scene) check(key string) (time.Duration, error) {
	begun := time.Now()
	_, err := s.Check(s.t.Context(), request(key))
	return time.Since(begun), err
}

// every asks for a key once in each gap, so often, and waits for all.
func (s *scene) every(key string, gap time.Duration, calls int) {
	var group sync.WaitGroup
	for range calls {
		group.Go(func() { _, _ = s.check(key) })
		time.Sleep(gap)
	}
	group.Wait()
}

func (s *scene) freeze(part int) { s.store.parts[part].frozen.Store(true) }

func (s *scene) thaw(part int) { s.store.parts[part].frozen.Store(false) }

func (s *scene) fail(part int, err error) { s.store.parts[part].fails.Store(&err) }

func (s *scene) requireOpen(want int) {
	s.t.Helper()
	synctest.Wait()
	if got := s.Stats().Open; got != want {
		s.t.Fatalf("%d parts are open, want %d", got, want)
	}
}

// TestFrozen freezes a store under load: callers wait for a few deadlines, and then nobody does, and the store is asked by
// nobody but who looks, until it answers.
func TestFrozen(t *testing.T) {
	t.Parallel()
	play(t, 1, func(t *testing.T, s *scene) {
		s.every("0", time.Millisecond, 1000)
		s.freeze(0)
		var waited, later atomic.Int64
		begun := time.Now()
		var group sync.WaitGroup
		for range 3000 {
			group.Go(func() {
				since := time.Since(begun)
				took, err := s.check("0")
				if err == nil || took > timeout {
					t.Errorf("a check of a frozen store ended after %s with the error %v", took, err)
				}
				if took > 0 {
					waited.Add(1)
					later.Store(max(later.Load(), int64(since)))
				} else if !errors.Is(err, breaker.ErrOpen) || !errors.Is(err, sluice.ErrNotSent) {
					t.Errorf("the error of a check that was not sent is %v", err)
				}
			})
			time.Sleep(time.Millisecond)
		}
		group.Wait()
		if most := time.Duration(later.Load()); most > timeout+50*time.Millisecond {
			t.Errorf("a caller who came %s after the store froze waited for it", most)
		}
		if n := waited.Load(); n < 100 || n > 150 {
			t.Errorf("%d callers waited, one came each millisecond", n)
		}
		s.requireOpen(1)
		asked, looked := s.store.parts[0].asked.Load(), s.store.parts[0].looked.Load()
		if looked < 3 || looked > 8 {
			t.Errorf("the store was looked at %d times in 3 s, want a few", looked)
		}
		s.thaw(0)
		back := time.Now()
		for s.Stats().Open > 0 {
			time.Sleep(time.Millisecond)
		}
		if took := time.Since(back); took > 700*time.Millisecond {
			t.Errorf("the store was asked again %s after it was back", took)
		}
		if now := s.store.parts[0].asked.Load(); now != asked {
			t.Errorf("%d checks went to a store that was not known to answer", now-asked)
		}
		if _, err := s.check("0"); err != nil {
			t.Errorf("Check after the store was back: %v", err)
		}
		if n := s.Stats().Openings; n != 1 {
			t.Errorf("Openings = %d, want 1", n)
		}
	})
}

// TestOpens says what opens a part and what does not.
func TestOpens(t *testing.T) {
	t.Parallel()
	gone := fmt.Errorf("connection refused: %w", sluice.ErrNotSent)
	for name, test := range map[string]struct {
		play func(s *scene)
		want int
	}{
		"three in a row": {func(s *scene) { s.fail(0, gone); s.every("0", 20*time.Millisecond, 3) }, 1},
		"two in a row":   {func(s *scene) { s.fail(0, gone); s.every("0", 20*time.Millisecond, 2) }, 0},
		"three at once":  {func(s *scene) { s.fail(0, gone); s.every("0", time.Millisecond, 3) }, 0},
		"many that leave together": {func(s *scene) {
			s.freeze(0)
			s.every("0", 0, 100)
		}, 0},
		"an answer in between": {func(s *scene) {
			for range 4 {
				s.fail(0, gone)
				s.every("0", 50*time.Millisecond, 2)
				s.store.parts[0].fails.Store(nil)
				s.every("0", 20*time.Millisecond, 10)
			}
		}, 0},
		"every second fails": {func(s *scene) {
			for range 5 {
				s.fail(0, gone)
				s.every("0", 50*time.Millisecond, 1)
				s.store.parts[0].fails.Store(nil)
				s.every("0", 50*time.Millisecond, 1)
			}
		}, 1},
		"every third fails": {func(s *scene) {
			for range 20 {
				s.fail(0, gone)
				s.every("0", 20*time.Millisecond, 1)
				s.store.parts[0].fails.Store(nil)
				s.every("0", 20*time.Millisecond, 2)
			}
		}, 0},
		"refusals of the store": {func(s *scene) {
			s.fail(0, errors.New("OOM command not allowed"))
			s.every("0", 20*time.Millisecond, 20)
		}, 0},
		"foreign states": {func(s *scene) {
			s.fail(0, fmt.Errorf("BADSTATE: %w", sluice.ErrForeignState))
			s.every("0", 20*time.Millisecond, 20)
		}, 0},
		"foreign states that may have been charged": {func(s *scene) {
			s.fail(0, fmt.Errorf("limits nobody can read: %w: %w", sluice.ErrUncertain, sluice.ErrForeignState))
			s.every("0", 20*time.Millisecond, 20)
		}, 0},
		"too late": {func(s *scene) { s.fail(0, sluice.ErrStale); s.every("0", 20*time.Millisecond, 20) }, 0},
		"slow answers": {func(s *scene) {
			s.store.parts[0].slow.Store(int64(timeout - time.Millisecond))
			s.every("0", 20*time.Millisecond, 20)
		}, 0},
		"callers who go": {func(s *scene) {
			s.store.parts[0].slow.Store(int64(40 * time.Millisecond))
			for range 20 {
				ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Millisecond)
				_, err := s.Check(ctx, request("0"))
				if err == nil {
					s.t.Error("a caller got an answer that came too late for him")
				}
				cancel()
			}
		}, 0},
		"callers who wait for less than the timeout, and nothing comes": {func(s *scene) {
			s.freeze(0)
			ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Millisecond)
			_, _ = s.Check(ctx, request("0"))
			cancel()
			time.Sleep(4 * timeout)
		}, 1},
		"callers who have gone at once": {func(s *scene) {
			s.freeze(0)
			ctx, cancel := context.WithCancel(s.t.Context())
			cancel()
			for range 20 {
				_, _ = s.Check(ctx, request("0"))
				time.Sleep(apart)
			}
			if looked := s.store.parts[0].looked.Load(); looked > 0 {
				s.t.Errorf("the store was looked at %d times for callers who did not wait", looked)
			}
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, 1, func(_ *testing.T, s *scene) {
				test.play(s)
				s.requireOpen(test.want)
				if n := s.Stats().Openings; n != int64(test.want) {
					s.t.Errorf("Openings = %d, want %d", n, test.want)
				}
			})
		})
	}
}

const apart = 20 * time.Millisecond

// TestBatches counts a batch as one call.
func TestBatches(t *testing.T) {
	t.Parallel()
	play(t, 1, func(t *testing.T, s *scene) {
		reqs := make([]sluice.Request, 50)
		for i := range reqs {
			reqs[i] = request("0")
		}
		s.freeze(0)
		for i := range 4 {
			begun := time.Now()
			for _, r := range s.CheckAll(t.Context(), reqs) {
				if open := errors.Is(r.Err, breaker.ErrOpen); r.Err == nil || open != (i == 3) {
					t.Fatalf("batch %d: the error is %v", i, r.Err)
				}
			}
			if took := time.Since(begun); (took == 0) != (i == 3) {
				t.Errorf("batch %d took %s", i, took)
			}
		}
		if asked := s.store.parts[0].asked.Load(); asked != 150 {
			t.Errorf("%d checks were sent, want 150", asked)
		}
	})
}

// TestParts freezes one part of three: the others are decided as ever, also where they are asked for together with it.
func TestParts(t *testing.T) {
	t.Parallel()
	play(t, 3, func(t *testing.T, s *scene) {
		s.freeze(1)
		for range 4 {
			for _, key := range []string{"0", "1", "2"} {
				if _, err := s.check(key); (err == nil) != (key != "1") {
					t.Fatalf("the check of part %s: %v", key, err)
				}
			}
		}
		s.requireOpen(1)
		looked := s.store.parts[1].looked.Load()
		begun := time.Now()
		results := s.CheckAll(t.Context(), []sluice.Request{request("0"), request("1"), request("2"), request("4")})
		for i, want := range []bool{true, false, true, false} {
			if r := results[i]; (r.Err == nil) != want || !want && !errors.Is(r.Err, breaker.ErrOpen) {
				t.Errorf("result %d: %v", i, r.Err)
			}
		}
		if took := time.Since(begun); took > time.Millisecond {
			t.Errorf("the others waited %s", took)
		}
		if err := s.Refusal("some", "1"); !errors.Is(err, breaker.ErrOpen) {
			t.Errorf("Refusal of part 1 = %v", err)
		}
		if err := s.Refusal("some", "2"); err != nil {
			t.Errorf("Refusal of part 2 = %v", err)
		}
		for range 10 { // and each of the others opens for itself
			s.every("0", 20*time.Millisecond, 1)
		}
		s.requireOpen(1)
		if s.store.parts[0].looked.Load()+s.store.parts[2].looked.Load() > 0 || s.store.parts[1].looked.Load() <= looked {
			t.Error("other parts are looked at than the one that does not answer")
		}
		s.freeze(2) // of one node with part 1, most likely
		if _, err := s.check("2"); err == nil {
			t.Error("a check of a frozen part has no error")
		}
		s.requireOpen(2)
		s.thaw(1)
		s.thaw(2)
		time.Sleep(time.Second)
		s.requireOpen(0)
		s.freeze(2)
		if _, err := s.check("2"); err == nil {
			t.Error("a check of a frozen part has no error")
		}
		s.requireOpen(0)
	})
}

// TestPartsFrozenTogether has a batch over two parts count for each of them.
func TestPartsFrozenTogether(t *testing.T) {
	t.Parallel()
	play(t, 3, func(t *testing.T, s *scene) {
		s.freeze(0)
		s.freeze(2)
		for range 3 {
			s.CheckAll(t.Context(), []sluice.Request{request("0"), request("1"), request("2")})
		}
		s.requireOpen(2)
	})
}

// TestCrowd has many more callers than can be answered at a store that has just frozen: few of them wait.
func TestCrowd(t *testing.T) {
	t.Parallel()
	play(t, 1, func(t *testing.T, s *scene) {
		s.every("0", 10*time.Microsecond, 2000)
		s.freeze(0)
		s.store.parts[0].most.Store(0)
		var busy atomic.Int64
		var group sync.WaitGroup
		for range 20_000 { // in 200 ms
			group.Go(func() {
				took, err := s.check("0")
				if errors.Is(err, breaker.ErrBusy) {
					busy.Add(1)
					if took > 0 || !errors.Is(err, sluice.ErrNotSent) {
						t.Errorf("a check that was not sent took %s and says %v", took, err)
					}
				}
			})
			time.Sleep(10 * time.Microsecond)
		}
		group.Wait()
		if most := s.store.parts[0].most.Load(); most > 5300 { // those of 50 ms, and those of the last millisecond
			t.Errorf("%d callers waited at once", most)
		}
		if busy.Load() < 5000 {
			t.Errorf("%d callers were told that too many wait", busy.Load())
		}
		s.requireOpen(1)
	})
}

// TestCrowdAtASlowStore lets as many wait as come, while the store answers.
func TestCrowdAtASlowStore(t *testing.T) {
	t.Parallel()
	play(t, 1, func(t *testing.T, s *scene) {
		s.store.parts[0].slow.Store(int64(45 * time.Millisecond))
		var group sync.WaitGroup
		for range 10_000 {
			group.Go(func() {
				if _, err := s.check("0"); err != nil {
					t.Errorf("Check of a slow store: %v", err)
				}
			})
			time.Sleep(100 * time.Microsecond)
		}
		group.Wait()
	})
}

// TestWithoutRun passes everything on.
func TestWithoutRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &parted{parts: make([]ward, 1), of: func(string, string) int { return 0 }}
		b, err := breaker.New(s, breaker.Config{})
		if err != nil {
			t.Fatal(err)
		}
		s.parts[0].frozen.Store(true)
		for range 10 {
			if _, err := b.Check(t.Context(), request("0")); !errors.Is(err, sluice.ErrUncertain) {
				t.Errorf("Check = %v", err)
			}
			if r := b.CheckAll(t.Context(), []sluice.Request{request("0")}); !errors.Is(r[0].Err, sluice.ErrUncertain) {
				t.Errorf("CheckAll = %v", r[0].Err)
			}
		}
		if asked := s.parts[0].asked.Load(); asked != 20 {
			t.Errorf("%d checks were sent, want 20", asked)
		}
	})
}

// TestRunEnds leaves nothing open.
func TestRunEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &parted{parts: make([]ward, 1), of: func(string, string) int { return 0 }}
		b, err := breaker.New(s, breaker.Config{})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- b.Run(ctx) }()
			synctest.Wait()
			s.parts[0].frozen.Store(true)
			for range 3 {
				_, _ = b.Check(t.Context(), request("0"))
			}
			if b.Stats().Open != 1 {
				t.Fatal("the store is frozen and still asked")
			}
			cancel()
			if err := <-ended; err != nil || b.Stats().Open != 0 {
				t.Errorf("Run = %v, and %d parts are open, want none", err, b.Stats().Open)
			}
			s.parts[0].frozen.Store(false)
			if _, err := b.Check(t.Context(), request("0")); err != nil {
				t.Errorf("Check after Run = %v", err)
			}
		}
	})
}

func TestNew(t *testing.T) {
	t.Parallel()
	for _, cfg := range []breaker.Config{{Timeout: -1}, {Parts: -1}, {MaxWaiting: -1}, {Parts: 2}} {
		if _, err := breaker.New(nil, cfg); err == nil {
			t.Errorf("New(%+v) has no error", cfg)
		}
	}
}
