package algorithm_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/algorithm"
)

// step is one check and what it is answered: "+4 r10" is allowed with 4 remaining and reads as new after 10 ticks, "-0
// w3 r10" is refused with none remaining, fits after 3 ticks and reads as new after 10, "-2 never" can never fit.
type step struct {
	at   sluice.Tick
	cost int64
	want string
}

func show(d sluice.Decision) string {
	switch {
	case d.Allowed:
		return fmt.Sprintf("+%d r%d", d.Remaining, d.ResetAfter/time.Microsecond)
	case d.RetryAfter == sluice.Never:
		return fmt.Sprintf("-%d never", d.Remaining)
	}
	return fmt.Sprintf("-%d w%d r%d", d.Remaining, d.RetryAfter/time.Microsecond, d.ResetAfter/time.Microsecond)
}

func decide(r *algorithm.Record, req sluice.Request, at sluice.Tick) (d sluice.Decision, written bool) {
	written = r.Decide(&req, at, &d)
	return d, written
}

// TestDecide has what each algorithm answers, worked out by hand. A period of 1 ms is 1000 ticks. The properties of
// internal/storetest, which the stores run, hold the algorithms against a model over the whole range of limits.
func TestDecide(t *testing.T) {
	t.Parallel()
	const at0 = 1_000_000 // a multiple of all periods here
	for _, test := range []struct {
		limits string
		steps  []step
	}{
		{"2/ms burst 3", []step{
			{0, 1, "+2 r500"},
			{0, 2, "+0 r1500"},
			{0, 1, "-0 w500 r1500"},
			{499, 1, "-0 w1 r1001"},
			{500, 1, "+0 r1500"},
			{999, 1, "-0 w1 r1001"},
			{999, 3, "-0 w1001 r1001"},
			{999, 4, "-0 never"},
			{999, 0, "+0 r1001"},
			{2000, 3, "+0 r1500"},
			{9000, 1, "+2 r500"},
		}},
		{"3/ms burst 1", []step{ // a unit every 333 1/3 ticks: nothing is lost between
			{0, 1, "+0 r334"}, {333, 1, "-0 w1 r1"}, {334, 1, "+0 r334"}, {668, 1, "+0 r334"}, {1002, 1, "+0 r334"},
		}},
		{"3/ms burst 2", []step{ // never full, so the thirds add up: 1000 ticks are three units to the tick
			{0, 2, "+0 r667"}, {334, 1, "+0 r666"}, {667, 1, "+0 r667"}, {1000, 1, "+0 r667"}, {1333, 1, "-0 w1 r334"}, {1334, 1, "+0 r666"},
		}},
		{"2/ms", []step{
			{0, 1, "+1 r1000"},
			{400, 1, "+0 r1000"},
			{999, 1, "-0 w1 r401"},
			{999, 2, "-0 w401 r401"},
			{1000, 1, "+0 r1000"},
			{1399, 1, "-0 w1 r601"},
			{1400, 1, "+0 r1000"},
			{9999, 2, "+0 r1000"},
		}},
		{"2/ms fixed-window", []step{
			{300, 1, "+1 r1000"}, {1299, 1, "+0 r1"}, {1299, 1, "-0 w1 r1"}, {1300, 2, "+0 r1000"},
		}},
		{"2/ms fixed-window aligned", []step{
			{300, 1, "+1 r700"}, {999, 1, "+0 r1"}, {999, 1, "-0 w1 r1"}, {1000, 2, "+0 r1000"},
		}},
		{"4/ms sliding-counter", []step{
			{300, 4, "+0 r1700"},
			{300, 1, "-0 w950 r1700"}, // the next window's first 250 ticks still weigh 4 x 3/4
			{1249, 1, "-0 w1 r751"},
			{1250, 1, "+0 r1750"},
			{1500, 1, "+0 r1500"},
			{1500, 3, "-0 w1000 r1500"},
			{2499, 3, "-2 w1 r501"},
			{2500, 3, "+0 r1500"},
		}},
		{"1/ms, 3/s", []step{ // all or nothing
			{0, 1, "+0 r1000000"},
			{10, 1, "-0 w990 r999990"},
			{1000, 1, "+0 r1000000"},
			{2000, 1, "+0 r1000000"},
			{3000, 1, "-0 w997000 r999000"},
			{3000, 2, "-0 never"},
		}},
		{"2/ms burst 3", []step{ // the clock steps back: nothing comes back early, and a wrong future ends after a period
			{500, 3, "+0 r1500"},
			{400, 1, "-0 w600 r1600"},
			{1000, 1, "+0 r1500"},
			{900, 1, "-0 w600 r1600"},
			{50_000, 3, "+0 r1500"},
			{48_999, 1, "-0 w500 r1500"},
			{49_499, 1, "+0 r1500"},
		}},
		{"2/ms", []step{
			{500, 2, "+0 r1000"},
			{400, 1, "-0 w1100 r1100"},
			{1500, 1, "+1 r1000"},
			{1400, 1, "+0 r1100"},
			{50_000, 2, "+0 r1000"},
			{48_999, 1, "-0 w1000 r1000"},
			{49_998, 1, "-0 w1 r1"},
			{49_999, 1, "+1 r1000"},
		}},
		{"2/ms fixed-window", []step{
			{500, 2, "+0 r1000"},
			{400, 1, "-0 w1100 r1100"},
			{50_000, 2, "+0 r1000"},
			{49_000, 1, "-0 w2000 r2000"},
			{48_999, 1, "-0 w1000 r1000"},
			{49_999, 1, "+1 r1000"},
		}},
		{"4294967295/366d burst 4294967295", []step{
			{0, 4294967295, "+0 r31622400000000"},
			{0, 1, "-0 w7363 r31622400000000"},
			{7362, 1, "-0 w1 r31622399992638"},
			{7363, 1, "+0 r31622400000000"},
		}},
		{"1/366d burst 4294967295", []step{
			{0, 4294967295, "+0 r9007199254740991"},
			{0, 4294967295, "-0 w9007199254740991 r9007199254740991"},
			{0, 284, "-0 w8980761600000000 r9007199254740991"},
			{0, 1, "-0 w31622400000000 r9007199254740991"},
		}},
	} {
		t.Run(test.limits, func(t *testing.T) {
			t.Parallel()
			p := policy(t, test.limits)
			var r algorithm.Record
			for i, s := range test.steps {
				d, _ := decide(&r, sluice.Request{Policy: p, Key: "k", Cost: s.cost}, at0+s.at)
				if got := show(d); got != s.want {
					t.Errorf("step %d: %d at %d = %q, want %q", i+1, s.cost, s.at, got, s.want)
				}
			}
		})
	}
}

