package engine

import (
	"context"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/policy"
)

// Rule is limits that no policy of the snapshot has, with what else holds of them: those of a door's own configuration,
// or those that a client of a door brings along. A door makes it once and asks by it often, because checks of one key by
// one Rule are decided together where they meet. It is safe for concurrent use.
type Rule struct{ policy *policy.Policy }

// RuleConfig is what a [Rule] can be told besides its limits. The zero RuleConfig works.
type RuleConfig struct {
	// OnError says what a check is answered when the store cannot decide it. The default is [sluice.Allow].
	OnError sluice.ErrorPolicy
	// Shadow lets everybody through whom the limits refuse; they are charged as ever.
	Shadow bool
}

// NewRule returns a rule of 1 to [sluice.MaxLimits] limits with different names. Its counters are kept apart from those of
// all policies and of other namespaces; rules of one namespace share them, so that a rule can be replaced by another that
// has other numbers. The namespace is spelled as a policy's name is. The errors are [*sluice.InvalidError], joined where
// there are several.
func NewRule(namespace string, limits []sluice.Limit, cfg RuleConfig) (*Rule, error) {
	p := policy.Policy{Policy: sluice.InlinePolicy(namespace, limits...), OnError: cfg.OnError, Shadow: cfg.Shadow}
	if err := p.Policy.Validate(); err != nil {
		return nil, err
	}
	return &Rule{&p}, nil
}

// RuleQuery is one check, peek or refund by a [Rule].
type RuleQuery struct {
	Rule *Rule
	// Key, Cost, Peek and Refund are those of [Query].
	Key    string
	Cost   int64
	Peek   bool
	Refund int64
}

// CheckRules answers several queries by rules in one call of the store: each for itself, those of one key in their
// order. Where the store fails, the rule answers in its place as a policy does for [Engine.Check], and a peek or a
// refund gets the store's error. A query that is not legal gets its own error and stops no other. Results are in the
// order of the queries. What observers are told of are checks by no policy.
func (e *Engine) CheckRules(ctx context.Context, queries []RuleQuery) []Result {
	results := make([]Result, len(queries))
	reqs := make([]sluice.Request, 0, len(queries))
	for i, q := range queries {
		if results[i].Err = validate(q.query()); results[i].Err == nil {
			reqs = append(reqs, q.request())
		}
	}
	if len(reqs) == 0 {
		return results
	}
	start := e.now()
	var decided []sluice.Result
	if len(reqs) == 1 {
		decision, err := e.store.Check(ctx, reqs[0])
		decided = []sluice.Result{{Decision: decision, Err: err}}
	} else {
		decided = e.store.CheckAll(ctx, reqs)
	}
	elapsed := e.since(start)
	for i, q := range queries {
		if results[i].Err == nil {
			results[i].Answer, results[i].Err = e.answer(ctx, q.Rule.policy, q.query(), decided[0], elapsed)
			decided = decided[1:]
		}
	}
	return results
}

// CheckRule answers one query as [Engine.CheckRules] does.
func (e *Engine) CheckRule(ctx context.Context, q RuleQuery) (Answer, error) {
	if err := validate(q.query()); err != nil {
		return Answer{}, err
	}
	start := e.now()
	decision, err := e.store.Check(ctx, q.request())
	return e.answer(ctx, q.Rule.policy, q.query(), sluice.Result{Decision: decision, Err: err}, e.since(start))
}

func (q RuleQuery) request() sluice.Request {
	return sluice.Request{
		Policy: &q.Rule.policy.Policy, Key: q.Key, Cost: q.Cost, Refund: uint32(q.Refund), Peek: q.Peek, Uncounted: q.Rule.policy.Shadow,
	}
}

func (q RuleQuery) query() Query {
	return Query{Key: q.Key, Cost: q.Cost, Peek: q.Peek, Refund: q.Refund}
}
