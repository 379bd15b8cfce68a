package denycache_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/store/denycache"
)

var (
	hour   = []sluice.Limit{sluice.PerHour(5).WithBurst(5)}
	second = []sluice.Limit{sluice.PerSecond(4).WithBurst(4), sluice.PerHour(1000), sluice.PerDay(9).WithName("x").WithAligned()}
)

// TestARefusalIsRemembered has one answered from memory: as the store would, and no longer than its RetryAfter.
func TestARefusalIsRemembered(t *testing.T) {
	t.Parallel()
	bubble(t, denycache.Config{}, second, func(t *testing.T, d *desk) {
		d.wantSource("the first", d.check(4), sluice.SourceStore)
		first := d.check(1)
		d.want("the refusal", first, sluice.SourceStore)
		d.under.took()
		for range 249 {
			time.Sleep(time.Millisecond)
			d.want("a refusal from memory", d.check(1), sluice.SourceDenyCache)
		}
		time.Sleep(time.Millisecond - time.Microsecond)
		got := d.check(1)
		d.want("one tick before the end", got, sluice.SourceDenyCache)
		if got.RetryAfter != time.Microsecond {
			t.Errorf("one tick before the end: retry after %s, want one tick", got.RetryAfter)
		}
		time.Sleep(time.Microsecond)
		if got := d.check(1); !got.Allowed || got.Source != sluice.SourceStore {
			t.Errorf("at RetryAfter: %s by %s, want it allowed by the store", got, got.Source)
		}
		d.wantAsked("a quarter of a second of refusals", 1)
	})
}

// TestASecondFromWhenItWasSent has a slow store: what it says is remembered for a second from when it was asked, and read
// as of then.
func TestASecondFromWhenItWasSent(t *testing.T) {
	t.Parallel()
	bubble(t, denycache.Config{}, hour, func(t *testing.T, d *desk) {
		d.check(5)
		d.under.delay = 200 * time.Millisecond
		told := d.check(2) // as the store has it after the first 200 ms
		got := d.check(2)
		d.wantSource("right after it", got, sluice.SourceDenyCache)
		if want := told.RetryAfter - 400*time.Millisecond; got.RetryAfter != want || got.ResetAfter != told.ResetAfter-400*time.Millisecond {
			t.Errorf("right after it: retry after %s, want %s", got.RetryAfter, want)
		}
		time.Sleep(600*time.Millisecond - time.Nanosecond)
		d.wantSource("a cost that is larger, before the second is over", d.check(3), sluice.SourceDenyCache)
		time.Sleep(time.Nanosecond)
		d.wantSource("when the second is over", d.check(3), sluice.SourceStore)

		// One that is over when it comes is not remembered at all.
		d.under.delay = 600 * time.Millisecond
		d.key = "another"
		d.check(5)
		d.check(1)
		d.under.delay = 0
		d.wantSource("after an answer that took more than a second", d.check(1), sluice.SourceStore)
	})
}

// TestOneGoesAhead: after half a second the store is asked by one of all who ask, and the others are answered as before.
func TestOneGoesAhead(t *testing.T) {
	t.Parallel()
	bubble(t, denycache.Config{}, hour, func(t *testing.T, d *desk) {
		d.check(5)
		d.check(1)
		d.under.took()
		d.under.delay = time.Millisecond
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				for range 10_000 {
					time.Sleep(time.Millisecond)
					d.check(1)
				}
			})
		}
		all.Wait()
		if asked := d.under.took(); len(asked) < 9 || len(asked) > 20 {
			t.Errorf("in ten seconds the store was asked %d times, want twice a second at most", len(asked))
		}
		// Where that is not answered, all go when the second is over.
		d.under.fail(errors.New("gone"))
		time.Sleep(600 * time.Millisecond)
		if _, err := d.cache.Check(t.Context(), sluice.Request{Policy: d.policy, Key: d.key, Cost: 1}); err == nil {
			t.Error("the one who goes ahead is answered, want the store's error")
		}
		d.wantSource("those behind it", d.check(1), sluice.SourceDenyCache)
		time.Sleep(400 * time.Millisecond)
		if _, err := d.cache.Check(t.Context(), sluice.Request{Policy: d.policy, Key: d.key, Cost: 1}); err == nil {
			t.Error("after the second it is answered, want the store's error")
		}
	})
}

