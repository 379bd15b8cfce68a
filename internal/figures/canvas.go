package main

import (
	"bytes"
	"fmt"
	"html"
	"strings"
)

// canvas collects the elements of an SVG. Everything on it has a class, which the style sheet colours for light and for
// dark surroundings.
type canvas struct {
	buf bytes.Buffer
}

const style = `
text { font: 12px system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif }
.title { font-size: 17px; font-weight: 600 }
.name { font-size: 14px; font-weight: 600 }
.paper { fill: #ffffff }
.title, .name { fill: #1f2328 }
.note, .label { fill: #59636e }
.admitted { fill: #54a3ee }
.refused { fill: #d5dbe1 }
.above { fill: #e8590c; fill-opacity: 0.55; stroke: none }
.sum { fill: none; stroke: #1f2328; stroke-width: 1.6 }
.limit { stroke: #c2410c; stroke-width: 1.2; stroke-dasharray: 7 4 }
.edge { stroke: #818b98; stroke-dasharray: 2 3 }
.axis { stroke: #818b98 }
@media (prefers-color-scheme: dark) {
.paper { fill: #0d1117 }
.title, .name { fill: #f0f6fc }
.note, .label { fill: #9ea7b3 }
.admitted { fill: #2f77c4 }
.refused { fill: #3a424d }
.above { fill: #fb8b47 }
.sum { stroke: #f0f6fc }
.limit { stroke: #fb8b47 }
.edge { stroke: #6e7781 }
.axis { stroke: #6e7781 }
}
`

func newCanvas(width, height int, title, desc string) *canvas {
	c := new(canvas)
	c.add(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">`, width, height, width, height)
	c.add(`<title>%s</title>`, html.EscapeString(title))
	c.add(`<desc>%s</desc>`, html.EscapeString(desc))
	c.add(`<style>%s</style>`, style)
	c.rect("paper", 0, 0, width, height)
	return c
}

// bytes returns the SVG. Nothing can be added after it.
func (c *canvas) bytes() []byte {
	c.add(`</svg>`)
	return c.buf.Bytes()
}

func (c *canvas) add(format string, args ...any) { fmt.Fprintf(&c.buf, format+"\n", args...) }

// rect draws a rectangle that fills what its class fills; none of no width or height.
func (c *canvas) rect(class string, x, y, width, height int) {
	if width > 0 && height > 0 {
		c.add(`<rect class="%s" x="%d" y="%d" width="%d" height="%d"/>`, class, x, y, width, height)
	}
}

func (c *canvas) line(class string, x1, y1, x2, y2 int) {
	c.add(`<line class="%s" x1="%d" y1="%d" x2="%d" y2="%d"/>`, class, x1, y1, x2, y2)
}

func (c *canvas) path(class, d string) { c.add(`<path class="%s" d="%s"/>`, class, d) }

func (c *canvas) text(class string, x, y int, s string) { c.anchored("start", class, x, y, s) }

func (c *canvas) textMiddle(class string, x, y int, s string) { c.anchored("middle", class, x, y, s) }

func (c *canvas) textEnd(class string, x, y int, s string) { c.anchored("end", class, x, y, s) }

func (c *canvas) anchored(anchor, class string, x, y int, s string) {
	c.add(`<text class="%s" x="%d" y="%d" text-anchor="%s">%s</text>`, class, x, y, anchor, html.EscapeString(s))
}

// outline is the path of a step function. It begins at x and y, which move along.
type outline struct {
	x, y int
	path strings.Builder
}

// to goes on at the height so far to x, and there up or down to y.
func (o *outline) to(x, y int) {
	if o.path.Len() == 0 {
		fmt.Fprintf(&o.path, "M%d %d", o.x, o.y)
	}
	if y == o.y {
		o.x = x
		return
	}
	fmt.Fprintf(&o.path, "H%dV%d", x, y)
	o.x, o.y = x, y
}

// String returns the path, as the d of a path element.
func (o *outline) String() string { return fmt.Sprintf("%sH%d", o.path.String(), o.x) }
