package algorithm_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/algorithm"
)

// known is a key with all that is known of it, as a store puts it together.
type known struct {
	record   algorithm.Record
	standing algorithm.Standing
}

func (k *known) decide(req sluice.Request, at sluice.Tick) (d sluice.Decision, amended bool) {
	asked, replaced := k.standing.Ask(&req, at)
	k.record.Decide(&asked, at, &d)
	return d, k.standing.Answer(&req, at, &d) || replaced
}

// showStanding is a standing as text: "b" and when the block ends, "p" where it is a penalty, "r" refusals, "n" past
// blocks, "o" and when the override ends; "-" where nothing is known.
func showStanding(s sluice.Standing) (text string) {
	if b := s.Block; b != nil {
		text += fmt.Sprintf("b%d", b.Until)
		if b.Penalty {
			text += "p"
		}
		text += " "
	}
	if s.Refusals > 0 {
		text += fmt.Sprintf("r%d ", s.Refusals)
	}
	if s.Blocks > 0 {
		text += fmt.Sprintf("n%d ", s.Blocks)
	}
	if s.Override != nil {
		text += fmt.Sprintf("o%d ", s.Override.Until)
	}
	if text == "" {
		return "-"
	}
	return text[:len(text)-1]
}

// TestStanding has what refusals and amendments make of a standing, worked out by hand: the penalty is 3 refusals in
// 1000 ticks, for 2000 ticks at first and 5000 at most. The key has nothing to take.
func TestStanding(t *testing.T) {
	t.Parallel()
	const at0 = 1_000_000_000 // where the instants of the table begin
	policy := policy(t, "1/366d")
	policy.Penalty = &sluice.Penalty{After: 3, Within: time.Millisecond, For: 2 * time.Millisecond, Max: 5 * time.Millisecond}
	lower := *policy
	lower.Penalty = &sluice.Penalty{After: 2, Within: 2 * time.Millisecond, For: time.Millisecond}
	own := &sluice.Exception{Limits: []sluice.Limit{sluice.Per(9, time.Hour)}}
	const longest = sluice.Tick(sluice.MaxPeriod / time.Microsecond)

	refuse := func(k *known, at sluice.Tick) bool {
		_, amended := k.decide(sluice.Request{Policy: policy, Key: "k", Cost: 2}, at)
		return amended
	}
	change := func(a sluice.Amendment) func(k *known, at sluice.Tick) bool {
		return func(k *known, at sluice.Tick) bool {
			_, amended := k.standing.Amend(&a, at)
			return amended
		}
	}
	ask := func(req sluice.Request) func(k *known, at sluice.Tick) bool {
		return func(k *known, at sluice.Tick) bool {
			if req.Policy == nil {
				req.Policy = policy
			}
			req.Key = "k"
			_, amended := k.decide(req, at)
			return amended
		}
	}
	type step struct {
		at      sluice.Tick
		do      func(k *known, at sluice.Tick) bool
		want    string
		amended bool
		ends    sluice.Tick // when nothing of it means anything any more
	}
	look := change(sluice.Amendment{})
	for _, test := range []struct {
		name  string
		steps []step
	}{
		{"three refusals", []step{
			{100, refuse, "r1", true, 1100},
			{200, refuse, "r2", true, 1200},
			{1099, look, "r2", false, 1200},
			{1100, look, "r1", false, 1200},
			{1099, refuse, "b3099p n1", true, 8099},
			{1100, refuse, "b3099p n1", false, 8099}, // knocking
			{3098, look, "b3099p n1", false, 8099},
			{3099, look, "n1", false, 8099},
			{8098, look, "n1", false, 8099},
			{8099, look, "-", false, 8099},
		}},
		{"they are remembered for the span", []step{
			{100, refuse, "r1", true, 1100},
			{1099, refuse, "r2", true, 2099},
			{1100, refuse, "r2", true, 2100}, // the first is over
			{2098, refuse, "b4098p n1", true, 9098},
		}},
		{"what does not count", []step{
			{100, refuse, "r1", true, 1100},
			{100, ask(sluice.Request{Cost: 2, Peek: true}), "r1", false, 1100},
			{100, ask(sluice.Request{Cost: 2, Uncounted: true}), "r1", false, 1100},
			{100, ask(sluice.Request{}), "r1", false, 1100},
			{100, ask(sluice.Request{Cost: 1}), "r1", false, 1100}, // allowed
		}},
		{"refusals elsewhere", []step{
			{100, ask(sluice.Request{Refusals: 1}), "r1", true, 1100},
			{200, ask(sluice.Request{Cost: 2, Peek: true, Uncounted: true, Refusals: 1}), "r2", true, 1200},
			{1100, ask(sluice.Request{Cost: 2, Refusals: 1}), "b3100p n1", true, 8100}, // of the three one is over, one its own
			{1100, ask(sluice.Request{Cost: 2, Refusals: sluice.MaxCount}), "b3100p n1", false, 8100},
			{3100, ask(sluice.Request{Refusals: sluice.MaxCount}), "b7100p n2", true, 12100},
			{7100, ask(sluice.Request{Refusals: 2}), "r2 n2", true, 12100},
		}},
		{"each longer than the one before, up to the longest", []step{
			{0, refuse, "r1", true, 1000},
			{0, refuse, "r2", true, 1000},
			{0, refuse, "b2000p n1", true, 7000},
			{2000, refuse, "r1 n1", true, 7000},
			{2000, refuse, "r2 n1", true, 7000},
			{2000, refuse, "b6000p n2", true, 11000},
			{6000, refuse, "r1 n2", true, 11000},
			{6000, refuse, "r2 n2", true, 11000},
			{6000, refuse, "b11000p n3", true, 16000},
			{15999, refuse, "r1 n3", true, 16999},
			{16000, refuse, "r2", true, 17000},
			{16000, refuse, "b18000p n1", true, 23000},
		}},
		{"another penalty", []step{
			{100, refuse, "r1", true, 1100},
			{100, refuse, "r2", true, 1100},
			{1099, ask(sluice.Request{Policy: &lower, Cost: 2}), "b2099p n1", true, 3099},
		}},
		{"another penalty carries what counts", []step{
			{100, refuse, "r1", true, 1100},
			{1099, ask(sluice.Request{Policy: &lower, Cost: 2, Peek: true}), "r1", false, 1100},
			{1100, ask(sluice.Request{Policy: &lower, Cost: 2}), "r1", true, 3100}, // it was over by then
		}},
		{"a block by hand", []step{
			{100, refuse, "r1", true, 1100},
			{100, change(sluice.Amendment{Bar: &sluice.Bar{For: 50 * time.Microsecond}}), "b150 r1", true, 1100},
			{149, refuse, "b150 r1", false, 1100},
			{150, refuse, "r2", true, 1150},
			{200, change(sluice.Amendment{Bar: &sluice.Bar{Until: at0 + 5000}}), "b5000 r2", true, 5000},
			{200, change(sluice.Amendment{Bar: &sluice.Bar{Until: at0 + 300}}), "b300 r2", true, 1150},
			{200, change(sluice.Amendment{Bar: &sluice.Bar{Until: at0 + 200}}), "r2", true, 1150},
			{1300, change(sluice.Amendment{Unexcept: true}), "-", true, 0},
		}},
		{"a block that is lifted", []step{
			{0, refuse, "r1", true, 1000},
			{0, refuse, "r2", true, 1000},
			{0, refuse, "b2000p n1", true, 7000},
			{2000, refuse, "r1 n1", true, 7000},
			{2000, change(sluice.Amendment{Unbar: true}), "-", true, 0},
			{2000, refuse, "r1", true, 3000},
			{2000, refuse, "r2", true, 3000},
			{2000, refuse, "b4000p n1", true, 9000},
		}},
		{"overrides", []step{
			{100, change(sluice.Amendment{Except: &sluice.Exception{Limits: own.Limits, Until: at0 + 400}}), "o400", true, 400},
			{399, ask(sluice.Request{Cost: 2}), "o400", false, 400}, // it has room
			{399, look, "o400", false, 400},
			{400, look, "-", false, 400},
			{400, refuse, "r1", true, 1400},
			{500, change(sluice.Amendment{Except: own}), "r1 o0", true, math.MaxInt64},
			{500, change(sluice.Amendment{Except: &sluice.Exception{Limits: own.Limits, Until: at0 + 500}}), "r1", true, 1400},
		}},
		{"a clock that was wrong", []step{
			{5 * longest, change(sluice.Amendment{Bar: &sluice.Bar{Until: math.MaxInt64}}), fmt.Sprintf("b%d", 6*longest), true, 6 * longest},
			{5*longest + 7, look, fmt.Sprintf("b%d", 6*longest), false, 6 * longest},
			{100, ask(sluice.Request{Peek: true}), fmt.Sprintf("b%d", longest+100), true, longest + 100},
			{200, look, fmt.Sprintf("b%d", longest+100), false, longest + 100},
			{50, look, fmt.Sprintf("b%d", longest+50), true, longest + 50},
		}},
		{"a clock that was wrong about all", []step{
			{5 * longest, refuse, "r1", true, 5*longest + 1000},
			{5 * longest, change(sluice.Amendment{Bar: &sluice.Bar{Until: math.MaxInt64}}), fmt.Sprintf("b%d r1", 6*longest), true, 6 * longest},
			{100, ask(sluice.Request{Peek: true}), fmt.Sprintf("b%d r3", longest+100), true, longest + 100},
			{1099, ask(sluice.Request{}), fmt.Sprintf("b%d r3", longest+100), false, longest + 100},
			{1100, look, fmt.Sprintf("b%d", longest+100), false, longest + 100},
		}},
		{"refusals by a clock that was wrong", []step{
			{90_000, refuse, "r1", true, 91_000},
			{89_000, look, "r1", false, 91_000},
			{88_999, look, "r3", true, 89_999}, // as many as the penalty counts
			{89_000, refuse, "b91000p n1", true, 96_000},
		}},
		{"past blocks are counted to 62", func() (steps []step) {
			at := sluice.Tick(0)
			for range 70 {
				for range policy.Penalty.After {
					steps = append(steps, step{at: at, do: refuse})
				}
				at += 5000
			}
			return append(steps, step{at, look, "n62", false, at + 5000})
		}()},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var k known
			for i, s := range test.steps {
				at := s.at + at0
				amended := s.do(&k, at)
				if s.want == "" {
					continue
				}
				is, replaced := k.standing.Amend(&sluice.Amendment{}, at)
				if b := is.Block; b != nil {
					b.Until -= at0
				}
				if o := is.Override; o != nil && o.Until != 0 {
					o.Until -= at0
				}
				ends := k.standing.Ends()
				if ends != 0 && ends != math.MaxInt64 {
					ends -= at0
				}
				if got := showStanding(is); got != s.want || amended != s.amended || replaced || ends != s.ends {
					t.Errorf("step %d, at %d: %q, written %t, and by a look %t, ends at %d; want %q, %t, false, %d",
						i+1, s.at, got, amended, replaced, ends, s.want, s.amended, s.ends)
				}
			}
		})
	}
}

