package storetest

import (
	"testing"
	"time"

	"github.com/sluice-project/sluice"
)

// standingsInRealTime are the promises about standings that need the store's own clock. Each is about one key.
func (s *suite) standingsInRealTime() []realPromise {
	return []realPromise{
		{"a block ends by itself", s.blockEnds},
		{"penalties begin and end", s.penaltiesEnd},
		{"an override ends by itself", s.overrideEnds},
		{"a standing goes by itself", s.standingGoes},
	}
}

// realPromise is a [promise] that is tested on the store's own clock.
type realPromise struct {
	name string
	test func(t testing.TB)
}

// nowAmend changes a standing at the store's own clock, and says between which two instants that was.
func (s *suite) nowAmend(t testing.TB, a sluice.Amendment) (before, after time.Time) {
	t.Helper()
	ctx, cancel := call()
	defer cancel()
	before = time.Now()
	if _, err := s.harness.Store().Amend(ctx, a); err != nil {
		t.Fatalf("%s: %v", change(a), err)
	}
	return before, time.Now()
}

// frees asks again and again until no block bars the key, which is when a block that lasts so long and began between two
// instants has ended, and not before.
func (s *suite) frees(t testing.TB, policy *sluice.Policy, lasts time.Duration, began, begun time.Time) {
	t.Helper()
	for {
		d, before, after := s.now(t, policy, "key", 0)
		b, barred := d.Blocked()
		switch {
		case !barred && after.Add(tolerance).Before(began.Add(lasts)):
			t.Fatalf("free again %s before a block of %s ends", began.Add(lasts).Sub(after), lasts)
		case !barred:
			return
		case before.After(begun.Add(lasts + tolerance)):
			t.Fatalf("still barred (%s) %s after a block of %s has ended", b.Reason, before.Sub(begun.Add(lasts)), lasts)
		case d.RetryAfter > begun.Add(lasts+tolerance).Sub(before) || d.RetryAfter < began.Add(lasts-tolerance).Sub(after):
			t.Fatalf("%s to %s after a block of %s began it says to try again in %s", before.Sub(begun), after.Sub(began), lasts, d.RetryAfter)
		}
		time.Sleep(d.RetryAfter / 3)
	}
}

func (s *suite) blockEnds(t testing.TB) {
	policy := &sluice.Policy{Name: s.policyName(), Limits: []sluice.Limit{sluice.PerHour(100)}}
	for _, lasts := range []time.Duration{100 * time.Millisecond, 300 * time.Millisecond} {
		began, begun := s.nowAmend(t, sluice.Amendment{Policy: policy.Name, Key: "key", Bar: &sluice.Bar{For: lasts}})
		s.frees(t, policy, lasts, began, begun)
	}
}

func (s *suite) penaltiesEnd(t testing.TB) {
	policy := &sluice.Policy{
		Name: s.policyName(), Limits: []sluice.Limit{sluice.PerHour(1)},
		Penalty: &sluice.Penalty{After: 3, Within: 10 * time.Second, For: 100 * time.Millisecond, Max: 10 * time.Second},
	}
	s.now(t, policy, "key", 1)
	for _, lasts := range []time.Duration{100, 200, 400} {
		for i := range 3 {
			d, before, after := s.now(t, policy, "key", 1)
			if _, barred := d.Blocked(); barred != (i == 2) {
				t.Fatalf("refusal %d of 3: %s", i+1, d)
			} else if barred {
				s.frees(t, policy, lasts*time.Millisecond, before, after)
			}
		}
	}
}

func (s *suite) overrideEnds(t testing.TB) {
	policy := &sluice.Policy{Name: s.policyName(), Limits: []sluice.Limit{sluice.PerHour(3)}}
	own := []sluice.Limit{sluice.PerHour(300)}
	const lasts = 200 * time.Millisecond
	a := sluice.Amendment{Policy: policy.Name, Key: "key", Except: &sluice.Exception{Limits: own, For: lasts}}
	for began, begun := s.nowAmend(t, a); ; time.Sleep(lasts / 20) {
		d, before, after := s.now(t, policy, "key", 0)
		excepted := limitOf(d, 0).Limit == own[0]
		switch {
		case !excepted && after.Add(tolerance).Before(began.Add(lasts)):
			t.Fatalf("it ends %s early", began.Add(lasts).Sub(after))
		case !excepted:
			return
		case before.After(begun.Add(lasts + tolerance)):
			t.Fatalf("it still holds %s after its end", before.Sub(begun.Add(lasts)))
		}
	}
}

func (s *suite) standingGoes(t testing.TB) {
	policy := &sluice.Policy{Name: s.policyName(), Limits: []sluice.Limit{sluice.PerHour(300)}}
	const lasts = 200 * time.Millisecond
	began, begun := s.nowAmend(t, sluice.Amendment{Policy: policy.Name, Key: "key", Bar: &sluice.Bar{For: lasts}})
	for ; ; time.Sleep(10 * time.Millisecond) {
		ctx, cancel := call()
		_, exists, err := s.harness.StandingTTL(ctx, policy.Name, "key", 0)
		cancel()
		switch {
		case err != nil:
			t.Fatalf("time to live: %v", err)
		case !exists && time.Since(began)+tolerance < lasts:
			t.Fatalf("it is gone after %s, want not before %s", time.Since(began), lasts)
		case !exists:
			return
		case time.Since(begun) > lasts+linger:
			t.Fatalf("it is still there after %s, want it gone after %s", time.Since(begun), lasts)
		}
		s.now(t, policy, "another", 1)
	}
}
