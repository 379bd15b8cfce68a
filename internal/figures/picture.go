package main

import (
	"fmt"

	"github.com/sluice-project/sluice"
)

// picture is one file: a panel for each algorithm, one above the other, all of the same traffic.
type picture struct {
	file  string
	title string
	desc  string // the traffic, in words
	asks  []sluice.Tick
}

// Measures, in pixels.
const (
	width      = 1000
	left       = 64  // of the panels
	perSecond  = 3   // a second is so wide
	panelTop   = 102 // of the first panel
	panelPitch = 174 // from one panel to the next
	panelUnits = 130 // requests that fit into the height of a panel
	bin        = 5 * second
)

// x returns where an instant is.
func x(at sluice.Tick) int { return left + int(at*perSecond/second) }

// tall returns how tall so many requests are.
func tall(requests int) int { return requests * 9 / 10 }

// draw returns the picture as an SVG.
func (p picture) draw() ([]byte, error) {
	height := panelTop + len(rows)*panelPitch
	c := newCanvas(width, height, p.title, p.desc)
	c.text("title", left, 28, p.title)
	c.text("note", left, 47, p.desc)
	p.drawLegend(c)
	for i, r := range rows {
		got, err := admitted(r.limit, p.asks)
		if err != nil {
			return nil, fmt.Errorf("draw %s: %w", r.name, err)
		}
		p.drawPanel(c, r, got, panelTop+i*panelPitch)
	}
	return c.bytes(), nil
}

func (p picture) drawLegend(c *canvas) {
	const y = 74
	at := left
	entry := func(width int, label string, draw func(x int)) {
		draw(at)
		c.text("label", at+24, y, label)
		at += width
	}
	entry(178, "admitted in five seconds", func(x int) { c.rect("admitted", x, y-10, 16, 11) })
	entry(170, "refused in five seconds", func(x int) { c.rect("refused", x, y-10, 16, 11) })
	entry(190, "admitted in the last minute", func(x int) { c.line("sum", x, y-4, x+16, y-4) })
	entry(136, "of that, above 60", func(x int) { c.rect("above", x, y-10, 16, 11) })
	entry(94, "the count, 60", func(x int) { c.line("limit", x, y-4, x+16, y-4) })
	at += 18
	entry(0, "edge of a window", func(x int) { c.line("edge", x+8, y-12, x+8, y+3) })
}

func (p picture) drawPanel(c *canvas, r row, got []sluice.Tick, top int) {
	base := top + 22 + tall(panelUnits)

	c.text("name", left, top+10, r.name)
	c.textEnd("label", x(end), top+10, fmt.Sprintf("admitted %d of %d; the most in any one minute: %d", len(got), len(p.asks), most(got, period)))

	for at := sluice.Tick(0); at < end; at += bin {
		yes, asked := within(got, at, at+bin), within(p.asks, at, at+bin)
		c.rect("admitted", x(at)+1, base-tall(yes), x(bin)-left-2, tall(yes))
		c.rect("refused", x(at)+1, base-tall(asked), x(bin)-left-2, tall(asked)-tall(yes))
	}
	for _, requests := range []int{0, 60, 120} {
		c.textEnd("label", left-8, base-tall(requests)+4, fmt.Sprint(requests))
	}
	c.line("axis", left, base, x(end), base)
	for at := sluice.Tick(0); at <= end; at += period {
		if r.limit.Algorithm() == sluice.FixedWindow || r.limit.Algorithm() == sluice.SlidingCounter {
			c.line("edge", x(at), base-tall(panelUnits), x(at), base)
		}
		c.line("axis", x(at), base, x(at), base+4)
		c.textMiddle("label", x(at), base+17, fmt.Sprintf("%d:00", at/period))
	}
	p.drawSum(c, got, base)
	c.line("limit", left, base-tall(count), x(end), base-tall(count))
}

// drawSum draws how many were admitted in the minute before each instant, the greatest of each second, and what of it
// lies above the count.
func (p picture) drawSum(c *canvas, got []sluice.Tick, base int) {
	sum := outline{x: left, y: base}
	above := outline{x: left, y: base - tall(count)}
	next := 0
	for at := sluice.Tick(0); at < end; at += second {
		high := within(got, at-period+tick, at+tick)
		for ; next < len(got) && got[next] < at+second; next++ {
			high = max(high, within(got, got[next]-period+tick, got[next]+tick))
		}
		sum.to(x(at), base-tall(high))
		above.to(x(at), base-tall(max(high, count)))
	}
	sum.to(x(end), sum.y)
	above.to(x(end), base-tall(count))
	c.path("above", above.String())
	c.path("sum", sum.String())
}
