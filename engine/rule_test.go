package engine_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/engine"
)

func newRule(tb testing.TB, namespace string, cfg engine.RuleConfig, limits ...sluice.Limit) *engine.Rule {
	tb.Helper()
	r, err := engine.NewRule(namespace, limits, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func TestCheckRules(t *testing.T) {
	t.Parallel()
	var seen []engine.Observation
	e := newEngine(t, newStore(t), engine.Config{Observer: func(_ context.Context, o engine.Observation) { seen = append(seen, o) }},
		configured("door", sluice.PerDay(1)))
	two := newRule(t, "door", engine.RuleConfig{}, sluice.PerDay(2))
	shadow := newRule(t, "shadow", engine.RuleConfig{Shadow: true}, sluice.PerDay(1))
	got := e.CheckRules(t.Context(), []engine.RuleQuery{
		{Rule: two, Key: "k", Cost: 1},
		{Rule: two, Key: "k", Cost: 1, Peek: true},
		{Rule: two, Cost: 1},
		{Rule: two, Key: "k", Cost: 2},
		{Rule: two, Key: "k", Cost: 1},
		{Rule: shadow, Key: "k", Cost: 1},
		{Rule: shadow, Key: "k", Cost: 1},
	})
	want := []struct{ allowed, shadowDenied, failed bool }{
		{allowed: true}, {allowed: true}, {failed: true}, {}, {allowed: true}, {allowed: true}, {allowed: true, shadowDenied: true},
	}
	for i, r := range got {
		if r.Answer.Allowed != want[i].allowed || r.Answer.ShadowDenied != want[i].shadowDenied || (r.Err != nil) != want[i].failed {
			t.Errorf("query %d is answered %+v, want %+v", i, r, want[i])
		}
	}
	if len(seen) != 5 || seen[0].Policy != "" || seen[2].Outcome != engine.Denied || seen[3].More != 1 || seen[4].Outcome != engine.ShadowDenied {
		t.Errorf("the observer was told %+v, want 6 checks by no policy, of which the two that are alike together", seen)
	}
	if a, err := e.Check(t.Context(), engine.Query{Policy: "door", Key: "k", Cost: 1}); err != nil || !a.Allowed {
		t.Errorf("the policy of a namespace's name answers %+v, %v, want its own counter", a, err)
	}
	more := newRule(t, "door", engine.RuleConfig{}, sluice.PerDay(3))
	for i, want := range []bool{true, false} {
		if a, err := e.CheckRule(t.Context(), engine.RuleQuery{Rule: more, Key: "k", Cost: 1}); err != nil || a.Allowed != want || a.Key != "k" {
			t.Errorf("check %d by a rule with one unit more = %+v, %v, want allowed %t", i, a, err, want)
		}
	}
	if _, err := e.CheckRule(t.Context(), engine.RuleQuery{Rule: more, Key: "k", Cost: -1}); err == nil {
		t.Error("a cost of -1 is no error")
	}
}

func TestRefunds(t *testing.T) {
	t.Parallel()
	var seen []engine.Observation
	e := newEngine(t, newStore(t), engine.Config{Observer: func(_ context.Context, o engine.Observation) { seen = append(seen, o) }},
		configured("api", sluice.PerDay(5)))
	rule := newRule(t, "door", engine.RuleConfig{}, sluice.PerDay(5))
	inline := engine.Inline{Namespace: "own", Limits: []sluice.Limit{sluice.PerDay(5)}, Key: "k"}
	for what, ask := range map[string]func(cost, refund int64) (engine.Answer, error){
		"Check": func(cost, refund int64) (engine.Answer, error) {
			return e.Check(t.Context(), engine.Query{Policy: "api", Key: "k", Cost: cost, Refund: refund})
		},
		"CheckAll": func(cost, refund int64) (engine.Answer, error) {
			r := e.CheckAll(t.Context(), []engine.Query{{Policy: "api", Key: "all", Cost: cost, Refund: refund}})[0]
			return r.Answer, r.Err
		},
		"CheckInline": func(cost, refund int64) (engine.Answer, error) {
			q := inline
			q.Cost, q.Refund = cost, refund
			return e.CheckInline(t.Context(), q)
		},
		"CheckRule": func(cost, refund int64) (engine.Answer, error) {
			return e.CheckRule(t.Context(), engine.RuleQuery{Rule: rule, Key: "k", Cost: cost, Refund: refund})
		},
		"CheckRules": func(cost, refund int64) (engine.Answer, error) {
			r := e.CheckRules(t.Context(), []engine.RuleQuery{{Rule: rule, Key: "all", Cost: cost, Refund: refund}})[0]
			return r.Answer, r.Err
		},
	} {
		seen = nil
		for _, step := range []struct{ cost, refund, left int64 }{{4, 0, 1}, {0, 3, 4}, {0, 100, 5}} {
			a, err := ask(step.cost, step.refund)
			if err != nil || !a.Allowed || a.Remaining != step.left || a.Cost != step.cost {
				t.Errorf("%s: cost %d, refund %d = %+v, %v, want %d left", what, step.cost, step.refund, a, err, step.left)
			}
		}
		for i, o := range seen {
			if len(seen) != 3 || o.Refund != (i > 0) || o.Outcome != engine.Allowed {
				t.Errorf("%s: the observer was told %+v, want a check and two refunds", what, seen)
			}
		}
		for _, wrong := range []struct {
			cost, refund int64
			problem      string
		}{
			{0, -1, "refund: it is -1; it must be a whole number from 0 to 4294967295"},
			{0, sluice.MaxCount + 1, "refund: it is 4294967296; it must be a whole number from 0 to 4294967295"},
			{1, 2, "refund: it is 2 in a query that also asks for a cost or a peek; give back and ask in two queries"},
			{-1, 0, "cost: it is -1; it must be a whole number from 0 to 4294967295"},
		} {
			if _, err := ask(wrong.cost, wrong.refund); err == nil || err.Error() != wrong.problem {
				t.Errorf("%s: cost %d, refund %d: error %v, want %s", what, wrong.cost, wrong.refund, err, wrong.problem)
			}
		}
	}
	if _, err := e.Check(t.Context(), engine.Query{Policy: "api", Key: "k", Peek: true, Refund: 1}); err == nil {
		t.Error("a peek that gives back is no error")
	}
}

// TestRefundsOfAFailingStore: nobody is told that units went back where nobody knows.
func TestRefundsOfAFailingStore(t *testing.T) {
	t.Parallel()
	broken := errors.New("redis: gone")
	var seen []engine.Observation
	e := engine.New(brokenStore{broken}, engine.Config{Observer: func(_ context.Context, o engine.Observation) { seen = append(seen, o) }})
	rule := newRule(t, "n", engine.RuleConfig{}, sluice.PerDay(1))
	if a, err := e.CheckRule(t.Context(), engine.RuleQuery{Rule: rule, Key: "k", Refund: 1}); !errors.Is(err, broken) {
		t.Errorf("a refund = %+v, %v, want the store's error", a, err)
	}
	if len(seen) != 1 || seen[0].Outcome != engine.Failed || !seen[0].Refund || !errors.Is(seen[0].Err, broken) {
		t.Errorf("the observer was told %+v, want a refund that failed", seen)
	}
}

func TestStoreFailureIsAnsweredByTheRule(t *testing.T) {
	t.Parallel()
	broken := errors.New("redis: gone")
	e := engine.New(brokenStore{broken}, engine.Config{}) // rules need no policies
	for policy, allowed := range map[sluice.ErrorPolicy]bool{sluice.Allow: true, sluice.Deny: false} {
		rule := newRule(t, "n", engine.RuleConfig{OnError: policy}, sluice.PerDay(1))
		check, peek := engine.RuleQuery{Rule: rule, Key: "k", Cost: 1}, engine.RuleQuery{Rule: rule, Key: "k", Peek: true}
		one, err := e.CheckRule(t.Context(), check)
		all := append(e.CheckRules(t.Context(), []engine.RuleQuery{check, check, peek}), engine.Result{Answer: one, Err: err})
		for i, r := range all {
			if i == 2 {
				if !errors.Is(r.Err, broken) {
					t.Errorf("a peek under on_error %s = %+v, want the store's error", policy, r)
				}
				continue
			}
			if r.Err != nil || r.Answer.Allowed != allowed || r.Answer.Source != sluice.SourceErrorPolicy || !errors.Is(r.Answer.StoreErr, broken) {
				t.Errorf("check %d under on_error %s = %+v, want allowed %t", i, policy, r, allowed)
			}
		}
	}
}

func TestNewRuleRefuses(t *testing.T) {
	t.Parallel()
	if _, err := engine.NewRule("N", nil, engine.RuleConfig{}); err == nil {
		t.Error("a rule without limits in a namespace N is no error")
	}
}

// alone is a store that has nothing but what every store has.
type alone struct{ sluice.Store }

// TestCheckBatch has a batch answer alike, again and again in the same memory, by a store that writes into it and by one that
// does not.
func TestCheckBatch(t *testing.T) {
	t.Parallel()
	direct := newEngine(t, newStore(t), engine.Config{})
	through := newEngine(t, alone{newStore(t)}, engine.Config{})
	r := newRule(t, "door", engine.RuleConfig{}, sluice.PerDay(5))
	var a, b engine.RuleBatch
	for round, queries := range [][]engine.RuleQuery{
		{{Rule: r, Key: "k", Cost: 2}, {Rule: r, Key: "", Cost: 1}, {Rule: r, Key: "k", Cost: 4}, {Rule: r, Key: "j", Cost: 1}},
		{{Rule: r, Key: "k", Cost: 3}},
		{{Rule: r, Key: ""}},
		{},
		{{Rule: r, Key: "k", Cost: 1}, {Rule: r, Key: "k", Refund: 1}, {Rule: r, Key: "k", Cost: 1, Peek: true}, {Rule: r, Key: "k", Cost: 1}},
	} {
		a.Queries, b.Queries = append(a.Queries, queries...), append(b.Queries, queries...)
		direct.CheckBatch(t.Context(), &a)
		through.CheckBatch(t.Context(), &b)
		if len(a.Results) != len(queries) || len(b.Results) != len(queries) {
			t.Fatalf("round %d: %d queries have %d and %d answers", round, len(queries), len(a.Results), len(b.Results))
		}
		for i := range queries {
			x, y := a.Results[i], b.Results[i]
			if (x.Err != nil) != (y.Err != nil) || (x.Err != nil) != (queries[i].Key == "") {
				t.Errorf("round %d, query %d: the errors are %v and %v", round, i, x.Err, y.Err)
			}
			if x.Answer.Allowed != y.Answer.Allowed || x.Answer.Remaining != y.Answer.Remaining || x.Answer.Key != y.Answer.Key {
				t.Errorf("round %d, query %d: the answers are %+v and %+v", round, i, x.Answer, y.Answer)
			}
		}
		a.Forget()
		b.Forget()
	}
}

// busy is a store that computes for 20 microseconds for each check.
type busy struct{ sluice.Store }

func (busy) CheckInto(context.Context, *sluice.Request, *sluice.Decision) error {
	for begin := time.Now(); time.Since(begin) < 20*time.Microsecond; {
	}
	return nil
}

// TestOthersRunBetweenDecisions has somebody wait for the only processor while many decisions are made, for longer than a turn
// and for less than the ten milliseconds after which the scheduler lets him run anyway.
func TestOthersRunBetweenDecisions(t *testing.T) {
	e := newEngine(t, busy{newStore(t)}, engine.Config{})
	b := engine.RuleBatch{Queries: slices.Repeat([]engine.RuleQuery{{Rule: newRule(t, "door", engine.RuleConfig{}, sluice.PerDay(5)), Key: "k", Cost: 1}}, 200)}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	ran := make(chan bool, 1)
	go func() { ran <- true }()
	e.CheckBatch(t.Context(), &b)
	if len(ran) == 0 {
		t.Error("nobody else had the processor before the decisions were made")
	}
}

// broken is a store that fails, at once or not.
type broken struct {
	sluice.Store
	err error
}

func (b broken) Check(context.Context, sluice.Request) (sluice.Decision, error) {
	return sluice.Decision{}, b.err
}

type brokenAtOnce struct{ broken }

func (b brokenAtOnce) CheckInto(_ context.Context, req *sluice.Request, _ *sluice.Decision) error {
	if req.Key == "well" {
		return nil
	}
	return b.err
}

// TestStoreErrors has a rule say what on_error says, or the store's error where it is told to.
func TestStoreErrors(t *testing.T) {
	t.Parallel()
	gone := errors.New("gone")
	for _, store := range []sluice.Store{broken{newStore(t), gone}, brokenAtOnce{broken{newStore(t), gone}}} {
		var seen []engine.Observation
		e := newEngine(t, store, engine.Config{Observer: func(_ context.Context, o engine.Observation) { seen = append(seen, o) }})
		for _, test := range []struct {
			config          engine.RuleConfig
			allowed, failed bool
			outcome         engine.Outcome
		}{
			{engine.RuleConfig{}, true, false, engine.Allowed},
			{engine.RuleConfig{OnError: sluice.Deny}, false, false, engine.Denied},
			{engine.RuleConfig{StoreErrors: true}, false, true, engine.Failed},
		} {
			r := newRule(t, "door", test.config, sluice.PerDay(5))
			seen = nil
			got := e.CheckRules(t.Context(), []engine.RuleQuery{{Rule: r, Key: "k", Cost: 1}})[0]
			if got.Answer.Allowed != test.allowed || (got.Err != nil) != test.failed || test.failed != errors.Is(got.Err, gone) {
				t.Errorf("%T, %+v: a check is answered %+v, %v", store, test.config, got.Answer, got.Err)
			}
			if len(seen) != 1 || seen[0].Outcome != test.outcome || !errors.Is(seen[0].Err, gone) {
				t.Errorf("%T, %+v: the observer was told %+v", store, test.config, seen)
			}
			one, err := e.CheckRule(t.Context(), engine.RuleQuery{Rule: r, Key: "k", Cost: 1})
			if one.Allowed != test.allowed || (err != nil) != test.failed {
				t.Errorf("%T, %+v: a check alone is answered %+v, %v", store, test.config, one, err)
			}
		}
		if e.StoreFailure() == nil {
			t.Errorf("%T: the store counts as well", store)
		}
	}
}
