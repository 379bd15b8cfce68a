package storetest

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sluice-project/sluice"
)

// RunRealTime runs what can only be shown on the store's own clock: that units come back when the decision said, that
// nothing is forgotten early, that state goes by itself, that bursts of traffic stay within bounds, and that blocks,
// penalties and overrides begin and end. Periods are
// short, and instants are taken by the clock of this machine, which must run as fast as the store's.
func RunRealTime(t *testing.T, newHarness func(t *testing.T) Harness) {
	s := newSuite(newHarness(t), 0)
	for _, l := range []sluice.Limit{
		sluice.Per(3, 200*time.Millisecond),
		sluice.Per(3, 200*time.Millisecond).WithBurst(3),
		sluice.Per(3, 200*time.Millisecond).WithAlgorithm(sluice.FixedWindow),
		sluice.Per(3, 200*time.Millisecond).WithAligned(),
		sluice.Per(3, 200*time.Millisecond).WithAlgorithm(sluice.SlidingCounter),
		sluice.Per(200, 50*time.Millisecond).WithBurst(5),
		sluice.Per(100, 150*time.Millisecond),
	} {
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()
			t.Run("comes back", func(t *testing.T) { s.comesBack(t, l) })
			t.Run("goes by itself", func(t *testing.T) { s.goesByItself(t, l) })
			t.Run("stays within bounds", func(t *testing.T) { s.staysWithinBounds(t, l) })
		})
	}
	for _, p := range s.standingsInRealTime() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			p.test(t)
		})
	}
}

// now asks at the store's own clock, and says between which two instants that was.
func (s *suite) now(t testing.TB, policy *sluice.Policy, key string, cost int64) (d sluice.Decision, before, after time.Time) {
	t.Helper()
	ctx, cancel := call()
	defer cancel()
	before = time.Now()
	d, err := s.harness.Store().Check(ctx, sluice.Request{Policy: policy, Key: key, Cost: cost})
	if err != nil {
		t.Fatalf("%s: %v", describe(policy.Limits), err)
	}
	return d, before, time.Now()
}

// tolerance is how far two clocks on one machine may drift apart within a test.
const tolerance = time.Millisecond

// linger is how much longer than its time to live state may be seen: a store may tidy up while it is used.
const linger = 3 * time.Second

// comesBack takes everything, and is refused until RetryAfter is over and allowed then.
func (s *suite) comesBack(t testing.TB, l sluice.Limit) {
	policy := &sluice.Policy{Name: s.policyName(), Limits: []sluice.Limit{l}}
	d, before, after := s.now(t, policy, "key", l.Capacity())
	if !d.Allowed {
		t.Fatalf("the first check: %s", d)
	}
	notBefore, notAfter := before, after.Add(2*l.Period())
	for {
		d, before, after := s.now(t, policy, "key", l.Capacity())
		if d.Allowed {
			if after.Add(tolerance).Before(notBefore) {
				t.Errorf("allowed %s before it should be", notBefore.Sub(after))
			}
			return
		}
		if before.After(notAfter.Add(tolerance)) {
			t.Fatalf("still refused %s after it should be allowed: %s", before.Sub(notAfter), d)
		}
		if from := before.Add(d.RetryAfter); from.After(notBefore) {
			notBefore = from
		}
		if until := after.Add(d.RetryAfter); until.Before(notAfter) {
			notAfter = until
		}
		time.Sleep(d.RetryAfter / 3)
	}
}

// goesByItself waits until a key's state is gone, which is not before it means nothing, and soon after.
func (s *suite) goesByItself(t testing.TB, l sluice.Limit) {
	policy := &sluice.Policy{Name: s.policyName(), Limits: []sluice.Limit{l}}
	d, before, after := s.now(t, policy, "key", l.Capacity())
	for {
		ctx, cancel := call()
		_, exists, err := s.harness.TTL(ctx, policy, "key", 0)
		cancel()
		switch {
		case err != nil:
			t.Fatalf("time to live: %v", err)
		case !exists && time.Since(before)+tolerance < d.ResetAfter:
			t.Fatalf("its state is gone after %s, want not before %s", time.Since(before), d.ResetAfter)
		case !exists:
			return
		case time.Since(after) > d.ResetAfter+linger:
			t.Fatalf("its state is still there after %s, want it gone after %s", time.Since(after), d.ResetAfter)
		}
		s.now(t, policy, "another", 1)
		time.Sleep(10 * time.Millisecond)
	}
}

// granted is units that were granted between two instants.
type granted struct {
	before, after time.Time
	units         int64
}

// staysWithinBounds hammers a key for some periods and looks at what was granted in every span.
func (s *suite) staysWithinBounds(t testing.TB, l sluice.Limit) {
	policy := &sluice.Policy{Name: s.policyName(), Limits: []sluice.Limit{l}}
	var mu sync.Mutex
	var all []granted
	var clients sync.WaitGroup
	end := time.Now().Add(5 * l.Period())
	for range 4 {
		clients.Go(func() {
			for time.Now().Before(end) {
				ctx, cancel := call()
				g := granted{before: time.Now(), units: 1}
				d, err := s.harness.Store().Check(ctx, sluice.Request{Policy: policy, Key: "key", Cost: g.units})
				g.after = time.Now()
				cancel()
				if err != nil {
					t.Errorf("%s: %v", l, err)
					return
				}
				if d.Allowed {
					mu.Lock()
					all = append(all, g)
					mu.Unlock()
				}
			}
		})
	}
	clients.Wait()
	if int64(len(all)) < l.Capacity() {
		t.Errorf("%d checks were admitted in 5 periods, want at least %d", len(all), l.Capacity())
	}
	slices.SortFunc(all, func(a, b granted) int { return a.after.Compare(b.after) })
	for _, first := range all {
		units := int64(0) // granted for sure between first.before and last.after
		for _, last := range all {
			if last.before.Before(first.before) {
				continue
			}
			units += last.units
			span := last.after.Sub(first.before)
			if most := mostWithin(l, span+tolerance); units > most {
				t.Fatalf("%d units were granted within %s, want %d at most", units, span, most)
			}
		}
	}
}

// mostWithin returns the most that a limit may grant in a span.
func mostWithin(l sluice.Limit, span time.Duration) int64 {
	periods := int64(span/l.Period()) + 1
	switch l.Algorithm() {
	case sluice.TokenBucket:
		return l.Burst() + int64(span)*l.Count()/int64(l.Period())
	case sluice.SlidingWindow:
		return l.Count() * periods
	}
	return l.Count() * (periods + 1) // a span may straddle the edge of two windows
}
