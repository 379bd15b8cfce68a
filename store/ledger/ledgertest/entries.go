package ledgertest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/store/ledger"
)

func show(e ledger.Entry) string {
	return fmt.Sprintf("%s %.40q at %d: %d bytes, %.40q", e.Kind, e.Name, e.Revision, len(e.Value), e.Value)
}

func testNeverWritten(t *testing.T, fleet Fleet) {
	l := fleet()
	expectVersion(t, l, 0)
	expectEntries(t, l)
	expectLines(t, l, "audit")
	if restored := load(t, l).Restored; restored != 0 {
		t.Errorf("a ledger that was never written was restored to %d", restored)
	}
	if r := commit(t, l, ledger.Change{}); r.Version != 0 || r.Now <= 0 {
		t.Errorf("the zero Change returned %+v, want version 0 and the clock", r)
	}
	expectVersion(t, l, 0)
}

func testEntries(t *testing.T, fleet Fleet) {
	l := fleet()
	odd := []ledger.Entry{ // by kind and name
		put("b", "", "no name"),
		put("policy", "\r\n", "\x00\r\n\xff"),
		put("policy", "a", "1"),
		put("policy", "a b|c/d", ""),
		put("policy", "b", strings.Repeat("\x00x", 1<<19)),
		put("policy", strings.Repeat("long", 1000), "2"),
		put("policy", "version", "3"),
		put("policy", "{x}", "4"),
		put("policy", "ü", "5"),
		put("policy", "\xff\xfe", "6"),
		put("schedule", "a", "7"),
		put("version", "", "8"),
	}
	first := commit(t, l, ledger.Change{Put: odd})
	for i := range odd {
		odd[i] = at(first, odd[i])
	}
	expectEntries(t, l, odd...)
	expectEntries(t, fleet(), odd...)

	second := commit(t, l, ledger.Change{Put: []ledger.Entry{put("policy", "a", "new"), put("policy", "b", "")}})
	odd[2], odd[4] = at(second, put("policy", "a", "new")), at(second, put("policy", "b", ""))
	expectEntries(t, l, odd...)

	third := commit(t, l, ledger.Change{Put: []ledger.Entry{put("policy", "a", "first"), put("policy", "a", "last")}})
	odd[2] = at(third, put("policy", "a", "last"))
	expectEntries(t, l, odd...)
}

func testManyEntries(t *testing.T, fleet Fleet) {
	l := fleet()
	const many = 10_000
	var c ledger.Change
	for i := range many {
		c.Expect = append(c.Expect, ledger.Expectation{Kind: "policy", Name: fmt.Sprintf("%05d", i)})
		c.Put = append(c.Put, put("policy", fmt.Sprintf("%05d", i), strings.Repeat("x", i%500)))
		c.Append = append(c.Append, line("audit", strconv.Itoa(i), many))
	}
	first := commit(t, l, c)
	want := make([]ledger.Entry, many)
	for i, e := range c.Put {
		want[i] = at(first, e)
	}
	expectEntries(t, l, want...)
	if got := lines(t, l, "audit", many); len(got) != many || got[0] != strconv.Itoa(many-1) || got[many-1] != "0" {
		t.Errorf("the log has %d lines, want %d", len(got), many)
	}
	for i := range c.Expect {
		c.Expect[i].Revision = first.Version
	}
	commit(t, l, ledger.Change{Expect: c.Expect, Delete: want[1:]})
	expectEntries(t, l, want[0])
}

func testOwnValues(t *testing.T, fleet Fleet) {
	l := fleet()
	value, said := []byte("value"), []byte("line")
	r := commit(t, l, ledger.Change{
		Put:    []ledger.Entry{{Kind: "policy", Name: "a", Value: value}},
		Append: []ledger.Append{{Log: "audit", Value: said, Keep: 1}},
	})
	copy(value, "other")
	copy(said, "else")
	expectEntries(t, l, at(r, put("policy", "a", "value")))
	expectLines(t, l, "audit", "line")
}

func testDelete(t *testing.T, fleet Fleet) {
	l := fleet()
	a, b := put("policy", "a", "1"), put("policy", "b", "2")
	first := commit(t, l, ledger.Change{Put: []ledger.Entry{a, b}})
	commit(t, l, ledger.Change{Delete: []ledger.Entry{a, put("schedule", "b", "")}})
	expectEntries(t, l, at(first, b))
	gone := []ledger.Expectation{{Kind: "policy", Name: "a"}}
	again := commit(t, l, ledger.Change{Expect: gone, Put: []ledger.Entry{a}})
	expectEntries(t, l, at(again, a), at(first, b))
	both := commit(t, l, ledger.Change{Delete: []ledger.Entry{a}, Put: []ledger.Entry{put("policy", "a", "3")}})
	expectEntries(t, l, at(both, put("policy", "a", "3")), at(first, b))
	commit(t, l, ledger.Change{Delete: []ledger.Entry{a, b}})
	expectEntries(t, l)
	if version := load(t, l).Version; version <= both.Version {
		t.Errorf("a ledger without entries is at version %d, want one after %d", version, both.Version)
	}
}

