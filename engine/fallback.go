package engine

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-project/sluice"
)

// fallback decides by this server's share of the limits, in a store of its own, what the store that all servers share cannot
// decide. What it has admitted it keeps when the store is back: within a span of any limit it then admits no more than the
// share in all of several failures together.
type fallback struct {
	store  sluice.Store // nil where there is none
	fleet  func() (index, count int)
	shares atomic.Pointer[shares]
}

// retryShare is when a caller may ask again whom a server has no unit for: the store may be back by then.
const retryShare = time.Second

// mostShares is how many policies have their shares remembered. Policies come and go with each snapshot.
const mostShares = 1 << 12

// shares are the limits of policies as one server of a fleet has them.
type shares struct {
	index, count int
	mu           sync.Mutex
	of           map[*sluice.Policy]*share
}

// share is what a server has of a policy.
type share struct {
	policy sluice.Policy
	none   [sluice.MaxLimits]bool // of limit i it has nothing
	some   bool                   // of one of them
}

// decide answers a request that the store did not answer, whatever has become of the caller's context; ok is false where
// nothing is there to decide it.
func (f *fallback) decide(ctx context.Context, req sluice.Request) (d sluice.Decision, ok bool) {
	if f.store == nil {
		return d, false
	}
	s := f.shareOf(req.Policy)
	if s.some && req.Cost > 0 {
		return s.refuse(req), true
	}
	ask := req
	ask.Policy = &s.policy
	d, err := f.store.Check(context.WithoutCancel(ctx), ask)
	if err != nil {
		return d, false
	}
	return s.tell(req, d), true
}

// shareOf returns this server's share of a policy.
func (f *fallback) shareOf(p *sluice.Policy) *share {
	index, count := f.fleet()
	all := f.shares.Load()
	if all == nil || all.index != index || all.count != count {
		all = &shares{index: index, count: count, of: make(map[*sluice.Policy]*share)}
		f.shares.Store(all) // where two do, the one who is later has it made anew once more
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	s := all.of[p]
	if s == nil {
		if len(all.of) == mostShares {
			clear(all.of)
		}
		s = newShare(p, index, count)
		all.of[p] = s
	}
	return s
}

// newShare returns the share of a policy. It has no penalty and no lease: what a block is and whom it bars is known to the
// store alone.
func newShare(p *sluice.Policy, index, count int) *share {
	s := &share{policy: sluice.Policy{Name: p.Name, ResetAt: p.ResetAt, Limits: make([]sluice.Limit, len(p.Limits))}}
	for i, l := range p.Limits {
		part, ok := l.Share(index, count)
		if !ok {
			part, s.none[i], s.some = l, true, true
		}
		s.policy.Limits[i] = part
	}
	return s
}

// refuse answers a request by a policy of which the server has a share of nothing: another server may have a unit.
func (s *share) refuse(req sluice.Request) sluice.Decision {
	d := sluice.NewDecision(req)
	d.Source = sluice.SourceFallback
	for i := range req.Policy.Limits {
		o := sluice.Outcome{Allowed: true}
		if s.none[i] {
			o = sluice.Outcome{RetryAfter: retryShare, ResetAfter: retryShare}
		}
		d.Add(o)
	}
	return d
}

// tell says a decision by the share as one by the limits themselves, which are what callers know. A cost that does not fit
// into the share can fit when the store is back, unless it does not fit into the limit.
func (s *share) tell(req sluice.Request, by sluice.Decision) sluice.Decision {
	var room [sluice.MaxLimits]sluice.LimitDecision
	d := sluice.NewDecision(req)
	d.Source = sluice.SourceFallback
	for i, l := range by.AppendLimits(room[:0]) {
		if s.none[i] {
			l.Remaining = 0
		}
		if l.RetryAfter == sluice.Never && req.Cost <= req.Policy.Limits[i].Capacity() {
			l.RetryAfter = retryShare
		}
		d.Add(l.Outcome)
	}
	return d
}
