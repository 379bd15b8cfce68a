package sluice

import (
	"fmt"
	"math"
	"slices"
	"time"
)

const (
	// Never is the RetryAfter of a cost that can never fit. It is greater than every other duration of a decision.
	Never = time.Duration(math.MaxInt64)
	// MaxWait is the greatest RetryAfter and ResetAfter that are exact, about 285 years; a longer one reads MaxWait.
	MaxWait = (1<<53 - 1) * time.Microsecond
)

// Source says who made a decision.
type Source uint8

// RetryAfter, Remaining and ResetAfter are exact where the source is SourceStore; from every other source they are what
// that source can know at the least.
const (
	SourceStore       Source = iota // the store that all servers share
	SourceLease                     // units that this server took ahead
	SourceDenyCache                 // a refusal that this server remembers
	SourceFallback                  // this server's share, while the store cannot be reached
	SourceErrorPolicy               // nobody knew, and the policy says what to do then
)

// String returns the source as the HTTP door spells it: "store", "lease", "deny-cache", "fallback" or "error-policy".
func (s Source) String() string {
	switch s {
	case SourceStore:
		return "store"
	case SourceLease:
		return "lease"
	case SourceDenyCache:
		return "deny-cache"
	case SourceFallback:
		return "fallback"
	case SourceErrorPolicy:
		return "error-policy"
	}
	return fmt.Sprintf("Source(%d)", uint8(s))
}

// ErrorPolicy says what a check is answered when the store cannot decide it. The zero value is [Allow].
type ErrorPolicy uint8

const (
	// Allow lets the caller through: an outage of the store is no outage of what it guards.
	Allow ErrorPolicy = iota
	// Deny refuses the caller: what is guarded must never be used without a decision.
	Deny
	// Local decides by this process's share of each limit, in its own memory: the shares of all servers add up to the limit,
	// see [Limit.Share]. Only the server's engine has what that takes; everywhere else Local is [Deny].
	Local
)

// String returns "allow", "deny" or "local".
func (p ErrorPolicy) String() string {
	switch p {
	case Allow:
		return "allow"
	case Deny:
		return "deny"
	case Local:
		return "local"
	}
	return fmt.Sprintf("ErrorPolicy(%d)", uint8(p))
}

// Decision is the answer to a check. A refusal is a decision and not an error. It is a value of its own: nothing that
// it returns is shared with later decisions.
type Decision struct {
	// Allowed says whether all limits of the policy had room and no block bars the key. Where it is true the cost was
	// charged to all of them, unless it was a peek; where it is false nothing was charged to any.
	Allowed bool
	// Source says who decided.
	Source Source
	count  uint8 // of the limits that have spoken; here, where it makes the decision no larger
	// Cost is the units that were asked for, 0 where units were given back.
	Cost int64
	// Remaining is how many more checks of cost 1 would be allowed at this instant: the least over the limits.
	Remaining int64
	// RetryAfter is, after a refusal, the time until the same check would be allowed if nobody else asks: it is
	// refused one microsecond earlier. It is the greatest over the limits and a block, [Never] where the cost can never
	// fit, and 0 when allowed.
	RetryAfter time.Duration
	// ResetAfter is the time until all limits read as if the key had never been seen and no block bars it, if nobody
	// asks: the greatest over the limits and a block.
	ResetAfter time.Duration

	policy   *Policy
	outcomes [inlineOutcomes]outcome
	more     *more
}

// more is what few decisions have.
type more struct {
	outcomes [MaxLimits - inlineOutcomes]outcome
	block    Block
	left     time.Duration // that the block had when it was joined
	barred   bool
}

// inlineOutcomes is how many limits a decision carries without allocating.
const inlineOutcomes = 3

// Outcome is what one limit of the policy says of a request.
type Outcome struct {
	// Allowed says whether this limit had room.
	Allowed bool
	// Remaining, RetryAfter and ResetAfter are those of [Decision], for this limit alone. RetryAfter is more than 0
	// exactly where the limit had no room.
	Remaining  int64
	RetryAfter time.Duration
	ResetAfter time.Duration
}

// outcome is an [Outcome] in fewer bytes: decisions are copied often.
type outcome struct {
	remaining              int64
	retryAfter, resetAfter time.Duration
}

// LimitDecision is what a decision says of one limit.
type LimitDecision struct {
	Limit Limit
	Outcome
}

// NewDecision returns the decision of a request before any of its limits has spoken: allowed. It is for stores, which
// then call [Decision.Add] once for each limit of the policy, in their order.
func NewDecision(req Request) Decision {
	return Decision{Allowed: true, Cost: req.Cost, policy: req.Policy}
}

// Add joins what the policy's next limit says.
func (d *Decision) Add(o Outcome) {
	if d.count == 0 {
		d.Remaining = o.Remaining
	}
	d.Allowed = d.Allowed && o.Allowed
	d.Remaining = min(d.Remaining, o.Remaining)
	d.RetryAfter = max(d.RetryAfter, o.RetryAfter)
	d.ResetAfter = max(d.ResetAfter, o.ResetAfter)
	if d.count < inlineOutcomes {
		d.outcomes[d.count] = outcome{o.Remaining, o.RetryAfter, o.ResetAfter}
	} else {
		if d.more == nil {
			d.more = new(more)
		}
		d.more.outcomes[d.count-inlineOutcomes] = outcome{o.Remaining, o.RetryAfter, o.ResetAfter}
	}
	d.count++
}