func testVersions(t *testing.T, fleet Fleet) {
	l, other := fleet(), fleet()
	a := put("policy", "a", "1")
	last := ledger.Receipt{}
	for i, step := range []struct {
		change ledger.Change
		new    bool
	}{
		{ledger.Change{Append: []ledger.Append{line("audit", "x", 9)}}, false},
		{ledger.Change{Delete: []ledger.Entry{a}}, false},
		{ledger.Change{Put: []ledger.Entry{a}}, true},
		{ledger.Change{Put: []ledger.Entry{a}}, true},
		{ledger.Change{}, false},
		{ledger.Change{Expect: []ledger.Expectation{{Kind: "policy", Name: "b"}}}, false},
		{ledger.Change{Delete: []ledger.Entry{put("policy", "b", "")}}, false},
		{ledger.Change{Append: []ledger.Append{line("audit", "x", 9)}}, false},
		{ledger.Change{Delete: []ledger.Entry{a}}, true},
		{ledger.Change{Delete: []ledger.Entry{a}}, false},
		{ledger.Change{Put: []ledger.Entry{a}, Delete: []ledger.Entry{a}}, true},
	} {
		r := commit(t, l, step.change)
		want := last.Version
		if step.new {
			want = max(last.Version+1, ledger.Version(r.Now))
		}
		if r.Version != want || r.Now < last.Now {
			t.Errorf("commit %d returned %+v after %+v, want version %d", i, r, last, want)
		}
		expectVersion(t, other, want)
		last = r
	}
	contents := load(t, l)
	if contents.Now < last.Now || contents.Now > last.Now+sluice.Tick(patience.Microseconds()) {
		t.Errorf("Load says that it is %d, soon after %d", contents.Now, last.Now)
	}
	_, now, err := l.Version(t.Context())
	if err != nil || now < contents.Now || now > contents.Now+sluice.Tick(patience.Microseconds()) {
		t.Errorf("Version says that it is %d, soon after %d: %v", now, contents.Now, err)
	}
}

func testSwap(t *testing.T, fleet Fleet) {
	l := fleet()
	a, b := put("policy", "a", "1"), put("policy", "b", "2")
	absent := ledger.Expectation{Kind: "policy", Name: "a"}
	first := commit(t, l, ledger.Change{Expect: []ledger.Expectation{absent}, Put: []ledger.Entry{a}})
	conflict := ledger.ConflictError{Kind: "policy", Name: "a", Current: first.Version}
	expectConflict(t, l, ledger.Change{Expect: []ledger.Expectation{absent}, Put: []ledger.Entry{b}}, conflict)

	was := ledger.Expectation{Kind: "policy", Name: "a", Revision: first.Version}
	second := commit(t, l, ledger.Change{Expect: []ledger.Expectation{was}, Put: []ledger.Entry{put("policy", "a", "3")}})
	conflict.Current = second.Version
	expectConflict(t, l, ledger.Change{Expect: []ledger.Expectation{was}, Put: []ledger.Entry{b}}, conflict)
	expectConflict(t, l, ledger.Change{Expect: []ledger.Expectation{was}, Delete: []ledger.Entry{a}}, conflict)
	expectConflict(t, l, ledger.Change{Expect: []ledger.Expectation{was}}, conflict)

	was.Revision = second.Version
	never := ledger.Expectation{Kind: "policy", Name: "b", Revision: first.Version}
	expectConflict(t, l, ledger.Change{Expect: []ledger.Expectation{was, never}, Put: []ledger.Entry{b}},
		ledger.ConflictError{Kind: "policy", Name: "b"})
	was.Revision++
	expectConflict(t, l, ledger.Change{Expect: []ledger.Expectation{was}, Put: []ledger.Entry{b}}, conflict)
	expectEntries(t, l, at(second, put("policy", "a", "3")))
	expectVersion(t, l, second.Version)
}

