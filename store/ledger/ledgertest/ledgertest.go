// Package ledgertest is what a [ledger.Ledger] promises, as one suite that every ledger passes.
//
// It knows nothing of how a ledger works and imports none: the core package and the standard library only.
package ledgertest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/store/ledger"
)

// Fleet opens the ledger of one fleet. Each call returns another instance of it, as another server would have, or
// the same where there can be only one.
type Fleet func() ledger.Ledger

// Run runs the suite. Each test asks newFleet for a fleet whose ledger was never written.
func Run(t *testing.T, newFleet func(t *testing.T) Fleet) {
	for _, p := range []struct {
		name string
		test func(t *testing.T, fleet Fleet)
	}{
		{"never written", testNeverWritten},
		{"entries", testEntries},
		{"many entries", testManyEntries},
		{"values are kept, not the slices", testOwnValues},
		{"delete", testDelete},
		{"versions", testVersions},
		{"compare and swap", testSwap},
		{"two writers of one entry", testRivals},
		{"writers of different entries", testNeighbours},
		{"increments", testIncrements},
		{"all or nothing", testAllOrNothing},
		{"due", testDue},
		{"refused changes", testRefusedChanges},
		{"an ended context", testEndedContext},
		{"logs", testLogs},
		{"logs are bounded", testBoundedLogs},
		{"lines of many writers", testManyLines},
		{"pages of a log", testPages},
		{"pages of a log that goes on", testPagesMeanwhile},
		{"refused pages", testRefusedPages},
		{"watch", testWatch},
		{"restore", testRestore},
		{"restore by many", testRestoreByMany},
	} {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			p.test(t, newFleet(t))
		})
	}
}

// patience is how long anything may take on a machine under load.
const patience = 30 * time.Second

// commit carries out a change that must succeed.
func commit(t testing.TB, l ledger.Ledger, c ledger.Change) ledger.Receipt {
	t.Helper()
	r, err := l.Commit(t.Context(), c)
	if err != nil {
		t.Fatalf("Commit: %v", err)
	}
	return r
}

// expectConflict carries out a change that must meet another revision.
func expectConflict(t testing.TB, l ledger.Ledger, c ledger.Change, want ledger.ConflictError) {
	t.Helper()
	_, err := l.Commit(t.Context(), c)
	var conflict *ledger.ConflictError
	if !errors.As(err, &conflict) || *conflict != want {
		t.Errorf("Commit: %v, want the conflict %+v", err, want)
	}
}

// load returns the contents with their entries sorted, of the version that Version says.
func load(t testing.TB, l ledger.Ledger) ledger.Contents {
	t.Helper()
	contents, err := l.Load(t.Context())
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	slices.SortFunc(contents.Entries, func(a, b ledger.Entry) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	return contents
}

// expectVersion compares the version that Version and Load return.
func expectVersion(t testing.TB, l ledger.Ledger, want ledger.Version) {
	t.Helper()
	version, _, err := l.Version(t.Context())
	if err != nil {
		t.Fatalf("Version: %v", err)
	}
	if loaded := load(t, l).Version; version != want || loaded != want {
		t.Errorf("Version says %d, Load %d; want %d", version, loaded, want)
	}
}

// expectEntries compares all entries of a ledger, which must be sorted by kind and name.
func expectEntries(t testing.TB, l ledger.Ledger, want ...ledger.Entry) {
	t.Helper()
	got := load(t, l).Entries
	if len(got) != len(want) {
		t.Errorf("the ledger has %d entries, want %d", len(got), len(want))
		return
	}
	for i, w := range want {
		if !equal(got[i], w) {
			t.Errorf("entry %d is %.200s, want %.200s", i, show(got[i]), show(w))
		}
	}
}

func equal(a, b ledger.Entry) bool {
	return a.Kind == b.Kind && a.Name == b.Name && a.Revision == b.Revision && bytes.Equal(a.Value, b.Value)
}

// lines returns the lines of a log, newest first, by pages of so many.
func lines(t testing.TB, l ledger.Ledger, log string, page int) []string {
	t.Helper()
	var all []string
	before := ""
	for {
		some, next, err := l.Log(t.Context(), log, before, page)
		if err != nil {
			t.Fatalf("Log: %v", err)
		}
		if len(some) > page || next != "" && len(some) < page {
			t.Fatalf("a page of %d lines has %d, and the cursor %q", page, len(some), next)
		}
		for _, line := range some {
			all = append(all, string(line.Value))
		}
		if next == "" {
			return all
		}
		if len(all) > ledger.MostItems {
			t.Fatalf("the log %q has no end", log)
		}
		before = next
	}
}

func expectLines(t testing.TB, l ledger.Ledger, log string, want ...string) {
	t.Helper()
	if got := lines(t, l, log, 1000); !slices.Equal(got, want) {
		t.Errorf("the log %q has %.300q, want %.300q", log, got, want)
	}
}

// put is an entry to put, or one that is there.
func put(kind, name, value string) ledger.Entry {
	return ledger.Entry{Kind: kind, Name: name, Value: []byte(value)}
}

// at is an entry as a commit has left it.
func at(r ledger.Receipt, e ledger.Entry) ledger.Entry {
	e.Revision = r.Version
	return e
}

func line(log, value string, keep int) ledger.Append {
	return ledger.Append{Log: log, Value: []byte(value), Keep: keep}
}

// invalid reports whether a call was refused for what it asks.
func invalid(err error) bool {
	var fault *sluice.InvalidError
	return errors.As(err, &fault)
}

// together runs a function in several goroutines at once, each with its number.
func together(n int, f func(i int)) {
	start := make(chan struct{})
	done := make(chan struct{})
	for i := range n {
		go func() {
			defer func() { done <- struct{}{} }()
			<-start
			f(i)
		}()
	}
	close(start)
	for range n {
		<-done
	}
}

func patient(t testing.TB) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), patience)
}
