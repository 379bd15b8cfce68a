package ledgertest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sluice-project/sluice/store/ledger"
)

// testWatch has two instances hear of the commits of a third. What they call asks the ledger, as it will, and may take
// longer than many commits.
func testWatch(t *testing.T, fleet Fleet) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	const watchers = 2
	var gate sync.RWMutex // what is called waits for it
	heard := make([]chan ledger.Version, watchers)
	ended := make(chan error, watchers)
	for i := range watchers {
		l := fleet()
		heard[i] = make(chan ledger.Version, 1000)
		go func() {
			var calls atomic.Int32
			ended <- l.Watch(ctx, func() {
				if calls.Add(1) > 1 {
					t.Error("Watch has called twice at a time")
				}
				defer calls.Add(-1)
				gate.RLock()
				defer gate.RUnlock()
				version, _, err := l.Version(ctx)
				if err != nil && ctx.Err() == nil {
					t.Errorf("Version, asked by what Watch calls: %v", err)
				}
				heard[i] <- version
			})
		}()
	}
	writer := fleet()
	for i := range watchers {
		expectHeard(t, heard[i], 0)
	}
	for round := range 20 {
		r := commit(t, writer, ledger.Change{Put: []ledger.Entry{put("policy", strconv.Itoa(round), "")}})
		for i := range watchers {
			expectHeard(t, heard[i], r.Version)
		}
	}
	last := ledger.Receipt{}
	gate.Lock()
	for range 200 {
		last = commit(t, writer, ledger.Change{Put: []ledger.Entry{put("policy", "a", "")}})
	}
	gate.Unlock()
	for i := range watchers {
		expectHeard(t, heard[i], last.Version)
	}
	last = commit(t, writer, ledger.Change{Delete: []ledger.Entry{put("policy", "a", "")}})
	for i := range watchers {
		expectHeard(t, heard[i], last.Version)
	}
	cancel()
	for range watchers {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Watch: %v, want %v", err, context.Canceled)
		}
	}
}

// expectHeard waits until a version was heard of that is no older.
func expectHeard(t testing.TB, heard <-chan ledger.Version, want ledger.Version) {
	t.Helper()
	ctx, cancel := patient(t)
	defer cancel()
	last := "nothing"
	for {
		select {
		case version := <-heard:
			if version >= want {
				return
			}
			last = fmt.Sprint(version)
		case <-ctx.Done():
			t.Fatalf("heard of %s, want version %d", last, want)
		}
	}
}
