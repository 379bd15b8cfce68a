package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/sluice-project/sluice"
)

// A sequence is what a test does to a store, in words that get their meaning only while it is played: the next instant
// is "one tick before the refused check would be allowed", a cost is "all that remains".
type sequence struct {
	versions []version // the policy, and what it changes to
	keys     []string
	start    sluice.Tick
	steady   bool // the clock never steps back and no limit ever changes
	steps    []step
}

// version is what a policy says of checks.
type version struct {
	limits  []sluice.Limit
	penalty *sluice.Penalty
}

// step is one thing done: the clock moves, then something is asked or changed.
type step struct {
	move    move
	kind    stepKind
	asks    []ask // of a stepAsk or stepBatch; of all others the first says which key
	version int   // of a stepChange
	amend   amend // of a stepBar or stepExcept
	look    bool  // compare the times to live afterwards
}

type stepKind int

const (
	stepRest     stepKind = iota // nothing: what rapid makes of a step that does not matter
	stepAsk                      // one check, peek or refund
	stepBatch                    // several in one call
	stepRetry                    // show that RetryAfter is exact
	stepSpend                    // show that Remaining is exact
	stepNothing                  // show that a refusal takes nothing
	stepReset                    // forget a key
	stepChange                   // give the policy other limits, and another penalty
	stepResetAll                 // forget the counters of all keys, by another ResetAt
	stepBar                      // bar a key
	stepUnbar                    // end its block
	stepExcept                   // give it limits of its own
	stepUnexcept                 // give it those of the policy again
	stepStanding                 // look at its standing
	stepPenalty                  // let refusals be counted until a block begins, and show how it ends
)

// amend is what a change of a standing says, in words.
type amend struct {
	reason string
	limits []sluice.Limit
	lasts  time.Duration // 0 where until says it
	until  untilKind
}

type untilKind int

const (
	untilOn    untilKind = iota // for the time that lasts says, given as For
	untilThen                   // the same, given as Until
	untilNext                   // one tick from now
	untilNow                    // already over
	untilPast                   // over since long
	untilFar                    // further ahead than any block can last
	untilNever                  // for good; of a block, the instant 1
)

// ask is one check, peek or refund.
type ask struct {
	key       int
	cost      cost
	peek      bool
	uncounted bool
	refund    bool // the cost is given back
	refusals  int64
}

// cost is units in words.
type cost struct {
	kind costKind
	n    int64 // of costUnits
}

type costKind int

const (
	costUnits     costKind = iota // n units
	costRemaining                 // what the last decision left; of a refund, what it did not
	costMore                      // one more
	costHalf                      // half of the policy's least capacity
	costCapacity                  // the policy's least capacity
	costBeyond                    // one more
	costGreatest                  // the greatest that is legal
)

// move is how far the clock goes, in words.
type move struct {
	kind moveKind
	n    int // which limit, how far, or how many parts, as the kind says
	off  int // ticks beside it: -1, 0 or 1
}

type moveKind int

const (
	moveStay      moveKind = iota // not at all
	moveTick                      // one tick
	movePart                      // a part of limit n's period
	moveRetry                     // to where the last refused check would be allowed, and off
	moveReset                     // to where the key reads as never seen, and off
	moveLife                      // to the end of the key's time to live, and off
	moveEdge                      // to the next edge of limit n's aligned windows, and off
	movePeriod                    // to one period of limit n after the last admission, and off
	moveBackTicks                 // back by n ticks
	moveBackPart                  // back by a part of limit n's period
	moveBackFar                   // back to one period of limit n before the last admission, and off
	moveCentury                   // a century on, or back
	moveBlock                     // to the end of the key's block, and off
	moveFades                     // to where its past blocks are forgotten, and off
	moveOverride                  // to the end of its override, and off
	moveWithin                    // to one span of the penalty after its last refusal, and off
)

// drawSequence returns a sequence of so many steps.
func drawSequence(d dice, steps int) sequence {
	s := sequence{versions: []version{drawVersion(d)}, keys: drawKeys(d), start: drawDate(d), steady: d.roll(3) == 0}
	if !s.steady {
		for range d.roll(3) {
			s.versions = append(s.versions, drawChangedVersion(d, s.versions[0]))
		}
	}
	for range steps {
		s.steps = append(s.steps, drawStep(d))
	}
	return s
}

