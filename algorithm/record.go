package algorithm

import "github.com/sluice-project/sluice"

// Record is what a store keeps of one key of one policy: the state of each limit, and the policy that wrote them. The
// zero Record is a key that was never seen. A Record is not safe for concurrent use.
type Record struct {
	policy *sluice.Policy
	states []State
}

// Decide answers a request at an instant, in ticks since the Unix epoch, and charges it to the record if all limits
// allow. A refusal and a peek leave the record as it is, unless a state had to be replaced: one from more than a period
// ahead, or one written under other numbers. Where the record was written, it means nothing any more once the
// decision's ResetAfter has passed. Decide allocates only for a key's first admission, for admissions that a sliding
// window has no room for yet, and where the policy changed or has more than three limits.
func (r *Record) Decide(req sluice.Request, now sluice.Tick) (d sluice.Decision, written bool) {
	limits := req.Policy.Limits
	var space [sluice.MaxLimits]State
	states := space[:len(limits)]
	replaced := r.read(req.Policy, int64(now), states)

	fits := true
	for i := range limits {
		n := numbersOf(&limits[i])
		replaced = states[i].advance(n, int64(now)) || replaced
		fits = fits && states[i].fits(n, int64(now), req.Cost)
	}
	charge := fits && !req.Peek && req.Cost > 0
	d = sluice.NewDecision(req)
	for i := range limits {
		n := numbersOf(&limits[i])
		if charge {
			states[i].take(n, int64(now), req.Cost)
		}
		d.Add(states[i].outcome(n, int64(now), req.Cost, charge))
	}
	if charge || replaced {
		r.write(req.Policy, states)
	}
	return d, charge || replaced
}

// read puts the record's states in the order of the policy's limits, carried over where their numbers have changed,
// and reports whether any were.
func (r *Record) read(p *sluice.Policy, now int64, states []State) (carried bool) {
	if r.policy == p {
		copy(states, r.states)
		return false
	}
	if r.policy == nil {
		return false
	}
	for i := range p.Limits {
		for j := range r.policy.Limits {
			if p.Limits[i].Name() != r.policy.Limits[j].Name() {
				continue
			}
			states[i] = r.states[j]
			old, n := numbersOf(&r.policy.Limits[j]), numbersOf(&p.Limits[i])
			if !sameRule(old, n) && !states[i].fresh() {
				old.capacity = n.capacity // for a state from ahead: all is used now
				states[i].advance(old, now)
				states[i].carry(old, n, now)
				carried = true
			}
		}
	}
	return carried
}

func (r *Record) write(p *sluice.Policy, states []State) {
	if len(r.states) != len(states) {
		r.states = make([]State, len(states))
	}
	copy(r.states, states)
	r.policy = p
}
