package storetest

import (
	"time"

	"github.com/sluice-project/sluice"
	"pgregory.net/rapid"
)

// Promises about units that are given back, by themselves and with figures that one can follow.

// turn is one thing asked of a key, some time after the one before, and its answer.
type turn struct {
	after        time.Duration
	cost         int64 // less than 0 where units are given back
	remaining    int64
	retry, reset time.Duration
}

const ms = time.Millisecond

// testRefund shows what comes back by each algorithm: the newest units, never more than were taken, and exactly so many.
func (s *suite) testRefund(t rapid.TB) {
	ctx, cancel := call()
	defer cancel()
	for text, turns := range map[string][]turn{
		"10/s burst 20": {
			{cost: 5, remaining: 15, reset: 500 * ms},
			{after: 50 * ms, cost: -2, remaining: 17, reset: 250 * ms}, // half a unit was earned, and stays so
			{after: 50*ms - time.Microsecond, remaining: 17, reset: 200*ms + time.Microsecond},
			{after: time.Microsecond, remaining: 18, reset: 200 * ms},
			{cost: -2, remaining: 20},
			{cost: -1, remaining: 20},
			{cost: 21, remaining: 20, retry: sluice.Never},
			{cost: 2, remaining: 18, reset: 200 * ms},
			{after: 50 * ms, cost: -1, remaining: 19, reset: 50 * ms},
			{cost: -1, remaining: 20},
			{cost: 3, remaining: 17, reset: 300 * ms},
			{after: 150 * ms, cost: -2, remaining: 20}, // one unit was earned in the place of the one that is left, and a half
			{cost: 20, remaining: 0, reset: 2 * time.Second},
			{after: 1100 * ms, cost: -8, remaining: 19, reset: 100 * ms}, // more than a period after it was full
			{cost: 1, remaining: 18, reset: 200 * ms},
		},
		"3/s": {
			{cost: 1, remaining: 2, reset: time.Second},
			{after: 100 * ms, cost: 1, remaining: 1, reset: time.Second},
			{after: 100 * ms, cost: 1, remaining: 0, reset: time.Second},
			{cost: -1, remaining: 1, reset: 900 * ms},
			{cost: 2, remaining: 1, retry: 800 * ms, reset: 900 * ms},
			{cost: -5, remaining: 3},
			{cost: 3, remaining: 0, reset: time.Second},
			{after: 100 * ms, cost: -2, remaining: 2, reset: 900 * ms},
			{cost: 2, remaining: 0, reset: time.Second},
			{cost: -3, remaining: 3},
		},
		"3/s fixed-window": {
			{cost: 2, remaining: 1, reset: time.Second},
			{after: 100 * ms, cost: -1, remaining: 2, reset: 900 * ms},
			{cost: -1, remaining: 3},
			{cost: 2, remaining: 1, reset: time.Second}, // a window that was not used begins anew
			{cost: -9, remaining: 3},
		},
		"3/s fixed-window aligned": {
			{after: 100 * ms, cost: 3, remaining: 0, reset: 900 * ms},
			{after: 100 * ms, cost: -2, remaining: 2, reset: 800 * ms},
			{cost: -2, remaining: 3},
			{cost: 1, remaining: 2, reset: 800 * ms},
		},
		"3/hour calendar UTC": {
			{cost: 3, remaining: 0, reset: 2800 * time.Second}, // noon is 13 minutes and 20 seconds past an hour
			{after: time.Second, cost: -2, remaining: 2, reset: 2799 * time.Second},
			{cost: -2, remaining: 3},
		},
		"10/s sliding-counter": {
			{cost: 10, remaining: 0, reset: 2 * time.Second},
			{after: 1250 * ms, cost: 2, remaining: 0, reset: 1750 * ms}, // 7.5 of the 10 count, as 8
			{cost: -1, remaining: 1, reset: 1750 * ms},
			{cost: -3, remaining: 4, reset: 750 * ms}, // one of this window, and two of the one before: 6 of its 8 count
			{cost: -7, remaining: 9, reset: 750 * ms},
			{cost: -1, remaining: 10},
			{cost: 10, remaining: 0, reset: 1750 * ms},
			{cost: -100, remaining: 10},
		},
	} {
		l, err := sluice.ParseLimit(text)
		if err != nil {
			t.Fatal(err)
		}
		d := s.newDesk(ctx, t, sluice.Policy{Limits: []sluice.Limit{l}})
		var wrote time.Time // no later than the counters were written last: a refusal leaves them as they are
		for i, turn := range turns {
			req := sluice.Request{Cost: turn.cost}
			if turn.cost < 0 {
				req = sluice.Request{Refund: uint32(-turn.cost)}
			}
			wall := time.Now()
			got := d.after(turn.after).ask(req)
			if got.Allowed {
				wrote = wall
			}
			if got.Allowed != (turn.retry == 0) || got.Remaining != turn.remaining || got.RetryAfter != turn.retry || got.ResetAfter != turn.reset {
				t.Errorf("%s, turn %d: %s: %s, retry after %s, reset after %s; want %d remaining, %s, %s",
					l, i, question(req), got, got.RetryAfter, got.ResetAfter, turn.remaining, turn.retry, turn.reset)
			}
			of := limitOf(got, 0)
			if of.Remaining != turn.remaining || of.RetryAfter != turn.retry || of.ResetAfter != turn.reset || got.Cost != req.Cost {
				t.Errorf("%s, turn %d: cost %d, of the limit: %+v", l, i, got.Cost, of.Outcome)
			}
			if turn.cost != 0 {
				d.wantKept(got.ResetAfter, wrote)
			}
		}
	}
}

