package storetest

import (
	"context"
	"slices"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/store/lease"
	"pgregory.net/rapid"
)

// Units that are lent. What a store does with them is held against what the same store does without: a twin of the key
// is asked the same, and is told of a loan when it is over, as a check of what was spent, at the instant when the
// server said so; or of all of it, at the loan's end. Until then the key has so many units less than the twin, and when
// nothing is out they are equal in all that they say.

// lendingScene is several servers that take units of one key ahead, and spend them or not.
type lendingScene struct {
	t       rapid.TB
	ctx     context.Context
	harness Harness
	lender  lease.Lender
	policy  *sluice.Policy
	now     sluice.Tick
	servers []borrower
	out     []lease.Loan // as the store should know them
	account account      // all that anybody was let through by, and when it counted as used
	lent    int          // how many loans there were
	trail   trail
}

// borrower is a server as it sees itself.
type borrower struct {
	held  lease.Loan
	spent int64
}

const (
	lentKey = "key"
	twinKey = "twin"
)

func (s *suite) testLending(t rapid.TB, lender lease.Lender) {
	lent := 0
	for range s.rounds / 10 {
		rapid.Check(t, func(t *rapid.T) {
			ctx, cancel := call()
			defer cancel()
			d := rapidDice{t}
			limits := drawLimits(d)
			if len(limits) > 3 {
				limits = limits[:3]
			}
			sc := &lendingScene{
				t: t, ctx: ctx, harness: s.harness, lender: lender, now: drawDate(d), servers: make([]borrower, 1+d.roll(3)),
				policy: &sluice.Policy{Name: s.policyName(), Limits: limits, Lease: &sluice.Lease{
					Share: pick(d, 100, 50, 10, 1), TTL: pick(d, time.Second, 10*time.Millisecond, time.Minute, 123*time.Millisecond),
				}},
			}
			for range 10 + d.roll(30) {
				sc.step(d)
			}
			sc.finish()
			lent += sc.lent
		})
	}
	t.Logf("%d loans", lent)
	if want := s.rounds / 10 * rapidChecks() / 2; lent < want {
		t.Errorf("there were %d loans, want at least %d", lent, want)
	}
}

// testLendingRefund: where all of a window is given back, what is out of it stays out until the end that it had, and no more
// is lent before another window has begun.
func (s *suite) testLendingRefund(t rapid.TB, lender lease.Lender) {
	ctx, cancel := call()
	defer cancel()
	d := s.newDesk(ctx, t, sluice.Policy{
		Limits: []sluice.Limit{sluice.PerHour(10).WithAlgorithm(sluice.FixedWindow)}, Lease: &sluice.Lease{Share: 100, TTL: time.Minute},
	})
	lend := func(a lease.Ask) lease.Answer {
		a.Policy, a.Key, a.At = d.policy, d.key, d.now
		is := lender.Lend(ctx, []lease.Ask{a})[0]
		if is.Err != nil {
			t.Fatalf("lend %+v: %v", a, is.Err)
		}
		return is
	}
	d.check(4)
	first := lend(lease.Ask{Want: 1}).Loan
	if want := (lease.Loan{End: d.now + ticks(time.Minute), Units: 1}); first != want {
		t.Fatalf("1 unit is lent as %+v, want %+v", first, want)
	}
	if got := d.after(time.Second).ask(sluice.Request{Refund: sluice.MaxCount}); got.Remaining != 9 {
		t.Errorf("all is given back but what is out: %s, want 9 remaining", got)
	}
	is := lend(lease.Ask{Held: first, Keep: true, Want: 5})
	if is.Loan != first || !is.Kept {
		t.Errorf("the loan of a window that is none is renewed as %+v, kept: %t, want it as it was, %+v", is.Loan, is.Kept, first)
	}
	d.check(1)
	is = lend(lease.Ask{Held: first, Keep: true, Want: 1})
	if want := (lease.Loan{End: d.now + ticks(time.Minute), Units: 2}); is.Loan != want || !is.Kept {
		t.Errorf("the loan of the next window is renewed as %+v, kept: %t, want %+v", is.Loan, is.Kept, want)
	}
}

