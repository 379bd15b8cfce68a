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
	now      sluice.Tick
	last     []sighting // for each key
}

// sighting is what is known of a key from the last decision about it.
type sighting struct {
	at       sluice.Tick
	decision sluice.Decision
	admitted sluice.Tick // when it was last charged, 0 if never
}

func newScene(s sequence, policy string) *scene {
	sc := &scene{sequence: s, now: s.start, last: make([]sighting, len(s.keys))}
	for _, limits := range s.versions {
		sc.policies = append(sc.policies, &sluice.Policy{Name: policy, Limits: limits})
	}
	return sc
}

func (sc *scene) policy() *sluice.Policy { return sc.policies[sc.version] }

// request returns what an ask means now.
func (sc *scene) request(a ask) sluice.Request {
	key := a.key % len(sc.keys)
	return sluice.Request{Policy: sc.policy(), Key: sc.keys[key], Cost: sc.cost(a.cost, key), Peek: a.peek, At: sc.now}
}

// saw takes note of the answer to a request.
func (sc *scene) saw(key int, req sluice.Request, d sluice.Decision) {
	s := &sc.last[key]
	s.at, s.decision = req.At, d
	if d.Allowed && req.Cost > 0 && !req.Peek {
		s.admitted = req.At
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
		to += period - to%period + off
	case movePeriod:
		to = s.admitted + period + off
	case moveBackTicks:
		to -= sluice.Tick(1 + m.n*m.n)
	case moveBackPart:
		to -= period / sluice.Tick(1+m.n%8)
	case moveBackFar:
		to = s.admitted - period + off
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
