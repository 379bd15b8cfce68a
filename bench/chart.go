package main

import (
	"bytes"
	"fmt"
	"html"
)

// labels are the contests that are drawn, and what is above them.
var labels = map[string]string{
	"redis/spread/1":    "Redis, 10,000 keys, 1 goroutine",
	"redis/spread/256":  "Redis, 10,000 keys, 256 goroutines",
	"redis/spread/1024": "Redis, 10,000 keys, 1024 goroutines",
	"redis/hot/256":     "Redis, one hot key, 256 goroutines",
	"lease/hot/256":     "Leases, one hot key, 256 goroutines",
	"lease/spread/256":  "Leases, 10,000 keys, 256 goroutines",
	"deny/hot/256":      "Refusals of one key, 256 goroutines",
	"memory/spread/16":  "Memory, 100,000 keys, 16 goroutines",
	"memory/hot/16":     "Memory, one hot key, 16 goroutines",
	"http/check/64":     "HTTP, 1 check a call, 64 connections",
	"http/checks/64":    "HTTP, 100 checks a call, 64 connections",
}

const chartStyle = `
text { font: 12px system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif; fill: #1f2328 }
.title { font-size: 17px; font-weight: 600 }
.panel { font-size: 13px; font-weight: 600 }
.note { fill: #59636e }
.own { font-weight: 600 }
.paper { fill: #ffffff }
.ours { fill: #1f7fe0 }
.rival { fill: #b3bdc8 }
.axis { stroke: #818b98 }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc }
.note { fill: #9ea7b3 }
.paper { fill: #0d1117 }
.ours { fill: #4c9bee }
.rival { fill: #4a545f }
.axis { stroke: #6e7781 }
}
`

// Sizes of the chart, in pixels: two columns of panels, in each a bar for a limiter, its name on the left and its figure
// behind it.
const (
	chartWidth  = 920
	chartTop    = 76
	chartMargin = 24
	panelWidth  = (chartWidth - 3*chartMargin) / 2
	panelHead   = 26
	panelGap    = 22
	nameWidth   = 158
	valueWidth  = 54
	barHeight   = 14
	barStep     = 21
	barWidth    = panelWidth - nameWidth - valueWidth
)

// panel is a contest as it is drawn.
type panel struct {
	title string
	bars  []row
}

func (p panel) height() int { return panelHead + barStep*len(p.bars) + panelGap }

// panels returns the contests that are drawn. Of a rival with several pools it has the one with the most decisions.
func (r report) panels() []panel {
	var all []panel
	for _, t := range r.tables {
		for _, row := range t.rows {
			if row.label == "" || row.yardstick {
				continue
			}
			if len(all) == 0 || all[len(all)-1].title != row.label {
				all = append(all, panel{title: row.label})
			}
			all[len(all)-1].add(row)
		}
	}
	return all
}

func (p *panel) add(r row) {
	for i, have := range p.bars {
		if family(have.limiter) == family(r.limiter) {
			if r.figures.perSecond > have.figures.perSecond {
				p.bars[i] = r
			}
			return
		}
	}
	p.bars = append(p.bars, r)
}

// chart returns an SVG of decisions a second, each panel to a scale of its own.
func (r report) chart() []byte {
	panels := r.panels()
	var columns [2]int // how far each is filled
	places := make([]int, len(panels))
	for i, p := range panels {
		if columns[1] < columns[0] {
			places[i] = 1
		}
		columns[places[i]] += p.height()
	}
	height := chartTop + max(columns[0], columns[1])

	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">`+"\n", chartWidth, height, chartWidth, height)
	fmt.Fprintf(&b, "<title>Decisions a second, Sluice and others</title>\n<desc>%s</desc>\n<style>%s</style>\n", html.EscapeString(r.head), chartStyle)
	fmt.Fprintf(&b, `<rect class="paper" width="%d" height="%d"/>`+"\n", chartWidth, height)
	text(&b, "title", "start", chartMargin, 32, "Decisions a second")
	text(&b, "note", "start", chartMargin, 52, "Each panel has a scale of its own. "+r.head)
	tops := [2]int{chartTop, chartTop}
	for i, p := range panels {
		column := places[i]
		p.draw(&b, chartMargin+column*(panelWidth+chartMargin), tops[column])
		tops[column] += p.height()
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

func (p panel) draw(b *bytes.Buffer, x, y int) {
	most := 0.0
	for _, r := range p.bars {
		most = max(most, r.figures.perSecond)
	}
	text(b, "panel", "start", x, y+12, p.title)
	left := x + nameWidth
	for i, r := range p.bars {
		top := y + panelHead + i*barStep
		bar, name := "rival", "name"
		if r.ours {
			bar, name = "ours", "own"
		}
		width := max(1, int(r.figures.perSecond/most*barWidth+0.5))
		text(b, name, "end", left-8, top+barHeight-3, family(r.limiter))
		fmt.Fprintf(b, `<rect class="%s" x="%d" y="%d" width="%d" height="%d" rx="2"/>`+"\n", bar, left, top, width, barHeight)
		text(b, name, "start", left+width+6, top+barHeight-3, rateText(r.figures.perSecond))
	}
	bottom := y + panelHead + len(p.bars)*barStep - (barStep - barHeight) + 3
	fmt.Fprintf(b, `<line class="axis" x1="%d" y1="%d" x2="%d" y2="%d"/>`+"\n", left, y+panelHead-3, left, bottom)
}

func text(b *bytes.Buffer, class, anchor string, x, y int, s string) {
	fmt.Fprintf(b, `<text class="%s" x="%d" y="%d" text-anchor="%s">%s</text>`+"\n", class, x, y, anchor, html.EscapeString(s))
}
