package ledgertest

import (
	"errors"
	"strconv"
	"testing"

	"github.com/sluice-project/sluice/store/ledger"
)

func testRestore(t *testing.T, fleet Fleet) {
	l := fleet()
	x, y, z := put("policy", "x", "1"), put("policy", "y", "2"), put("policy", "z", "3")
	expectRestored := func(want ledger.Version) {
		t.Helper()
		if got := load(t, l).Restored; got != want {
			t.Errorf("Restored is %d, want %d", got, want)
		}
	}
	refused := func(restore ledger.Version, r ledger.Receipt) {
		t.Helper()
		c := ledger.Change{Restore: restore, Put: []ledger.Entry{y}, Append: []ledger.Append{line("audit", "refused", 9)}}
		expectConflict(t, l, c, ledger.ConflictError{Current: r.Version})
	}

	// A line in a log is no entry: the ledger is at version 0 still.
	commit(t, l, ledger.Change{Append: []ledger.Append{line("audit", "before", 9)}})
	r := commit(t, l, ledger.Change{
		Restore: 1000, Put: []ledger.Entry{x, y}, Append: []ledger.Append{line("audit", "restored", 9)},
	})
	expectRestored(1000)
	expectVersion(t, l, r.Version)
	expectEntries(t, l, at(r, x), at(r, y))
	expectLines(t, l, "audit", "restored", "before")
	refused(1000, r)
	refused(999, r)

	// Whoever remembers more comes later and wins, as long as nothing was changed.
	last := r.Version
	r = commit(t, l, ledger.Change{Restore: 1001, Put: []ledger.Entry{z}})
	if r.Version <= last {
		t.Errorf("the second restore made version %d, want one after %d", r.Version, last)
	}
	expectRestored(1001)
	expectEntries(t, l, at(r, z))
	commit(t, l, ledger.Change{Append: []ledger.Append{line("audit", "x", 1)}, Delete: []ledger.Entry{x}})
	expectRestored(1001)

	// What it brings back may be of a clock that was ahead of this one.
	ahead := r.Version + 3_600_000_000
	r = commit(t, l, ledger.Change{Restore: ahead, Put: []ledger.Entry{x, z}})
	if r.Version <= ahead {
		t.Errorf("restoring version %d made version %d, want one after it", ahead, r.Version)
	}
	expectRestored(ahead)
	expectEntries(t, l, at(r, x), at(r, z))

	// An expectation is of what is there before.
	absent := []ledger.Expectation{{Kind: "policy", Name: "x"}}
	c := ledger.Change{Restore: ahead + 1, Put: []ledger.Entry{y}, Expect: absent}
	expectConflict(t, l, c, ledger.ConflictError{Kind: "policy", Name: "x", Current: r.Version})

	before := r
	r = commit(t, l, ledger.Change{Put: []ledger.Entry{y}})
	expectRestored(0)
	refused(ahead+1, r)
	expectEntries(t, l, at(before, x), at(r, y), at(before, z))
	expectLines(t, l, "audit", "x")

	l = fleet()
	r = commit(t, l, ledger.Change{Delete: []ledger.Entry{x}})
	refused(r.Version+1, r)
}

// testRestoreByMany has servers that remember different versions restore them at once: the newest is what stays.
func testRestoreByMany(t *testing.T, fleet Fleet) {
	const servers = 10
	together(servers, func(i int) {
		_, err := fleet().Commit(t.Context(), ledger.Change{
			Restore: ledger.Version(1 + i), Put: []ledger.Entry{put("policy", strconv.Itoa(i), "")},
		})
		var conflict *ledger.ConflictError
		if err != nil && !errors.As(err, &conflict) {
			t.Errorf("server %d: %v", i, err)
		}
	})
	contents := load(t, fleet())
	if contents.Restored != servers || len(contents.Entries) != 1 || contents.Entries[0].Name != strconv.Itoa(servers-1) {
		t.Errorf("version %d was restored, with the entries %v; want %d alone", contents.Restored, contents.Entries, servers)
	}
}
