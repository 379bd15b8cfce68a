package ledgertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/store/ledger"
)

func testLogs(t *testing.T, fleet Fleet) {
	l := fleet()
	commit(t, l, ledger.Change{Append: []ledger.Append{line("audit", "1", 9)}})
	r := commit(t, l, ledger.Change{
		Put: []ledger.Entry{put("policy", "a", "")},
		Append: []ledger.Append{
			line("audit", "2", 9), line("history/a b", "x", 9), line("audit", "3", 9), line("history/{y}\xff\r\n", "z", 9),
		},
	})
	expectLines(t, l, "audit", "3", "2", "1")
	expectLines(t, l, "history/a b", "x")
	expectLines(t, l, "history/{y}\xff\r\n", "z")
	expectLines(t, l, "history/")
	expectLines(t, l, "")
	long := strings.Repeat("\x00\r\n\xff", 1<<18)
	commit(t, l, ledger.Change{Append: []ledger.Append{line("audit", long, 9), line("audit", "", 9)}})
	expectLines(t, fleet(), "audit", "", long, "3", "2", "1")

	newest, _, err := l.Log(t.Context(), "history/a b", "", 1)
	if err != nil || len(newest) != 1 || newest[0].At != r.Now {
		t.Errorf("the line is %+v, %v; want one at %d, the instant of its commit", newest, err, r.Now)
	}
}

func testBoundedLogs(t *testing.T, fleet Fleet) {
	l := fleet()
	for i := range 300 {
		said := strconv.Itoa(i)
		commit(t, l, ledger.Change{Append: []ledger.Append{line("audit", said, 10), line("other", said, 1000)}})
	}
	expectLines(t, l, "audit", countdown(299, 290)...)
	expectLines(t, l, "other", countdown(299, 0)...)
	var c ledger.Change
	for i := range 100 {
		c.Append = append(c.Append, line("other", strconv.Itoa(i), 3))
	}
	commit(t, l, c)
	expectLines(t, l, "other", "99", "98", "97")
	commit(t, l, ledger.Change{Append: []ledger.Append{line("other", "100", 100)}})
	expectLines(t, l, "other", "100", "99", "98", "97")
}

func countdown(from, to int) []string {
	var all []string
	for i := from; i >= to; i-- {
		all = append(all, strconv.Itoa(i))
	}
	return all
}

// testManyLines has writers append at once: each line is there once, and those of one writer in his order.
func testManyLines(t *testing.T, fleet Fleet) {
	const writers, each = 8, 50
	together(writers, func(i int) {
		l := fleet()
		for n := range each {
			c := ledger.Change{Append: []ledger.Append{
				line("audit", fmt.Sprintf("%d:%d", i, 2*n), 10_000), line("audit", fmt.Sprintf("%d:%d", i, 2*n+1), 10_000),
			}}
			if _, err := l.Commit(t.Context(), c); err != nil {
				t.Errorf("writer %d: %v", i, err)
				return
			}
		}
	})
	all := lines(t, fleet(), "audit", 97)
	slices.Reverse(all)
	if len(all) != writers*each*2 {
		t.Errorf("the log has %d lines, want %d", len(all), writers*each*2)
	}
	following := make(map[string]int)
	for i, said := range all {
		writer, number, _ := strings.Cut(said, ":")
		if number != strconv.Itoa(following[writer]) {
			t.Errorf("line %d is %s, want number %d of that writer", i, said, following[writer])
		}
		following[writer]++
		if n := following[writer]; n%2 == 0 && !strings.HasPrefix(all[i-1], writer+":") {
			t.Errorf("line %s stands between two lines of one commit", all[i-1])
		}
	}
}

func testPages(t *testing.T, fleet Fleet) {
	l := fleet()
	for i := range 25 {
		commit(t, l, ledger.Change{Append: []ledger.Append{line("audit", strconv.Itoa(i), 25)}})
	}
	for _, page := range []int{1, 2, 5, 10, 24, 25, 26, ledger.MostItems} {
		if got := lines(t, l, "audit", page); !slices.Equal(got, countdown(24, 0)) {
			t.Errorf("by pages of %d the log has %q", page, got)
		}
	}
	_, next, err := l.Log(t.Context(), "audit", "", 25)
	if err != nil || next != "" {
		t.Errorf("after the oldest line the cursor is %q, %v; want none", next, err)
	}
}

// testPagesMeanwhile reads a log that grows at its end and loses its beginning.
func testPagesMeanwhile(t *testing.T, fleet Fleet) {
	l := fleet()
	var c ledger.Change
	for i := range 20 {
		c.Append = append(c.Append, line("audit", strconv.Itoa(i), 20))
	}
	commit(t, l, c)
	page := func(before string, want ...string) string {
		t.Helper()
		some, next, err := l.Log(t.Context(), "audit", before, 5)
		var got []string
		for _, line := range some {
			got = append(got, string(line.Value))
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("the page is %q, %v; want %q", got, err, want)
		}
		return next
	}
	second := page("", countdown(19, 15)...)
	commit(t, l, ledger.Change{Append: []ledger.Append{line("audit", "20", 20), line("audit", "21", 20)}})
	third := page(second, countdown(14, 10)...)
	page(second, countdown(14, 10)...)
	commit(t, l, ledger.Change{Append: []ledger.Append{line("audit", "22", 15)}}) // keeps 8 to 22
	if end := page(third, "9", "8"); end != "" {
		t.Errorf("after the oldest line the cursor is %q, want none", end)
	}
	commit(t, l, ledger.Change{Append: []ledger.Append{line("audit", "23", 2)}})
	if end := page(third); end != "" {
		t.Errorf("behind lines that are gone the cursor is %q, want none", end)
	}
	page("", "23", "22")
}

func testRefusedPages(t *testing.T, fleet Fleet) {
	l := fleet()
	commit(t, l, ledger.Change{Append: []ledger.Append{line("audit", "x", 9)}})
	for _, bad := range []struct {
		before string
		most   int
	}{{"", 0}, {"", -1}, {"", ledger.MostItems + 1}, {"x", 1}, {"-", 1}, {"+", 1}, {"-1", 1}, {"(1-1", 1}, {"1-\x00", 1}} {
		if got, _, err := l.Log(t.Context(), "audit", bad.before, bad.most); !invalid(err) {
			t.Errorf("Log(%q, %d) = %v, %v; want an InvalidError", bad.before, bad.most, got, err)
		}
	}
}

func testEndedContext(t *testing.T, fleet Fleet) {
	l := fleet()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := l.Commit(ctx, ledger.Change{Put: []ledger.Entry{put("policy", "a", "")}})
	if !errors.Is(err, context.Canceled) || !errors.Is(err, sluice.ErrNotSent) {
		t.Errorf("Commit: %v, want %v that wraps %v", err, sluice.ErrNotSent, context.Canceled)
	}
	_, err1 := l.Load(ctx)
	_, _, err2 := l.Version(ctx)
	_, _, err3 := l.Log(ctx, "audit", "", 1)
	err4 := l.Watch(ctx, func() {})
	for i, err := range []error{err1, err2, err3, err4} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("call %d: %v, want %v", i, err, context.Canceled)
		}
	}
	expectVersion(t, l, 0)
}
