package sluice_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sluice-project/sluice"
)

func TestPenaltyLasts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		first, longest time.Duration
		want           []time.Duration // after 0, 1, 2, ... others
	}{
		{15 * time.Minute, 2 * time.Hour, []time.Duration{15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 2 * time.Hour}},
		{15 * time.Minute, 50 * time.Minute, []time.Duration{15 * time.Minute, 30 * time.Minute, 50 * time.Minute, 50 * time.Minute}},
		{time.Hour, time.Hour, []time.Duration{time.Hour, time.Hour}},
		{time.Hour, 0, []time.Duration{time.Hour, time.Hour}},
		{sluice.MaxPeriod - time.Millisecond, sluice.MaxPeriod, []time.Duration{sluice.MaxPeriod - time.Millisecond, sluice.MaxPeriod}},
	} {
		p := sluice.Penalty{After: 1, Within: time.Second, For: test.first, Max: test.longest}
		var got []time.Duration
		for others := range test.want {
			got = append(got, p.Lasts(others))
		}
		if !cmp.Equal(got, test.want) {
			t.Errorf("%+v lasts %v, want %v", p, got, test.want)
		}
		if got, want := p.Lasts(1<<30), test.want[len(test.want)-1]; got != want || p.Longest() != want {
			t.Errorf("%+v lasts %v after very many others, longest %v, want %v", p, got, p.Longest(), want)
		}
	}
}

func TestPenaltyValidate(t *testing.T) {
	t.Parallel()
	good := sluice.Penalty{After: 100, Within: time.Minute, For: 15 * time.Minute, Max: 24 * time.Hour}
	for _, test := range []struct {
		change func(p *sluice.Penalty)
		want   []string // what it says, a fault each; nil: legal
	}{
		{change: func(*sluice.Penalty) {}},
		{change: func(p *sluice.Penalty) { p.Max = 0 }},
		{change: func(p *sluice.Penalty) { p.Max = p.For }},
		{change: func(p *sluice.Penalty) { p.After, p.Within, p.For = 1, time.Millisecond, time.Millisecond }},
		{change: func(p *sluice.Penalty) {
			p.After, p.Within, p.For, p.Max = sluice.MaxCount, sluice.MaxPeriod, sluice.MaxPeriod, sluice.MaxPeriod
		}},
		{func(p *sluice.Penalty) { p.After = 0 }, []string{"after: it is 0"}},
		{func(p *sluice.Penalty) { p.After = sluice.MaxCount + 1 }, []string{"after: it is 4294967296"}},
		{func(p *sluice.Penalty) { p.Within = time.Millisecond - 1 }, []string{"within: it is 999.999"}},
		{func(p *sluice.Penalty) { p.Within = time.Second + 1 }, []string{"within: it is 1.000000001s; it must be whole milliseconds"}},
		{func(p *sluice.Penalty) { p.For = 0 }, []string{"for: it is 0s"}},
		{func(p *sluice.Penalty) { p.For, p.Max = -time.Second, 0 }, []string{"for: it is -1s"}},
		{func(p *sluice.Penalty) { p.Max = sluice.MaxPeriod + time.Millisecond }, []string{"max: it is"}},
		{func(p *sluice.Penalty) { p.Max = time.Minute }, []string{"max: it is 1m, shorter than the first block of 15m"}},
		{func(p *sluice.Penalty) { *p = sluice.Penalty{} }, []string{"after: ", "within: ", "for: "}},
	} {
		p := good
		test.change(&p)
		err := p.Validate()
		if test.want == nil {
			if err != nil {
				t.Errorf("%+v.Validate() = %v, want nil", p, err)
			}
			continue
		}
		wantFaults(t, err, test.want)
		// A policy names the same faults by their path.
		policy := sluice.Policy{Name: "p", Limits: []sluice.Limit{sluice.PerSecond(1)}, Penalty: &p}
		var paths []string
		for _, w := range test.want {
			paths = append(paths, "penalty."+w)
		}
		wantFaults(t, policy.Validate(), paths)
	}
	policy := sluice.Policy{Name: "p", Limits: []sluice.Limit{sluice.PerSecond(1)}, Penalty: &good, ResetAt: 1}
	if err := policy.Validate(); err != nil {
		t.Errorf("%+v.Validate() = %v, want nil", policy, err)
	}
	policy.ResetAt = -1
	wantFaults(t, policy.Validate(), []string{"reset_at: it is -1"})
}

// wantFaults fails unless an error is just these faults, each an [sluice.InvalidError] that begins so.
func wantFaults(t *testing.T, err error, want []string) {
	t.Helper()
	var faults []error
	switch joined := err.(type) {
	case interface{ Unwrap() []error }:
		faults = joined.Unwrap()
	case error:
		faults = []error{err}
	}
	if len(faults) != len(want) {
		t.Errorf("%d faults: %v, want %d: %q", len(faults), err, len(want), want)
		return
	}
	for i, fault := range faults {
		var invalid *sluice.InvalidError
		if !errors.As(fault, &invalid) || !strings.HasPrefix(fault.Error(), want[i]) {
			t.Errorf("fault %d: %v, want an InvalidError that begins with %q", i+1, fault, want[i])
		}
	}
}
