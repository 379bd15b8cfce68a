package storetest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-project/sluice"
	"pgregory.net/rapid"
)

// Promises about penalties, by themselves and with figures that one can follow. All are at injected instants.

// noon is an instant of 2023 at which the tests of single promises begin.
const noon = sluice.Tick(1_700_000_000_000_000)

// desk is one key of one policy, asked at instants that go on by hand.
type desk struct {
	t       rapid.TB
	ctx     context.Context
	harness Harness
	policy  *sluice.Policy
	key     string
	now     sluice.Tick
}

func (s *suite) newDesk(ctx context.Context, t rapid.TB, p sluice.Policy) *desk {
	p.Name = s.policyName()
	return &desk{t: t, ctx: ctx, harness: s.harness, policy: &p, key: "key", now: noon}
}

func (d *desk) after(span time.Duration) *desk {
	d.now += ticks(span)
	return d
}

// check asks for units.
func (d *desk) check(cost int64) sluice.Decision { return d.ask(sluice.Request{Cost: cost}) }

// peek asks what a check of cost 1 would be answered.
func (d *desk) peek() sluice.Decision { return d.ask(sluice.Request{Cost: 1, Peek: true}) }

func (d *desk) ask(req sluice.Request) sluice.Decision {
	d.t.Helper()
	req.Policy, req.Key, req.At = d.policy, d.key, d.now
	got, err := d.harness.Store().Check(d.ctx, req)
	if err != nil {
		d.t.Fatalf("at %d: %s: %v", d.now, question(req), err)
	}
	return got
}

func (d *desk) amend(a sluice.Amendment) sluice.Standing {
	d.t.Helper()
	a.Policy, a.Key, a.At = d.policy.Name, d.key, d.now
	got, err := d.harness.Store().Amend(d.ctx, a)
	if err != nil {
		d.t.Fatalf("%s: %v", change(a), err)
	}
	return got
}

func (d *desk) standing() sluice.Standing {
	d.t.Helper()
	return d.amend(sluice.Amendment{})
}

func (d *desk) reset() {
	d.t.Helper()
	if err := d.harness.Store().Reset(d.ctx, d.policy, d.key); err != nil {
		d.t.Fatalf("reset: %v", err)
	}
}

// limitOf returns what a decision says of a limit of the policy, by its number, and nothing where it says nothing.
func limitOf(d sluice.Decision, i int) (l sluice.LimitDecision) {
	if all := d.Limits(); i < len(all) {
		l = all[i]
	}
	return l
}

// wantFree fails unless no block bars the key.
func (d *desk) wantFree(what string, got sluice.Decision) {
	d.t.Helper()
	if b, barred := got.Blocked(); barred {
		d.t.Fatalf("%s: barred for %d ticks (%s), want no block", what, b.Until-d.now, b.Reason)
	}
}

// wantPenalty fails unless a penalty bars the key for just so long.
func (d *desk) wantPenalty(what string, got sluice.Decision, left time.Duration) {
	d.t.Helper()
	want := sluice.Block{Until: d.now + ticks(left), Reason: sluice.PenaltyReason, Penalty: true}
	if b, barred := got.Blocked(); !barred || b != want || got.Allowed || got.Remaining != 0 || got.RetryAfter < left {
		d.t.Fatalf("%s: %s, block %+v for %d ticks, want a penalty for another %s", what, got, b, b.Until-d.now, left)
	}
}

// classic is the penalty of the handbook: 100 refusals in a minute, 15 minutes, doubling up to a day.
func classic() sluice.Policy {
	return sluice.Policy{
		Limits:  []sluice.Limit{sluice.PerMinute(1).WithBurst(1)},
		Penalty: &sluice.Penalty{After: 100, Within: time.Minute, For: 15 * time.Minute, Max: 24 * time.Hour},
	}
}

// misbehave has the key refused until the 100th refusal, a tenth of a second apart, and returns what that one is answered.
func (d *desk) misbehave() (last sluice.Decision) {
	d.t.Helper()
	d.check(1)
	for i := range 99 {
		d.wantFree(fmt.Sprintf("refusal %d", i+1), d.check(2))
		d.after(100 * time.Millisecond)
	}
	return d.check(2)
}