// policy reads limits that are parted by commas, named a, b and so on.
func policy(t *testing.T, limits string) *sluice.Policy {
	t.Helper()
	p := &sluice.Policy{Name: "p"}
	for text := range strings.SplitSeq(limits, ",") {
		l, err := sluice.ParseLimit(text)
		if err != nil {
			t.Fatal(err)
		}
		p.Limits = append(p.Limits, l.WithName(string(rune('a'+len(p.Limits)))))
	}
	return p
}

// TestNumbersChange writes a state under one limit and reads it under another of the same name.
func TestNumbersChange(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		before, after string
		used          int64 // at 0
		step          step  // under the new limit
		rewritten     bool  // whatever the answer is
	}{
		{"10/ms burst 10", "10/ms burst 10", 6, step{100, 1, "+4 r600"}, false},
		{"10/ms burst 10", "10/ms burst 20", 6, step{100, 1, "+14 r600"}, false},
		{"10/ms burst 10", "10/ms burst 3", 6, step{100, 1, "-0 w300 r500"}, false},
		{"10/ms burst 10", "1/ms burst 10", 6, step{100, 1, "+4 r6000"}, true}, // advanced by 10/ms, 5 left
		{"10/ms burst 10", "5/ms burst 10", 6, step{150, 1, "+4 r1100"}, true}, // the half unit earned stays earned
		{"10/ms burst 10", "10/s burst 10", 6, step{100, 1, "+4 r600000"}, true},
		{"10/ms burst 10", "10/ms", 6, step{150, 1, "+4 r1000"}, true}, // 4.5 used counts as 5, now
		{"10/ms", "20/ms", 6, step{100, 1, "+13 r1000"}, false},
		{"10/ms", "5/ms", 6, step{100, 1, "-0 w900 r900"}, false},
		{"10/ms", "10/2ms", 6, step{900, 1, "+3 r2000"}, true},
		{"10/ms", "10/ms fixed-window", 6, step{999, 4, "+0 r1000"}, true},
		{"10/ms", "10/ms fixed-window", 6, step{1000, 4, "+6 r1000"}, true},
		{"10/ms fixed-window", "5/ms fixed-window", 6, step{100, 1, "-0 w900 r900"}, false},
		{"10/ms fixed-window", "10/ms fixed-window aligned", 6, step{100, 1, "+3 r900"}, true},
		{"10/ms sliding-counter", "10/ms burst 10", 6, step{1500, 1, "+6 r400"}, true}, // half of 6 still weighs
	} {
		var r algorithm.Record
		decide(&r, sluice.Request{Policy: policy(t, test.before), Key: "k", Cost: test.used}, 1_000_000)
		d, written := decide(&r, sluice.Request{Policy: policy(t, test.after), Key: "k", Cost: test.step.cost}, 1_000_000+test.step.at)
		if got := show(d); got != test.step.want {
			t.Errorf("%d of %s, then %d of %s at %d = %q, want %q", test.used, test.before, test.step.cost, test.after, test.step.at, got, test.step.want)
		}
		if !d.Allowed && written != test.rewritten {
			t.Errorf("from %s to %s: a refusal wrote: %v, want %v", test.before, test.after, written, test.rewritten)
		}
	}
}