func drawStep(d dice) step {
	s := step{move: drawMove(d), kind: weigh(d, []weighted[stepKind]{
		{1, stepRest},
		{70, stepAsk},
		{8, stepBatch},
		{6, stepRetry},
		{4, stepSpend},
		{4, stepNothing},
		{2, stepReset},
		{14, stepChange},
		{2, stepResetAll},
		{3, stepBar},
		{2, stepUnbar},
		{4, stepExcept},
		{2, stepUnexcept},
		{5, stepStanding},
		{3, stepPenalty},
	})}
	asks := 1
	if s.kind == stepBatch {
		asks = 2 + d.roll(6)
	}
	for range asks {
		s.asks = append(s.asks, ask{
			key: pick(d, 0, 0, 0, 1, 2), cost: drawCost(d), peek: d.roll(8) == 7, uncounted: d.roll(8) == 7, refund: d.roll(8) == 7,
			refusals: drawRefusals(d),
		})
	}
	s.version = d.roll(3)
	if s.kind == stepBar || s.kind == stepExcept {
		s.amend = drawAmend(d, s.kind)
	}
	s.look = d.roll(3) == 0
	return s
}

// drawRefusals returns how many refusals a request reports, mostly none.
func drawRefusals(d dice) int64 {
	if d.roll(8) < 7 {
		return 0
	}
	return pick[int64](d, 1, 1, 2, 3, 9, 64, sluice.MaxCount)
}

func drawCost(d dice) cost {
	c := cost{kind: weigh(d, []weighted[costKind]{
		{8, costUnits},
		{3, costRemaining},
		{3, costMore},
		{1, costHalf},
		{1, costCapacity},
		{1, costBeyond},
		{1, costGreatest},
	})}
	if c.kind == costUnits {
		c.n = pick[int64](d, 1, 1, 1, 1, 2, 3, 5, 0, 10, 70)
	}
	return c
}

func drawMove(d dice) move {
	m := move{kind: weigh(d, []weighted[moveKind]{
		{24, moveStay},
		{10, moveTick},
		{16, movePart},
		{16, moveRetry},
		{5, moveReset},
		{5, moveLife},
		{5, moveEdge},
		{5, movePeriod},
		{4, moveBackTicks},
		{4, moveBackPart},
		{4, moveBackFar},
		{1, moveCentury},
		{6, moveBlock},
		{3, moveFades},
		{2, moveOverride},
		{3, moveWithin},
	})}
	if m.kind != moveStay && m.kind != moveTick {
		m.n, m.off = d.roll(64), d.roll(3)-1
	}
	return m
}

var (
	stepNames = [...]string{
		"rest", "ask", "batch", "retry", "spend", "nothing", "reset", "change", "reset all", "bar", "unbar", "except", "unexcept",
		"standing", "penalty",
	}
	costNames = [...]string{"units", "remaining", "remaining+1", "half", "capacity", "capacity+1", "greatest"}
	moveNames = [...]string{
		"stay", "tick", "part", "retry", "reset", "life", "edge", "period", "back ticks", "back part", "back far", "century",
		"block", "fades", "override", "within",
	}
	untilNames = [...]string{"on", "then", "next", "now", "past", "far", "never"}
)

// GoString returns the sequence for the message of a test that failed.
func (s sequence) GoString() string {
	var b strings.Builder
	fmt.Fprintf(&b, "from %d, steady %t, keys %.60q", s.start, s.steady, s.keys)
	for i, v := range s.versions {
		fmt.Fprintf(&b, ", version %d: %s", i, describe(v.limits))
		if v.penalty != nil {
			fmt.Fprintf(&b, ", penalty %+v", *v.penalty)
		}
	}
	for _, st := range s.steps {
		fmt.Fprintf(&b, "\n\t%#v", st)
	}
	return b.String()
}

// GoString returns the step for the message of a test that failed.
func (st step) GoString() string {
	var b strings.Builder
	fmt.Fprintf(&b, "{%s %d %+d, %s", moveNames[st.move.kind], st.move.n, st.move.off, stepNames[st.kind])
	for _, a := range st.asks {
		fmt.Fprintf(&b, " [key %d, %s %d, peek %t, uncounted %t, refund %t, refusals %d]",
			a.key, costNames[a.cost.kind], a.cost.n, a.peek, a.uncounted, a.refund, a.refusals)
	}
	if st.kind == stepBar || st.kind == stepExcept {
		fmt.Fprintf(&b, " [%s %s %s]", untilNames[st.amend.until], st.amend.lasts, describe(st.amend.limits))
	}
	fmt.Fprintf(&b, ", version %d, look %t}", st.version, st.look)
	return b.String()
}
