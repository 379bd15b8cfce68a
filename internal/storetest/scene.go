package storetest

import (
	"time"

	"github.com/sluice-project/sluice"
)

// scene is the place of a sequence that is being played: it gives words their meaning.
type scene struct {
	sequence
	policies []*sluice.Policy // one for each version
	version  int
	resetAt  sluice.Tick // of all of them
	now      sluice.Tick
	last     []sighting // for each key
}

// sighting is what is known of a key from the last decision about it.
type sighting struct {
	at       sluice.Tick
	decision sluice.Decision
	admitted sluice.Tick // when it was last charged, 0 if never
	refused  sluice.Tick // when a refusal of it last counted, 0 if never
	standing sluice.Standing
}

func newScene(s sequence, policy string) *scene {
	sc := &scene{sequence: s, now: s.start, last: make([]sighting, len(s.keys))}
	for _, v := range s.versions {
		sc.policies = append(sc.policies, &sluice.Policy{Name: policy, Limits: v.limits, Penalty: v.penalty})
	}
	return sc
}

func (sc *scene) policy() *sluice.Policy { return sc.policies[sc.version] }

// resetAll forgets the counters of all keys. What was counted under an earlier ResetAt is not met again.
func (sc *scene) resetAll() {
	sc.resetAt = max(sc.now, sc.resetAt+1)
	for i, p := range sc.policies {
		other := *p
		other.ResetAt = sc.resetAt
		sc.policies[i] = &other
	}
	for key := range sc.last {
		sc.last[key] = sighting{standing: sc.last[key].standing}
	}
}

// amendment returns what a step asks to change of a key's standing. In a steady scene no limits change.
func (sc *scene) amendment(st step, key int) sluice.Amendment {
	a := sluice.Amendment{Policy: sc.policy().Name, Key: sc.keys[key], At: sc.now}
	lasts, until := sc.ending(st.amend)
	switch {
	case st.kind == stepBar:
		if lasts == 0 && until == 0 {
			until = 1 // a block for good there is none
		}
		a.Bar = &sluice.Bar{For: lasts, Until: until, Reason: st.amend.reason}
	case st.kind == stepUnbar:
		a.Unbar = true
	case st.kind == stepExcept && !sc.steady:
		a.Except = &sluice.Exception{Limits: st.amend.limits, For: lasts, Until: until}
	case st.kind == stepUnexcept:
		a.Unexcept = true
	}
	return a
}

// ending says when something ends: for how long it lasts, or until when, or neither.
func (sc *scene) ending(a amend) (lasts time.Duration, until sluice.Tick) {
	switch a.until {
	case untilOn:
		return a.lasts, 0
	case untilThen:
		return 0, sc.now + ticks(a.lasts)
	case untilNext:
		return 0, sc.now + 1
	case untilNow:
		return 0, sc.now
	case untilPast:
		return 0, max(1, sc.now-century)
	case untilFar:
		return 0, min(sc.now+century, 1<<53-1)
	}
	return 0, 0
}

// request returns what an ask means now.
func (sc *scene) request(a ask) sluice.Request {
	key := a.key % len(sc.keys)
	req := sluice.Request{
		Policy: sc.policy(), Key: sc.keys[key], Cost: sc.cost(a.cost, key), Peek: a.peek, Uncounted: a.uncounted, Refusals: a.refusals, At: sc.now,
	}
	if a.refund {
		req.Refund, req.Cost, req.Peek = uint32(sc.refund(a.cost, key)), 0, false
	}
	return req
}

// refund returns what the words of a cost mean where it is given back.
func (sc *scene) refund(c cost, key int) int64 {
	used := sc.capacity()
	if s := sc.last[key]; s.at != 0 {
		used -= min(used, s.decision.Remaining)
	}
	switch c.kind {
	case costRemaining:
		return used
	case costMore:
		return min(used+1, sluice.MaxCount)
	}
	return sc.cost(c, key)
}

