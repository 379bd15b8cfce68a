package ledger_test

import (
	"testing"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/store/ledger"
	"github.com/sluice-project/sluice/store/ledger/ledgertest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	ledgertest.Run(t, func(*testing.T) ledgertest.Fleet {
		l := ledger.NewMemory(nil)
		return func() ledger.Ledger { return l }
	})
}

// TestMemoryClock has the clock stand still and go back: versions grow all the same.
func TestMemoryClock(t *testing.T) {
	t.Parallel()
	now := sluice.Tick(1000)
	l := ledger.NewMemory(func() sluice.Tick { return now })
	for _, step := range []struct {
		now     sluice.Tick
		version ledger.Version
	}{{1000, 1000}, {1000, 1001}, {1001, 1002}, {5, 1003}, {2000, 2000}} {
		now = step.now
		r, err := l.Commit(t.Context(), ledger.Change{
			Due: now, Put: []ledger.Entry{{Kind: "policy"}}, Append: []ledger.Append{{Log: "audit", Keep: 1}},
		})
		if want := (ledger.Receipt{Version: step.version, Now: now}); err != nil || r != want {
			t.Errorf("a commit at %d returned %+v, %v; want %+v", now, r, err, want)
		}
		lines, _, err := l.Log(t.Context(), "audit", "", 1)
		if err != nil || len(lines) != 1 || lines[0].At != now {
			t.Errorf("a commit at %d left the line %v, %v", now, lines, err)
		}
		if _, err := l.Commit(t.Context(), ledger.Change{Due: now + 1}); err != ledger.ErrNotDue {
			t.Errorf("a commit at %d that is due at %d: %v, want %v", now, now+1, err, ledger.ErrNotDue)
		}
	}
}
