package algorithm

import "github.com/sluice-project/sluice"

// Record is what a store keeps of one key of one policy: the state of each limit, and the policy that wrote them. The
// zero Record is a key that was never seen. A Record is not safe for concurrent use, and must not be copied once it was
// written.
type Record struct {
	policy *sluice.Policy
	first  state    // of the first limit
	others *[]state // of the others; nil where there are none, which keeps the record small
}

// look is a state on which a decision is tried out, and the units that count as used at its instant.
type look struct {
	state
	usedNow int64
}

// Decide answers a request at an instant, in ticks since the Unix epoch, and charges it to the record if all limits
// allow, or gives its refund back. A refusal and a peek leave the record as it is, unless a state had to be replaced:
// one from more than a period ahead, or one written under a limit of another rule. Where the record was written, it
// means nothing any more once the decision's ResetAfter has passed. Decide allocates only for a key's first admission,
// for admissions that a sliding window has no room for yet, and where the policy changed or has more than three limits.
func (r *Record) Decide(req *sluice.Request, now sluice.Tick, d *sluice.Decision) (written bool) {
	if len(req.Policy.Limits) == 1 {
		var looks [1]look
		return r.decide(req, int64(now), looks[:], d)
	}
	var looks [sluice.MaxLimits]look
	return r.decide(req, int64(now), looks[:len(req.Policy.Limits)], d)
}

// Policy returns the policy that wrote the record, nil where none has.
func (r *Record) Policy() *sluice.Policy { return r.policy }

// ResetAt returns the ResetAt of the policy that wrote the record, 0 where none has.
func (r *Record) ResetAt() sluice.Tick {
	if r.policy == nil {
		return 0
	}
	return r.policy.ResetAt
}

func (r *Record) decide(req *sluice.Request, now int64, looks []look, d *sluice.Decision) (written bool) {
	limits := req.Policy.Limits
	replaced := false
	if r.policy == req.Policy {
		r.read(looks)
	} else if r.policy != nil {
		replaced = r.carry(req.Policy, now, looks)
	}
	fits := true
	for i := range looks {
		l, s := &limits[i], &looks[i]
		used, ahead := s.advance(l, now)
		s.usedNow = used
		replaced = replaced || ahead
		fits = fits && req.Cost <= l.Capacity()-used
	}
	charge := fits && !req.Peek && req.Cost > 0
	if !charge && req.Refund > 0 {
		return r.refund(req, now, looks, replaced, d)
	}
	*d = sluice.NewDecision(*req)
	for i := range looks {
		l, s := &limits[i], &looks[i]
		if charge {
			s.take(l, now, req.Cost)
			s.usedNow += req.Cost
		}
		d.Add(s.outcome(l, now, req.Cost, charge))
	}
	if charge || replaced {
		r.write(req.Policy, looks)
	}
	return charge || replaced
}

// outcome says what a limit tells the caller; charged says that the cost is already in the state.
func (s *look) outcome(l *sluice.Limit, now, cost int64, charged bool) sluice.Outcome {
	room := l.Capacity() - s.usedNow
	o := sluice.Outcome{
		Allowed:    charged || cost <= room,
		Remaining:  max(0, room),
		ResetAfter: wait(s.resetAt(l), now),
	}
	switch {
	case o.Allowed:
	case cost > l.Capacity():
		o.RetryAfter = sluice.Never
	default:
		o.RetryAfter = wait(s.retryAt(l, cost), now)
	}
	return o
}

// read copies the states, which the same policy has written.
func (r *Record) read(looks []look) {
	looks[0].state = r.first
	if r.others != nil {
		for i, s := range *r.others {
			looks[i+1].state = s
		}
	}
}

// carry finds the states of a policy's limits by their names among those that another has written. It reports whether any
// had to be replaced, because it was written under another rule. What was written under another ResetAt means nothing.
func (r *Record) carry(p *sluice.Policy, now int64, looks []look) (replaced bool) {
	if r.policy.ResetAt != p.ResetAt {
		return false
	}
	for i := range p.Limits {
		for j := range r.policy.Limits {
			l, old := &p.Limits[i], &r.policy.Limits[j]
			if l.Name() != old.Name() {
				continue
			}
			s := &looks[i].state
			if *s = r.first; j > 0 {
				*s = (*r.others)[j-1]
			}
			if !s.fresh() && !sameRule(old, l) {
				s.carry(old, l, now)
				replaced = true
			}
		}
	}
	return replaced
}

func (r *Record) write(p *sluice.Policy, looks []look) {
	r.policy, r.first = p, looks[0].state
	others := looks[1:]
	switch {
	case len(others) == 0:
		if r.others != nil {
			r.others = nil
		}
		return
	case r.others == nil || len(*r.others) != len(others):
		states := make([]state, len(others))
		r.others = &states
	}
	for i := range others {
		(*r.others)[i] = others[i].state
	}
}