// TestResetAt reads counters under another ResetAt, with and without an override in between.
func TestResetAt(t *testing.T) {
	t.Parallel()
	before := policy(t, "5/s, 5/h burst 5")
	after := *before
	after.ResetAt = 7
	for _, excepted := range []bool{false, true} {
		var k known
		if excepted {
			k.standing.Amend(&sluice.Amendment{Policy: "p", Key: "k", Except: &sluice.Exception{Limits: before.Limits}}, 1_000_000)
		}
		for i, step := range []struct {
			policy *sluice.Policy
			cost   int64
			want   string
			resets sluice.Tick // ResetAt of what is stored
		}{
			{before, 4, "+1 r2880000000", 0},
			{before, 2, "-1 w720000000 r2880000000", 0},
			{&after, 6, "-5 never", 0},
			{&after, 3, "+2 r2160000000", 7},
			{&after, 3, "-2 w720000000 r2160000000", 7},
		} {
			d, _ := k.decide(sluice.Request{Policy: step.policy, Key: "k", Cost: step.cost}, 1_000_000)
			if got := show(d); got != step.want || k.record.ResetAt() != step.resets {
				t.Errorf("excepted %t, step %d: %q, of ResetAt %d, want %q, %d", excepted, i+1, got, k.record.ResetAt(), step.want, step.resets)
			}
		}
	}
}