// testPenalty shows when a block begins, how long it lasts, and that its length doubles up to the greatest.
func (s *suite) testPenalty(t rapid.TB) {
	ctx, cancel := call()
	defer cancel()
	d := s.newDesk(ctx, t, classic())
	for _, minutes := range []time.Duration{15, 30, 60, 120, 240, 480, 960, 1440, 1440, 1440} {
		lasts := minutes * time.Minute
		last := d.misbehave()
		d.wantPenalty("refusal 100", last, lasts)
		for range 8 {
			d.after(lasts/10).wantPenalty("a knock", d.check(1), d.left(last, lasts))
			d.wantPenalty("a peek", d.peek(), d.left(last, lasts))
		}
		d.now = d.end(last) - 1
		got := d.check(1)
		d.wantPenalty("one tick before the end", got, time.Microsecond)
		if got.RetryAfter != time.Microsecond {
			t.Fatalf("one tick before the end it is to be tried again in %s", got.RetryAfter)
		}
		d.now++
		if got := d.peek(); !got.Allowed {
			t.Fatalf("at the end of a block of %s: %s", lasts, got)
		}
	}
	d.after(24*time.Hour - time.Microsecond)
	if got := d.standing(); got.Blocks != 10 {
		t.Errorf("one tick before a day has passed: %s, want 10 past blocks", describeStanding(got))
	}
	d.after(time.Microsecond)
	if got := d.standing(); !sameStanding(got, sluice.Standing{}) {
		t.Errorf("after a day: %s, want nothing known", describeStanding(got))
	}
	d.wantPenalty("the first after a day", d.misbehave(), 15*time.Minute)
}

// end returns when the block that a decision carries ends.
func (d *desk) end(barred sluice.Decision) sluice.Tick {
	b, _ := barred.Blocked()
	return b.Until
}

// left returns how much is left of a block that lasts so long and began with a decision.
func (d *desk) left(first sluice.Decision, lasts time.Duration) time.Duration {
	return min(lasts, time.Duration(d.end(first)-d.now)*time.Microsecond)
}

// testSlowRefusals: 60 refusals in more than a minute begin no block, and one more that lies within the minute does.
func (s *suite) testSlowRefusals(t rapid.TB) {
	ctx, cancel := call()
	defer cancel()
	p := classic()
	p.Penalty.After = 60
	d := s.newDesk(ctx, t, p)
	for range 300 {
		d.wantFree("59 refusals in a minute and a bit", d.after(time.Minute/59+time.Microsecond).check(2))
	}
	d.after(time.Microsecond).wantPenalty("one more", d.check(2), 15*time.Minute)
}

// testCrowdedRefusals: of more than 64 refusals each may count up to a 64th of the span too long, and none too short.
func (s *suite) testCrowdedRefusals(t rapid.TB) {
	ctx, cancel := call()
	defer cancel()
	const after = 200
	span := ticks(time.Minute)
	for _, beat := range []time.Duration{time.Millisecond, 290 * time.Millisecond, 299 * time.Millisecond, 301 * time.Millisecond, 310 * time.Millisecond} {
		p := classic()
		p.Penalty.After = after
		d := s.newDesk(ctx, t, p)
		var refused []sluice.Tick
		within := func(span sluice.Tick) (n int) {
			for _, at := range refused {
				if at > d.now-span {
					n++
				}
			}
			return n
		}
		for range 1000 {
			refused = append(refused, d.after(beat).now)
			_, barred := d.check(2).Blocked()
			if least, most := within(span), within(span+span/64); barred && most < after || !barred && least >= after {
				t.Fatalf("a refusal every %s: %d within a minute, %d within a 64th more, barred: %t", beat, least, most, barred)
			}
			if barred {
				break
			}
		}
	}
}

// testNotCounted: what is no refusal by the limits, or is said not to count, brings no penalty nearer.
func (s *suite) testNotCounted(t rapid.TB) {
	ctx, cancel := call()
	defer cancel()
	p := classic()
	p.Penalty.After = 2
	d := s.newDesk(ctx, t, p)
	d.check(1)
	d.wantFree("the first refusal", d.check(1))
	for what, req := range map[string]sluice.Request{
		"a peek":                  {Cost: 1, Peek: true},
		"a peek at what never is": {Cost: 2, Peek: true},
		"an uncounted check":      {Cost: 1, Uncounted: true},
		"a cost of 0":             {},
	} {
		for range 3 {
			d.wantFree(what, d.ask(req))
		}
	}
	if got := d.standing(); got.Refusals != 1 || got.Blocks != 0 {
		t.Errorf("after one refusal: %s", describeStanding(got))
	}
	// A cost of 0 is refused where a key owes more than its limit holds.
	owing := *d.policy
	d.policy = &owing
	owing.Limits = []sluice.Limit{sluice.PerMinute(1).WithBurst(5)}
	d.check(4)
	lower := owing
	lower.Limits = []sluice.Limit{sluice.PerMinute(1).WithBurst(1)}
	d.policy = &lower
	if got := d.check(0); got.Allowed {
		t.Fatalf("a cost of 0 of one who owes: %s", got)
	}
	d.wantFree("a cost of 0 that is refused", d.peek())
	d.wantPenalty("the second refusal", d.check(1), 15*time.Minute)
}

