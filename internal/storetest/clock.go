package storetest

import (
	"time"

	"github.com/sluice-project/sluice"
	"pgregory.net/rapid"
)

// testWrongClock shows promise 7: a clock that was wrong bars no key for longer than one period, however often it is
// looked at meanwhile, and one that steps back gives no unit back.
func (s *suite) testWrongClock(t rapid.TB) {
	const at = 1_700_000_000_000_000
	const count = 10
	for _, l := range []sluice.Limit{
		sluice.PerMinute(count),
		sluice.PerMinute(count).WithBurst(count),
		sluice.PerMinute(count).WithAlgorithm(sluice.FixedWindow),
		sluice.PerMinute(count).WithAligned(),
		sluice.PerMinute(count).WithAlgorithm(sluice.SlidingCounter),
	} {
		for _, ahead := range []time.Duration{time.Second, 59 * time.Second, 90 * time.Second, 24 * time.Hour, 100 * 365 * day} {
			s.wrongClock(t, l, at, ahead)
		}
	}
}

// wrongClock takes half of a limit while the clock is ahead, and then goes through two periods of the right time.
func (s *suite) wrongClock(t rapid.TB, l sluice.Limit, at sluice.Tick, ahead time.Duration) {
	ctx, cancel := call()
	defer cancel()
	req := sluice.Request{Policy: &sluice.Policy{Name: s.policyName(), Limits: []sluice.Limit{l}}, Key: "key"}
	ask := func(cost int64, at sluice.Tick) sluice.Decision {
		req.Cost, req.At = cost, at
		d, err := s.harness.Store().Check(ctx, req)
		if err != nil {
			t.Fatalf("%s: %v", l, err)
		}
		return d
	}
	period := ticks(l.Period())
	half := l.Capacity() / 2
	before := ask(half, at+ticks(ahead))
	back := ask(l.Capacity(), at)
	if !before.Allowed || back.Allowed || back.Remaining > before.Remaining {
		t.Errorf("%s, %s ahead: %s, then back: %s", l, ahead, before, back)
	}
	if ahead > 2*l.Period() && back.Remaining != 0 {
		t.Errorf("%s, %s ahead: back in time %d remain, want 0: all is used now", l, ahead, back.Remaining)
	}
	// A window of the clock may be the next one when it is known that the clock was wrong: two periods are enough.
	if most := 2*l.Period() + min(ahead, l.Period()); back.ResetAfter > most {
		t.Errorf("%s, %s ahead: back in time it takes %s, want %s at most", l, ahead, back.ResetAfter, most)
	}
	for now := at; now < at+ticks(back.RetryAfter); now += period / 16 {
		if d := ask(l.Capacity(), now); d.Allowed || now+ticks(d.RetryAfter) != at+ticks(back.RetryAfter) {
			t.Fatalf("%s, %s ahead: looked at again at %d, it moves on from %d to %d: %s",
				l, ahead, now, at+ticks(back.RetryAfter), now+ticks(d.RetryAfter), d)
		}
	}
	if d := ask(l.Capacity(), at+ticks(back.RetryAfter)); !d.Allowed {
		t.Errorf("%s, %s ahead: when all should be back: %s", l, ahead, d)
	}
}