// TestWhatGoesToTheStore: costs that are smaller, looks, and what is not this key's.
func TestWhatGoesToTheStore(t *testing.T) {
	t.Parallel()
	bubble(t, denycache.Config{}, hour, func(t *testing.T, d *desk) {
		d.check(3)
		d.wantSource("the refusal", d.check(4), sluice.SourceStore)
		d.want("the same", d.check(4), sluice.SourceDenyCache)
		d.want("a larger one", d.check(5), sluice.SourceDenyCache)
		d.want("one that can never fit", d.check(6), sluice.SourceDenyCache)
		smaller := d.check(3)
		d.wantSource("a smaller one", smaller, sluice.SourceStore)
		d.want("and from now on that", d.check(3), sluice.SourceDenyCache)
		d.wantSource("a cost of 0", d.check(0), sluice.SourceStore)
		d.wantSource("a peek", d.ask(sluice.Request{Cost: 4, Peek: true}), sluice.SourceStore)
		d.wantSource("one that brings refusals along", d.ask(sluice.Request{Cost: 4, Refusals: 1}), sluice.SourceStore)
		d.wantSource("one at an instant of its own", d.ask(sluice.Request{Cost: 4, At: sluice.Tick(time.Now().UnixMicro())}), sluice.SourceStore)
		d.wantSource("an uncounted one", d.ask(sluice.Request{Cost: 4, Uncounted: true}), sluice.SourceDenyCache)

		d.key = "abuses"
		d.wantSource("another key", d.check(5), sluice.SourceStore)
		d.key = "abuser"
		other := *d.policy
		other.Name = "apj"
		d.policy = &other
		d.wantSource("another policy", d.check(5), sluice.SourceStore)
	})
	synctest.Test(t, func(t *testing.T) {
		for name, cached := range map[string]bool{"without the field": false, "without Run": true} {
			d := &desk{t: t, under: newWatched(t), policy: &sluice.Policy{Name: "api", Limits: hour, DenyCache: cached}, key: "abuser"}
			d.cache = newCache(t, d.under, denycache.Config{})
			if !cached {
				defer run(t, d.cache)()
			}
			d.check(5)
			for range 3 {
				d.wantSource(name, d.check(5), sluice.SourceStore)
				results := d.cache.CheckAll(t.Context(), []sluice.Request{{Policy: d.policy, Key: d.key, Cost: 1}})
				d.wantSource(name+", in a batch", results[0].Decision, sluice.SourceStore)
			}
		}
	})
}

// TestLargerCosts: what is said of one follows from what the store has said of a smaller one.
func TestLargerCosts(t *testing.T) {
	t.Parallel()
	limits := []sluice.Limit{
		sluice.PerHour(100).WithBurst(100),
		sluice.PerDay(1000).WithBurst(110),
		sluice.PerMinute(120).WithAligned(),
	}
	bubble(t, denycache.Config{}, limits, func(t *testing.T, d *desk) {
		d.check(98)
		time.Sleep(50 * time.Second)
		d.check(4)
		for cost := int64(5); cost < 125; cost++ {
			time.Sleep(time.Millisecond)
			d.want("a larger cost", d.check(cost), sluice.SourceDenyCache)
		}
	})
}

// TestRunEnds: afterwards every check passes through.
func TestRunEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &desk{t: t, under: newWatched(t), policy: &sluice.Policy{Name: "api", Limits: hour, DenyCache: true}, key: "abuser"}
		d.cache = newCache(t, d.under, denycache.Config{})
		stop := run(t, d.cache)
		d.check(5)
		d.check(1)
		d.wantSource("while it runs", d.check(1), sluice.SourceDenyCache)
		stop()
		d.wantSource("after it", d.check(1), sluice.SourceStore)
	})
}

