package redisstore_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/redistest"
	"github.com/sluice-project/sluice/store/redisstore"
)

// late is how much longer than its deadline a call may take on a machine that runs a whole test suite. What is shown is
// that a call does not last as long as the others' deadlines, which are much later.
const late = time.Second

// TestEveryChargeIsAccountedFor has many callers give up at random. What was allowed was charged, what is uncertain may
// have been, and nothing else was.
func TestEveryChargeIsAccountedFor(t *testing.T) {
	t.Parallel()
	client := newClient(t, redistest.Start(t, redistest.Options{}).URL())
	l := newLimiter(t, client, redisstore.Config{Timeout: patient}, sluice.PerDay(sluice.MaxCount))
	var allowed, unsure, unsent atomic.Int64
	count := func(err error, cost int64) {
		switch {
		case err == nil:
			allowed.Add(cost)
		case errors.Is(err, sluice.ErrUncertain):
			unsure.Add(cost)
		case errors.Is(err, sluice.ErrNotSent):
			unsent.Add(cost)
		default:
			t.Errorf("check: %v", err)
		}
	}
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			for range 200 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(3000))*time.Microsecond)
				if rand.IntN(4) > 0 {
					d, err := l.Check(ctx, "k", 1)
					if err == nil && !d.Allowed {
						t.Errorf("refused: %v", d)
					}
					count(err, 1)
				} else {
					results := l.CheckAll(ctx, []sluice.Ask{{Key: "k", Cost: 2}, {Key: "other", Cost: 1}, {Key: "k", Cost: 3}})
					count(results[0].Err, 2)
					count(results[2].Err, 3)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	d, err := l.Peek(t.Context(), "k") // behind a call that everybody has left
	if err != nil {
		t.Fatal(err)
	}
	if charged := sluice.MaxCount - d.Remaining; charged < allowed.Load() || charged > allowed.Load()+unsure.Load() {
		t.Errorf("charged %d, want %d that were allowed and at most %d more that are uncertain", charged, allowed.Load(), unsure.Load())
	}
	if allowed.Load() == 0 || unsent.Load() == 0 {
		t.Errorf("allowed %d, uncertain %d, not sent %d: the deadlines show nothing", allowed.Load(), unsure.Load(), unsent.Load())
	}
}

// TestNothingUnsentIsCharged freezes Redis: of all callers two calls' worth may be charged, the others never.
func TestNothingUnsentIsCharged(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	l := newLimiter(t, newClient(t, server.URL()), redisstore.Config{Timeout: patient}, sluice.PerDay(1000))
	expect(t, l, "k", 1, 999)
	server.Pause(t)
	var unsure, unsent atomic.Int64
	var wg sync.WaitGroup
	for i := range 1000 {
		wg.Go(func() {
			deadline := time.Duration(100+i%50) * time.Millisecond
			ctx, cancel := context.WithTimeout(t.Context(), deadline)
			defer cancel()
			start := time.Now()
			_, err := l.Check(ctx, "k", 1)
			switch {
			case errors.Is(err, sluice.ErrUncertain) && errors.Is(err, context.DeadlineExceeded):
				unsure.Add(1)
			case errors.Is(err, sluice.ErrNotSent) && errors.Is(err, context.DeadlineExceeded):
				unsent.Add(1)
			default:
				t.Errorf("a check on a frozen server: %v", err)
			}
			if took := time.Since(start); took > deadline+late {
				t.Errorf("a check with a deadline of %v took %v", deadline, took)
			}
		})
	}
	wg.Wait()
	server.Continue(t)
	d, err := l.Peek(t.Context(), "k")
	if err != nil || d.Remaining > 999 || d.Remaining < 999-unsure.Load() {
		t.Errorf("%d uncertain and %d not sent, then %v, %v", unsure.Load(), unsent.Load(), d, err)
	}
	if unsent.Load() == 0 {
		t.Error("every check was sent: nothing was shown")
	}
}

func TestCancellationEndsACheck(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	l := newLimiter(t, newClient(t, server.URL()), redisstore.Config{Timeout: patient}, sluice.PerDay(1000))
	server.Pause(t)
	defer server.Continue(t)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	start := time.Now()
	if _, err := l.Check(ctx, "k", 1); !errors.Is(err, context.Canceled) || !errors.Is(err, sluice.ErrUncertain) {
		t.Errorf("a check that was sent and cancelled: %v, want ErrUncertain and context.Canceled", err)
	}
	if took := time.Since(start); took > late {
		t.Errorf("it took %v, want about 20ms", took)
	}
}

// TestOrderOfOneKey asks for more than one call can hold, under two policies of one name.
func TestOrderOfOneKey(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{
		"single":  redistest.Start(t, redistest.Options{}).URL(),
		"cluster": redistest.StartCluster(t).URL(),
	} {
		store, err := redisstore.New(newClient(t, url), redisstore.Config{Timeout: patient})
		if err != nil {
			t.Fatal(err)
		}
		policies := []*sluice.Policy{
			{Name: "p", Limits: []sluice.Limit{sluice.PerDay(900)}},
			{Name: "p", Limits: []sluice.Limit{sluice.PerDay(900)}},
		}
		reqs := make([]sluice.Request, 1000)
		for i := range reqs {
			reqs[i] = sluice.Request{Policy: policies[i/3%2], Key: "k", Cost: 1}
		}
		for i, r := range store.CheckAll(t.Context(), reqs) {
			if want := max(0, 899-int64(i)); r.Err != nil || r.Decision.Allowed != (i < 900) || r.Decision.Remaining != want {
				t.Fatalf("%s: check %d: %v, %v, want %d remaining", name, i, r.Decision, r.Err, want)
			}
		}
	}
}