// saw takes note of the answer to a request.
func (sc *scene) saw(key int, req sluice.Request, d sluice.Decision) {
	s := &sc.last[key]
	s.at, s.decision = req.At, d
	if d.Allowed && req.Cost > 0 && !req.Peek {
		s.admitted = req.At
	}
	if !d.Allowed && req.Cost > 0 && !req.Peek && !req.Uncounted || req.Refusals > 0 {
		s.refused = req.At
	}
	if b, barred := d.Blocked(); barred {
		s.standing.Block = &b
	}
}

func (sc *scene) cost(c cost, key int) int64 {
	remaining := sc.capacity()
	if s := sc.last[key]; s.at != 0 {
		remaining = s.decision.Remaining
	}
	units := c.n
	switch c.kind {
	case costRemaining:
		units = remaining
	case costMore:
		units = remaining + 1
	case costHalf:
		units = (sc.capacity() + 1) / 2
	case costCapacity:
		units = sc.capacity()
	case costBeyond:
		units = sc.capacity() + 1
	case costGreatest:
		units = sluice.MaxCount
	}
	return min(units, sluice.MaxCount)
}

// capacity returns the greatest cost that the whole policy can ever allow.
func (sc *scene) capacity() int64 {
	least := int64(sluice.MaxCount)
	for _, l := range sc.policy().Limits {
		least = min(least, l.Capacity())
	}
	return least
}

// instant returns where a move takes the clock, for the sake of a key.
func (sc *scene) instant(m move, key int) sluice.Tick {
	s := sc.last[key]
	l := sc.policy().Limits[m.n%len(sc.policy().Limits)]
	period := ticks(l.Period())
	off := sluice.Tick(m.off)
	to := sc.now
	switch m.kind {
	case moveTick:
		to++
	case movePart:
		to += period / sluice.Tick(1+m.n)
	case moveRetry:
		if to++; s.decision.RetryAfter > 0 && s.decision.RetryAfter < sluice.MaxWait {
			to = s.at + ticks(s.decision.RetryAfter) + off
		}
	case moveReset:
		to = s.at + ticks(s.decision.ResetAfter) + off
	case moveLife:
		to = s.end() + off
	case moveEdge:
		edge := to + period - to%period
		if c, ok := l.Calendar(); ok {
			_, edge = c.Window(to)
		}
		to = edge + off
	case movePeriod:
		to = s.admitted + period + off
	case moveBackTicks:
		to -= sluice.Tick(1 + m.n*m.n)
	case moveBackPart:
		to -= period / sluice.Tick(1+m.n%8)
	case moveBackFar:
		to = s.admitted - period + off
	case moveBlock:
		if b := s.standing.Block; b != nil {
			to = b.Until + off
		}
	case moveFades:
		if b, p := s.standing.Block, sc.policy().Penalty; b != nil && p != nil {
			to = b.Until + ticks(p.Longest()) + off
		}
	case moveOverride:
		if o := s.standing.Override; o != nil && o.Until != 0 {
			to = o.Until + off
		}
	case moveWithin:
		if p := sc.policy().Penalty; p != nil {
			to = s.refused + ticks(p.Within) + off
		}
	case moveCentury:
		to += century * sluice.Tick(1-2*(m.n%2))
	}
	back := m.kind == moveBackTicks || m.kind == moveBackPart || m.kind == moveBackFar && s.admitted != 0 || m.kind == moveCentury
	if sc.steady || !back {
		to = max(to, sc.now)
	}
	return min(max(to, 1), lastInstant)
}

// end returns the instant at which the time to live that a store gave to the key is over, as far as decisions tell.
func (s sighting) end() sluice.Tick {
	whole := (s.decision.ResetAfter + time.Millisecond - 1) / time.Millisecond * time.Millisecond
	return s.at + ticks(whole)
}

func ticks(d time.Duration) sluice.Tick { return sluice.Tick(d / time.Microsecond) }