// testRefusalsElsewhere: refusals that a request reports count as if they had been refused here, before it is decided and
// whatever it asks itself.
func (s *suite) testRefusalsElsewhere(t rapid.TB) {
	ctx, cancel := call()
	defer cancel()
	p := classic()
	p.Penalty.After = 10
	for what, req := range map[string]sluice.Request{
		"a check that is allowed": {Cost: 1},
		"a check of cost 0":       {},
		"a peek":                  {Cost: 1, Peek: true},
		"an uncounted refusal":    {Cost: 10, Uncounted: true},
	} {
		roomy := p
		roomy.Limits = []sluice.Limit{sluice.PerMinute(9)}
		d := s.newDesk(ctx, t, roomy)
		req.Refusals = 4
		d.wantFree(what+" after 4", d.ask(req))
		d.after(time.Second)
		req.Refusals = 5
		d.wantFree(what+" after 9", d.ask(req))
		if got := d.standing(); got.Refusals != 9 || got.Blocks != 0 {
			t.Errorf("%s after 9 refusals elsewhere: %s, want 9 refusals", what, describeStanding(got))
		}
		d.after(time.Second)
		req.Refusals = sluice.MaxCount
		d.wantPenalty(what+" after more than enough", d.ask(req), 15*time.Minute)
		want := sluice.Standing{Block: &sluice.Block{Until: d.now + ticks(15*time.Minute), Reason: sluice.PenaltyReason, Penalty: true}, Blocks: 1}
		if got := d.standing(); !sameStanding(got, want) {
			t.Errorf("%s after more than enough: %s, want %s", what, describeStanding(got), describeStanding(want))
		}
		d.after(time.Second).wantPenalty(what+" of one who is barred", d.ask(req), 15*time.Minute-time.Second)
		if got := d.standing(); !sameStanding(got, want) {
			t.Errorf("%s of one who is barred: %s, want %s", what, describeStanding(got), describeStanding(want))
		}
	}

	// A refusal of its own counts besides, and what is barred is charged nothing.
	d := s.newDesk(ctx, t, p)
	d.check(1)
	d.wantFree("9 and no refusal", d.ask(sluice.Request{Refusals: 9}))
	d.wantPenalty("and one", d.check(1), 15*time.Minute)
	d = s.newDesk(ctx, t, p)
	d.check(1)
	d.wantPenalty("9 and one", d.ask(sluice.Request{Cost: 1, Refusals: 9}), 15*time.Minute)
	d = s.newDesk(ctx, t, p)
	d.wantPenalty("10 before the first check", d.ask(sluice.Request{Cost: 1, Refusals: 10}), 15*time.Minute)
	if got := d.after(15 * time.Minute).peek(); !got.Allowed {
		t.Errorf("after the block: %s, want the unit that nobody was given", got)
	}

	// They end with the span of the penalty, and mean nothing without one.
	d = s.newDesk(ctx, t, p)
	d.ask(sluice.Request{Refusals: 9})
	d.after(time.Minute).wantFree("9 and, a minute later, 9", d.ask(sluice.Request{Refusals: 9}))
	p.Penalty = nil
	d = s.newDesk(ctx, t, p)
	d.wantFree("without a penalty", d.ask(sluice.Request{Refusals: sluice.MaxCount}))
	if got := d.standing(); !sameStanding(got, sluice.Standing{}) {
		t.Errorf("without a penalty: %s, want nothing known", describeStanding(got))
	}
}

