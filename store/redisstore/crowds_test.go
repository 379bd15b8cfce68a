package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/redistest"
	"github.com/sluice-project/sluice/store/redisstore"
)

func TestFullQueue(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	l := newLimiter(t, newClient(t, server.URL()), redisstore.Config{Timeout: 2 * time.Second}, sluice.PerDay(1000))
	server.Pause(t)
	var full atomic.Int64
	var wg sync.WaitGroup
	for range 80 {
		wg.Go(func() {
			for _, r := range l.CheckAll(t.Context(), make1000Asks()) {
				if r.Err == nil {
					t.Errorf("allowed by a frozen server: %v", r.Decision)
				} else if strings.Contains(r.Err.Error(), "too many checks are waiting") && errors.Is(r.Err, sluice.ErrNotSent) {
					full.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if got := full.Load(); got < 80_000-66_000 {
		t.Errorf("of 80,000 checks %d found the queue full, want all but 65,536 and one call", got)
	}
	server.Continue(t)
	expect(t, l, "afterwards", 1, 999)
}

func make1000Asks() []sluice.Ask {
	asks := make([]sluice.Ask, 1000)
	for i := range asks {
		asks[i] = sluice.Ask{Key: fmt.Sprint(i), Cost: 1}
	}
	return asks
}

// TestCrowdBeforeOneKey has a crowd ask for one key as fast as it can. Who asks for another key waits for those who came
// before him, and no longer than a caller of the crowd does.
func TestCrowdBeforeOneKey(t *testing.T) {
	t.Parallel()
	const crowd, checks = 3000, 100
	l := newLimiter(t, newClient(t, redistest.Start(t, redistest.Options{}).URL()), redisstore.Config{Timeout: patient}, sluice.PerDay(sluice.MaxCount))
	var stop atomic.Bool
	var made atomic.Int64
	var wg sync.WaitGroup
	for range crowd {
		wg.Go(func() {
			for !stop.Load() {
				if _, err := l.Check(t.Context(), "hot", 1); err != nil {
					t.Errorf("hot: %v", err)
					return
				}
				made.Add(1)
			}
		})
	}
	for made.Load() < crowd { // all are there
		runtime.Gosched()
	}
	before := made.Load()
	for i := range checks {
		if _, err := l.Check(t.Context(), fmt.Sprint("rare", i), 1); err != nil {
			t.Errorf("rare: %v", err)
		}
	}
	of := made.Load() - before
	stop.Store(true)
	wg.Wait()
	// Each check waits for as many of the crowd as were before it in the queue, which is all at most, and for the calls
	// that were under way. Half as many again are for callers that wake up late.
	if most := int64(checks * (crowd + 4*256) * 3 / 2); of > most {
		t.Errorf("%d checks of the crowd were decided while another caller made %d, want %d at most", of, checks, most)
	}
}

// TestFrozenServerCostsNoMemory has callers give up on a frozen server again and again: what they leave behind does not
// grow with their number.
func TestFrozenServerCostsNoMemory(t *testing.T) {
	server := redistest.Start(t, redistest.Options{})
	l := newLimiter(t, newClient(t, server.URL()), redisstore.Config{Timeout: time.Minute}, sluice.PerDay(1000))
	expect(t, l, "k", 1, 999)
	server.Pause(t)
	defer server.Continue(t)
	held := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	give := func(checks int) {
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				for range checks / 50 {
					ctx, cancel := context.WithTimeout(t.Context(), 300*time.Microsecond)
					if _, err := l.Check(ctx, "k", 1); !errors.Is(err, sluice.ErrNotSent) && !errors.Is(err, sluice.ErrUncertain) {
						t.Errorf("on a frozen server: %v", err)
					}
					cancel()
				}
			})
		}
		wg.Wait()
	}
	give(2000)
	before := held()
	give(50_000)
	if after := held(); after > before+2<<20 {
		t.Errorf("50,000 checks that were given up hold %d bytes", after-before)
	}
}

// TestFrozenServerHoldsNoCrowd has more callers ask a frozen server than can be sent in the time that they have.
func TestFrozenServerHoldsNoCrowd(t *testing.T) {
	t.Parallel()
	const timeout = 300 * time.Millisecond
	server := redistest.Start(t, redistest.Options{})
	l := newLimiter(t, newClient(t, server.URL()), redisstore.Config{Timeout: timeout}, sluice.PerDay(1000))
	expect(t, l, "k", 1, 999)
	server.Pause(t)
	defer server.Continue(t)
	var wg sync.WaitGroup
	for range 5000 {
		wg.Go(func() {
			begun := time.Now()
			_, err := l.Check(context.Background(), "k", 1)
			if took := time.Since(begun); !errors.Is(err, context.DeadlineExceeded) || took > timeout+late {
				t.Errorf("after %s: %v, want context.DeadlineExceeded within %s", took, err, timeout)
			}
		})
	}
	wg.Wait()
}
