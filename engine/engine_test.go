package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/engine"
	"github.com/sluice-project/sluice/policy"
	"github.com/sluice-project/sluice/store/memstore"
)

// configured returns a policy of those limits.
func configured(name string, limits ...sluice.Limit) policy.Policy {
	return policy.Policy{Policy: sluice.Policy{Name: name, Limits: limits}}
}

func newStore(tb testing.TB) *memstore.Store {
	tb.Helper()
	store, err := memstore.New(memstore.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	return store
}

func newSnapshot(tb testing.TB, policies ...policy.Policy) *policy.Snapshot {
	tb.Helper()
	s, err := policy.NewSnapshot(policies, time.Now())
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func newEngine(tb testing.TB, store sluice.Store, cfg engine.Config, policies ...policy.Policy) *engine.Engine {
	tb.Helper()
	e := engine.New(store, cfg)
	e.Swap(newSnapshot(tb, policies...))
	return e
}

// brokenStore answers every call with an error.
type brokenStore struct{ err error }

func (s brokenStore) Check(context.Context, sluice.Request) (sluice.Decision, error) {
	return sluice.Decision{}, s.err
}

func (s brokenStore) CheckAll(_ context.Context, reqs []sluice.Request) []sluice.Result {
	results := make([]sluice.Result, len(reqs))
	for i := range results {
		results[i].Err = s.err
	}
	return results
}

func (s brokenStore) Reset(context.Context, *sluice.Policy, string) error { return s.err }

func (s brokenStore) Amend(context.Context, sluice.Amendment) (sluice.Standing, error) {
	return sluice.Standing{}, s.err
}

func (s brokenStore) List(context.Context, sluice.List) (sluice.Page, error) {
	return sluice.Page{}, s.err
}

func TestCheck(t *testing.T) {
	t.Parallel()
	e := newEngine(t, newStore(t), engine.Config{}, configured("api", sluice.PerDay(3)))
	for i, step := range []struct {
		query       engine.Query
		wantAllowed bool
		wantLeft    int64
	}{
		{engine.Query{Policy: "api", Key: "a", Cost: 2}, true, 1},
		{engine.Query{Policy: "api", Key: "a", Cost: 1, Peek: true}, true, 1},
		{engine.Query{Policy: "api", Key: "a", Cost: 2}, false, 1},
		{engine.Query{Policy: "api", Key: "a", Cost: 2, Peek: true}, false, 1},
		{engine.Query{Policy: "api", Key: "b", Cost: 1}, true, 2},
		{engine.Query{Policy: "api", Key: "a", Cost: 1}, true, 0},
		{engine.Query{Policy: "api", Key: "a", Cost: 0}, true, 0},
	} {
		got, err := e.Check(t.Context(), step.query)
		if err != nil {
			t.Fatalf("step %d: Check(%+v): %v", i, step.query, err)
		}
		if got.Allowed != step.wantAllowed || got.Remaining != step.wantLeft || got.Source != sluice.SourceStore {
			t.Errorf("step %d: Check(%+v) = allowed %t, remaining %d, source %s, want %t, %d, store",
				i, step.query, got.Allowed, got.Remaining, got.Source, step.wantAllowed, step.wantLeft)
		}
		if got.Policy != "api" || got.Key != step.query.Key || got.Cost != step.query.Cost || got.ShadowDenied || got.StoreErr != nil {
			t.Errorf("step %d: Check(%+v) = %+v", i, step.query, got)
		}
	}
}

// badQueries are queries that no store is asked.
var badQueries = []struct {
	query engine.Query
	want  string
}{
	{engine.Query{Policy: "apj", Key: "k", Cost: 1}, `no policy is named "apj"; it must be one of those that are configured`},
	{engine.Query{Policy: "~api", Key: "k", Cost: 1}, `no policy is named "~api"; it must be one of those that are configured`},
	{engine.Query{Policy: "api", Cost: 1}, "key: it is empty; it must be 1 to 4096 bytes that say who is limited"},
	{engine.Query{Policy: "api", Key: strings.Repeat("k", 4097), Cost: 1}, "key: it has 4097 bytes; it must be 1 to 4096: send a hash of a longer one"},
	{engine.Query{Policy: "api", Key: "k", Cost: -1}, "cost: it is -1; it must be a whole number from 0 to 4294967295"},
	{engine.Query{Policy: "api", Key: "k", Cost: 1 << 60, Peek: true}, "cost: it is 1152921504606846976; it must be a whole number from 0 to 4294967295"},
}

func TestCheckRefusesBadQueries(t *testing.T) {
	t.Parallel()
	e := newEngine(t, brokenStore{errors.New("asked")}, engine.Config{}, configured("api", sluice.PerDay(3)))
	for _, test := range badQueries {
		if _, err := e.Check(t.Context(), test.query); err == nil || err.Error() != test.want {
			t.Errorf("Check(%+v) error = %v, want %s", test.query, err, test.want)
		}
	}
	if err := e.StoreFailure(); err != nil {
		t.Errorf("StoreFailure = %v after queries that must not reach the store", err)
	}
}

func TestStoreFailureIsAnsweredByThePolicy(t *testing.T) {
	t.Parallel()
	broken := fmt.Errorf("redis: %w", sluice.ErrUncertain)
	closed, shadow := configured("closed", sluice.PerDay(3)), configured("shadow", sluice.PerDay(3))
	closed.OnError, shadow.OnError, shadow.Shadow = sluice.Deny, sluice.Deny, true
	e := newEngine(t, brokenStore{broken}, engine.Config{}, configured("open", sluice.PerDay(3)), closed, shadow)
	for _, test := range []struct {
		policy                    string
		wantAllowed, wantInShadow bool
	}{
		{"open", true, false},
		{"closed", false, false},
		{"shadow", true, true},
	} {
		query := engine.Query{Policy: test.policy, Key: "k", Cost: 2}
		single, err := e.Check(t.Context(), query)
		if err != nil {
			t.Fatalf("Check(%+v): %v", query, err)
		}
		want := engine.Answer{
			Decision:     sluice.Decision{Allowed: test.wantAllowed, Source: sluice.SourceErrorPolicy, Cost: 2},
			Policy:       test.policy,
			Key:          "k",
			ShadowDenied: test.wantInShadow,
			StoreErr:     broken,
		}
		results := e.CheckAll(t.Context(), []engine.Query{query, {Policy: test.policy, Key: "k", Cost: 2, Peek: true}})
		for i, got := range []engine.Answer{single, results[0].Answer} {
			if got.StoreErr != broken {
				t.Errorf("%s, way %d: StoreErr = %v, want %v", test.policy, i, got.StoreErr, broken)
			}
			got.StoreErr = want.StoreErr
			if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b error) bool { return a == b })); diff != "" {
				t.Errorf("%s, way %d: -want +got:\n%s", test.policy, i, diff)
			}
		}
		query.Peek = true
		if got, err := e.Check(t.Context(), query); err != broken || got.Allowed {
			t.Errorf("a peek of %s = %+v, %v, want the store's error", test.policy, got, err)
		}
		if results[0].Err != nil || results[1].Err != broken {
			t.Errorf("errors of CheckAll = %v, %v, want none for the check and the store's for the peek", results[0].Err, results[1].Err)
		}
	}
}

