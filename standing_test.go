package sluice_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/store/memstore"
)

func TestAmendmentValidate(t *testing.T) {
	t.Parallel()
	own := []sluice.Limit{sluice.PerHour(1)}
	long := strings.Repeat("r", sluice.MaxReasonBytes)
	for _, test := range []struct {
		amendment sluice.Amendment
		want      []string // nil: legal
	}{
		{sluice.Amendment{Key: "k"}, nil},
		{sluice.Amendment{Key: "k", Bar: &sluice.Bar{For: time.Millisecond, Reason: long}, Except: &sluice.Exception{Limits: own}}, nil},
		{sluice.Amendment{Key: "k", Bar: &sluice.Bar{For: sluice.MaxPeriod}, Unexcept: true}, nil},
		{sluice.Amendment{Key: "k", Bar: &sluice.Bar{Until: 1}}, nil},
		{sluice.Amendment{Key: "k", Except: &sluice.Exception{Limits: own, For: time.Hour}, Unbar: true}, nil},
		{sluice.Amendment{Key: "k", Except: &sluice.Exception{Limits: own, Until: 1}}, nil},
		{sluice.Amendment{}, []string{"key: it is empty"}},
		{sluice.Amendment{Key: "k", Bar: &sluice.Bar{}}, []string{"for: it is 0s"}},
		{sluice.Amendment{Key: "k", Bar: &sluice.Bar{For: time.Millisecond - 1}}, []string{"for: it is 999.999"}},
		{sluice.Amendment{Key: "k", Bar: &sluice.Bar{For: sluice.MaxPeriod + 1}}, []string{"for: it is "}},
		{sluice.Amendment{Key: "k", Bar: &sluice.Bar{For: time.Hour, Until: 1}}, []string{"for: it cannot be given beside until"}},
		{sluice.Amendment{Key: "k", Bar: &sluice.Bar{Until: 1, Reason: long + "r"}}, []string{"reason: it must be at most 200 bytes"}},
		{sluice.Amendment{Key: "k", Bar: &sluice.Bar{Until: 1, Reason: "\xff"}}, []string{"reason: it must be"}},
		{sluice.Amendment{Key: "k", Bar: &sluice.Bar{Until: 1}, Unbar: true}, []string{"unbar: "}},
		{sluice.Amendment{Key: "k", Except: &sluice.Exception{}}, []string{"limits: there is none"}},
		{sluice.Amendment{Key: "k", Except: &sluice.Exception{Limits: own, For: -1}}, []string{"for: it is -1ns"}},
		{sluice.Amendment{Key: "k", Except: &sluice.Exception{Limits: own, For: time.Hour, Until: 1}}, []string{"for: it cannot be given beside until"}},
		{sluice.Amendment{Key: "k", Except: &sluice.Exception{Limits: []sluice.Limit{own[0], own[0]}}}, []string{`limits[1]: its name "hour"`}},
		{sluice.Amendment{Key: "k", Except: &sluice.Exception{Limits: own}, Unexcept: true}, []string{"unexcept: "}},
		{sluice.Amendment{Bar: &sluice.Bar{}, Except: &sluice.Exception{}}, []string{"key: ", "for: ", "limits: "}},
	} {
		err := test.amendment.Validate()
		if test.want == nil {
			if err != nil {
				t.Errorf("%+v.Validate() = %v, want nil", test.amendment, err)
			}
			continue
		}
		wantFaults(t, err, test.want)
	}
}