// testLendingRefundBehindLost: a loan that nobody accounts for counts as taken when it ends, so the window goes on though
// all that callers were let through by is given back.
func (s *suite) testLendingRefundBehindLost(t rapid.TB, lender lease.Lender) {
	ctx, cancel := call()
	defer cancel()
	d := s.newDesk(ctx, t, sluice.Policy{
		Limits: []sluice.Limit{sluice.PerHour(3).WithAlgorithm(sluice.FixedWindow)}, Lease: &sluice.Lease{Share: 100, TTL: time.Minute},
	})
	d.check(1)
	lost := lender.Lend(ctx, []lease.Ask{{Policy: d.policy, Key: d.key, Want: 1, At: d.now}})[0]
	if lost.Err != nil || lost.Loan.Units != 1 {
		t.Fatalf("1 unit is lent as %+v: %v", lost.Loan, lost.Err)
	}
	const left = time.Hour - time.Minute
	if got := d.after(time.Minute).ask(sluice.Request{Refund: 1}); got.Remaining != 2 || got.ResetAfter != left {
		t.Errorf("all is given back but what was lost: %s, want 2 remaining, reset in %v", got, left)
	}
	if got := d.check(2); !got.Allowed || got.ResetAfter != left {
		t.Errorf("what is left: %s, want it allowed, reset in %v", got, left)
	}
	if got := d.check(1); got.Allowed || got.RetryAfter != left {
		t.Errorf("more than is left: %s, want it refused, retry in %v", got, left)
	}
	if got := d.after(left).check(3); !got.Allowed || got.ResetAfter != time.Hour {
		t.Errorf("the next window: %s, want it allowed, reset in an hour", got)
	}
}

func (sc *lendingScene) step(d dice) {
	sc.moveTo(min(sc.instant(d), lastInstant))
	b := &sc.servers[d.roll(len(sc.servers))]
	switch d.roll(11) {
	case 10:
		sc.refund(pick[int64](d, 1, 1, 3, 70, sluice.MaxCount))
	case 0, 1:
		sc.check(pick[int64](d, 1, 1, 2, 5, 0, 70))
	case 2, 3, 4:
		sc.ask(b, true, pick[int64](d, 1, 8, 3, 100, 0, sluice.MaxCount), d.roll(8) == 7)
	case 5:
		sc.ask(b, false, pick[int64](d, 0, 0, 8), d.roll(8) == 7)
	case 6, 7, 8:
		sc.spend(b, pick[int64](d, 1, 1, 3, 1000, sluice.MaxCount))
	case 9:
		*b = borrower{} // it is killed
	}
	sc.compare()
}

// instant returns where the clock goes.
func (sc *lendingScene) instant(d dice) sluice.Tick {
	off := sluice.Tick(d.roll(3) - 1)
	switch d.roll(8) {
	case 0, 1, 2:
		return sc.now
	case 3:
		return sc.now + 1
	case 4:
		return sc.now + ticks(sc.policy.Lease.TTL)/sluice.Tick(1+d.roll(5))
	case 5:
		if len(sc.out) > 0 {
			return max(sc.now, sc.out[d.roll(len(sc.out))].End+off)
		}
		return sc.now
	case 6:
		return sc.now + ticks(sc.policy.Limits[d.roll(len(sc.policy.Limits))].Period())/sluice.Tick(1+d.roll(70))
	}
	retry := sc.peek(lentKey, 1, sc.now).RetryAfter
	if retry == sluice.Never || retry > 400*day {
		return sc.now
	}
	return max(sc.now, sc.now+ticks(retry)+off)
}

// moveTo sets the clock. What is out until then is taken: the twin is told so.
func (sc *lendingScene) moveTo(now sluice.Tick) {
	slices.SortFunc(sc.out, func(a, b lease.Loan) int { return int(a.End - b.End) })
	for len(sc.out) > 0 && sc.out[0].End <= now {
		sc.charge(twinKey, sc.out[0].Units, sc.out[0].End)
		sc.out = sc.out[1:]
	}
	sc.now = now
}