func TestShadow(t *testing.T) {
	t.Parallel()
	shadow := configured("api", sluice.PerDay(1))
	shadow.Shadow = true
	e := newEngine(t, newStore(t), engine.Config{}, shadow)
	for i, want := range []engine.Answer{
		{Decision: sluice.Decision{Allowed: true}},
		{Decision: sluice.Decision{Allowed: true}, ShadowDenied: true},
	} {
		got, err := e.Check(t.Context(), engine.Query{Policy: "api", Key: "k", Cost: 1})
		if err != nil || got.Allowed != want.Allowed || got.ShadowDenied != want.ShadowDenied {
			t.Errorf("check %d = %+v, %v, want allowed %t, shadow-denied %t", i, got, err, want.Allowed, want.ShadowDenied)
		}
		if denied := len(got.DeniedBy()) > 0; denied != want.ShadowDenied || (got.RetryAfter > 0) != want.ShadowDenied {
			t.Errorf("check %d = %+v, denied by %v: a shadow must still say what the limits said", i, got, got.DeniedBy())
		}
	}
}

func TestCheckInline(t *testing.T) {
	t.Parallel()
	e := newEngine(t, newStore(t), engine.Config{}, configured("api", sluice.PerDay(1)))
	inline := engine.Inline{Namespace: "api", Limits: []sluice.Limit{sluice.PerDay(1)}, Key: "k", Cost: 1}
	if _, err := e.Check(t.Context(), engine.Query{Policy: "api", Key: "k", Cost: 1}); err != nil {
		t.Fatal(err)
	}
	for i, step := range []struct {
		peek, want bool
	}{{true, true}, {false, true}, {true, false}, {false, false}} {
		inline.Peek = step.peek
		got, err := e.CheckInline(t.Context(), inline)
		if err != nil || got.Allowed != step.want || got.Policy != "" || got.Key != "k" {
			t.Errorf("step %d: CheckInline(%+v) = %+v, %v, want allowed %t", i, inline, got, err, step.want)
		}
	}
	other := inline
	other.Namespace, other.Peek = "other", false
	if got, err := e.CheckInline(t.Context(), other); err != nil || !got.Allowed {
		t.Errorf("CheckInline in another namespace = %+v, %v, want it allowed", got, err)
	}
}

func TestCheckInlineErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("redis: gone")
	day := []sluice.Limit{sluice.PerDay(1)}
	e := engine.New(brokenStore{broken}, engine.Config{}) // inline checks need no policies
	for _, test := range []struct {
		inline engine.Inline
		want   string
	}{
		{engine.Inline{Namespace: "n", Limits: day, Key: "k", Cost: 1}, "redis: gone"},
		{engine.Inline{Namespace: "n", Limits: day, Key: "k", Cost: 1, Peek: true}, "redis: gone"},
		{engine.Inline{Namespace: "n", Limits: day, Cost: 1}, "key: it is empty; it must be 1 to 4096 bytes that say who is limited"},
		{engine.Inline{Namespace: "n", Limits: day, Key: "k", Cost: -1}, "cost: it is -1; it must be a whole number from 0 to 4294967295"},
		{engine.Inline{Namespace: "n", Key: "k", Cost: 1}, `limits: there is none; give at least one, such as "100/minute"`},
		{engine.Inline{Namespace: "N", Limits: day, Key: "k", Cost: 1}, `namespace: "N" must be a letter or digit of a-z and 0-9, followed by up to 62 of a-z, 0-9, '.', '_' and '-'`},
		{engine.Inline{Namespace: "n", Limits: []sluice.Limit{{}}, Key: "k", Cost: 1}, "limits[0]: the count is 0; it must be 1 to 4294967295; the period is 0s; it must be 1ms to 366d"},
	} {
		if _, err := e.CheckInline(t.Context(), test.inline); err == nil || err.Error() != test.want {
			t.Errorf("CheckInline(%+v) error = %v, want %s", test.inline, err, test.want)
		}
	}
}

func TestLoaded(t *testing.T) {
	t.Parallel()
	e := engine.New(newStore(t), engine.Config{})
	query := engine.Query{Policy: "api", Key: "k", Cost: 1}
	var unknown *engine.UnknownPolicyError
	if _, err := e.Check(t.Context(), query); !errors.As(err, &unknown) || unknown.Policy != "api" {
		t.Errorf("Check before the first Swap: error %v, want *UnknownPolicyError", err)
	}
	if _, found := e.Snapshot().Get("api"); e.Loaded() || found {
		t.Errorf("Loaded = %t, api is there: %t; want neither before the first Swap", e.Loaded(), found)
	}
	s := newSnapshot(t)
	if e.Swap(s); !e.Loaded() || e.Snapshot() != s {
		t.Errorf("Loaded = %t after a Swap with a snapshot without policies", e.Loaded())
	}
}

func TestSwapUnderLoad(t *testing.T) {
	t.Parallel()
	e := newEngine(t, newStore(t), engine.Config{}, configured("api", sluice.PerDay(sluice.MaxCount)))
	old, changed := e.Snapshot(), newSnapshot(t, configured("api", sluice.PerDay(sluice.MaxCount), sluice.PerHour(sluice.MaxCount)))
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			queries := []engine.Query{{Policy: "api", Key: "k", Cost: 1}, {Policy: "api", Key: "l", Cost: 1}}
			for range 500 {
				results := e.CheckAll(t.Context(), queries)
				if a, b := len(results[0].Answer.Limits()), len(results[1].Answer.Limits()); a != b || a == 0 {
					t.Errorf("answers of one batch have %d and %d limits, want those of one snapshot", a, b)
				}
			}
		})
	}
	for range 200 {
		e.Swap(changed)
		e.Swap(old)
	}
	group.Wait()
}