// wantKept fails unless the counters, which were written no earlier than at an instant of the clock on the wall, live until
// they mean nothing: there are none where that is now.
func (d *desk) wantKept(reset time.Duration, wall time.Time) {
	d.t.Helper()
	ttl, exists, err := d.harness.TTL(d.ctx, d.policy, d.key, d.now)
	if err != nil {
		d.t.Fatalf("time to live: %v", err)
	}
	if exists != (reset > 0) || exists && (ttl >= reset+ms || ttl < reset-time.Since(wall)-ms) {
		d.t.Errorf("counters that mean something for %s exist: %t, for %s", reset, exists, ttl)
	}
}

// testRefundOfNothing: of a key of which nothing is used nothing is written, and nothing can be saved up.
func (s *suite) testRefundOfNothing(t rapid.TB) {
	ctx, cancel := call()
	defer cancel()
	for _, l := range lifeLimits() {
		d := s.newDesk(ctx, t, sluice.Policy{Limits: []sluice.Limit{l}})
		for _, units := range []uint32{1, sluice.MaxCount} {
			if got := d.ask(sluice.Request{Refund: units}); !got.Allowed || got.Remaining != l.Capacity() || got.ResetAfter != 0 {
				t.Errorf("%s: a refund of %d to a key never seen: %s", l, units, got)
			}
			d.wantKept(0, time.Now())
		}
		if got := d.check(l.Capacity()); !got.Allowed {
			t.Errorf("%s: all that there is: %s", l, got)
		}
		if got := d.check(1); got.Allowed {
			t.Errorf("%s: one more than there is, of which some was given back before: %s", l, got)
		}
	}
}

// testRefundUnderAnother: where nothing is used of the limits that are asked, a refund leaves what others have written.
func (s *suite) testRefundUnderAnother(t rapid.TB) {
	ctx, cancel := call()
	defer cancel()
	d := s.newDesk(ctx, t, sluice.Policy{Limits: []sluice.Limit{sluice.PerDay(5)}})
	d.check(3)
	before, other := d.policy, *d.policy
	other.Limits = []sluice.Limit{sluice.PerHour(7)}
	d.policy = &other
	if got := d.ask(sluice.Request{Refund: 2}); got.Remaining != 7 {
		t.Errorf("a refund by a limit that nobody has used: %s, want 7 remaining", got)
	}
	d.policy = before
	if got := d.peek(); got.Remaining != 2 {
		t.Errorf("the limit that was used: %s, want 2 remaining", got)
	}
}

