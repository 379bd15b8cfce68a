package storetest

import (
	"flag"
	"fmt"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// testSequences plays half of the generated sequences, of 10 to 30 steps each.
func (s *suite) testSequences(t rapid.TB) {
	sequences, checks, refused := 0, 0, 0
	scenes := rapid.Custom(func(t *rapid.T) sequence { return drawSequence(rapidDice{t}, 0) })
	steps := rapid.SliceOfN(rapid.Custom(rapidStep), 10, 30)
	for range s.rounds / 2 {
		rapid.Check(t, func(t *rapid.T) {
			ctx, cancel := call()
			defer cancel()
			script := scenes.Draw(t, "scene")
			script.steps = steps.Draw(t, "steps")
			p := newPlayer(ctx, t, s.harness, newScene(script, s.policyName()))
			p.play()
			sequences++
			checks += p.checks
			refused += p.refused
		})
	}
	t.Logf("%d sequences, %d checks, %d of them refused", sequences, checks, refused)
	if want := s.rounds / 2 * rapidChecks(); sequences < want {
		t.Errorf("only %d of %d sequences were played: the end of the test came too near", sequences, want)
	}
	if refused*4 < checks {
		t.Errorf("%d of %d generated checks were refused, want at least a quarter", refused, checks)
	}
}

func rapidStep(t *rapid.T) step { return drawStep(rapidDice{t}) }

// rapidChecks returns how many checks rapid makes of a property.
func rapidChecks() int {
	n, err := strconv.Atoi(flag.Lookup("rapid.checks").Value.String())
	if err != nil {
		panic(fmt.Sprintf("rapid's flag: %v", err))
	}
	if testing.Short() {
		n /= 5
	}
	return n
}
