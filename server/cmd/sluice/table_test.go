package main

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestTable(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456789", 10)
	all := table{columns: []column{{name: "KEY"}, {name: "UNTIL", whole: true}, {name: "WHY", wrap: true}}, none: "none"}
	for _, test := range []struct {
		name string
		rows [][]string
		want []string
	}{
		{"no rows", nil, []string{"none"}},
		{"narrow", [][]string{{"a", "now", "x y"}, {"bcd", "", ""}, {"é", "then", "z"}}, []string{
			"KEY  UNTIL  WHY",
			"a    now    x y",
			"bcd",
			"é    then   z",
		}},
		{"wide", [][]string{{long, "2026", "one two " + long}}, []string{
			"KEY" + strings.Repeat(" ", 44) + "UNTIL  WHY",
			long[:22] + "…" + long[78:] + "  2026   one two",
			strings.Repeat(" ", 54) + long[:46],
			strings.Repeat(" ", 54) + long[46:92],
			strings.Repeat(" ", 54) + long[92:],
		}},
		{"nothing that moves the cursor", [][]string{{"a\x1b[2J\nb", "\u202e", "\u009b"}}, []string{
			"KEY      UNTIL  WHY",
			"a\ufffd[2J\ufffdb  \ufffd      \ufffd",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			printed := all
			for _, row := range test.rows {
				printed.add(row...)
			}
			var b strings.Builder
			if err := printed.print(&b); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Join(test.want, "\n")+"\n", b.String()); diff != "" {
				t.Errorf("print (-want +got):\n%s", diff)
			}
		})
	}
}

// drawn returns a text of up to so many of some characters.
func drawn(random *rand.Rand, most int) string {
	alphabet := []rune("abc   é世\n")
	text := make([]rune, random.IntN(most+1))
	for i := range text {
		text[i] = alphabet[random.IntN(len(alphabet))]
	}
	return string(text)
}

// Whatever is in a table whose columns may be made narrower, it is at most maxWidth wide.
func TestTableWidth(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		var printed table
		for range 1 + random.IntN(5) {
			printed.columns = append(printed.columns, column{name: "NAME", wrap: random.IntN(2) == 0})
		}
		for range random.IntN(5) {
			row := make([]string, len(printed.columns))
			for i := range row {
				row[i] = drawn(random, 200)
			}
			printed.add(row...)
		}
		var b strings.Builder
		if err := printed.print(&b); err != nil {
			t.Fatal(err)
		}
		for l := range strings.Lines(b.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(l, "\n")); n > maxWidth {
				t.Fatalf("the line %q has %d characters, want at most %d", l, n, maxWidth)
			}
		}
	}
}

// What is broken into lines is all there.
func TestWrapped(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	without := strings.NewReplacer(" ", "")
	for range 1000 {
		text, width := drawn(random, 60), 1+random.IntN(20)
		lines := wrapped(text, width)
		if got := without.Replace(strings.Join(lines, "")); got != without.Replace(text) {
			t.Fatalf("wrapped(%q, %d) = %q, want all of it", text, width, lines)
		}
		for _, l := range lines {
			if utf8.RuneCountInString(l) > width {
				t.Fatalf("wrapped(%q, %d) has the line %q, want at most %d characters", text, width, l, width)
			}
		}
	}
}
