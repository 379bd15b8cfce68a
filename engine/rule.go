package engine

import (
	"context"
	"slices"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/giveway"
	"github.com/sluice-project/sluice/policy"
)

// Rule is limits that no policy of the snapshot has, with what else holds of them: those of a door's own configuration,
// or those that a client of a door brings along. A door makes it once and asks by it often, because checks of one key by
// one Rule are decided together where they meet. It is safe for concurrent use.
type Rule struct {
	policy      *policy.Policy
	storeErrors bool
}

// RuleConfig is what a [Rule] can be told besides its limits. The zero RuleConfig works.
type RuleConfig struct {
	// OnError says what a check is answered when the store cannot decide it. The default is [sluice.Allow].
	OnError sluice.ErrorPolicy
	// StoreErrors has a check fail with the store's error where the store cannot decide it, in place of what OnError says:
	// for callers who have always been told that, and choose for themselves what to do then.
	StoreErrors bool
	// Shadow lets everybody through whom the limits refuse; they are charged as ever.
	Shadow bool
	// DenyCache lets a server that remembers a refusal answer from memory, as [sluice.Policy] says.
	DenyCache bool
}

// NewRule returns a rule of 1 to [sluice.MaxLimits] limits with different names. Its counters are kept apart from those of
// all policies and of other namespaces; rules of one namespace share them, so that a rule can be replaced by another that
// has other numbers. The namespace is spelled as a policy's name is. The errors are [*sluice.InvalidError], joined where
// there are several.
func NewRule(namespace string, limits []sluice.Limit, cfg RuleConfig) (*Rule, error) {
	p := policy.Policy{Policy: sluice.InlinePolicy(namespace, limits...), OnError: cfg.OnError, Shadow: cfg.Shadow}
	p.DenyCache = cfg.DenyCache
	if err := p.Policy.Validate(); err != nil {
		return nil, err
	}
	return &Rule{policy: &p, storeErrors: cfg.StoreErrors}, nil
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

// RuleBatch is queries by rules that are answered together, and the memory that this takes. A caller who asks often keeps one
// and sets Queries anew each time; it is not safe for concurrent use. The zero RuleBatch works.
type RuleBatch struct {
	Queries []RuleQuery
	// Results are the answers, in the order of the queries, until the batch is used again.
	Results []Result
	request sluice.Request
}

// Forget drops what the batch has kept of its queries and their answers, which are the callers', and keeps the memory.
func (b *RuleBatch) Forget() {
	clear(b.Queries)
	clear(b.Results)
	b.Queries, b.Results, b.request = b.Queries[:0], b.Results[:0], sluice.Request{}
}

// CheckRules answers several queries by rules in one call of the store: each for itself, those of one key in their order.
// Where the store fails, the rule answers in its place as a policy does for [Engine.Check], and a peek or a refund gets the
// store's error. A query that is not legal gets its own error and stops no other. Results are in the order of the queries.
// What observers are told of are checks by no policy.
func (e *Engine) CheckRules(ctx context.Context, queries []RuleQuery) []Result {
	b := RuleBatch{Queries: queries}
	e.CheckBatch(ctx, &b)
	return b.Results
}

// CheckBatch is [Engine.CheckRules] in memory that the caller keeps.
func (e *Engine) CheckBatch(ctx context.Context, b *RuleBatch) {
	b.Results = slices.Grow(b.Results[:0], len(b.Queries))[:len(b.Queries)]
	legal := 0
	for i := range b.Queries {
		b.Results[i] = Result{Err: validate(b.Queries[i].query())}
		if b.Results[i].Err == nil {
			legal++
		}
	}
	switch store, atOnce := e.store.(decider); {
	case legal == 0:
	case atOnce:
		e.decideAtOnce(ctx, b, store)
	default:
		e.decideTogether(ctx, b, legal)
	}
}

// decider is a store that waits for nothing, so that nothing is won by asking it for many together, and that writes into
// memory that the caller has.
type decider interface {
	// CheckInto does what Check does. Where there is an error, what it has written means nothing.
	CheckInto(ctx context.Context, req *sluice.Request, d *sluice.Decision) error
}

// decideAtOnce answers the queries of a batch that are legal, one after the other.
func (e *Engine) decideAtOnce(ctx context.Context, b *RuleBatch, store decider) {
	failed := 0
	start := e.now()
	var turn giveway.Turn
	for i := range b.Queries {
		turn.Before(i)
		if r := &b.Results[i]; r.Err == nil {
			b.request = b.Queries[i].request()
			if err := store.CheckInto(ctx, &b.request, &r.Answer.Decision); err != nil {
				r.Answer.StoreErr = err
				failed++
			}
		}
	}
	elapsed := e.since(start)
	var alike tally
	for i := range b.Queries {
		q, r := &b.Queries[i], &b.Results[i]
		a := &r.Answer
		switch {
		case r.Err != nil:
			continue
		case a.StoreErr != nil:
			*a, r.Err = e.answerRule(ctx, *q, sluice.Result{Err: a.StoreErr}, elapsed)
			continue
		}
		a.Key = q.Key
		if q.Rule.policy.Shadow && !a.Allowed {
			a.Allowed, a.ShadowDenied = true, true
		}
		alike.add(ctx, e, Observation{
			Outcome: outcomeOf(a.Allowed, a.ShadowDenied), Source: a.Source, Peek: q.Peek, Refund: q.Refund > 0, Elapsed: elapsed,
		})
	}
	alike.tell(ctx, e)
	if failed == 0 {
		e.health.note(ctx, nil, elapsed, true)
	}
}

// tally tells the observer once of queries in a row that ended alike.
type tally struct {
	of  Observation
	any bool
}

func (t *tally) add(ctx context.Context, e *Engine, o Observation) {
	if o.More = t.of.More; t.any && o == t.of {
		t.of.More++
		return
	}
	t.tell(ctx, e)
	o.More = 0
	t.of, t.any = o, true
}

func (t *tally) tell(ctx context.Context, e *Engine) {
	if t.any {
		e.observe(ctx, t.of)
	}
}

// decideTogether answers the queries of a batch that are legal, so many, by one call of the store.
func (e *Engine) decideTogether(ctx context.Context, b *RuleBatch, legal int) {
	reqs := make([]sluice.Request, 0, legal) // anew each time: a store may look at them after it has answered
	for i := range b.Queries {
		if b.Results[i].Err == nil {
			reqs = append(reqs, b.Queries[i].request())
		}
	}
	start := e.now()
	var decided []sluice.Result
	if legal == 1 {
		decision, err := e.store.Check(ctx, reqs[0])
		decided = []sluice.Result{{Decision: decision, Err: err}}
	} else {
		decided = e.store.CheckAll(ctx, reqs)
	}
	elapsed := e.since(start)
	for i, q := range b.Queries {
		if r := &b.Results[i]; r.Err == nil {
			r.Answer, r.Err = e.answerRule(ctx, q, decided[0], elapsed)
			decided = decided[1:]
		}
	}
}

// CheckRule answers one query as [Engine.CheckRules] does.
func (e *Engine) CheckRule(ctx context.Context, q RuleQuery) (Answer, error) {
	if err := validate(q.query()); err != nil {
		return Answer{}, err
	}
	start := e.now()
	decision, err := e.store.Check(ctx, q.request())
	return e.answerRule(ctx, q, sluice.Result{Decision: decision, Err: err}, e.since(start))
}

// answerRule makes of what the store said what the rule says to that.
func (e *Engine) answerRule(ctx context.Context, q RuleQuery, r sluice.Result, elapsed time.Duration) (Answer, error) {
	if r.Err == nil || !q.Rule.storeErrors {
		return e.answer(ctx, q.Rule.policy, q.query(), r, elapsed)
	}
	abandoned := e.health.note(ctx, r.Err, elapsed, writes(q.Peek, q.Refund > 0, r.Err, false))
	e.observe(ctx, Observation{
		Outcome: Failed, Peek: q.Peek, Refund: q.Refund > 0, Elapsed: elapsed, Err: r.Err, Abandoned: abandoned,
	})
	return Answer{}, r.Err
}

func (q RuleQuery) request() sluice.Request {
	return sluice.Request{
		Policy: &q.Rule.policy.Policy, Key: q.Key, Cost: q.Cost, Refund: uint32(q.Refund), Peek: q.Peek, Uncounted: q.Rule.policy.Shadow,
	}
}

func (q RuleQuery) query() Query {
	return Query{Key: q.Key, Cost: q.Cost, Peek: q.Peek, Refund: q.Refund}
}