// TestSlidingWindowBeyondExact fills a window with more admissions than are kept exactly: what comes back does so up to
// a 64th of the period late, never early, and nothing is lost.
func TestSlidingWindowBeyondExact(t *testing.T) {
	t.Parallel()
	const (
		period = 64_000 // ticks, so that a sub-window has 1000
		count  = 1000
		at0    = 64_000_000
	)
	p := &sluice.Policy{Name: "p", Limits: []sluice.Limit{sluice.Per(count, period*time.Microsecond)}}
	var r algorithm.Record
	ask := func(at sluice.Tick, cost int64) sluice.Decision {
		d, _ := decide(&r, sluice.Request{Policy: p, Key: "k", Cost: cost}, at0+at)
		return d
	}
	for i := range sluice.Tick(count) {
		if d := ask(i*60, 1); !d.Allowed || d.Remaining != count-1-int64(i) {
			t.Fatalf("admission %d: %v", i+1, d)
		}
		if got := r.Admissions(); got > 76 {
			t.Fatalf("after %d admissions the log has %d entries, want at most 76", i+1, got)
		}
	}
	if d := ask(60_000, 1); d.Allowed {
		t.Fatalf("admission %d: %v", count+1, d)
	}
	for at := sluice.Tick(60_000); at < 2*period; at++ {
		strict := min(count, max(0, int64(at-period)/60+1)) // admissions i with i*60 + period <= at
		if at < period {
			strict = 0
		}
		late := int64(0)
		if at >= period+1000 {
			late = min(count, int64(at-1000-period)/60+1)
		}
		if d := ask(at, 0); d.Remaining > strict || d.Remaining < late {
			t.Fatalf("at %d: remaining %d, want %d to %d", at, d.Remaining, late, strict)
		}
	}
}

func FuzzDecide(f *testing.F) {
	f.Add(int64(10), int64(1000), int64(20), uint8(1), int64(1), int64(1), int64(5), int64(700))
	f.Add(int64(4294967295), int64(31622400000), int64(4294967295), uint8(1), int64(1), int64(1<<52), int64(4294967295), int64(-5))
	f.Add(int64(3), int64(7), int64(0), uint8(0), int64(1), int64(1), int64(1), int64(3))
	f.Fuzz(func(t *testing.T, count, periodMS, burst int64, algo uint8, cost1, at1, cost2, gap int64) {
		l := sluice.Per(count, time.Duration(periodMS%31622400001)*time.Millisecond).WithAlgorithm(sluice.Algorithm(algo % 4))
		if l.Algorithm() == sluice.TokenBucket {
			l = l.WithBurst(burst)
		}
		if l.Validate() != nil || sluice.ValidateCost(cost1) != nil || sluice.ValidateCost(cost2) != nil || at1 < 1 || at1 > 7e15 {
			return // not what a store is ever asked
		}
		p := &sluice.Policy{Name: "p", Limits: []sluice.Limit{l}}
		var r algorithm.Record
		decide(&r, sluice.Request{Policy: p, Key: "k", Cost: cost1}, sluice.Tick(at1))
		at2 := sluice.Tick(max(1, min(at1+gap%1e15, 8e15)))
		req := sluice.Request{Policy: p, Key: "k", Cost: cost2}
		d, _ := decide(&r, req, at2)
		if d.Remaining < 0 || d.Remaining > l.Capacity() || d.RetryAfter < 0 || d.ResetAfter < 0 || d.ResetAfter > sluice.MaxWait {
			t.Fatalf("%v: %+v", l, d)
		}
		if d.Allowed || d.RetryAfter >= sluice.MaxWait {
			return
		}
		after := sluice.Tick(d.RetryAfter / time.Microsecond)
		early, late := r, r // only looked at
		if e, _ := decide(&early, sluice.Request{Policy: p, Key: "k", Cost: cost2, Peek: true}, at2+after-1); e.Allowed {
			t.Errorf("%v: allowed a tick before RetryAfter %v", l, d.RetryAfter)
		}
		if e, _ := decide(&late, sluice.Request{Policy: p, Key: "k", Cost: cost2, Peek: true}, at2+after); !e.Allowed {
			t.Errorf("%v: refused at RetryAfter %v: %v", l, d.RetryAfter, e)
		}
	})
}
