package sluice

import (
	"context"
	"fmt"
	"slices"
)

// Limiter asks one policy of a store. It is safe for concurrent use; nothing runs behind its caller's back. Any number
// of limiters, in any number of processes, may share a store.
type Limiter struct {
	store   Store
	policy  *Policy
	waiting waitQueues
}

// New returns a limiter that decides by the policy and remembers in the store. The error says everything that is wrong
// with the policy, see [Policy.Validate].
func New(store Store, policy Policy) (*Limiter, error) {
	if err := policy.Validate(); err != nil {
		return nil, fmt.Errorf("policy %s: %w", quoteShort(policy.Name), err)
	}
	policy = ownPolicy(policy)
	return &Limiter{store: store, policy: &policy}, nil
}

// ownPolicy returns a policy that shares nothing with another.
func ownPolicy(p Policy) Policy {
	p.Limits = slices.Clone(p.Limits)
	if p.Penalty != nil {
		penalty := *p.Penalty
		p.Penalty = &penalty
	}
	if p.Lease != nil {
		lease := *p.Lease
		p.Lease = &lease
	}
	return p
}

// Policy returns the policy that the limiter decides by.
func (l *Limiter) Policy() Policy {
	return ownPolicy(*l.policy)
}

// Check asks for cost units for a key: all limits of the policy are charged, or none is. The key is 1 to [MaxKeyBytes]
// of any bytes, the cost 0 to [MaxCount]; a cost of 0 takes nothing and is refused only where a key owes more than its
// limit holds, as it may after a limit was lowered. The error is an [*InvalidError] for a key or cost that is not legal,
// else it comes from the store: see [ErrNotSent] and [ErrUncertain].
func (l *Limiter) Check(ctx context.Context, key string, cost int64) (d Decision, err error) {
	if err = validate(key, cost); err == nil {
		d, err = l.store.Check(ctx, Request{Policy: l.policy, Key: key, Cost: cost})
	}
	return d, err
}

// Refund gives units back that were taken before, 0 to [MaxCount]: every limit of the policy then has so many units less
// used, the newest first, and never less than none. So what was charged ahead can be settled afterwards, and what was
// charged for nothing undone. It is refused by no limit; a block that bars the key stays, and the decision says so, while
// the units go back all the same. The decision says what remains after it; to refund 0 is to peek with a cost of 0.
//
// Nobody looks whether the units were taken: whoever may call it can empty a counter. The bound of a limit holds for what
// was taken less what was given back, see docs/algorithms.md. Where the error wraps [ErrUncertain] the units may have gone
// back; to ask again may give them back twice.
func (l *Limiter) Refund(ctx context.Context, key string, units int64) (d Decision, err error) {
	if err = ValidateKey(key); err == nil {
		err = ValidateRefund(units)
	}
	if err != nil {
		return d, err
	}
	return l.store.Check(ctx, Request{Policy: l.policy, Key: key, Refund: uint32(units), Peek: units == 0})
}

// Peek says what a check of cost 1 would be answered now, and takes nothing.
func (l *Limiter) Peek(ctx context.Context, key string) (Decision, error) {
	return l.ask(ctx, Request{Key: key, Cost: 1, Peek: true})
}

// PeekCost says what a check of that cost would be answered now, and takes nothing.
func (l *Limiter) PeekCost(ctx context.Context, key string, cost int64) (Decision, error) {
	return l.ask(ctx, Request{Key: key, Cost: cost, Peek: true})
}

func (l *Limiter) ask(ctx context.Context, req Request) (d Decision, err error) {
	if err = validate(req.Key, req.Cost); err != nil {
		return d, err
	}
	req.Policy = l.policy
	return l.store.Check(ctx, req)
}

// Ask is one check of several.
type Ask struct {
	Key  string
	Cost int64
}

// CheckAll is [Limiter.Check] for several keys and costs in as few round trips as the store can. Each is decided for
// itself, and those of one key in their order. Results are in the order of the asks.
func (l *Limiter) CheckAll(ctx context.Context, asks []Ask) []Result {
	results := make([]Result, len(asks))
	reqs := make([]Request, 0, len(asks))
	places := make([]int, 0, len(asks))
	for i, a := range asks {
		if err := validate(a.Key, a.Cost); err != nil {
			results[i].Err = err
			continue
		}
		reqs, places = append(reqs, Request{Policy: l.policy, Key: a.Key, Cost: a.Cost}), append(places, i)
	}
	if len(reqs) == 0 {
		return results
	}
	for i, r := range l.store.CheckAll(ctx, reqs) {
		results[places[i]] = r
	}
	return results
}

// Reset forgets what a key has used, of all limits of the policy. A block, a penalty and an override stay.
func (l *Limiter) Reset(ctx context.Context, key string) error {
	if err := ValidateKey(key); err != nil {
		return err
	}
	return l.store.Reset(ctx, l.policy, key)
}

func validate(key string, cost int64) error {
	if err := ValidateKey(key); err != nil {
		return err
	}
	return ValidateCost(cost)
}