// testBarred shows that a block is decided together with the limits: nothing is charged while it lasts, each limit says
// what it would say to a peek, and RetryAfter and ResetAfter are the greater of both.
func (s *suite) testBarred(t rapid.TB) {
	ctx, cancel := call()
	defer cancel()
	d := s.newDesk(ctx, t, sluice.Policy{Limits: []sluice.Limit{sluice.PerHour(3), sluice.PerSecond(100)}})
	d.check(3)
	free := d.ask(sluice.Request{Cost: 1, Peek: true})
	for _, test := range []struct {
		lasts time.Duration
		cost  int64
		want  time.Duration
	}{
		{90 * time.Minute, 1, 90 * time.Minute},
		{90 * time.Minute, 0, 90 * time.Minute},
		{30 * time.Minute, 0, 30 * time.Minute},
		{30 * time.Minute, 1, time.Hour},
		{30 * time.Minute, 4, sluice.Never},
		{time.Millisecond, 1, time.Hour},
	} {
		is := d.amend(sluice.Amendment{Bar: &sluice.Bar{For: test.lasts, Reason: "by hand"}})
		want := sluice.Block{Until: d.now + ticks(test.lasts), Reason: "by hand"}
		if is.Block == nil || *is.Block != want {
			t.Errorf("barred for %s: %s, want %+v", test.lasts, describeStanding(is), want)
		}
		got := d.check(test.cost)
		if b, barred := got.Blocked(); !barred || b != want {
			t.Errorf("barred for %s: %+v, want %+v", test.lasts, b, want)
		}
		if got.Allowed || got.Remaining != 0 || got.RetryAfter != test.want || got.ResetAfter != max(time.Hour, test.lasts) {
			t.Errorf("barred for %s, cost %d: %s, retry after %s, reset after %s, want %s, %s",
				test.lasts, test.cost, got, got.RetryAfter, got.ResetAfter, test.want, max(time.Hour, test.lasts))
		}
	}
	is := d.amend(sluice.Amendment{Bar: &sluice.Bar{Until: d.now}})
	if is.Block != nil {
		t.Errorf("barred until now: %s, want no block", describeStanding(is))
	}
	if got := d.ask(sluice.Request{Cost: 1, Peek: true}); !got.Equal(free) {
		t.Errorf("before the blocks: %s; after them: %s", free, got)
	}

	d = s.newDesk(ctx, t, sluice.Policy{Limits: []sluice.Limit{sluice.PerHour(3), sluice.PerHour(3).WithName("b").WithBurst(3)}})
	d.bar(time.Minute)
	for range 3 {
		if got := d.check(2); got.Allowed || got.DeniedBy() != nil || limitOf(got, 0).Remaining != 3 || got.RetryAfter != time.Minute {
			t.Errorf("barred, and its limits have room for 3: %s, limits %v", got, got.Limits())
		}
	}
	if got := d.after(time.Minute).check(3); !got.Allowed {
		t.Errorf("nothing was taken while it was barred: %s", got)
	}
}

// testStandingWrongClock: what was written by a clock that was wrong bars no key for years, and moves on with no look.
func (s *suite) testStandingWrongClock(t rapid.TB) {
	ctx, cancel := call()
	defer cancel()
	for what, look := range map[string]func(d *desk){
		"a check":               func(d *desk) { d.check(1) },
		"a peek":                func(d *desk) { d.peek() },
		"a look at it":          func(d *desk) { d.standing() },
		"another amendment":     func(d *desk) { d.amend(sluice.Amendment{Unexcept: true}) },
		"an uncounted refusal":  func(d *desk) { d.ask(sluice.Request{Cost: 9, Uncounted: true}) },
		"a check that costs 0":  func(d *desk) { d.check(0) },
		"one that never can be": func(d *desk) { d.check(9) },
	} {
		p := classic()
		p.Penalty.After = 5
		d := s.newDesk(ctx, t, p)
		d.now += century
		d.wantFree("a refusal", d.check(2))
		d.amend(sluice.Amendment{Bar: &sluice.Bar{For: time.Hour, Reason: "by hand"}})
		d.now = noon
		look(d)
		want := sluice.Standing{
			Block:    &sluice.Block{Until: noon + ticks(sluice.MaxPeriod), Reason: "by hand"},
			Refusals: 5, // all that count
		}
		for _, after := range []time.Duration{time.Second, time.Minute - time.Second - time.Microsecond} {
			if got := d.after(after).standing(); !sameStanding(got, want) {
				t.Fatalf("%s, and %s later: %s, want %s", what, after, describeStanding(got), describeStanding(want))
			}
		}
		want.Refusals = 0
		if got := d.after(time.Microsecond).standing(); !sameStanding(got, want) {
			t.Fatalf("%s, and a minute later: %s, want %s", what, describeStanding(got), describeStanding(want))
		}
		d.now = noon + ticks(sluice.MaxPeriod)
		d.wantFree("a year and a day later", d.peek())
	}
}