// testRivals has two writers change one entry from the same revision, again and again.
func testRivals(t *testing.T, fleet Fleet) {
	rivals := []ledger.Ledger{fleet(), fleet()}
	last := ledger.Receipt{}
	for round := range 50 {
		receipts, errs := make([]ledger.Receipt, 2), make([]error, 2)
		together(len(rivals), func(i int) {
			receipts[i], errs[i] = rivals[i].Commit(t.Context(), ledger.Change{
				Expect: []ledger.Expectation{{Kind: "policy", Name: "a", Revision: last.Version}},
				Put:    []ledger.Entry{put("policy", "a", strconv.Itoa(i))},
				Append: []ledger.Append{line("history", strconv.Itoa(i), 1000)},
			})
		})
		winner := 0
		if errs[0] != nil {
			winner = 1
		}
		var conflict *ledger.ConflictError
		if errs[winner] != nil || !errors.As(errs[1-winner], &conflict) {
			t.Fatalf("round %d: errors %v and %v, want one conflict", round, errs[0], errs[1])
		}
		last = receipts[winner]
		if conflict.Current != last.Version || conflict.Name != "a" {
			t.Errorf("round %d: %+v, want the revision %d that won", round, *conflict, last.Version)
		}
		expectEntries(t, rivals[round%2], at(last, put("policy", "a", strconv.Itoa(winner))))
		if got := lines(t, rivals[0], "history", 1000); len(got) != round+1 || got[0] != strconv.Itoa(winner) {
			t.Fatalf("round %d: the log has %d lines, want one of each winner", round, len(got))
		}
	}
}

// testNeighbours has writers change entries of their own, by compare and swap, without a second try.
func testNeighbours(t *testing.T, fleet Fleet) {
	const writers, rounds = 10, 20
	together(writers, func(i int) {
		l, name := fleet(), strconv.Itoa(i)
		was := ledger.Expectation{Kind: "policy", Name: name}
		for range rounds {
			r, err := l.Commit(t.Context(), ledger.Change{
				Expect: []ledger.Expectation{was}, Put: []ledger.Entry{put("policy", name, name)},
			})
			if err != nil {
				t.Errorf("writer %d: %v", i, err)
				return
			}
			was.Revision = r.Version
		}
	})
}

// testIncrements has several instances add to one number, each by reading it and trying again where it has changed.
func testIncrements(t *testing.T, fleet Fleet) {
	const writers, each = 20, 10
	var versions [writers][]ledger.Version
	together(writers, func(i int) {
		l := fleet()
		for len(versions[i]) < each {
			contents, err := l.Load(t.Context())
			if err != nil {
				t.Errorf("Load: %v", err)
				return
			}
			count, revision := 0, ledger.Version(0)
			for _, e := range contents.Entries {
				count, _ = strconv.Atoi(string(e.Value)) // every writer writes numbers
				revision = e.Revision
			}
			r, err := l.Commit(t.Context(), ledger.Change{
				Expect: []ledger.Expectation{{Kind: "tick", Name: "n", Revision: revision}},
				Put:    []ledger.Entry{put("tick", "n", strconv.Itoa(count+1))},
			})
			var conflict *ledger.ConflictError
			if errors.As(err, &conflict) {
				continue
			}
			if err != nil {
				t.Errorf("Commit: %v", err)
				return
			}
			versions[i] = append(versions[i], r.Version)
		}
	})
	seen := make(map[ledger.Version]bool)
	last := ledger.Receipt{}
	for _, some := range versions {
		for _, v := range some {
			if seen[v] {
				t.Errorf("two commits made version %d", v)
			}
			seen[v] = true
			last.Version = max(last.Version, v)
		}
	}
	expectEntries(t, fleet(), at(last, put("tick", "n", strconv.Itoa(writers*each))))
}

// testAllOrNothing has changes that would do all there is to do fail for each reason that there is.
func testAllOrNothing(t *testing.T, fleet Fleet) {
	l := fleet()
	a, b := put("policy", "a", "1"), put("policy", "b", "2")
	r := commit(t, l, ledger.Change{Put: []ledger.Entry{a, b}, Append: []ledger.Append{line("audit", "first", 9)}})
	holds := ledger.Expectation{Kind: "policy", Name: "a", Revision: r.Version}
	fails := ledger.Expectation{Kind: "policy", Name: "c", Revision: 1}
	for name, spoil := range map[string]func(*ledger.Change){
		"first expectation": func(c *ledger.Change) { c.Expect = []ledger.Expectation{fails, holds} },
		"last expectation":  func(c *ledger.Change) { c.Expect = []ledger.Expectation{holds, holds, fails} },
		"not due":           func(c *ledger.Change) { c.Due = r.Now + 3_600_000_000 },
		"restore":           func(c *ledger.Change) { c.Restore = 1 },
		"restore from afar": func(c *ledger.Change) { c.Restore = r.Version + 3_600_000_000 },
	} {
		c := ledger.Change{
			Delete: []ledger.Entry{a},
			Put:    []ledger.Entry{put("policy", "b", "3"), put("policy", "d", "4")},
			Append: []ledger.Append{line("audit", "second", 1), line("history/a", "second", 1)},
		}
		spoil(&c)
		if _, err := l.Commit(t.Context(), c); err == nil {
			t.Errorf("%s: the change was carried out", name)
		}
	}
	expectVersion(t, l, r.Version)
	expectEntries(t, l, at(r, a), at(r, b))
	expectLines(t, l, "audit", "first")
	expectLines(t, l, "history/a")
}

