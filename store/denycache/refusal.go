package denycache

import (
	"errors"
	"math/bits"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sluice-project/sluice"
)

// refusal is one that the store has made. Only what is atomic changes.
type refusal struct {
	decision sluice.Decision
	policy   *sluice.Policy // that was asked, which is not that of the decision where the key has limits of its own
	before   sluice.Tick    // of the request
	sent     time.Duration  // when the store was asked
	until    time.Duration  // when it is over
	led      atomic.Bool    // somebody asks the store anew
	larger   atomic.Pointer[sluice.Decision]
}

// newRefusal returns what there is to remember of a decision by which a request was refused; nil where it is over by now.
func newRefusal(req *sluice.Request, d sluice.Decision, sent, now time.Duration) *refusal {
	until := sent + min(d.RetryAfter, life)
	if until <= now {
		return nil
	}
	d.Source = sluice.SourceDenyCache
	return &refusal{decision: d, policy: req.Policy, before: req.Before, sent: sent, until: until}
}

// refuses reports whether a request is sure to be refused.
func (r *refusal) refuses(req *sluice.Request, now time.Duration) bool {
	return now < r.until && req.Cost >= r.decision.Cost && req.Cost > 0 && !req.Peek && req.Refusals == 0 && sameRules(r.policy, req.Policy)
}

// sameRules reports whether two policies of one name decide alike. Policies that are configured are new ones after each
// change of any of them.
func sameRules(p, q *sluice.Policy) bool {
	if p == q {
		return true
	}
	samePenalty := p.Penalty == q.Penalty || p.Penalty != nil && q.Penalty != nil && *p.Penalty == *q.Penalty
	return p.ResetAt == q.ResetAt && samePenalty && slices.Equal(p.Limits, q.Limits)
}

// leads reports whether a request is the one that goes to the store before the refusal is over, so that those who keep
// asking are not all sent there at once.
func (r *refusal) leads(req *sluice.Request, now time.Duration) bool {
	return now >= r.sent+youth && req.Cost == r.decision.Cost && r.lead()
}

func (r *refusal) lead() bool { return !r.led.Load() && r.led.CompareAndSwap(false, true) }

// answer returns the refusal as it reads now, for a cost that is no smaller.
func (r *refusal) answer(cost int64, now time.Duration) sluice.Decision {
	if cost == r.decision.Cost {
		return r.decision.Aged(now - r.sent)
	}
	d := r.larger.Load()
	if d == nil || d.Cost != cost {
		costlier := r.decision.Costlier(cost, func(l sluice.Limit, o sluice.Outcome) time.Duration {
			return retryAfter(l, o, r.decision.Cost, cost)
		})
		d = &costlier
		r.larger.Store(d) // whoever knocks mostly asks for the same
	}
	return d.Aged(now - r.sent)
}

// retryAfter returns in how long a cost fits into a limit, by what the limit has said of a smaller one: never too long,
// and 0 where it may fit now.
func retryAfter(l sluice.Limit, o sluice.Outcome, smaller, cost int64) time.Duration {
	switch {
	case cost > l.Capacity():
		return sluice.Never
	case cost <= o.Remaining:
		return 0
	case cost == l.Capacity(), l.Algorithm() == sluice.FixedWindow:
		return o.ResetAfter // all of it is back, or the window has ended
	case l.Algorithm() == sluice.TokenBucket:
		_, least := earnTime(l, l.Capacity()-cost)
		retry := max(0, o.ResetAfter-least) // when all is back but for what need not be
		if o.RetryAfter > 0 {
			more, _ := earnTime(l, cost-smaller)
			retry = max(retry, min(o.RetryAfter+more, sluice.MaxWait))
		}
		return retry
	}
	return o.RetryAfter // that of the smaller cost
}

// earnTime returns how long a bucket takes to earn so many units, in whole ticks: rounded down and rounded up.
func earnTime(l sluice.Limit, units int64) (down, up time.Duration) {
	const most = uint64(sluice.MaxWait / time.Microsecond)
	hi, lo := bits.Mul64(uint64(units), uint64(l.Period()/time.Microsecond))
	if hi >= uint64(l.Count()) {
		return sluice.MaxWait, sluice.MaxWait
	}
	ticks, rest := bits.Div64(hi, lo, uint64(l.Count()))
	down = time.Duration(min(ticks, most)) * time.Microsecond
	if rest > 0 {
		return down, down + time.Microsecond
	}
	return down, down
}

// takeBack keeps refusals for the next question where it is known that this one has not reported them.
func (q *question) takeBack(err error) {
	if q.carried > 0 && !errors.Is(err, sluice.ErrUncertain) {
		q.entry.pending.Add(q.carried)
	}
}

// learn remembers a refusal of the store, or that it has admitted what was remembered as refused.
func (s *Store) learn(q *question, req *sluice.Request, d sluice.Decision) {
	if d.Allowed {
		if q.entry != nil {
			s.table.admitted(q, req.Cost)
		}
		return
	}
	if d.Source != sluice.SourceStore {
		return // somebody else's memory
	}
	now := s.now()
	if r := newRefusal(req, d, q.sent, now); r != nil {
		s.table.put(q, req, r, now)
	}
}