// testUnbar: it ends a block, and the next is a first one again.
func (s *suite) testUnbar(t rapid.TB) {
	ctx, cancel := call()
	defer cancel()
	p := classic()
	p.Penalty.After = 1
	d := s.newDesk(ctx, t, p)
	d.check(1)
	d.wantPenalty("the first", d.check(1), 15*time.Minute)
	if is := d.amend(sluice.Amendment{Unbar: true}); !sameStanding(is, sluice.Standing{}) {
		t.Errorf("unbarred: %s", describeStanding(is))
	}
	d.wantPenalty("the first again", d.check(1), 15*time.Minute)
}

// testResetLeavesTheStanding: a reset of a key and one of all keys forget counters, and nothing else.
func (s *suite) testResetLeavesTheStanding(t rapid.TB) {
	ctx, cancel := call()
	defer cancel()
	for _, all := range []bool{false, true} {
		d := s.newDesk(ctx, t, classic())
		d.check(1)
		d.wantFree("one refusal", d.check(1))
		d.amend(sluice.Amendment{
			Bar: &sluice.Bar{For: time.Hour, Reason: "stays"}, Except: &sluice.Exception{Limits: []sluice.Limit{sluice.PerMinute(7).WithBurst(7)}},
		})
		before := d.standing()
		if all {
			other := *d.policy
			other.ResetAt = d.now
			d.policy = &other
		} else {
			d.reset()
		}
		if after := d.standing(); !sameStanding(after, before) || after.Refusals != 1 {
			t.Errorf("before a reset: %s; after it: %s", describeStanding(before), describeStanding(after))
		}
		if got := d.peek(); limitOf(got, 0).Remaining != 7 || got.Allowed {
			t.Errorf("after a reset: %s, of the limit %d remain, want 7", got, limitOf(got, 0).Remaining)
		}
	}
}

// testResetAt: counters of another ResetAt mean nothing, also where nothing was written under the new one yet.
func (s *suite) testResetAt(t rapid.TB) {
	ctx, cancel := call()
	defer cancel()
	d := s.newDesk(ctx, t, sluice.Policy{Limits: []sluice.Limit{sluice.PerDay(5), sluice.PerHour(5).WithBurst(5)}})
	d.check(5)
	for i := range sluice.Tick(3) {
		other := *d.policy
		other.ResetAt = d.now + i
		d.policy = &other
		if got := d.peek(); got.Remaining != 5 || got.ResetAfter != 0 {
			t.Fatalf("reset: %s, reset after %s, want 5 remaining and nothing used", got, got.ResetAfter)
		}
		if got := d.check(6); got.RetryAfter != sluice.Never {
			t.Fatalf("more than there is: %s", got)
		}
		if _, exists, err := d.harness.TTL(ctx, d.policy, d.key, d.now); err != nil || exists {
			t.Errorf("counters under the new ResetAt: exist %t, error %v, want none yet", exists, err)
		}
		if got := d.check(2 + int64(i)); !got.Allowed || got.Remaining != 3-int64(i) {
			t.Fatalf("%d of 5: %s", 2+i, got)
		}
	}
}

// testPenaltyConcurrency has many goroutines refused at once: as many refusals as the penalty says begin one block.
func (s *suite) testPenaltyConcurrency(t rapid.TB) {
	const goroutines, each, after = 8, 30, 100
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	policy := &sluice.Policy{
		Name:    s.policyName(),
		Limits:  []sluice.Limit{sluice.Per(1, sluice.MaxPeriod)},
		Penalty: &sluice.Penalty{After: after, Within: time.Hour, For: time.Hour},
	}
	req := sluice.Request{Policy: policy, Key: "hot", Cost: 1}
	var refused, barred, faults atomic.Int64
	ends := sync.Map{}
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for range each {
				d, err := s.harness.Store().Check(ctx, req)
				b, blocked := d.Blocked()
				switch {
				case err != nil:
					faults.Add(1)
				case blocked:
					barred.Add(1)
					ends.Store(b.Until, true)
				case !d.Allowed:
					refused.Add(1)
				}
			}
		})
	}
	all.Wait()
	blocks := 0
	ends.Range(func(any, any) bool { blocks++; return true })
	if got, want := refused.Load(), int64(after-1); faults.Load() > 0 || got != want || barred.Load() != goroutines*each-1-want || blocks != 1 {
		t.Errorf("%d were refused and %d barred by %d blocks, %d failed; want %d, %d, 1 and none",
			got, barred.Load(), blocks, faults.Load(), want, goroutines*each-1-want)
	}
}