func testDue(t *testing.T, fleet Fleet) {
	l := fleet()
	a := put("tick", "a", "1")
	now := commit(t, l, ledger.Change{}).Now
	_, err := l.Commit(t.Context(), ledger.Change{Due: now + 3_600_000_000, Put: []ledger.Entry{a}})
	if !errors.Is(err, ledger.ErrNotDue) {
		t.Errorf("a change an hour too early: %v, want %v", err, ledger.ErrNotDue)
	}
	// Where an expectation fails too, that is what is said: waiting would not help.
	expectConflict(t, l, ledger.Change{
		Due: now + 3_600_000_000, Expect: []ledger.Expectation{{Kind: "tick", Name: "a", Revision: 1}},
	}, ledger.ConflictError{Kind: "tick", Name: "a"})
	commit(t, l, ledger.Change{Due: now, Put: []ledger.Entry{a}})

	// Asked again and again, it is carried out when it is due and no tick before.
	for range 50 {
		due := commit(t, l, ledger.Change{}).Now + 2_000
		r, err := l.Commit(t.Context(), ledger.Change{Due: due, Put: []ledger.Entry{a}})
		for errors.Is(err, ledger.ErrNotDue) {
			r, err = l.Commit(t.Context(), ledger.Change{Due: due, Put: []ledger.Entry{a}})
		}
		if err != nil || r.Now < due {
			t.Errorf("due at %d, carried out at %d: %v", due, r.Now, err)
		}
	}
}

func testRefusedChanges(t *testing.T, fleet Fleet) {
	l := fleet()
	entry := func(kind, name string) []ledger.Entry { return []ledger.Entry{put(kind, name, "")} }
	expect := func(kind, name string, v ledger.Version) []ledger.Expectation {
		return []ledger.Expectation{{Kind: kind, Name: name, Revision: v}}
	}
	for name, c := range map[string]ledger.Change{
		"put without kind":     {Put: entry("", "a")},
		"put of odd kind":      {Put: entry("policy2", "a")},
		"put with NUL":         {Put: entry("policy", "a\x00b")},
		"delete without kind":  {Delete: entry("", "a")},
		"delete with NUL":      {Delete: entry("policy", "\x00")},
		"expect upper case":    {Expect: expect("Policy", "a", 0)},
		"expect with NUL":      {Expect: expect("policy", "a\x00", 0)},
		"expect before 0":      {Expect: expect("policy", "a", -1)},
		"expect beyond 2^53":   {Expect: expect("policy", "a", 1<<53)},
		"restore before 0":     {Restore: -1},
		"restore beyond 2^53":  {Restore: 1 << 53},
		"log with NUL":         {Append: []ledger.Append{line("a\x00", "x", 1)}},
		"log that keeps none":  {Append: []ledger.Append{line("a", "x", 0)}},
		"log without bound":    {Append: []ledger.Append{line("a", "x", ledger.MostItems+1)}},
		"second put at fault":  {Put: append(entry("policy", "a"), entry("policy", "\x00")...)},
		"too many to delete":   {Delete: make([]ledger.Entry, ledger.MostItems+1)},
		"too many to expect":   {Expect: make([]ledger.Expectation, ledger.MostItems+1)},
		"too many to put":      {Put: make([]ledger.Entry, ledger.MostItems+1)},
		"too many to be lines": {Append: make([]ledger.Append, ledger.MostItems+1)},
	} {
		if name != "second put at fault" {
			c.Put = append(c.Put, put("policy", "ok", ""))
		}
		if _, err := l.Commit(t.Context(), c); !invalid(err) {
			t.Errorf("%s: %v, want an InvalidError", name, err)
		}
	}
	expectVersion(t, l, 0)
}