// charge charges a key that must have room.
func (sc *lendingScene) charge(key string, units int64, at sluice.Tick) {
	if units == 0 {
		return
	}
	if d := sc.checkAt(sluice.Request{Policy: sc.policy, Key: key, Cost: units, At: at}); !d.Allowed {
		sc.fatalf("the twin has no room for %d units that were lent, at %d: %s", units, at, d)
	}
	sc.account = append(sc.account, entry{at: at, used: units})
}

func (sc *lendingScene) checkAt(req sluice.Request) sluice.Decision {
	d, err := sc.harness.Store().Check(sc.ctx, req)
	if err != nil {
		sc.fatalf("at %d: %s: %v", req.At, question(req), err)
	}
	sc.trail.add(req, d)
	return d
}

// check asks the store, as a server does that holds nothing.
func (sc *lendingScene) check(cost int64) {
	d := sc.checkAt(sluice.Request{Policy: sc.policy, Key: lentKey, Cost: cost, At: sc.now})
	if d.Allowed && cost > 0 {
		sc.charge(twinKey, cost, sc.now)
		sc.account = append(sc.account, entry{at: sc.now, through: cost})
	}
	if !d.Allowed {
		sc.exactRetry(cost, d)
	}
}

// refund gives units back, of which the store knows nothing but that they are given back: what is out stays out.
func (sc *lendingScene) refund(units int64) {
	for _, key := range []string{lentKey, twinKey} {
		if d := sc.checkAt(sluice.Request{Policy: sc.policy, Key: key, Refund: uint32(units), At: sc.now}); !d.Allowed || d.RetryAfter != 0 {
			sc.fatalf("a refund is refused: %s", d)
		}
	}
	sc.account = append(sc.account, entry{sc.now, -units, -units})
}

// exactRetry is promise 3: refused one tick before, allowed at it.
func (sc *lendingScene) exactRetry(cost int64, d sluice.Decision) {
	at := sc.now + ticks(d.RetryAfter)
	if d.RetryAfter == sluice.Never || d.RetryAfter >= sluice.MaxWait || at > lastInstant {
		return
	}
	if early := sc.peek(lentKey, cost, at-1); early.Allowed || early.RetryAfter != time.Microsecond {
		sc.fatalf("promise 3: one tick before the RetryAfter of %s: %s", d, early)
	}
	if then := sc.peek(lentKey, cost, at); !then.Allowed {
		sc.fatalf("promise 3: at the RetryAfter of %s: %s", d, then)
	}
}

// ask has a server ask. Lost says that it never sees the answer.
func (sc *lendingScene) ask(b *borrower, keep bool, want int64, lost bool) {
	held := b.held
	if keep && held.Units > 0 && sc.now >= held.End {
		keep = false // it has ended spending
	}
	a := lease.Ask{Policy: sc.policy, Key: lentKey, Held: held, Spent: b.spent, Keep: keep && held.Units > 0, Want: want, At: sc.now}
	before := sc.peek(lentKey, 1, sc.now).Limits()
	is := sc.lender.Lend(sc.ctx, []lease.Ask{a})[0]
	if is.Err != nil {
		sc.fatalf("at %d: lend %+v: %v", sc.now, a, is.Err)
	}
	sc.trail.addLoan(a, is)
	kept, known := int64(0), false
	if i := slices.Index(sc.out, held); i >= 0 { // it is out, and not over
		known = true
		sc.out = slices.Delete(sc.out, i, i+1)
		sc.charge(twinKey, b.spent, sc.now)
		if a.Keep {
			kept = held.Units - b.spent
		}
	}
	sc.mustBe(is.Now == sc.now && !is.Stands, "it was carried out at the instant")
	sc.mustBe(is.Kept == (a.Keep && known), "it keeps what is out, and nothing else")
	sc.mustBe(is.Loan.Units >= kept && is.Loan.Units-kept <= want, "the units are those kept, and no more besides than wanted")
	if is.Loan.Units > 0 {
		sc.lent++
		sc.mustBe(is.Loan.End > sc.now && is.Loan.End <= max(held.End, sc.now+ticks(sc.policy.Lease.TTL)+64), "it ends within the time of a lease")
		sc.mustBe(!slices.ContainsFunc(sc.out, func(l lease.Loan) bool { return l.End == is.Loan.End }), "no other ends with it")
		sc.out = append(sc.out, is.Loan)
		total := int64(0)
		for _, l := range sc.out {
			total += l.Units
		}
		for i, l := range sc.policy.Limits {
			if ends := sc.now + ticks(before[i].ResetAfter); l.Algorithm() == sluice.FixedWindow && ends > sc.now {
				sc.mustBe(is.Loan.End < ends, "it ends before its window")
			}
			sc.mustBe(is.Loan.Units == kept || total*100 <= l.Capacity()*int64(sc.policy.Lease.Share), "no more is out than the share")
		}
	}
	if lost && a.Keep {
		return // it goes on by what it knows
	}
	if lost {
		*b = borrower{}
		return
	}
	*b = borrower{held: is.Loan}
	if d := sc.peek(lentKey, 1, sc.now); len(d.Limits()) == len(is.Limits) {
		for i, l := range d.Limits() {
			sc.mustBe(l.ResetAfter == is.Limits[i].ResetAfter && l.Remaining == is.Limits[i].Remaining, "a look says the same of each limit")
		}
	} else {
		sc.fatalf("it speaks of %d limits", len(is.Limits))
	}
	if is.Loan.Units == 0 {
		return // what was written before lives on by real time, though it means nothing
	}
	life, exists, err := sc.harness.TTL(sc.ctx, sc.policy, lentKey, sc.now)
	if reset := sc.peek(lentKey, 1, sc.now).ResetAfter; err != nil || !exists || reset < sluice.MaxWait && !near(life, reset) {
		sc.fatalf("it lives %v (%t, %v), want %v", life, exists, err, reset)
	}
}