// testRefundOfSeveral: each limit has as much given back as it counts, and a debt is paid first.
func (s *suite) testRefundOfSeveral(t rapid.TB) {
	ctx, cancel := call()
	defer cancel()
	d := s.newDesk(ctx, t, sluice.Policy{Limits: []sluice.Limit{
		sluice.PerSecond(5).WithBurst(5), sluice.PerDay(10), sluice.PerHour(7).WithAlgorithm(sluice.FixedWindow), sluice.PerMinute(9).WithAligned(),
	}})
	want := func(what string, got sluice.Decision, remaining ...int64) {
		t.Helper()
		for i, l := range got.Limits() {
			if l.Remaining != remaining[i] || !l.Allowed || l.RetryAfter != 0 {
				t.Errorf("%s: %s has %d left and allows: %t, want %d", what, l.Limit, l.Remaining, l.Allowed, remaining[i])
			}
		}
	}
	want("4 taken", d.check(4), 1, 6, 3, 5)
	d.after(time.Second)
	want("3 given back a second later", d.ask(sluice.Request{Refund: 3}), 5, 9, 6, 8)
	want("3 taken", d.check(3), 2, 6, 3, 5)

	// The limits are lowered, so that all owe something but the last.
	lower := *d.policy
	lower.Limits = []sluice.Limit{
		sluice.PerSecond(5).WithBurst(1), sluice.PerDay(2), sluice.PerHour(1).WithAlgorithm(sluice.FixedWindow), sluice.PerMinute(9).WithAligned(),
	}
	d.policy = &lower
	want("1 of a debt", d.ask(sluice.Request{Refund: 1}), 0, 0, 0, 6)
	if got := d.check(0); got.Allowed || len(got.DeniedBy()) != 3 {
		t.Errorf("a cost of 0 of one who owes: %s", got)
	}
	want("all of it, and more", d.ask(sluice.Request{Refund: 2}), 1, 1, 0, 8)
	want("all", d.ask(sluice.Request{Refund: 9}), 1, 2, 1, 9)
	d.wantKept(0, time.Now())

	var reqs []sluice.Request
	for _, cost := range []int64{1, 1, -1, -1, 1, 1, -5, 0} {
		req := sluice.Request{Policy: d.policy, Key: d.key, Cost: max(0, cost), Refund: uint32(max(0, -cost)), At: d.now}
		reqs = append(reqs, req)
	}
	for i, r := range d.harness.Store().CheckAll(ctx, reqs) {
		allowed := []bool{true, false, true, true, true, false, true, true}[i]
		left := []int64{0, 0, 1, 1, 0, 0, 1, 1}[i]
		if r.Err != nil || r.Decision.Allowed != allowed || r.Decision.Remaining != left {
			t.Errorf("request %d of one call: %s, %v; want allowed %t, %d left", i, r.Decision, r.Err, allowed, left)
		}
	}
}

// testRefundOfTheBarred: a block keeps no unit from going back, and none that goes back ends it. A refund is no refusal.
func (s *suite) testRefundOfTheBarred(t rapid.TB) {
	ctx, cancel := call()
	defer cancel()
	p := classic()
	p.Limits = []sluice.Limit{sluice.PerDay(3)}
	p.Penalty.After = 2
	d := s.newDesk(ctx, t, p)
	d.check(3)
	d.wantFree("a refusal", d.check(1))
	for range 3 {
		d.wantFree("a refund", d.ask(sluice.Request{Refund: 1}))
		d.check(1)
	}
	d.wantPenalty("another refusal", d.check(1), 15*time.Minute)
	before := d.standing()
	got := d.after(time.Minute).ask(sluice.Request{Refund: 2})
	d.wantPenalty("a refund", got, 14*time.Minute)
	if l := limitOf(got, 0); l.Remaining != 2 || !l.Allowed || got.RetryAfter != 14*time.Minute {
		t.Errorf("a refund of 2 to one who is barred: %s, of the limit %d left", got, l.Remaining)
	}
	if after := d.standing(); !sameStanding(after, before) {
		t.Errorf("before a refund: %s; after it: %s", describeStanding(before), describeStanding(after))
	}
	if got := d.after(14 * time.Minute).check(2); !got.Allowed {
		t.Errorf("after the block: %s, want the 2 units that were given back", got)
	}
	d.wantPenalty("one that brings refusals", d.ask(sluice.Request{Refund: 1, Refusals: 2}), 30*time.Minute)
	if got := d.after(30 * time.Minute).check(1); !got.Allowed {
		t.Errorf("after the block that began with the refund: %s, want the unit that was given back", got)
	}
	d.amend(sluice.Amendment{Except: &sluice.Exception{Limits: []sluice.Limit{sluice.PerDay(10)}}})
	if got := d.ask(sluice.Request{Refund: 1}); got.Remaining != 8 || limitOf(got, 0).Limit != sluice.PerDay(10) {
		t.Errorf("a refund of 1 of the 3 used, by an override of 10: %s, by %s", got, limitOf(got, 0).Limit)
	}
}
