package storetest

import (
	"fmt"
	"math/big"

	"github.com/sluice-project/sluice"
	"pgregory.net/rapid"
)

// Promise 1: in every span a key gets at most what its limits say, less what is given back in it. What is looked at here is
// what was admitted and given back, and nothing that a store says of itself.

// admissions are what a key was granted and gave back, oldest first.
type admissions []admission

type admission struct {
	at    sluice.Tick
	units int64 // less than 0 where they were given back
}

// within reports whether a limit may have granted all of them. It looks at every span that begins and ends with one.
func (all admissions) within(l sluice.Limit) error {
	switch l.Algorithm() {
	case sluice.TokenBucket:
		return all.withinBucket(l)
	case sluice.SlidingWindow:
		return all.withinWindow(l)
	case sluice.FixedWindow:
		return all.withinFixed(l)
	case sluice.SlidingCounter:
		return all.withinCounter(l)
	}
	return fmt.Errorf("limit %s: no bound is known for it", l)
}

// withinBucket: burst + floor(D*count/period) in every span D.
func (all admissions) withinBucket(l sluice.Limit) error {
	for i, first := range all {
		units := int64(0)
		for _, last := range all[i:] {
			units += last.units
			most := new(big.Int).Mul(big.NewInt(int64(last.at-first.at)), big.NewInt(l.Count()))
			most.Div(most, big.NewInt(int64(ticks(l.Period()))))
			most.Add(most, big.NewInt(l.Burst()))
			if big.NewInt(units).Cmp(most) > 0 {
				return fmt.Errorf("%s admitted %d units from %d to %d, at most %s may be", l, units, first.at, last.at, most)
			}
		}
	}
	return nil
}

// withinWindow: count in every span of one period or less.
func (all admissions) withinWindow(l sluice.Limit) error { return all.inAnyPeriod(l, l.Count()) }

// inAnyPeriod reports whether at most so many were admitted in each span of one period or less.
func (all admissions) inAnyPeriod(l sluice.Limit, most int64) error {
	for i, first := range all {
		units := int64(0)
		for _, a := range all[i:] {
			if a.at >= first.at+ticks(l.Period()) {
				break
			}
			if units += a.units; units > most {
				return fmt.Errorf("%s admitted %d units from %d to %d", l, units, first.at, a.at)
			}
		}
	}
	return nil
}

// withinFixed: where nothing is lent, what is admitted is used at once.
func (all admissions) withinFixed(l sluice.Limit) error {
	var at account
	for _, a := range all {
		at = append(at, entry{a.at, a.units, a.units})
	}
	return at.withinFixed(l)
}

// withinCounter: count by the weighted estimate, at every admission. What is given back is first of the window that counts.
func (all admissions) withinCounter(l sluice.Limit) error {
	period := ticks(l.Period())
	var start sluice.Tick
	var previous, current int64
	for _, a := range all {
		switch begins := a.at - a.at%period; {
		case begins == start:
		case begins == start+period:
			start, previous, current = begins, current, 0
		default:
			start, previous, current = begins, 0, 0
		}
		if current += a.units; current < 0 {
			previous, current = max(0, previous+current), 0
		}
		weighted := new(big.Int).Mul(big.NewInt(previous), big.NewInt(int64(start+period-a.at)))
		weighted.Add(weighted, big.NewInt(int64(period-1)))
		weighted.Div(weighted, big.NewInt(int64(period)))
		if a.units > 0 && weighted.Int64()+current > l.Count() {
			return fmt.Errorf("%s admitted %d units at %d: by then %d in its window and %d weighted in the one before",
				l, a.units, a.at, current, weighted.Int64())
		}
	}
	return nil
}

// testBound takes from steady policies all that they grant, as early as they grant it: at the instants that RetryAfter
// names, and at the edges of spans.
func (s *suite) testBound(t rapid.TB) {
	for range max(1, s.rounds/20) {
		rapid.Check(t, func(t *rapid.T) {
			ctx, cancel := call()
			defer cancel()
			script := rapid.Custom(drawGreedy).Draw(t, "sequence")
			newPlayer(ctx, t, s.harness, newScene(script, s.policyName())).play()
		})
	}
}

// drawGreedy returns a sequence of checks that want as much as there is, of one key.
func drawGreedy(t *rapid.T) sequence {
	d := rapidDice{t}
	s := sequence{versions: []version{drawVersion(d)}, keys: []string{"key"}, start: drawDate(d), steady: true}
	for range 20 + d.roll(30) {
		c := pick(d, cost{kind: costUnits, n: 1}, cost{kind: costRemaining}, cost{kind: costHalf}, cost{kind: costUnits, n: 3})
		m := move{kind: pick(d, moveStay, moveRetry, movePart, moveRetry, moveEdge, movePeriod), n: d.roll(64), off: d.roll(3) - 1}
		s.steps = append(s.steps, step{move: m, kind: stepAsk, asks: []ask{{cost: c, refund: d.roll(6) == 5}}})
	}
	return s
}
