package check

import (
	"cmp"
	"slices"

	"github.com/sluice-project/sluice/server/e2e/chaos/record"
)

// loan is how long units are lent at the longest, and so may be spent that were lent before Redis has forgotten it.
const loan = 1e9

// bounds holds what was admitted of a key against what each limit promises, from one instant at which Redis may have
// forgotten to the next. Of a span it counts what lies in it from question to answer, and so nothing that may have been
// admitted outside of it. What is admitted while Redis forgets may belong to the time before or after, and counts for
// neither; nor does what on_error lets through.
func (s *subject) bounds(r *Report) {
	var gaps []gap
	for i := range s.run.Faults {
		if f := &s.run.Faults[i]; s.forgets(f) {
			g := gap{f.ForgetFrom, f.ForgetTo}
			if s.policy.Lent {
				g.to += loan
			}
			gaps = append(gaps, g)
		}
	}
	for _, era := range eras(s.checks, admitted, gaps) {
		s.hold(r, Bound, era)
	}
}

// hold holds admissions, in the order of their questions, against the limits.
func (s *subject) hold(r *Report, rule string, all []record.Check) {
	r.Looked[rule] += len(all)
	if len(all) == 0 {
		return
	}
	for i := range s.policy.Limits {
		l := &s.policy.Limits[i]
		switch l.Algorithm {
		case record.TokenBucket:
			s.inEverySpan(r, rule, all, l)
		case record.SlidingWindow:
			s.inEveryPeriod(r, rule, all, l, l.Count)
		case record.FixedWindow:
			s.inEveryPeriod(r, rule, all, l, 2*l.Count-1)
		case record.AlignedWindow:
			s.inEveryWindow(r, rule, all, l)
		case record.SlidingCounter:
			s.inEveryWindow(r, rule, all, l)
			s.inEveryPeriod(r, rule, all, l, 2*l.Count-1)
		}
	}
}

// gap is a time of which nothing is known.
type gap struct{ from, to int64 }

// eras returns the checks that are counted, parted by the gaps. What may have been decided in one is in none.
func eras(checks []record.Check, counted func(*record.Check) bool, gaps []gap) [][]record.Check {
	slices.SortFunc(gaps, func(a, b gap) int { return cmp.Compare(a.from, b.from) })
	eras := make([][]record.Check, len(gaps)+1)
	for i := range checks {
		c := &checks[i]
		if !counted(c) {
			continue
		}
		// It is of the era after the last gap that ended before it was asked, if the next gap began after its answer.
		era, whole := 0, true
		for n, g := range gaps {
			if g.to <= c.Asked {
				era = n + 1
			} else if g.from < c.Answered() {
				whole = false
			}
		}
		if whole {
			eras[era] = append(eras[era], *c)
		}
	}
	return eras
}

// inEverySpan holds for a token bucket: in every span its burst, and what it earns in it.
func (s *subject) inEverySpan(r *Report, rule string, all []record.Check, l *record.Limit) {
	byEnd := make([]int, len(all))
	for i := range byEnd {
		byEnd[i] = i
	}
	slices.SortFunc(byEnd, func(a, b int) int { return cmp.Compare(all[a].Answered(), all[b].Answered()) })
	// All is reckoned in units times the period, so that nothing is rounded. For a span that begins when check i was asked
	// and ends with an answer, the excess is what lies in it less what is earned in it. Answers are gone through in order:
	// each adds its units to all spans that begin no later than it was asked. A span counts once the check that begins it
	// lies in it, which far holds off until then.
	const far = 1 << 61
	base := all[0].Asked
	spans := newMaxima(len(all), func(i int) int64 { return l.Count*(all[i].Asked-base) - far })
	for _, i := range byEnd {
		spans.raise(i, int64(all[i].Cost)*l.Period)
		spans.raiseOne(i, far)
		ends := all[i].Answered()
		most, from := spans.greatest()
		if excess := most - l.Count*(ends-base) - l.Burst*l.Period; excess > 0 {
			taken := s.unitsWithin(all, all[from].Asked, ends)
			r.violate(rule, "%s: %d units in the %s from %s, of which the burst is %d and %.3f are earned", s.name, taken,
				seconds(ends-all[from].Asked), s.at(all[from].Asked), l.Burst, float64(l.Count)*float64(ends-all[from].Asked)/float64(l.Period))
			return
		}
	}
}

// inEveryPeriod holds for what admits at most so many units in every period.
func (s *subject) inEveryPeriod(r *Report, rule string, all []record.Check, l *record.Limit, most int64) {
	answered := make([]int64, len(all))
	for i := range all {
		answered[i] = all[i].Answered()
	}
	slices.Sort(answered)
	answered = slices.Compact(answered)
	// What was asked from i on and answered before i's asked + period is what was answered before that, less what was
	// answered before that and asked before i.
	whole, early := newSums(answered), newSums(answered)
	for i := range all {
		whole.add(all[i].Answered(), int64(all[i].Cost))
	}
	for i := range all {
		ends := all[i].Asked + l.Period
		if n := whole.below(ends) - early.below(ends); n > most {
			r.violate(rule, "%s: %d units in the %s from %s, of which at most %d may be", s.name, n, seconds(l.Period), s.at(all[i].Asked), most)
			return
		}
		early.add(all[i].Answered(), int64(all[i].Cost))
	}
}

// inEveryWindow holds for windows that begin at multiples of the period.
func (s *subject) inEveryWindow(r *Report, rule string, all []record.Check, l *record.Limit) {
	windows := make(map[int64]int64)
	for i := range all {
		w := all[i].Asked / l.Period
		if w != all[i].Answered()/l.Period {
			continue
		}
		if windows[w] += int64(all[i].Cost); windows[w] > l.Count {
			r.violate(rule, "%s: %d units in the window of %s that begins at %s, of which at most %d may be", s.name, windows[w],
				seconds(l.Period), s.at(w*l.Period), l.Count)
			return
		}
	}
}

func (s *subject) unitsWithin(all []record.Check, from, to int64) (units int64) {
	for i := range all {
		if all[i].Asked >= from && all[i].Answered() <= to {
			units += int64(all[i].Cost)
		}
	}
	return units
}
