package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/policy"
)

// Check answers one query. Where the store fails, the policy's on_error answers in its place: by this server's share of
// the limits, with the source [sluice.SourceFallback], or by its word alone, with [sluice.SourceErrorPolicy]. A refund,
// and a peek where no share decides, get the store's error instead, because somebody who looks must not be told a state
// that nobody knows, nor somebody who gives back that he has. The other errors are [*UnknownPolicyError] and
// [*sluice.InvalidError].
func (e *Engine) Check(ctx context.Context, q Query) (Answer, error) {
	start := e.now()
	within := ctx // of the attempts; what is said of their end goes by the caller's own
	var again again
	defer again.end()
	for attempt := 1; ; attempt++ {
		before := e.view.Before() // and then the snapshot, which may be of a later view but of none before
		if attempt == attempts {
			before = 0
		}
		p, err := find(e.Snapshot(), q)
		if err != nil {
			return Answer{}, err
		}
		if attempt == 1 {
			again.begin(e, start)
		}
		d, err := e.store.Check(within, request(p, q, before))
		if errors.Is(err, sluice.ErrStale) {
			within = again.look(within, e)
			continue
		}
		return e.answer(ctx, p, q, sluice.Result{Decision: d, Err: err}, e.since(start))
	}
}

// attempts is how often a check is asked that comes too late for its snapshot: the process must have slept each time
// between the look at the view and the store's decision, or the nodes of a Cluster disagree on the time by more than a
// view holds. Then the last attempt is decided by what was looked at since the check began, whatever the time is.
const attempts = 4

// again is what checks need that are asked more than once: all attempts, and the looks at the view between them, have the
// time together that one has.
type again struct {
	until  time.Time
	cancel context.CancelFunc
}

// begin notes when the first attempt is made; now is that instant where it is known already.
func (a *again) begin(e *Engine, now time.Time) {
	if e.deadline <= 0 {
		return
	}
	if now.IsZero() {
		now = time.Now()
	}
	a.until = now.Add(e.deadline)
}

// look has the view looked at, and returns the context of the next attempt.
func (a *again) look(ctx context.Context, e *Engine) context.Context {
	if a.cancel == nil && e.deadline > 0 {
		ctx, a.cancel = context.WithDeadline(ctx, a.until)
	}
	_ = e.view.Refresh(ctx) // where it fails, Before is 0: what is known must do, and who keeps the view says why
	return ctx
}

func (a *again) end() {
	if a.cancel != nil {
		a.cancel()
	}
}

// CheckAll answers several queries by one snapshot and one call of the store: each for itself, those of one key in
// their order. A query that is not legal gets its own error, as [Engine.Check] would give it, and stops no other.
// Results are in the order of the queries. Those that come too late for the snapshot are asked again, together.
func (e *Engine) CheckAll(ctx context.Context, queries []Query) []Result {
	results := make([]Result, len(queries))
	var again again
	defer again.end()
	again.begin(e, time.Time{})
	within := ctx
	stale := e.checkAll(ctx, within, queries, nil, results, false)
	for attempt := 2; len(stale) > 0; attempt++ {
		within = again.look(within, e)
		stale = e.checkAll(ctx, within, queries, stale, results, attempt == attempts)
	}
	return results
}

// checkAll makes one attempt, within a context of its own, for those queries of which the numbers are given, or for all where none are, and returns the
// numbers of those that came too late, which none does of the last attempt.
func (e *Engine) checkAll(ctx, within context.Context, queries []Query, which []int, results []Result, last bool) (stale []int) {
	n := len(queries)
	if which != nil {
		n = len(which)
	}
	number := func(i int) int {
		if which != nil {
			return which[i]
		}
		return i
	}
	var (
		before   = e.view.Before() // and then the snapshot, as in Check
		snapshot = e.Snapshot()
		policies = make([]*policy.Policy, n) // nil where the query is not legal
		reqs     = make([]sluice.Request, 0, n)
	)
	if last {
		before = 0
	}
	for i := range n {
		q := queries[number(i)]
		p, err := find(snapshot, q)
		if err != nil {
			results[number(i)].Err = err
			continue
		}
		policies[i] = p
		reqs = append(reqs, request(p, q, before))
	}
	if len(reqs) == 0 {
		return nil
	}
	start := e.now()
	decided := e.store.CheckAll(within, reqs)
	elapsed := e.since(start)
	for i, p := range policies {
		switch r := &results[number(i)]; {
		case p == nil:
			continue
		case errors.Is(decided[0].Err, sluice.ErrStale):
			stale = append(stale, number(i))
		default:
			r.Answer, r.Err = e.answer(ctx, p, queries[number(i)], decided[0], elapsed)
		}
		decided = decided[1:]
	}
	return stale
}

