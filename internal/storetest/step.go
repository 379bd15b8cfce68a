package storetest

import (
	"fmt"
	"strings"

	"github.com/sluice-project/sluice"
)

// A sequence is what a test does to a store, in words that get their meaning only while it is played: the next instant
// is "one tick before the refused check would be allowed", a cost is "all that remains".
type sequence struct {
	versions [][]sluice.Limit // the policy's limits, and what they change to
	keys     []string
	start    sluice.Tick
	steady   bool // the clock never steps back and the limits never change
	steps    []step
}

// step is one thing done: the clock moves, then something is asked or changed.
type step struct {
	move    move
	kind    stepKind
	asks    []ask // of a stepAsk or stepBatch; of all others the first says which key
	version int   // of a stepChange
	look    bool  // compare the time to live afterwards
}

type stepKind int

const (
	stepRest    stepKind = iota // nothing: what rapid makes of a step that does not matter
	stepAsk                     // one check or peek
	stepBatch                   // several in one call
	stepRetry                   // show that RetryAfter is exact
	stepSpend                   // show that Remaining is exact
	stepNothing                 // show that a refusal takes nothing
	stepReset                   // forget a key
	stepChange                  // give the policy other limits
)

// ask is one check or peek.
type ask struct {
	key  int
	cost cost
	peek bool
}

// cost is units in words.
type cost struct {
	kind costKind
	n    int64 // of costUnits
}

type costKind int

const (
	costUnits     costKind = iota // n units
	costRemaining                 // what the last decision left
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
)

// drawSequence returns a sequence of so many steps.
func drawSequence(d dice, steps int) sequence {
	s := sequence{versions: [][]sluice.Limit{drawLimits(d)}, keys: drawKeys(d), start: drawDate(d), steady: d.roll(3) == 0}
	if !s.steady {
		for range d.roll(3) {
			s.versions = append(s.versions, drawChanged(d, s.versions[0]))
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
	})}
	asks := 1
	if s.kind == stepBatch {
		asks = 2 + d.roll(6)
	}
	for range asks {
		s.asks = append(s.asks, ask{key: pick(d, 0, 0, 0, 1, 2), cost: drawCost(d), peek: d.roll(8) == 7})
	}
	s.version = d.roll(3)
	s.look = d.roll(3) == 0
	return s
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
	})}
	if m.kind != moveStay && m.kind != moveTick {
		m.n, m.off = d.roll(64), d.roll(3)-1
	}
	return m
}

var (
	stepNames = [...]string{"rest", "ask", "batch", "retry", "spend", "nothing", "reset", "change"}
	costNames = [...]string{"units", "remaining", "remaining+1", "half", "capacity", "capacity+1", "greatest"}
	moveNames = [...]string{
		"stay", "tick", "part", "retry", "reset", "life", "edge", "period", "back ticks", "back part", "back far", "century",
	}
)

// GoString returns the sequence for the message of a test that failed.
func (s sequence) GoString() string {
	var b strings.Builder
	fmt.Fprintf(&b, "from %d, steady %t, keys %.60q", s.start, s.steady, s.keys)
	for i, limits := range s.versions {
		fmt.Fprintf(&b, ", limits %d: %s", i, describe(limits))
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
		fmt.Fprintf(&b, " [key %d, %s %d, peek %t]", a.key, costNames[a.cost.kind], a.cost.n, a.peek)
	}
	fmt.Fprintf(&b, ", version %d, look %t}", st.version, st.look)
	return b.String()
}
