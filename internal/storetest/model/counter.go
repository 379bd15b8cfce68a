package model

import (
	"math/big"

	"github.com/sluice-project/sluice"
)

// counter is the holding of a sliding counter: what was taken in the window of the clock that begins at start, and what
// in the one before.
type counter struct {
	l                        sluice.Limit
	start, previous, current int64
}

func (c counter) limit() sluice.Limit { return c.l }

func (c counter) under(l sluice.Limit) holding {
	c.l = l
	return c
}

func (c counter) instant() int64 { return c.start }

// at returns the counter as it reads in the window that t is in. Before its own window it reads as at its start.
func (c counter) at(t int64) counter {
	switch {
	case t >= c.start+2*period(c.l):
		return counter{l: c.l, start: t}
	case t >= c.start+period(c.l):
		return counter{l: c.l, start: c.start + period(c.l), previous: c.current}
	}
	return c
}

func (c counter) used(t int64, _ view) *big.Int {
	c = c.at(t)
	p := period(c.l)
	left := p - max(0, t-c.start)
	// The previous window counts by the share of it that is still within one period, rounded up to whole units.
	weighted := new(big.Int).Mul(big.NewInt(c.previous), big.NewInt(left))
	weighted.Add(weighted, big.NewInt(p-1))
	weighted.Div(weighted, big.NewInt(p))
	weighted.Add(weighted, big.NewInt(c.current))
	return weighted.Mul(weighted, big.NewInt(p))
}

func (c counter) advanced(now int64) holding {
	c = c.at(now)
	if c.previous == 0 && c.current == 0 {
		return nil
	}
	return c
}

func (c counter) charged(now, cost int64) holding {
	h := c.advanced(now)
	if h == nil {
		return place(c.l, now, cost)
	}
	c = h.(counter)
	c.current += cost
	return c
}

// refunded takes units off what the current window counts, and what is more than that off the one before.
func (c counter) refunded(now, units int64) holding {
	h := c.advanced(now)
	if h == nil {
		return nil
	}
	c = h.(counter)
	if c.current -= units; c.current < 0 {
		c.current, c.previous = 0, max(0, c.previous+c.current)
	}
	return c.advanced(now)
}
