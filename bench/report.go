package main

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
)

// report is what a run found, to be written as text or as Markdown.
type report struct {
	about  []string // lines that say what was measured, and how
	tables []table
}

// table is the rows of one store.
type table struct {
	title string
	rows  []row
}

// about returns the lines that open a report.
func about(s settings) []string {
	return []string{
		fmt.Sprintf("Machine: %d CPUs, which the redis-server shares, %s/%s, %s.", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version()),
		"Versions: " + strings.Join(versions(), ", ") + ".",
		fmt.Sprintf("Every figure is the median of %d rounds of %s in which the limiters take turns; range is how far the slowest and the fastest are apart, as a share of it.", s.rounds, s.duration),
		fmt.Sprintf("Keys: spread is %d keys in random order, hot is one key. Every check is of cost 1, of a key that is known, and allowed: a bucket holds %d units and gets one back in ten seconds, a window has as many a day.", spreadKeys, plenty.burst),
		fmt.Sprintf("Latencies are of a sample of all checks, failed ones too, and include one reading of the clock, about %s. Allocations are those of the whole process.", clockCost()),
		"The columns with x compare with the rival that is best by that figure under the same load: ahead is above 1 for decisions, under 1 for latencies.",
	}
}

// versions returns the modules that are compared.
func versions() []string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return []string{"not known"}
	}
	var all []string
	for _, m := range info.Deps {
		switch m.Path {
		case "github.com/redis/rueidis", "github.com/redis/go-redis/v9", "github.com/go-redis/redis_rate/v10",
			"github.com/throttled/throttled/v2", "github.com/ulule/limiter/v3", "github.com/sethvargo/go-limiter", "golang.org/x/time":
			all = append(all, strings.TrimPrefix(m.Path, "github.com/")+" "+m.Version)
		}
	}
	return all
}

// column is one of a table.
type column struct {
	title string
	left  bool // aligned to the left, as words are
	cell  func(r row, rows []row) string
}

func columns() []column {
	versus := func(m metric) func(row, []row) string {
		return func(r row, rows []row) string {
			if c, ok := compare(m, r, rows); ok && r.ours {
				return digits(c.ratio())
			}
			return ""
		}
	}
	return []column{
		{"keys", true, func(r row, _ []row) string { return r.keys }},
		{"goroutines", false, func(r row, _ []row) string { return strconv.Itoa(r.goroutines) }},
		{"limiter", true, func(r row, _ []row) string { return r.limiter }},
		{"decisions/s", false, func(r row, _ []row) string { return rateText(r.figures.perSecond) }},
		{"range", false, func(r row, _ []row) string { return percent(r.span) }},
		{"p50", false, func(r row, _ []row) string { return latencyText(float64(r.figures.p50)) }},
		{"p99", false, func(r row, _ []row) string { return latencyText(float64(r.figures.p99)) }},
		{"allocs/op", false, func(r row, _ []row) string { return allocsText(r.figures.allocs) }},
		{"B/op", false, func(r row, _ []row) string { return fmt.Sprintf("%.0f", r.figures.bytes) }},
		{"failed", false, func(r row, _ []row) string { return percent(r.figures.failed) }},
		{"x decisions", false, versus(rateMetric)},
		{"x p50", false, versus(p50Metric)},
		{"x p99", false, versus(p99Metric)},
	}
}

func percent(share float64) string {
	if share == 0 || share >= 0.0995 {
		return fmt.Sprintf("%.0f%%", 100*share)
	}
	return fmt.Sprintf("%.2g%%", 100*share)
}

// writeText writes the report for a terminal.
func (r report) writeText(w io.Writer) {
	for _, line := range r.about {
		fmt.Fprintln(w, line)
	}
	for _, t := range r.tables {
		fmt.Fprintf(w, "\n%s\n\n", t.title)
		t.writeText(w)
	}
	r.writeBehind(w)
}

// writeText writes the rows in columns, with an empty line between contests.
func (t table) writeText(w io.Writer) {
	lines := make([]string, len(t.rows)+1)
	for _, c := range columns() {
		cells := []string{c.title}
		for _, r := range t.rows {
			cells = append(cells, c.cell(r, t.rows))
		}
		width := 0
		for _, cell := range cells {
			width = max(width, len(cell))
		}
		if c.left {
			width = -width
		}
		for i, cell := range cells {
			lines[i] += fmt.Sprintf("%*s  ", width, cell)
		}
	}
	for i, line := range lines {
		if i > 1 && t.rows[i-1].contest != t.rows[i-2].contest {
			fmt.Fprintln(w)
		}
		fmt.Fprintln(w, strings.TrimRight(line, " "))
	}
}

// markdown returns the report as Markdown.
func (r report) markdown() []byte {
	var b bytes.Buffer
	for _, line := range r.about {
		fmt.Fprintf(&b, "- %s\n", line)
	}
	for _, t := range r.tables {
		fmt.Fprintf(&b, "\n## %s\n\n", t.title)
		t.writeMarkdown(&b)
	}
	r.writeBehind(&b)
	return b.Bytes()
}

func (t table) writeMarkdown(b *bytes.Buffer) {
	lines := make([]string, len(t.rows)+2)
	for _, c := range columns() {
		rule := "--:"
		if c.left {
			rule = ":--"
		}
		lines[0] += "| " + c.title + " "
		lines[1] += "|" + rule
		for i, r := range t.rows {
			lines[i+2] += "| " + c.cell(r, t.rows) + " "
		}
	}
	for _, line := range lines {
		fmt.Fprintln(b, line+"|")
	}
}

// writeBehind writes where a rival is better than we are, as a list that is Markdown too.
func (r report) writeBehind(w io.Writer) {
	var lines []string
	worse, all := 0, 0
	for _, t := range r.tables {
		for _, row := range t.rows {
			if !row.ours {
				continue
			}
			var found []string
			for _, m := range metrics {
				c, ok := compare(m, row, t.rows)
				if !ok {
					continue
				}
				all++
				if c.behind() {
					found = append(found, c.String())
				}
			}
			if found != nil {
				worse += len(found)
				lines = append(lines, fmt.Sprintf("- %s %s: %s\n", row.contest, row.limiter, strings.Join(found, ", ")))
			}
		}
	}
	fmt.Fprintf(w, "\nBehind the best rival in %d of %d figures: decisions/s, p50, p99 and allocs/op of each row.\n", worse, all)
	if lines != nil {
		fmt.Fprintf(w, "\n%s", strings.Join(lines, ""))
	}
}