func TestDecisionBar(t *testing.T) {
	t.Parallel()
	for n := range 5 {
		policy := &sluice.Policy{Name: "p"}
		for i := range n {
			policy.Limits = append(policy.Limits, sluice.PerHour(9).WithName(string(rune('a'+i))))
		}
		decision := func() sluice.Decision {
			d := sluice.NewDecision(sluice.Request{Policy: policy, Key: "k", Cost: 1})
			for range n {
				d.Add(sluice.Outcome{Allowed: true, Remaining: 5, ResetAfter: time.Hour})
			}
			return d
		}
		d, free, other := decision(), decision(), decision()
		if b, barred := d.Blocked(); barred || b != (sluice.Block{}) || !d.Allowed {
			t.Fatalf("%d limits: %s, blocked by %+v", n, d, b)
		}
		want := sluice.Block{Until: 7, Reason: "abuse"}
		before := d
		d.Bar(want, time.Minute)
		if b, barred := before.Blocked(); barred || !before.Equal(free) {
			t.Errorf("%d limits: what bars a decision bars its copy: %s, blocked by %+v", n, before, b)
		}
		b, barred := d.Blocked()
		if !barred || b != want || d.Allowed || d.Remaining != 0 || d.RetryAfter != time.Minute || d.ResetAfter < time.Minute {
			t.Errorf("%d limits: %+v, blocked by %+v", n, d, b)
		}
		if got := d.DeniedBy(); got != nil {
			t.Errorf("%d limits: denied by %v, want no limit", n, got)
		}
		if got := d.String(); got != "blocked (abuse): retry in 1m0s" {
			t.Errorf("%d limits: it reads %q", n, got)
		}
		never := sluice.NewDecision(sluice.Request{Policy: policy, Key: "k", Cost: 10})
		for range n {
			never.Add(sluice.Outcome{Remaining: 5, RetryAfter: sluice.Never, ResetAfter: time.Hour})
		}
		never.Bar(want, time.Minute)
		if got := never.String(); n > 0 && got != "blocked (abuse): a cost of 10 can never fit" {
			t.Errorf("%d limits, a cost that can never fit: it reads %q", n, got)
		}
		if len(d.Limits()) != n || n > 0 && d.Limits()[n-1].Remaining != 5 {
			t.Errorf("%d limits: they say %v", n, d.Limits())
		}
		other.Bar(sluice.Block{Until: 7, Reason: "another"}, time.Minute)
		if d.Equal(free) || d.Equal(other) || !d.Equal(d) {
			t.Errorf("%d limits: equal to the same without a block: %t, with another: %t, to itself: %t",
				n, d.Equal(free), d.Equal(other), d.Equal(d))
		}
	}
}

// TestTwoDecisionsShareNothing: what one is barred by does not reach the one before it.
func TestTwoDecisionsShareNothing(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, sluice.PerSecond(9), sluice.PerMinute(9), sluice.PerHour(9), sluice.PerDay(9))
	before := check(t, l, "k", 1)
	if err := l.Block(t.Context(), "k", time.Hour, "abuse"); err != nil {
		t.Fatal(err)
	}
	after := check(t, l, "k", 1)
	if _, barred := before.Blocked(); barred || before.Limits()[3].Remaining != 8 {
		t.Errorf("a decision from before the block: %s, %v", before, before.Limits())
	}
	if _, barred := after.Blocked(); !barred {
		t.Errorf("one after it: %s", after)
	}
}

func TestStanding(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, sluice.PerHour(2))
		ctx := t.Context()
		standing := func() sluice.Standing {
			t.Helper()
			is, err := l.Standing(ctx, "k")
			if err != nil {
				t.Fatal(err)
			}
			return is
		}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		tick := func(d time.Duration) sluice.Tick { return sluice.Tick(time.Now().Add(d).UnixMicro()) }
		limits := cmp.AllowUnexported(sluice.Limit{})

		if got := standing(); !cmp.Equal(got, sluice.Standing{}, limits) {
			t.Errorf("of a key that nobody knows: %+v", got)
		}
		must(l.Block(ctx, "k", time.Minute, "abuse"))
		want := sluice.Standing{Block: &sluice.Block{Until: tick(time.Minute), Reason: "abuse"}}
		if got := standing(); !cmp.Equal(got, want, limits) {
			t.Errorf("barred: %+v, want %+v", got, want)
		}
		if d := check(t, l, "k", 1); d.Allowed || d.RetryAfter != time.Minute || d.Limits()[0].Remaining != 2 {
			t.Errorf("barred: %s", d)
		}
		if d, err := l.Peek(ctx, "k"); err != nil || d.Allowed {
			t.Errorf("a peek while barred: %s, %v", d, err)
		}
		must(l.Reset(ctx, "k"))
		if got := standing(); got.Block == nil {
			t.Error("Reset has lifted the block")
		}
		must(l.Unblock(ctx, "k"))
		if d := check(t, l, "k", 1); !d.Allowed || d.Remaining != 1 {
			t.Errorf("unblocked: %s", d)
		}

		own := []sluice.Limit{sluice.PerHour(5)}
		must(l.Override(ctx, "k", own, time.Minute))
		own[0] = sluice.PerHour(99)
		want = sluice.Standing{Override: &sluice.Override{Limits: []sluice.Limit{sluice.PerHour(5)}, Until: tick(time.Minute)}}
		if got := standing(); !cmp.Equal(got, want, limits) {
			t.Errorf("given limits of its own: %+v, want %+v", got, want)
		}
		standing().Override.Limits[0] = sluice.PerHour(98)
		if d := check(t, l, "k", 3); !d.Allowed || d.Remaining != 1 {
			t.Errorf("4 of 5: %s", d)
		}
		must(l.RemoveOverride(ctx, "k"))
		if d := check(t, l, "k", 1); d.Allowed {
			t.Errorf("4 of 2: %s", d)
		}
		must(l.Override(ctx, "k", []sluice.Limit{sluice.PerHour(6)}, 0))
		time.Sleep(20 * time.Minute)
		if got := standing(); got.Override == nil || got.Override.Until != 0 {
			t.Errorf("an override for good: %+v", got)
		}
	})
}

