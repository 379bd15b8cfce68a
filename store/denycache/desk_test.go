package denycache_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/store/denycache"
	"github.com/sluice-project/sluice/store/memstore"
)

// watched is an embedded store that writes down what it is asked, and can be slow or fail.
type watched struct {
	*memstore.Store
	delay time.Duration // before it decides, and again before it answers

	mu    sync.Mutex
	asked []sluice.Request
	err   error
}

func newWatched(tb testing.TB) *watched {
	tb.Helper()
	store, err := memstore.New(memstore.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	return &watched{Store: store}
}

func (w *watched) Check(ctx context.Context, req sluice.Request) (sluice.Decision, error) {
	r := w.CheckAll(ctx, []sluice.Request{req})[0]
	return r.Decision, r.Err
}

func (w *watched) CheckAll(ctx context.Context, reqs []sluice.Request) []sluice.Result {
	w.mu.Lock()
	w.asked = append(w.asked, reqs...)
	err := w.err
	w.mu.Unlock()
	time.Sleep(w.delay)
	results := make([]sluice.Result, len(reqs))
	for i := range results {
		results[i].Err = err
	}
	if err == nil {
		results = w.Store.CheckAll(ctx, reqs)
	}
	time.Sleep(w.delay)
	return results
}

// took returns what was asked since it was called last.
func (w *watched) took() []sluice.Request {
	w.mu.Lock()
	defer w.mu.Unlock()
	asked := w.asked
	w.asked = nil
	return asked
}

func (w *watched) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
}

// desk is one key of one policy behind a cache that runs.
type desk struct {
	t      *testing.T
	under  *watched
	cache  *denycache.Store
	policy *sluice.Policy
	key    string
}

// bubble runs a test in which time is the test's own.
func bubble(t *testing.T, cfg denycache.Config, limits []sluice.Limit, test func(t *testing.T, d *desk)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d := &desk{t: t, under: newWatched(t), policy: &sluice.Policy{Name: "api", Limits: limits, DenyCache: true}, key: "abuser"}
		d.cache = newCache(t, d.under, cfg)
		stop := run(t, d.cache)
		defer stop()
		test(t, d)
	})
}

func newCache(tb testing.TB, under sluice.Store, cfg denycache.Config) *denycache.Store {
	tb.Helper()
	cache, err := denycache.New(under, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return cache
}

// run runs a cache, and returns what stops it. What remains of a second is over when it returns for the test.
func run(tb testing.TB, cache *denycache.Store) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := cache.Run(ctx); err != nil {
			tb.Errorf("Run: %v", err)
		}
	})
	for !cache.Running() {
		time.Sleep(time.Microsecond)
	}
	return func() {
		cancel()
		running.Wait()
	}
}

func (d *desk) ask(req sluice.Request) sluice.Decision {
	d.t.Helper()
	req.Policy, req.Key = d.policy, d.key
	got, err := d.cache.Check(d.t.Context(), req)
	if err != nil {
		d.t.Fatalf("Check(%+v): %v", req, err)
	}
	return got
}

func (d *desk) check(cost int64) sluice.Decision {
	d.t.Helper()
	return d.ask(sluice.Request{Cost: cost})
}

// peek asks the store itself.
func (d *desk) peek(cost int64) sluice.Decision {
	d.t.Helper()
	got, err := d.under.Store.Check(d.t.Context(), sluice.Request{Policy: d.policy, Key: d.key, Cost: cost, Peek: true})
	if err != nil {
		d.t.Fatal(err)
	}
	return got
}

// want fails unless a decision is as the store would make it now, but for who has made it.
func (d *desk) want(what string, got sluice.Decision, source sluice.Source) {
	d.t.Helper()
	want := d.peek(got.Cost)
	want.Source = source
	if !got.Equal(want) {
		d.t.Errorf("%s: %s by %s, limits %v\nwant %s by %s, limits %v", what, got, got.Source, got.Limits(), want, want.Source, want.Limits())
	}
}

func (d *desk) wantSource(what string, got sluice.Decision, source sluice.Source) {
	d.t.Helper()
	if got.Source != source {
		d.t.Errorf("%s: %s by %s, want it by %s", what, got, got.Source, source)
	}
}

// wantAsked fails unless the store was asked so often since it was looked at last.
func (d *desk) wantAsked(what string, want int) []sluice.Request {
	d.t.Helper()
	asked := d.under.took()
	if len(asked) != want {
		d.t.Errorf("%s: the store was asked %d times, want %d: %+v", what, len(asked), want, asked)
	}
	return asked
}