// CheckInline answers one check by the caller's own limits. No policy says what to do when the store fails, so its
// error is returned; the other errors are [*sluice.InvalidError], joined where there are several.
func (e *Engine) CheckInline(ctx context.Context, q Inline) (Answer, error) {
	p := sluice.InlinePolicy(q.Namespace, q.Limits...)
	if err := p.Validate(); err != nil {
		return Answer{}, err
	}
	if err := validate(Query{Key: q.Key, Cost: q.Cost, Peek: q.Peek, Refund: q.Refund}); err != nil {
		return Answer{}, err
	}
	start := e.now()
	d, err := e.store.Check(ctx, sluice.Request{Policy: &p, Key: q.Key, Cost: q.Cost, Refund: uint32(q.Refund), Peek: q.Peek})
	elapsed := e.since(start)
	abandoned := e.health.note(ctx, err, elapsed, writes(q.Peek, q.Refund > 0, err, d.Allowed))
	if err != nil {
		e.observe(ctx, Observation{
			Outcome: Failed, Peek: q.Peek, Refund: q.Refund > 0, Elapsed: elapsed, Err: err, Abandoned: abandoned,
		})
		return Answer{}, err
	}
	e.observe(ctx, Observation{
		Outcome: outcomeOf(d.Allowed, false), Source: d.Source, Peek: q.Peek, Refund: q.Refund > 0, Elapsed: elapsed,
	})
	return Answer{Decision: d, Key: q.Key}, nil
}

// answer makes of what the store said what the policy says to that.
func (e *Engine) answer(ctx context.Context, p *policy.Policy, q Query, r sluice.Result, elapsed time.Duration) (Answer, error) {
	abandoned := false
	if r.Err != nil || r.Decision.Source == sluice.SourceStore { // what was decided without it says nothing of it
		abandoned = e.health.note(ctx, r.Err, elapsed, writes(q.Peek, q.Refund > 0, r.Err, r.Decision.Allowed))
	}
	cause := r.Err
	if cause != nil && p.OnError == sluice.Local && q.Refund == 0 {
		if d, ok := e.fallback.decide(ctx, request(p, q, 0)); ok {
			r = sluice.Result{Decision: d}
		}
	}
	if r.Err != nil && (q.Peek || q.Refund > 0) {
		e.observe(ctx, Observation{
			Policy: q.Policy, Outcome: Failed, Peek: q.Peek, Refund: q.Refund > 0, Elapsed: elapsed, Err: r.Err, Abandoned: abandoned,
		})
		return Answer{}, r.Err
	}
	if r.Err != nil {
		r.Decision = sluice.Decision{Allowed: p.OnError == sluice.Allow, Source: sluice.SourceErrorPolicy, Cost: q.Cost}
	}
	a := Answer{Decision: r.Decision, Policy: q.Policy, Key: q.Key, StoreErr: cause}
	if p.Shadow && !a.Allowed {
		a.Allowed, a.ShadowDenied = true, true
	}
	e.observe(ctx, Observation{
		Policy: q.Policy, Outcome: outcomeOf(a.Allowed, a.ShadowDenied), Source: a.Source, Peek: q.Peek, Refund: q.Refund > 0,
		Elapsed: elapsed, Err: cause, Abandoned: abandoned,
	})
	return a, nil
}

// find returns the policy of a query that is legal.
func find(s *policy.Snapshot, q Query) (*policy.Policy, error) {
	p, ok := s.Get(q.Policy)
	if !ok {
		return nil, &UnknownPolicyError{Policy: q.Policy}
	}
	return p, validate(q)
}

// validate reports what is wrong with a query besides its policy.
func validate(q Query) error {
	if err := sluice.ValidateKey(q.Key); err != nil {
		return err
	}
	if err := sluice.ValidateCost(q.Cost); err != nil || q.Refund == 0 {
		return err
	}
	if err := sluice.ValidateRefund(q.Refund); err != nil {
		return err
	}
	if q.Cost > 0 || q.Peek {
		return &sluice.InvalidError{Field: "refund", Problem: fmt.Sprintf(
			"it is %d in a query that also asks for a cost or a peek; give back and ask in two queries", q.Refund,
		)}
	}
	return nil
}

// request is the question to the store. What the shadow refuses is no refusal, so it counts towards no penalty.
func request(p *policy.Policy, q Query, before sluice.Tick) sluice.Request {
	return sluice.Request{
		Policy: p.For(q.Key), Key: q.Key, Cost: q.Cost, Refund: uint32(q.Refund), Peek: q.Peek, Uncounted: p.Shadow, Before: before,
	}
}