// TestDropped: what is done to a key here is seen at once, also by those who had asked before it was done.
func TestDropped(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		do      func(ctx context.Context, d *desk) error
		allowed bool
	}{
		"reset":   {func(ctx context.Context, d *desk) error { return d.cache.Reset(ctx, d.policy, d.key) }, true},
		"refund":  {func(_ context.Context, d *desk) error { d.ask(sluice.Request{Refund: 1}); return nil }, true},
		"block":   {amend(sluice.Amendment{Bar: &sluice.Bar{For: time.Hour, Reason: "by hand"}}), false},
		"unblock": {amend(sluice.Amendment{Unbar: true}), false},
		"override": {
			amend(sluice.Amendment{Except: &sluice.Exception{Limits: []sluice.Limit{sluice.PerHour(50).WithBurst(50)}}}), true,
		},
		"raised": {func(_ context.Context, d *desk) error {
			other := *d.policy
			other.Limits = []sluice.Limit{sluice.PerHour(5).WithBurst(50)}
			d.policy = &other
			return nil
		}, true},
		"all reset": {func(_ context.Context, d *desk) error {
			other := *d.policy
			other.ResetAt = sluice.Tick(time.Now().UnixMicro())
			d.policy = &other
			return nil
		}, true},
		"cache off": {func(_ context.Context, d *desk) error {
			other := *d.policy
			other.DenyCache = false
			d.policy = &other
			return nil
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, denycache.Config{}, hour, func(t *testing.T, d *desk) {
				d.check(5)
				d.check(1)
				d.want("before it", d.check(1), sluice.SourceDenyCache)
				if err := test.do(t.Context(), d); err != nil {
					t.Fatal(err)
				}
				got := d.check(1)
				if got.Allowed != test.allowed || got.Source != sluice.SourceStore {
					t.Errorf("after it: %s by %s, want allowed %t by the store", got, got.Source, test.allowed)
				}
			})
		})
	}
}

func amend(a sluice.Amendment) func(context.Context, *desk) error {
	return func(ctx context.Context, d *desk) error {
		a.Policy, a.Key = d.policy.Name, d.key
		_, err := d.cache.Amend(ctx, a)
		return err
	}
}

// TestDroppedUnderway: the answer to a question that was sent before a reset is not remembered after it.
func TestDroppedUnderway(t *testing.T) {
	t.Parallel()
	bubble(t, denycache.Config{}, hour, func(t *testing.T, d *desk) {
		d.check(5)
		d.under.delay = 10 * time.Millisecond
		var all sync.WaitGroup
		all.Go(func() { d.check(1) })
		time.Sleep(15 * time.Millisecond) // it has been refused, and does not know it yet
		if err := d.cache.Reset(t.Context(), d.policy, d.key); err != nil {
			t.Fatal(err)
		}
		all.Wait()
		if got := d.check(1); !got.Allowed {
			t.Errorf("after the reset: %s by %s, want it allowed", got, got.Source)
		}
	})
}

// TestRefundsInBatches: what is given back is seen by those behind it in the same call, and by all who come later, whatever
// was asked before it.
func TestRefundsInBatches(t *testing.T) {
	t.Parallel()
	bubble(t, denycache.Config{}, hour, func(t *testing.T, d *desk) {
		d.check(5)
		d.wantSource("the first refusal", d.check(1), sluice.SourceStore)
		one, refund := sluice.Request{Policy: d.policy, Key: d.key, Cost: 1}, sluice.Request{Policy: d.policy, Key: d.key, Refund: 2}
		elsewhere := refund
		elsewhere.Key = "another"
		var got []string
		for _, r := range d.cache.CheckAll(t.Context(), []sluice.Request{one, elsewhere, one, refund, one, one, one}) {
			got = append(got, fmt.Sprintf("%t %d %s %v", r.Decision.Allowed, r.Decision.Remaining, r.Decision.Source, r.Err))
		}
		want := []string{
			"false 0 deny-cache <nil>", "true 5 store <nil>", "false 0 deny-cache <nil>", "true 2 store <nil>", "true 1 store <nil>",
			"true 0 store <nil>", "false 0 store <nil>",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("CheckAll, -want +got:\n%s", diff)
		}
		d.cache.CheckAll(t.Context(), []sluice.Request{one, refund}) // refused, and given back after that
		if got := d.check(2); !got.Allowed {
			t.Errorf("after a refund of 2: %s by %s, want it allowed", got, got.Source)
		}
	})
}

