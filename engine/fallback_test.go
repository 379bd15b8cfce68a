package engine_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/engine"
	"github.com/sluice-project/sluice/policy"
)

// failing is a store that can be made to fail.
type failing struct {
	sluice.Store
	err atomic.Pointer[error]
}

func (s *failing) fail(err error) { s.err.Store(&err) }

func (s *failing) Check(ctx context.Context, req sluice.Request) (sluice.Decision, error) {
	if err := s.err.Load(); err != nil && *err != nil {
		return sluice.Decision{}, *err
	}
	return s.Store.Check(ctx, req)
}

func (s *failing) CheckAll(ctx context.Context, reqs []sluice.Request) []sluice.Result {
	results := make([]sluice.Result, len(reqs))
	for i, req := range reqs {
		results[i].Decision, results[i].Err = s.Check(ctx, req)
	}
	return results
}

// crew is the servers of a fleet in front of one store, with on_error: local.
type crew struct {
	t       *testing.T
	store   *failing
	engines []*engine.Engine
	alive   atomic.Int64
}

func newCrew(t *testing.T, servers int, policies ...policy.Policy) *crew {
	c := &crew{t: t, store: &failing{Store: newStore(t)}}
	c.alive.Store(int64(servers))
	for i := range servers {
		c.engines = append(c.engines, newEngine(t, c.store, engine.Config{
			Fallback: newStore(t), Fleet: func() (int, int) { return i, int(c.alive.Load()) },
		}, policies...))
	}
	return c
}

// admitted asks every server so often, and returns how many checks each has admitted.
func (c *crew) admitted(each int, source sluice.Source) (by []int, all int) {
	c.t.Helper()
	by = make([]int, len(c.engines))
	for i, e := range c.engines {
		for range each {
			a, err := e.Check(c.t.Context(), engine.Query{Policy: "local", Key: "k", Cost: 1})
			if err != nil || a.Source != source {
				c.t.Fatalf("server %d: %+v, %v, want a decision by %s", i, a, err, source)
			}
			if a.Allowed {
				by[i]++
				all++
			}
		}
	}
	return by, all
}

func local(limits ...sluice.Limit) policy.Policy {
	p := configured("local", limits...)
	p.OnError = sluice.Local
	return p
}

var errGone = fmt.Errorf("redis is gone: %w", sluice.ErrNotSent)

// TestFleetCutOff has four servers decide alone: together they admit the limit, again in each span, and not a unit more
// when the store comes and goes.
func TestFleetCutOff(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]sluice.Limit{
		"window": sluice.PerMinute(10), "bucket": sluice.PerMinute(10).WithBurst(10),
		"fixed": sluice.PerMinute(10).WithAlgorithm(sluice.FixedWindow),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCrew(t, 4, local(limit))
				if _, all := c.admitted(10, sluice.SourceStore); all != 10 {
					t.Fatalf("with the store %d of 10 are admitted", all)
				}
				c.store.fail(errGone)
				if by, all := c.admitted(10, sluice.SourceFallback); all != 10 || fmt.Sprint(by) != "[3 3 2 2]" {
					t.Errorf("alone the servers admit %v, want the shares of 10", by)
				}
				for range 3 { // in the same minute
					c.store.fail(nil)
					if _, all := c.admitted(1, sluice.SourceStore); all != 0 {
						t.Errorf("the store admits %d more", all)
					}
					c.store.fail(errGone)
					if by, all := c.admitted(10, sluice.SourceFallback); all != 0 {
						t.Errorf("alone once more the servers admit %v more", by)
					}
				}
				time.Sleep(time.Minute)
				if _, all := c.admitted(10, sluice.SourceFallback); all != 10 {
					t.Errorf("a minute later alone they admit %d, want 10", all)
				}
			})
		})
	}
}

// TestFleetChanges has a server go while the others decide alone: what was admitted counts for the greater shares.
func TestFleetChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 4, local(sluice.PerMinute(12)))
		c.store.fail(errGone)
		if by, _ := c.admitted(10, sluice.SourceFallback); fmt.Sprint(by) != "[3 3 3 3]" {
			t.Fatalf("of four each admits %v", by)
		}
		c.alive.Store(3)
		c.engines = c.engines[:3]
		if by, _ := c.admitted(10, sluice.SourceFallback); fmt.Sprint(by) != "[1 1 1]" {
			t.Errorf("of three each admits %v more", by)
		}
	})
}

