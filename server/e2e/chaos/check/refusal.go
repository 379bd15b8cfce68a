package check

import (
	"cmp"
	"math"
	"slices"

	"github.com/sluice-project/sluice/server/e2e/chaos/record"
)

const (
	// linger is how much longer than the faults around it a question without a decision may still be carried out.
	linger = 2e9
	// clockSlack is by how much an instant of Redis may lie before the question that it decides: it cuts to microseconds
	// and reads its clock now and then.
	clockSlack = 1e6
)

// refusals sees that nothing was taken but what was admitted: what a decision of the store says is left of a key, or that
// too little is, against what must be left at the least, were all taken that was admitted, as late as it can have been.
//
// A question without a decision may have taken its units, at any time until the faults around it are over. From then on
// nothing is taken for granted but that a bucket holds no less than nothing, and that what was taken before a period is
// over. Policies with leases are left out: of them units are out that nobody has asked for.
func (s *subject) refusals(r *Report) {
	if s.policy.Lent {
		return
	}
	var charges []record.Check // what was taken for sure
	type span struct{ from, to int64 }
	var unknown []span // when units may be taken of which nobody knows
	for i := range s.checks {
		switch c := &s.checks[i]; {
		case admitted(c):
			charges = append(charges, *c)
		case c.Cost > 0 && c.Source != record.Store && c.Source != record.DenyCache:
			u := span{c.Asked, s.overBy(c)}
			if n := len(unknown); n > 0 && u.from <= unknown[n-1].to {
				unknown[n-1].to = max(unknown[n-1].to, u.to)
			} else {
				unknown = append(unknown, u)
			}
		}
	}
	models := make([]*model, len(s.policy.Limits))
	taken := newTaken(charges)
	for i := range models {
		models[i] = &model{limit: &s.policy.Limits[i], taken: taken, charges: taken.byAnswer}
	}
	since := int64(0) // nothing was used before the run
	for i := range s.checks {
		c := &s.checks[i]
		if c.Source != record.Store {
			continue
		}
		for len(unknown) > 0 && unknown[0].to <= c.Asked-clockSlack {
			since = unknown[0].to
			unknown = unknown[1:]
		}
		if len(unknown) > 0 && unknown[0].from < c.Answered() {
			continue
		}
		least := int64(math.MaxInt64)
		for _, m := range models {
			least = min(least, m.room(c, since))
		}
		cost := int64(c.Cost)
		if cost > 0 && least >= cost || least > 0 && c.Remaining != record.Unknown { // else no answer would be a violation
			r.Looked[Refusal]++
		}
		switch {
		case !c.Allowed && cost > 0 && least >= cost:
			r.violate(Refusal, "%s: %d refused at %s by server %d (%s), though %d must be left at the least", s.name, cost, s.at(c.Asked),
				c.Server, c.Door, least)
			return
		case c.Remaining == record.Unknown:
		case c.Allowed && int64(c.Remaining)+cost < least, !c.Allowed && int64(c.Remaining) < least:
			r.violate(Refusal, "%s: %d asked for at %s of server %d (%s), allowed: %v, %d left, though there were %d before at the least", s.name,
				cost, s.at(c.Asked), c.Server, c.Door, c.Allowed, c.Remaining, least)
			return
		}
	}
}

// overBy returns when a question without a decision is carried out no more.
func (s *subject) overBy(c *record.Check) int64 {
	over := c.Answered()
	for again := true; again; { // a fault may be followed by another that holds it longer
		again = false
		for i := range s.run.Faults {
			if f := &s.run.Faults[i]; f.From <= over && f.To > over {
				over, again = f.To, true
			}
		}
	}
	return over + linger
}

// taken is the sums of what was taken, by question and by answer.
type taken struct {
	byAnswer        []record.Check
	asked, answered []int64
	sumAsked        []int64 // of the first n by question
	sumAnswered     []int64
}

func newTaken(charges []record.Check) *taken {
	t := &taken{byAnswer: slices.Clone(charges), sumAsked: []int64{0}, sumAnswered: []int64{0}}
	for i := range charges {
		t.asked = append(t.asked, charges[i].Asked)
		t.sumAsked = append(t.sumAsked, t.sumAsked[i]+int64(charges[i].Cost))
	}
	slices.SortStableFunc(t.byAnswer, func(a, b record.Check) int { return cmp.Compare(a.Answered(), b.Answered()) })
	for i := range t.byAnswer {
		t.answered = append(t.answered, t.byAnswer[i].Answered())
		t.sumAnswered = append(t.sumAnswered, t.sumAnswered[i]+int64(t.byAnswer[i].Cost))
	}
	return t
}

// between returns the units that may have been taken after one instant and until another: what was answered after the
// one and asked until the other, but for those of one check.
func (t *taken) between(after, until int64, but *record.Check) int64 {
	asked, _ := slices.BinarySearch(t.asked, until+1)
	answered, _ := slices.BinarySearch(t.answered, after+1)
	units := t.sumAsked[asked] - t.sumAnswered[answered]
	if admitted(but) {
		units -= int64(but.Cost)
	}
	return units
}

// model is the least that is left of one limit.
type model struct {
	limit   *record.Limit
	taken   *taken
	charges []record.Check // of a bucket: those that have not been taken off its level, in the order of their answers
	level   int64          // of a bucket, in units times the period
	at      int64          // the instant of that level
}

// room returns how many units must be left before a check at the least, if nothing is known of what was before an
// instant. The checks come in the order in which they were asked.
func (m *model) room(c *record.Check, since int64) int64 {
	l, now := m.limit, c.Asked-clockSlack
	switch l.Algorithm {
	case record.TokenBucket:
		return m.bucket(c, since)
	case record.AlignedWindow:
		return m.window(c, since, now-now%l.Period)
	case record.SlidingCounter:
		return m.window(c, since, now-now%l.Period-l.Period)
	case record.SlidingWindow:
		return m.window(c, since, now-l.Period-l.Period/64)
	default:
		return m.window(c, since, now-l.Period)
	}
}

// window is for limits of which nothing counts that was taken before an instant.
func (m *model) window(c *record.Check, since, from int64) int64 {
	if from < since {
		return 0
	}
	return max(0, m.limit.Count-m.taken.between(from-1, c.Answered(), c))
}

func (m *model) bucket(c *record.Check, since int64) int64 {
	l, now := m.limit, c.Asked-clockSlack
	switch {
	case m.at == 0 && since == 0: // it begins full
		m.level, m.at = l.Burst*l.Period, 1
	case since > m.at:
		m.level, m.at = 0, since
	}
	for len(m.charges) > 0 && m.charges[0].Answered() <= now {
		charge := &m.charges[0]
		m.charges = m.charges[1:]
		m.earn(charge.Answered())
		m.level = max(0, m.level-int64(charge.Cost)*l.Period)
	}
	m.earn(now)
	return max(0, m.level/l.Period-m.taken.between(now, c.Answered(), c))
}

// earn moves the bucket on to an instant. Before that of its level nothing is known.
func (m *model) earn(to int64) {
	if to > m.at {
		l := m.limit
		gained := (to - m.at)
		if gained > (l.Burst/l.Count+2)*l.Period { // it is full whatever it held
			gained = (l.Burst/l.Count + 2) * l.Period
		}
		m.level = min(l.Burst*l.Period, m.level+gained*l.Count)
		m.at = to
	}
}
