package sluice_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sluice-project/sluice"
)

// refusal returns one of so many limits, of which number i refuses for i hours.
func refusal(limits int) sluice.Decision {
	policy := &sluice.Policy{Name: "p"}
	for i := range limits {
		policy.Limits = append(policy.Limits, sluice.PerHour(9).WithName(fmt.Sprint("l", i)))
	}
	d := sluice.NewDecision(sluice.Request{Policy: policy, Key: "k", Cost: 3})
	for i := range limits {
		retry := time.Duration(i) * time.Hour
		d.Add(sluice.Outcome{Allowed: i == 0, Remaining: int64(9 - i), RetryAfter: retry, ResetAfter: 10 * time.Hour})
	}
	return d
}

func TestAged(t *testing.T) {
	t.Parallel()
	for _, limits := range []int{2, 3, 4, 8} {
		d := refusal(limits)
		before := d.Limits()
		got := d.Aged(90*time.Minute + 500*time.Nanosecond)
		last := limits - 1
		if want := max(0, time.Duration(last)*time.Hour-90*time.Minute); got.Allowed || got.RetryAfter != want || got.ResetAfter != 510*time.Minute ||
			got.Remaining != d.Remaining || got.Cost != 3 {
			t.Errorf("%d limits: %+v, want retry after %s", limits, got, want)
		}
		for i, l := range got.Limits() {
			want := sluice.Outcome{
				Allowed: i < 2, Remaining: int64(9 - i), RetryAfter: max(0, time.Duration(i)*time.Hour-90*time.Minute), ResetAfter: 510 * time.Minute,
			}
			if l.Outcome != want {
				t.Errorf("%d limits, number %d: %+v, want %+v", limits, i, l.Outcome, want)
			}
		}
		if !slices.Equal(d.Limits(), before) {
			t.Errorf("%d limits: the decision itself is %v afterwards, want it as it was", limits, d.Limits())
		}

		d.Bar(sluice.Block{Until: 7, Reason: "abuse"}, time.Hour)
		if _, barred := d.Aged(time.Hour - time.Microsecond).Blocked(); !barred {
			t.Errorf("%d limits: one tick before its end the block is gone", limits)
		}
		if b, barred := d.Aged(time.Hour).Blocked(); barred || b != (sluice.Block{}) {
			t.Errorf("%d limits: at its end it is blocked by %+v", limits, b)
		}
		if _, barred := d.Blocked(); !barred {
			t.Errorf("%d limits: the decision itself has lost its block", limits)
		}
	}
	never := sluice.NewDecision(sluice.Request{Policy: &sluice.Policy{Limits: []sluice.Limit{sluice.PerHour(9)}}, Cost: 10})
	never.Add(sluice.Outcome{RetryAfter: sluice.Never, ResetAfter: time.Second})
	if got := never.Aged(time.Minute); got.RetryAfter != sluice.Never || got.ResetAfter != 0 || got.Limits()[0].RetryAfter != sluice.Never {
		t.Errorf("a cost that can never fit, a minute later: %+v", got)
	}
}

func TestCostlier(t *testing.T) {
	t.Parallel()
	for _, limits := range []int{2, 3, 4, 8} {
		d := refusal(limits)
		d.Bar(sluice.Block{Until: 7, Reason: "abuse"}, 5*time.Hour)
		before, plain := d.Limits(), d
		got := d.Costlier(8, func(l sluice.Limit, o sluice.Outcome) time.Duration {
			if l.Name() == "l0" {
				return 20 * time.Hour
			}
			return o.RetryAfter - time.Hour // which is no time for a greater cost
		})
		if got.Allowed || got.Cost != 8 || got.RetryAfter != 20*time.Hour || got.ResetAfter != d.ResetAfter || got.Remaining != 0 {
			t.Errorf("%d limits: %+v", limits, got)
		}
		for i, l := range got.Limits() {
			want := before[i].Outcome
			if i == 0 {
				want.Allowed, want.RetryAfter = false, 20*time.Hour
			}
			if l.Outcome != want {
				t.Errorf("%d limits, number %d: %+v, want %+v", limits, i, l.Outcome, want)
			}
		}
		if b, barred := got.Blocked(); !barred || b.Reason != "abuse" {
			t.Errorf("%d limits: blocked %t by %+v, want the block that there is", limits, barred, b)
		}
		if !slices.Equal(d.Limits(), before) || !d.Equal(plain) {
			t.Errorf("%d limits: the decision itself is %v afterwards, want it as it was", limits, d.Limits())
		}
	}
}