// TestShareTells says what a decision by a share tells of the limits.
func TestShareTells(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 4, local(sluice.PerMinute(10), sluice.PerDay(1000)))
		c.store.fail(errGone)
		e := c.engines[3]
		ask := func(q engine.Query) engine.Answer {
			t.Helper()
			q.Policy, q.Key = "local", "k"
			a, err := e.Check(t.Context(), q)
			if err != nil {
				t.Fatalf("Check(%+v): %v", q, err)
			}
			if a.Source != sluice.SourceFallback || !errors.Is(a.StoreErr, errGone) {
				t.Errorf("Check(%+v) = %+v", q, a)
			}
			return a
		}
		a := ask(engine.Query{Cost: 1, Peek: true})
		if !a.Allowed || a.Remaining != 2 {
			t.Errorf("a peek = %v, want 2 remaining", a.Decision)
		}
		if a = ask(engine.Query{Cost: 1}); !a.Allowed || a.Remaining != 1 || a.Cost != 1 {
			t.Errorf("a check = %v, want 1 remaining", a.Decision)
		}
		limits := a.Limits()
		if len(limits) != 2 || limits[0].Limit != sluice.PerMinute(10) || limits[0].Remaining != 1 || limits[1].Remaining != 249 {
			t.Errorf("the limits are %+v, want those of the policy", limits)
		}
		ask(engine.Query{Cost: 1})
		if a = ask(engine.Query{Cost: 1}); a.Allowed || a.RetryAfter != time.Minute {
			t.Errorf("a check of a share that is used up = %v", a.Decision)
		}
		if a = ask(engine.Query{Cost: 5}); a.Allowed || a.RetryAfter != time.Second {
			t.Errorf("a cost that only the whole limit has room for = %v, want a retry after 1s", a.Decision)
		}
		if a = ask(engine.Query{Cost: 11}); a.Allowed || a.RetryAfter != sluice.Never {
			t.Errorf("a cost that never fits = %v", a.Decision)
		}
		if _, err := e.Check(t.Context(), engine.Query{Policy: "local", Key: "k", Refund: 1}); !errors.Is(err, errGone) {
			t.Errorf("a refund = %v, want the store's error", err)
		}
		results := e.CheckAll(t.Context(), []engine.Query{{Policy: "local", Key: "l", Cost: 2}, {Policy: "local", Key: "l", Cost: 1}})
		if !results[0].Answer.Allowed || results[1].Answer.Allowed {
			t.Errorf("CheckAll = %+v", results)
		}
	})
}

// TestShareOfNothing refuses on a server that has no unit, and leaves the others alone.
func TestShareOfNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 4, local(sluice.PerMinute(3), sluice.PerDay(1000)))
		c.store.fail(errGone)
		if by, _ := c.admitted(3, sluice.SourceFallback); fmt.Sprint(by) != "[1 1 1 0]" {
			t.Errorf("of a limit of 3 the servers admit %v", by)
		}
		e := c.engines[3]
		a, err := e.Check(t.Context(), engine.Query{Policy: "local", Key: "k", Cost: 1})
		if err != nil || a.Allowed || a.RetryAfter != time.Second || a.Remaining != 0 || fmt.Sprint(a.DeniedBy()) != "[minute]" {
			t.Errorf("a check by a share of nothing = %v, %v", a.Decision, err)
		}
		a, err = e.Check(t.Context(), engine.Query{Policy: "local", Key: "k"})
		if err != nil || !a.Allowed || a.Remaining != 0 {
			t.Errorf("a check of cost 0 by a share of nothing = %v, %v", a.Decision, err)
		}
	})
}

// TestLocalOfRules and policies that run in the shadow decide by shares, too, whether the caller is still there or not.
func TestLocalOfRules(t *testing.T) {
	t.Parallel()
	rule, err := engine.NewRule("n", []sluice.Limit{sluice.PerMinute(1)}, engine.RuleConfig{OnError: sluice.Local})
	if err != nil {
		t.Fatal(err)
	}
	shadow := local(sluice.PerMinute(1))
	shadow.Shadow = true
	c := newCrew(t, 1, shadow)
	c.store.fail(errGone)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for i, allowed := range []bool{true, false} {
		a, err := c.engines[0].CheckRule(gone, engine.RuleQuery{Rule: rule, Key: "k", Cost: 1})
		if err != nil || a.Allowed != allowed || a.Source != sluice.SourceFallback {
			t.Errorf("check %d by a rule = %+v, %v", i, a, err)
		}
		a, err = c.engines[0].Check(t.Context(), engine.Query{Policy: "local", Key: "k", Cost: 1})
		if err != nil || !a.Allowed || a.ShadowDenied == allowed || a.Source != sluice.SourceFallback {
			t.Errorf("check %d in the shadow = %+v, %v", i, a, err)
		}
	}
}

// TestLocalWithoutFallback refuses, where nothing is there that could decide.
func TestLocalWithoutFallback(t *testing.T) {
	t.Parallel()
	e := newEngine(t, brokenStore{errGone}, engine.Config{}, local(sluice.PerMinute(1)))
	a, err := e.Check(t.Context(), engine.Query{Policy: "local", Key: "k", Cost: 1})
	if err != nil || a.Allowed || a.Source != sluice.SourceErrorPolicy {
		t.Errorf("Check = %+v, %v, want a refusal by %s", a, err, sluice.SourceErrorPolicy)
	}
	if _, err = e.Check(t.Context(), engine.Query{Policy: "local", Key: "k", Cost: 1, Peek: true}); !errors.Is(err, errGone) {
		t.Errorf("a peek = %v, want the store's error", err)
	}
}