// Bar joins a block that bars the key for a time yet. It is for stores, which call it after the last [Decision.Add], or
// without one.
func (d *Decision) Bar(b Block, left time.Duration) {
	var m more
	if d.more != nil {
		m = *d.more // copies of the decision may have it too
	}
	m.block, m.left, m.barred = b, left, true
	d.more = &m
	d.Allowed, d.Remaining = false, 0
	d.RetryAfter, d.ResetAfter = max(d.RetryAfter, left), max(d.ResetAfter, left)
}

// Aged returns a decision that a store has made as it reads when so much time has passed and nobody else has asked: each
// RetryAfter and ResetAfter is that much less. Remaining stays, and is no more than what remains by then. It is for stores
// that remember refusals; of a refusal whose RetryAfter has passed it says nothing. It allocates only where a decision has
// more than three limits, or a block that has ended.
func (d Decision) Aged(passed time.Duration) Decision {
	passed = passed.Truncate(time.Microsecond)
	d.RetryAfter, d.ResetAfter = less(d.RetryAfter, passed), less(d.ResetAfter, passed)
	for i := range min(int(d.count), inlineOutcomes) {
		d.outcomes[i].age(passed)
	}
	unbar := d.more != nil && d.more.barred && d.more.left <= passed
	if d.count <= inlineOutcomes && !unbar {
		return d
	}
	m := *d.more
	for i := range m.outcomes {
		m.outcomes[i].age(passed)
	}
	if unbar {
		m.block, m.barred = Block{}, false
	}
	d.more = &m
	return d
}

func (o *outcome) age(passed time.Duration) {
	o.retryAfter, o.resetAfter = less(o.retryAfter, passed), less(o.resetAfter, passed)
}

// less takes off a duration the time that has passed.
func less(d, passed time.Duration) time.Duration {
	if d == Never {
		return Never
	}
	return max(0, d-passed)
}

// Costlier returns a refusal as that of a greater cost: retry says of each limit, and of what it said, when that cost
// would fit, 0 where it may fit now. It is for stores that remember refusals.
func (d Decision) Costlier(cost int64, retry func(l Limit, o Outcome) time.Duration) Decision {
	d.Cost = cost
	if d.count > inlineOutcomes {
		m := *d.more
		d.more = &m
	}
	for i := range int(d.count) {
		o := d.outcome(i)
		o.retryAfter = max(o.retryAfter, retry(d.policy.Limits[i], Outcome{o.retryAfter == 0, o.remaining, o.retryAfter, o.resetAfter}))
		d.RetryAfter = max(d.RetryAfter, o.retryAfter)
		if i < inlineOutcomes {
			d.outcomes[i] = o
		} else {
			d.more.outcomes[i-inlineOutcomes] = o
		}
	}
	return d
}

// Blocked returns the block that bars the key, and whether there is one. It is a reason of its own: the limits may have
// room.
func (d Decision) Blocked() (b Block, barred bool) {
	if d.more == nil {
		return b, false
	}
	return d.more.block, d.more.barred
}

// Limits returns what each limit of the policy said, in the policy's order. It is empty where the source is
// [SourceErrorPolicy]. It allocates.
func (d Decision) Limits() []LimitDecision {
	return d.AppendLimits(make([]LimitDecision, 0, d.count))
}

// AppendLimits appends [Decision.Limits] to a list, and allocates only where that has no room.
func (d *Decision) AppendLimits(all []LimitDecision) []LimitDecision {
	for i := range int(d.count) {
		o := d.outcome(i)
		all = append(all, LimitDecision{d.policy.Limits[i], Outcome{o.retryAfter == 0, o.remaining, o.retryAfter, o.resetAfter}})
	}
	return all
}

// DeniedBy returns the names of the limits that refused, in the policy's order; nil when allowed.
func (d Decision) DeniedBy() []string {
	var names []string
	for i := range int(d.count) {
		if d.outcome(i).retryAfter > 0 {
			names = append(names, d.policy.Limits[i].Name())
		}
	}
	return names
}

// Equal reports whether two decisions agree in every field and in what every limit said.
func (d Decision) Equal(e Decision) bool {
	return d.Allowed == e.Allowed && d.Source == e.Source && d.Cost == e.Cost && d.Remaining == e.Remaining &&
		d.RetryAfter == e.RetryAfter && d.ResetAfter == e.ResetAfter && slices.Equal(d.Limits(), e.Limits()) && d.sameBlock(e)
}

func (d Decision) sameBlock(e Decision) bool {
	b, barred := d.Blocked()
	c, also := e.Blocked()
	return barred == also && b == c
}

// String returns the decision as one line for people, such as "refused by day: retry in 3h0m0s, remaining 0".
func (d Decision) String() string {
	if d.Allowed {
		return fmt.Sprintf("allowed: remaining %d, reset in %s", d.Remaining, d.ResetAfter)
	}
	b, barred := d.Blocked()
	switch {
	case barred && d.RetryAfter == Never:
		return fmt.Sprintf("blocked (%s): a cost of %d can never fit", b.Reason, d.Cost)
	case barred:
		return fmt.Sprintf("blocked (%s): retry in %s", b.Reason, d.RetryAfter)
	case d.RetryAfter == Never:
		return fmt.Sprintf("refused by %v: a cost of %d can never fit, remaining %d", d.DeniedBy(), d.Cost, d.Remaining)
	}
	return fmt.Sprintf("refused by %v: retry in %s, remaining %d", d.DeniedBy(), d.RetryAfter, d.Remaining)
}

func (d *Decision) outcome(i int) outcome {
	if i < inlineOutcomes {
		return d.outcomes[i]
	}
	return d.more.outcomes[i-inlineOutcomes]
}