// TestUnchangedPolicies: a policy that is configured anew and says the same decides the same.
func TestUnchangedPolicies(t *testing.T) {
	t.Parallel()
	bubble(t, denycache.Config{}, hour, func(t *testing.T, d *desk) {
		d.policy.Penalty = &sluice.Penalty{After: 100, Within: time.Minute, For: time.Minute}
		d.check(5)
		d.check(1)
		again, penalty := *d.policy, *d.policy.Penalty
		again.Limits, again.Penalty = slices.Clone(again.Limits), &penalty
		d.policy = &again
		d.wantSource("the same again", d.check(1), sluice.SourceDenyCache)
		other := again
		other.Penalty = &sluice.Penalty{After: 101, Within: time.Minute, For: time.Minute}
		d.policy = &other
		d.wantSource("with another penalty", d.check(1), sluice.SourceStore)
	})
}

// TestElsewhere: what others do to a key is seen within the second, and where the store admits one who goes ahead, by all
// at once.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	bubble(t, denycache.Config{}, hour, func(t *testing.T, d *desk) {
		d.check(5)
		d.check(2)
		if err := d.under.Reset(t.Context(), d.policy, d.key); err != nil {
			t.Fatal(err)
		}
		time.Sleep(500*time.Millisecond - time.Nanosecond)
		d.wantSource("before anybody has asked anew", d.check(2), sluice.SourceDenyCache)
		time.Sleep(time.Nanosecond)
		d.wantSource("a larger one", d.check(3), sluice.SourceDenyCache)
		if got := d.check(2); !got.Allowed {
			t.Errorf("the one who goes ahead: %s by %s, want it allowed", got, got.Source)
		}
		if got := d.check(3); !got.Allowed {
			t.Errorf("the next: %s by %s, want it allowed", got, got.Source)
		}
	})
}

// TestBlocked: a key that is barred is refused from memory, for as long as the block lasts.
func TestBlocked(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 4} {
		var limits []sluice.Limit
		for i := range n {
			limits = append(limits, sluice.PerHour(100).WithName(fmt.Sprint("l", i)))
		}
		bubble(t, denycache.Config{}, limits, func(t *testing.T, d *desk) {
			d.check(1)
			until := sluice.Tick(time.Now().Add(300 * time.Millisecond).UnixMicro())
			if err := amend(sluice.Amendment{Bar: &sluice.Bar{Until: until, Reason: "abuse"}})(t.Context(), d); err != nil {
				t.Fatal(err)
			}
			d.check(1)
			for range 299 {
				time.Sleep(time.Millisecond)
				d.want("while it lasts", d.check(1), sluice.SourceDenyCache)
				d.want("a cost that can never fit", d.check(101), sluice.SourceDenyCache)
			}
			time.Sleep(time.Millisecond)
			if got := d.check(1); !got.Allowed {
				t.Errorf("%d limits, at its end: %s, want it allowed", n, got)
			}
			// A block can end while the limits refuse on.
			d.check(d.peek(1).Remaining)
			until = sluice.Tick(time.Now().Add(300 * time.Millisecond).UnixMicro())
			if err := amend(sluice.Amendment{Bar: &sluice.Bar{Until: until, Reason: "abuse"}})(t.Context(), d); err != nil {
				t.Fatal(err)
			}
			d.check(1)
			for range 5 {
				time.Sleep(80 * time.Millisecond)
				got := d.check(1)
				d.wantSource("beyond its end", got, sluice.SourceDenyCache)
				want := d.peek(1)
				b, barred := got.Blocked()
				if c, still := want.Blocked(); barred != still || b != c || got.RetryAfter != want.RetryAfter || !slices.Equal(got.Limits(), want.Limits()) {
					t.Errorf("%d limits: %s, blocked %t, limits %v, want %s, %t, %v", n, got, barred, got.Limits(), want, still, want.Limits())
				}
			}
		})
	}
}

