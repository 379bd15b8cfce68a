package main

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
	"unicode/utf8"
)

// report is what a run found, to be written as text or as Markdown.
type report struct {
	head   string   // what kind of run it was
	about  []string // lines that say what was measured, and how
	tables []table
	goals  []goal
}

// table is the rows of one group.
type table struct {
	title   string
	note    string
	columns []column
	metrics []metric
	rows    []row
}

// headline says whether the figures are to be quoted.
func headline(s settings) string {
	kind := "A whole run"
	switch {
	case s.only.String() != "":
		kind = "A part of a run, of rows that match " + s.only.String()
	case s.rounds < quotedRounds || s.duration < quotedDuration:
		kind = "A SHORT RUN, for a first look: not for figures to quote"
	}
	return fmt.Sprintf("%s: %d rounds of %s, %s.", kind, s.rounds, s.duration, time.Now().UTC().Format(time.DateOnly))
}

// about returns the lines that open a report.
func about(s settings) []string {
	return []string{
		fmt.Sprintf("Machine: %d CPUs, which all servers share, %s/%s, %s.", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version()),
		"Versions: " + strings.Join(versions(), ", ") + ".",
		fmt.Sprintf("Every figure is the median of %d rounds of %s in which the limiters of a contest take turns; range is how far the slowest and the fastest are apart, as a share of it.", s.rounds, s.duration),
		fmt.Sprintf("Every check is of cost 1, of a key that is known and, unless said, allowed: a bucket holds %s units and gets one back in ten seconds unless said, a window has as many a day.", count(plenty.burst)),
		fmt.Sprintf("Latencies are of a sample of all checks, failed ones too, and include one reading of the clock, about %s. Allocations are those of the whole process. Calls/100 are calls of scripts in Redis for 100 decisions.", clockCost()),
		"Columns with x are our figure by another's: ahead is above 1 for decisions, under 1 for all else. Best is the rival that is best by that figure under the same load; of redis_rate it is the better pool.",
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
	return append(all, strings.TrimPrefix(ratelimitName, "github.com/"))
}

// writeText writes the report for a terminal.
func (r report) writeText(w io.Writer) {
	fmt.Fprintf(w, "%s\n", r.head)
	for _, line := range r.about {
		fmt.Fprintln(w, line)
	}
	for _, t := range r.tables {
		fmt.Fprintf(w, "\n%s\n%s\n\n", t.title, t.note)
		cells, left := t.cells()
		contests := []string{""}
		for _, row := range t.rows {
			contests = append(contests, row.contest)
		}
		writeText(w, cells, left, func(i int) bool { return i > 1 && contests[i] != contests[i-1] })
	}
	if all := reach(r.goals, r.tables); all != nil {
		fmt.Fprintf(w, "\n%s\n\n", summary(all))
		writeText(w, goalCells(all), goalLeft, func(int) bool { return false })
	}
	r.writeBehind(w)
}

// goalLeft says which columns of the goals are aligned to the left.
var goalLeft = []bool{true, true, true, true, false, true}

// cells returns the table's cells, the head first, without columns that are empty, and which columns are aligned to the
// left.
func (t table) cells() (cells [][]string, left []bool) {
	cells = make([][]string, len(t.rows)+1)
	for _, c := range t.columns {
		column, empty := []string{c.title}, true
		for _, r := range t.rows {
			cell := c.cell(r, t.rows)
			column, empty = append(column, cell), empty && cell == ""
		}
		if empty {
			continue
		}
		left = append(left, c.left)
		for i := range cells {
			cells[i] = append(cells[i], column[i])
		}
	}
	return cells, left
}

// writeText writes cells in columns, with an empty line before the rows that a gap is wanted before.
func writeText(w io.Writer, cells [][]string, left []bool, gap func(i int) bool) {
	widths := make([]int, len(left))
	for _, row := range cells {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for i, row := range cells {
		if gap(i) {
			fmt.Fprintln(w)
		}
		line := ""
		for i, cell := range row {
			width := widths[i]
			if left[i] {
				width = -width
			}
			line += fmt.Sprintf("%*s  ", width, cell)
		}
		fmt.Fprintln(w, strings.TrimRight(line, " "))
	}
}

// markdown returns the report as Markdown.
func (r report) markdown() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "**%s**\n", r.head)
	if all := reach(r.goals, r.tables); all != nil {
		fmt.Fprintf(&b, "\n### Goals\n\n%s\n\n", summary(all))
		writeMarkdown(&b, goalCells(all), goalLeft)
	}
	for _, t := range r.tables {
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n", t.title, t.note)
		cells, left := t.cells()
		writeMarkdown(&b, cells, left)
	}
	fmt.Fprintf(&b, "\n### Where a rival is ahead\n")
	r.writeBehind(&b)
	fmt.Fprintf(&b, "\n### How it was measured\n\n")
	for _, line := range r.about {
		fmt.Fprintf(&b, "- %s\n", line)
	}
	return b.Bytes()
}

func writeMarkdown(b *bytes.Buffer, cells [][]string, left []bool) {
	for i, row := range cells {
		fmt.Fprintf(b, "| %s |\n", strings.Join(row, " | "))
		if i > 0 {
			continue
		}
		for _, l := range left {
			b.WriteString(map[bool]string{true: "|:--", false: "|--:"}[l])
		}
		b.WriteString("|\n")
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
			for _, m := range t.metrics {
				c, ok := compare(m, row, t.rows, rivals)
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
	fmt.Fprintf(w, "\nBehind the best rival in %d of %d figures.\n", worse, all)
	if lines != nil {
		fmt.Fprintf(w, "\n%s", strings.Join(lines, ""))
	}
}