func TestAmendmentsRefuseBadInput(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, sluice.PerHour(5))
	ctx := t.Context()
	wantFaults(t, l.Block(ctx, "", time.Hour, ""), []string{"key: "})
	wantFaults(t, l.Block(ctx, "k", 0, ""), []string{"for: "})
	wantFaults(t, l.Block(ctx, "k", time.Hour, "\xff"), []string{"reason: "})
	wantFaults(t, l.Unblock(ctx, ""), []string{"key: "})
	wantFaults(t, l.Override(ctx, "k", nil, 0), []string{"limits: "})
	wantFaults(t, l.Override(ctx, "k", []sluice.Limit{sluice.PerHour(5)}, time.Nanosecond), []string{"for: "})
	wantFaults(t, l.RemoveOverride(ctx, strings.Repeat("k", sluice.MaxKeyBytes+1)), []string{"key: "})
	_, err := l.Standing(ctx, "")
	wantFaults(t, err, []string{"key: "})
	if is, err := l.Standing(ctx, "k"); err != nil || is.Block != nil || is.Override != nil {
		t.Errorf("after all that the key has the standing %+v, error %v", is, err)
	}
}

func TestWaitIsRefusedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, _ := memstore.New(memstore.Config{})
		l, err := sluice.New(store, sluice.Policy{
			Name: "api", Limits: []sluice.Limit{sluice.PerMinute(1)},
			Penalty: &sluice.Penalty{After: 2, Within: time.Hour, For: time.Hour},
		})
		if err != nil {
			t.Fatal(err)
		}
		check(t, l, "k", 1)
		// Another caller takes the unit for which the waiting one sleeps, so that it is refused a second time.
		done := make(chan error)
		go func() { done <- l.Wait(t.Context(), "k", 1) }()
		time.Sleep(time.Minute - time.Nanosecond)
		if err := l.Reset(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		check(t, l, "k", 1)
		if err := <-done; err != nil {
			t.Errorf("Wait: %v", err)
		}
		if is, err := l.Standing(t.Context(), "k"); err != nil || is.Refusals != 1 || is.Block != nil {
			t.Errorf("a wait that was refused twice leaves %+v, error %v, want one refusal", is, err)
		}
	})
}

func TestWaitOutlastsABlock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, sluice.PerHour(5))
		if err := l.Block(t.Context(), "k", time.Minute, ""); err != nil {
			t.Fatal(err)
		}
		short, cancel := context.WithTimeout(t.Context(), 59*time.Second)
		defer cancel()
		if err := l.Wait(short, "k", 1); err == nil {
			t.Error("Wait was admitted while a block bars the key")
		}
		start := time.Now()
		if err := l.Wait(t.Context(), "k", 1); err != nil || time.Since(start) != time.Minute {
			t.Errorf("Wait: %v after %s, want it admitted after a minute", err, time.Since(start))
		}
	})
}
