package storetest

import (
	"time"

	"github.com/sluice-project/sluice"
	"pgregory.net/rapid"
)

// testExtremeNumbers plays the ends of what promise 8 says is exact, each at several dates: all taken, refused, given
// back to the tick, a remainder that must not get lost, a step back.
func (s *suite) testExtremeNumbers(t rapid.TB) {
	counts := []int64{1, 7, 3_000_000, sluice.MaxCount}
	periods := []time.Duration{time.Millisecond, 7 * time.Millisecond, time.Second, sluice.MaxPeriod}
	dates := []sluice.Tick{1, 1<<31*1e6 - 1, 1_800_000_000_123_457, lastInstant - 3*ticks(sluice.MaxPeriod)}
	for _, count := range counts {
		for _, period := range periods {
			per := sluice.Per(count, period)
			for _, l := range []sluice.Limit{
				per,
				per.WithBurst(1), per.WithBurst(count), per.WithBurst(sluice.MaxCount),
				per.WithAlgorithm(sluice.FixedWindow), per.WithAligned(),
				per.WithAlgorithm(sluice.SlidingCounter),
			} {
				for _, date := range dates {
					s.extreme(t, l, date)
				}
			}
		}
	}
}

func (s *suite) extreme(t rapid.TB, l sluice.Limit, date sluice.Tick) {
	ctx, cancel := call()
	defer cancel()
	script := sequence{versions: []version{{limits: []sluice.Limit{l}}}, keys: []string{"key"}, start: date}
	for _, st := range []step{
		{kind: stepRetry, asks: []ask{{cost: cost{kind: costCapacity}}}},
		{kind: stepRetry, asks: []ask{{cost: cost{kind: costUnits, n: 1}}}},
		{kind: stepRetry, asks: []ask{{cost: cost{kind: costHalf}}}},
		{kind: stepAsk, move: move{kind: movePart, n: 6}, asks: []ask{{cost: cost{kind: costRemaining}}}},
		{kind: stepAsk, move: move{kind: moveBackPart, n: 2}, asks: []ask{{cost: cost{kind: costHalf}}}},
		{kind: stepRetry, asks: []ask{{cost: cost{kind: costUnits, n: 1}}}},
		{kind: stepAsk, move: move{kind: moveEdge, off: -1}, asks: []ask{{cost: cost{kind: costRemaining}}}},
		{kind: stepAsk, move: move{kind: moveTick}, asks: []ask{{cost: cost{kind: costMore}}}},
		{kind: stepAsk, asks: []ask{{cost: cost{kind: costBeyond}}}},
		{kind: stepAsk, asks: []ask{{cost: cost{kind: costGreatest}}}},
		{kind: stepAsk, move: move{kind: moveReset, off: -1}, asks: []ask{{cost: cost{kind: costCapacity}}}},
		{kind: stepAsk, move: move{kind: moveTick}, asks: []ask{{cost: cost{kind: costCapacity}}}},
	} {
		st.look = true
		script.steps = append(script.steps, st)
	}
	newPlayer(ctx, t, s.harness, newScene(script, s.policyName())).play()
}