// TestCheckAllIsCheckInOrder compares a batch with the same queries one after the other, on a store of their own.
func TestCheckAllIsCheckInOrder(t *testing.T) {
	t.Parallel()
	policies := []policy.Policy{configured("api", sluice.PerMinute(2)), configured("shadow", sluice.PerMinute(2), sluice.PerDay(3))}
	policies[1].Shadow = true
	query := rapid.Custom(func(t *rapid.T) engine.Query {
		return engine.Query{
			Policy: rapid.SampledFrom([]string{"api", "shadow", "unknown"}).Draw(t, "policy"),
			Key:    rapid.SampledFrom([]string{"a", "b", ""}).Draw(t, "key"),
			Cost:   rapid.Int64Range(-1, 2).Draw(t, "cost"),
			Peek:   rapid.Bool().Draw(t, "peek"),
		}
	})
	rapid.Check(t, func(rt *rapid.T) {
		rapid.SyncTest(rt, func(rt *rapid.T) { // in which both stores read the same clock
			calls := 0
			counted := sluice.Observe(newStore(t), func(context.Context, sluice.Observation) { calls++ })
			batch, single := newEngine(t, counted, engine.Config{}, policies...), newEngine(t, newStore(t), engine.Config{}, policies...)
			queries := rapid.SliceOf(query).Draw(rt, "queries")
			legal := 0
			for i, got := range batch.CheckAll(rt.Context(), queries) {
				want, err := single.Check(rt.Context(), queries[i])
				if err == nil {
					legal++
				}
				if !got.Answer.Equal(want.Decision) || got.Answer.ShadowDenied != want.ShadowDenied || got.Answer.Policy != want.Policy ||
					got.Answer.Key != want.Key || fmt.Sprint(got.Err) != fmt.Sprint(err) {
					rt.Errorf("query %d, %+v: CheckAll = %+v, Check = %+v, %v", i, queries[i], got, want, err)
				}
			}
			if calls != legal {
				rt.Errorf("the store was asked %d times for %d legal queries", calls, legal)
			}
		})
	})
}

func TestCheckAllAsksOnce(t *testing.T) {
	t.Parallel()
	store := &batches{Store: newStore(t)}
	e := newEngine(t, store, engine.Config{}, configured("api", sluice.PerDay(1)))
	results := e.CheckAll(t.Context(), []engine.Query{{Policy: "api", Key: "a", Cost: 1}, {Policy: "?"}, {Policy: "api", Key: "b", Cost: 1}})
	if len(store.sizes) != 1 || store.sizes[0] != 2 || results[1].Err == nil {
		t.Errorf("the store was asked batches of %v, results %+v, want one batch of 2", store.sizes, results)
	}
	if got := e.CheckAll(t.Context(), []engine.Query{{Policy: "?"}}); len(got) != 1 || got[0].Err == nil || len(store.sizes) != 1 {
		t.Errorf("CheckAll of nothing legal = %+v, the store was asked %v, want it not to be asked", got, store.sizes)
	}
}

// batches notes how many requests each batch had.
type batches struct {
	*memstore.Store
	sizes []int
}

func (b *batches) CheckAll(ctx context.Context, reqs []sluice.Request) []sluice.Result {
	b.sizes = append(b.sizes, len(reqs))
	return b.Store.CheckAll(ctx, reqs)
}

func TestCheckAllocatesNothing(t *testing.T) {
	for _, cfg := range []engine.Config{{}, {Observer: func(context.Context, engine.Observation) {}}} {
		e := newEngine(t, newStore(t), cfg, configured("api", sluice.PerSecond(10).WithBurst(1<<31), sluice.PerDay(sluice.MaxCount)))
		query := engine.Query{Policy: "api", Key: "k", Cost: 1}
		allocs := testing.AllocsPerRun(1000, func() {
			if a, err := e.Check(t.Context(), query); err != nil || !a.Allowed {
				t.Fatalf("Check = %+v, %v", a, err)
			}
		})
		if allocs != 0 {
			t.Errorf("Check allocates %v times with observer %t, want 0", allocs, cfg.Observer != nil)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	e := newEngine(b, newStore(b), engine.Config{}, configured("api", sluice.PerSecond(10).WithBurst(1<<31)))
	keys := make([]string, 10_000)
	for i := range keys {
		keys[i] = fmt.Sprintf("key-%d", i)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, err := e.Check(b.Context(), engine.Query{Policy: "api", Key: keys[i%len(keys)], Cost: 1}); err != nil {
			b.Fatal(err)
		}
		i++
	}
}
