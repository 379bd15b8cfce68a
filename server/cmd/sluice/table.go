package main

import (
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxWidth is the width of the widest table that is printed, in characters.
const maxWidth = 100

// gap is the space between two columns.
const gap = "  "

// leastWidth is the width below which no column is made narrower.
const leastWidth = 8

// column is one column of a [table].
type column struct {
	name string
	// whole columns keep their width. Of the others, one that wraps is continued on the next line where a value is too
	// long; else the middle of the value is left out.
	whole, wrap bool
}

// table is rows of texts for people. What cannot be printed to a terminal is left out of it.
type table struct {
	columns []column
	rows    [][]string
	none    string // what is printed where there are no rows
}

// add adds a row with a cell for each column.
func (t *table) add(cells ...string) {
	for i := range cells {
		cells[i] = printable(cells[i])
	}
	t.rows = append(t.rows, cells)
}

// print prints the table, at most maxWidth wide where its columns can be so narrow.
func (t *table) print(w io.Writer) error {
	var b strings.Builder
	if len(t.rows) == 0 && t.none != "" {
		b.WriteString(t.none + "\n")
	} else {
		widths := t.widths()
		head := make([]string, len(t.columns))
		for i, c := range t.columns {
			head[i] = c.name
		}
		line(&b, widths, head)
		for _, row := range t.rows {
			t.row(&b, widths, row)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// widths returns how wide the columns are: as wide as their values, or else the widest are made narrower.
func (t *table) widths() []int {
	widths := make([]int, len(t.columns))
	total := len(gap) * (len(t.columns) - 1)
	for i, c := range t.columns {
		widths[i] = utf8.RuneCountInString(c.name)
		for _, row := range t.rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
		total += widths[i]
	}
	for ; total > maxWidth; total-- {
		widest := -1
		for i, c := range t.columns {
			if least := max(leastWidth, len(c.name)); !c.whole && widths[i] > least && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
	}
	return widths
}

// row prints a row, in as many lines as its cells need.
func (t *table) row(b *strings.Builder, widths []int, row []string) {
	cells := make([][]string, len(row))
	lines := 1
	for i, text := range row {
		if t.columns[i].wrap {
			cells[i] = wrapped(text, widths[i])
		} else {
			cells[i] = []string{shortened(text, widths[i])}
		}
		lines = max(lines, len(cells[i]))
	}
	for n := range lines {
		texts := make([]string, len(row))
		for i, cell := range cells {
			if n < len(cell) {
				texts[i] = cell[n]
			}
		}
		line(b, widths, texts)
	}
}

// line prints texts at the places of their columns, without spaces at the end.
func line(b *strings.Builder, widths []int, texts []string) {
	pad := 0
	for i, text := range texts {
		if text != "" {
			b.WriteString(strings.Repeat(" ", pad) + text)
			pad = 0
		}
		pad += max(0, widths[i]-utf8.RuneCountInString(text)) + len(gap)
	}
	b.WriteByte('\n')
}

// shortened returns a text of at most so many characters: where there are more, "…" stands in the place of those in the
// middle.
func shortened(text string, width int) string {
	all := []rune(text)
	if len(all) <= width {
		return text
	}
	end := (width - 1) / 2
	return string(all[:width-1-end]) + "…" + string(all[len(all)-end:])
}

// wrapped returns a text in lines of at most so many characters, broken at spaces where there are some.
func wrapped(text string, width int) (lines []string) {
	all := []rune(text)
	for len(all) > width {
		end := width
		for i := width; i > 0; i-- {
			if all[i] == ' ' {
				end = i
				break
			}
		}
		lines = append(lines, string(all[:end]))
		for all = all[end:]; len(all) > 0 && all[0] == ' '; {
			all = all[1:]
		}
	}
	return append(lines, string(all))
}

// printable returns a text as it can be printed to a terminal.
func printable(text string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return utf8.RuneError
	}, text)
}