// TestBefore: a request that says until when it may be decided is answered from memory where that is known to hold.
func TestBefore(t *testing.T) {
	t.Parallel()
	var holding sluice.Tick
	bubble(t, denycache.Config{Holds: func(before sluice.Tick) bool { return before == holding }}, hour, func(t *testing.T, d *desk) {
		holding = sluice.Tick(time.Now().Add(time.Second).UnixMicro())
		d.check(5)
		req := sluice.Request{Cost: 1, Before: holding}
		d.ask(req)
		d.wantSource("while it holds", d.ask(req), sluice.SourceDenyCache)
		d.wantSource("without one", d.check(1), sluice.SourceDenyCache)
		holding++
		d.wantSource("when it does not", d.ask(req), sluice.SourceStore)
		req.Before = holding
		d.wantSource("of a newer one", d.ask(req), sluice.SourceDenyCache)
	})
	bubble(t, denycache.Config{}, hour, func(t *testing.T, d *desk) {
		d.check(5)
		req := sluice.Request{Cost: 1, Before: sluice.Tick(time.Now().Add(time.Second).UnixMicro())}
		d.ask(req)
		d.wantSource("where nothing is known to hold", d.ask(req), sluice.SourceStore)
	})
}

// TestBatch: some are answered from memory and the others go to the store together.
func TestBatch(t *testing.T) {
	t.Parallel()
	bubble(t, denycache.Config{}, hour, func(t *testing.T, d *desk) {
		plain := *d.policy
		plain.Name, plain.DenyCache = "plain", false
		d.check(5)
		d.check(2)
		d.under.took()
		reqs := []sluice.Request{
			{Policy: d.policy, Key: d.key, Cost: 2},
			{Policy: d.policy, Key: "free", Cost: 2},
			{Policy: d.policy, Key: d.key, Cost: 1},
			{Policy: &plain, Key: d.key, Cost: 1},
			{Policy: d.policy, Key: d.key, Cost: 3},
			{Policy: d.policy, Key: d.key, Cost: 0},
		}
		given := slices.Clone(reqs)
		var got []string
		for _, r := range d.cache.CheckAll(t.Context(), reqs) {
			got = append(got, fmt.Sprintf("%t %d %s %v", r.Decision.Allowed, r.Decision.Cost, r.Decision.Source, r.Err))
		}
		want := []string{
			"false 2 deny-cache <nil>", "true 2 store <nil>", "false 1 store <nil>", "true 1 store <nil>", "false 3 deny-cache <nil>",
			"true 0 store <nil>",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("CheckAll, -want +got:\n%s", diff)
		}
		d.wantAsked("a batch", 4)
		if !slices.Equal(reqs, given) {
			t.Errorf("the requests are %+v afterwards, want them as they were", reqs)
		}
		d.wantSource("the smaller one", d.check(1), sluice.SourceDenyCache)
		if results := d.cache.CheckAll(t.Context(), reqs[:1]); len(results) != 1 || results[0].Decision.Source != sluice.SourceDenyCache {
			t.Errorf("a batch that is answered from memory: %+v", results)
		}
		if results := d.cache.CheckAll(t.Context(), nil); len(results) != 0 {
			t.Errorf("a batch of nothing: %+v", results)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if r := d.cache.CheckAll(gone, reqs[:1])[0]; !errors.Is(r.Err, sluice.ErrNotSent) || !errors.Is(r.Err, context.Canceled) {
			t.Errorf("a batch of one who is gone: %+v, want ErrNotSent", r)
		}
		if _, err := d.cache.Check(gone, reqs[0]); !errors.Is(err, sluice.ErrNotSent) {
			t.Errorf("a check of one who is gone: %v, want ErrNotSent", err)
		}
	})
}

// TestFull asks for more keys than there is room for, some of them long.
func TestFull(t *testing.T) {
	t.Parallel()
	bubble(t, denycache.Config{MaxEntries: 100}, []sluice.Limit{sluice.PerHour(1)}, func(t *testing.T, d *desk) {
		fromMemory := 0
		for i := range 2000 {
			d.key = fmt.Sprint("key-", i)
			if i%3 == 0 {
				d.key = strings.Repeat("x", 4000) + d.key
			}
			d.check(1)
			d.check(1)
			if got := d.check(1); got.Allowed {
				t.Fatalf("key %d: %s", i, got)
			} else if got.Source == sluice.SourceDenyCache {
				fromMemory++
			}
		}
		if fromMemory < 1900 {
			t.Errorf("of 2000 keys %d were remembered, want nearly all: the newest find room", fromMemory)
		}
		got := d.cache.Stats()
		if got.Entries > 104 || got.Entries < 90 || got.Evicted < 1800 {
			t.Errorf("Stats = %+v, want about 100 entries, and the others evicted", got)
		}
		time.Sleep(20 * time.Second)
		if got := d.cache.Stats(); got.Entries != 0 {
			t.Errorf("20 seconds later: Stats = %+v, want no entries", got)
		}
	})
}

func TestNewRefusesBadConfig(t *testing.T) {
	t.Parallel()
	if s, err := denycache.New(nil, denycache.Config{MaxEntries: -1}); err == nil || s != nil {
		t.Errorf("New with MaxEntries -1: %v, %v, want an error", s, err)
	}
}

// TestRefusalsFromMemoryAreFree: no lock and no allocation, whatever the key and the answer are.
func TestRefusalsFromMemoryAreFree(t *testing.T) { // not parallel: others allocate
	cache := newCache(t, newWatched(t), denycache.Config{})
	defer run(t, cache)()
	for _, test := range []struct {
		name    string
		limits  []sluice.Limit
		key     string
		blocked bool
		most    float64
	}{
		{"one limit", hour, "k", false, 0},
		{"three limits", []sluice.Limit{sluice.PerHour(5), sluice.PerDay(5), sluice.Per(5, 7*24*time.Hour)}, "k", false, 0},
		{"a long key", hour, strings.Repeat("k", 4096), false, 0},
		{"a block", hour, "blocked", true, 0},
		{"four limits", []sluice.Limit{sluice.PerHour(5), sluice.PerDay(5), sluice.Per(5, 7*24*time.Hour), sluice.PerMinute(5)}, "k", false, 1},
	} {
		policy := &sluice.Policy{Name: strings.ReplaceAll(test.name, " ", "-"), Limits: test.limits, DenyCache: true, Penalty: &sluice.Penalty{
			After: sluice.MaxCount, Within: time.Hour, For: time.Hour,
		}}
		if test.blocked {
			if _, err := cache.Amend(t.Context(), sluice.Amendment{Policy: policy.Name, Key: test.key, Bar: &sluice.Bar{For: time.Hour}}); err != nil {
				t.Fatal(err)
			}
		}
		for _, cost := range []int64{4, 5} {
			ask := func(cost int64) sluice.Decision {
				d, err := cache.Check(t.Context(), sluice.Request{Policy: policy, Key: test.key, Cost: cost})
				if err != nil {
					t.Fatal(err)
				}
				return d
			}
			ctx := t.Context()
			ask(4)
			ask(4)
			ask(cost)
			n := testing.AllocsPerRun(100, func() {
				if d, err := cache.Check(ctx, sluice.Request{Policy: policy, Key: test.key, Cost: cost}); err != nil || d.Source != sluice.SourceDenyCache {
					t.Errorf("%s, cost %d: %s by %s, %v", test.name, cost, d, d.Source, err)
				}
			})
			if n > test.most {
				t.Errorf("%s, cost %d: %v allocations, want %v at most", test.name, cost, n, test.most)
			}
		}
	}
}
