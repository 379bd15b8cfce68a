package storetest

import (
	"math/rand/v2"

	"pgregory.net/rapid"
)

// dice are where generated values come from.
type dice interface {
	// roll returns a number from 0 to n-1. The smaller it is, the simpler is what is made of it.
	roll(n int) int
}

// rapidDice roll what rapid draws, so that rapid can find the simplest sequence that fails.
type rapidDice struct{ t *rapid.T }

func (d rapidDice) roll(n int) int { return rapid.IntRange(0, n-1).Draw(d.t, "roll") }

// seededDice roll the same for the same seed.
type seededDice struct{ r *rand.Rand }

func newSeededDice(seed uint64) seededDice { return seededDice{rand.New(rand.NewPCG(seed, 0))} }

func (d seededDice) roll(n int) int { return d.r.IntN(n) }

// pick returns one of the choices; the simplest stands first.
func pick[T any](d dice, choices ...T) T { return choices[d.roll(len(choices))] }

// weighted is a choice and how often it is made.
type weighted[T any] struct {
	weight int
	choice T
}

// weigh returns one of the choices by their weights; the simplest stands first.
func weigh[T any](d dice, choices []weighted[T]) T {
	total := 0
	for _, c := range choices {
		total += c.weight
	}
	n := d.roll(total)
	for _, c := range choices {
		if n -= c.weight; n < 0 {
			return c.choice
		}
	}
	panic("a roll beyond the sum of the weights")
}