// near reports whether a time to live is the reset after, rounded up to a millisecond; real time may have passed since.
func near(life, reset time.Duration) bool {
	return life <= reset+time.Millisecond && life > reset-patience
}

// spend lets callers through by what a server holds.
func (sc *lendingScene) spend(b *borrower, units int64) {
	units = min(units, b.held.Units-b.spent)
	if units <= 0 || sc.now >= b.held.End {
		return
	}
	b.spent += units
	sc.account = append(sc.account, entry{at: sc.now, through: units})
}

func (sc *lendingScene) peek(key string, cost int64, at sluice.Tick) sluice.Decision {
	return sc.checkAt(sluice.Request{Policy: sc.policy, Key: key, Cost: cost, Peek: true, At: at})
}

// compare: the key has as much as the twin, less what is out; and says the same where nothing is.
func (sc *lendingScene) compare() {
	out := int64(0)
	for _, l := range sc.out {
		out += l.Units
	}
	key, twin := sc.peek(lentKey, 1, sc.now), sc.peek(twinKey, 1, sc.now)
	for i, l := range key.Limits() {
		if want := max(0, twin.Limits()[i].Remaining-out); l.Remaining != want {
			sc.fatalf("%s has %d left with %d units out, want %d", l.Limit, l.Remaining, out, want)
		}
	}
	if out == 0 && !key.Equal(twin) {
		sc.fatalf("the key says %s, the twin %s", key, twin)
	}
	if !key.Allowed {
		sc.exactRetry(1, key)
	}
	if at := sc.now + ticks(key.ResetAfter); key.ResetAfter > 0 && key.ResetAfter < sluice.MaxWait && at <= lastInstant {
		sc.mustBe(sc.peek(lentKey, 1, at).ResetAfter == 0 && sc.peek(lentKey, 1, at-1).ResetAfter == time.Microsecond, "the reset is exact")
	}
}

// finish is promise 1, over all that was let through.
func (sc *lendingScene) finish() {
	for _, l := range sc.policy.Limits {
		if err := sc.account.within(l); err != nil {
			sc.fatalf("promise 1, bound: %v", err)
		}
	}
}

func (sc *lendingScene) mustBe(ok bool, what string) {
	sc.t.Helper()
	if !ok {
		sc.fatalf("not so: %s", what)
	}
}

func (sc *lendingScene) fatalf(format string, args ...any) {
	sc.t.Helper()
	sc.t.Fatalf(format+"\n%s", append(args, sc.trail)...)
}
