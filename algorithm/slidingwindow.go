package algorithm

import "github.com/sluice-project/sluice"

// The sliding window is strict: it remembers admissions and admits at most count units in every span of one period.
//
// State: the log of admissions, oldest first; used, the sum of the units of those that are alive; and at, how many at the
// front of the log are dead. While at most 64 are alive each stands for itself. Beyond that those within one sub-window
// of period/64 (aligned to its own multiples) share an entry that lives until the last of them ends: a unit may come back
// that much late, never early.

const (
	// exactAdmissions is how many admissions are kept exactly.
	exactAdmissions = 64
	// mostAdmissions is the length at which a log is coalesced. Coalescing leaves at most 68 entries, one for each
	// sub-window that a period can touch, so it pays for several admissions.
	mostAdmissions = 76
)

// admission is units that were charged at an instant.
type admission struct {
	at    int64
	units int64
}

// log is admissions in the order in which they were made. Looking leaves it as it is: only taking writes to it.
type log struct {
	entries []admission
}

// newest returns the last admission; the log must not be empty.
func (g *log) newest() *admission { return &g.entries[len(g.entries)-1] }

// add appends an admission to those that are alive, in the place of dead ones where there is no room behind.
func (g *log) add(dead int, a admission) (stillDead int) {
	if len(g.entries) == cap(g.entries) {
		alive := g.entries[dead:]
		room := g.entries[:0]
		if dead == 0 {
			room = make([]admission, 0, min(mostAdmissions, 4*len(alive)+1))
		}
		g.entries, dead = append(room, alive...), 0
	}
	g.entries = append(g.entries, a)
	return dead
}

// coalesce joins admissions of one sub-window and drops the dead.
func (g *log) coalesce(dead int, width int64) {
	joined := g.entries[:0]
	for i, a := range g.entries[dead:] {
		if i > 0 && joined[len(joined)-1].at/width == a.at/width {
			last := &joined[len(joined)-1]
			last.at, last.units = a.at, last.units+a.units
			continue
		}
		joined = append(joined, a)
	}
	g.entries = joined
}

func (s *state) advanceLog(l *sluice.Limit, now int64) (used int64) {
	ended := now - period(l)
	for s.used > 0 && s.log.entries[s.at].at <= ended {
		s.used -= s.log.entries[s.at].units
		s.at++
	}
	return s.used
}

// takeLog writes the admission to the log; take adds its units to used.
func (s *state) takeLog(l *sluice.Limit, now, units int64) {
	if s.log == nil {
		s.log = new(log)
	}
	if s.used == 0 {
		s.log.entries = append(s.log.entries[:0], admission{at: now, units: units})
		s.at = 0
		return
	}
	width := period(l) / exactAdmissions
	alive := len(s.log.entries) - int(s.at)
	newest := s.log.newest()
	at := max(now, newest.at) // where the clock stepped back, no unit comes back early
	if at == newest.at || alive >= exactAdmissions && at/width == newest.at/width {
		newest.at, newest.units = at, newest.units+units
		return
	}
	if alive == mostAdmissions {
		s.log.coalesce(int(s.at), width)
		s.at = 0
	}
	s.at = int64(s.log.add(int(s.at), admission{at: at, units: units}))
}

// giveBackLog takes units off the newest admissions. One of which only a part is left, or that stands for several, keeps
// its instant, so that no unit of it ends early.
func (s *state) giveBackLog(units int64) {
	for units > 0 && s.used > 0 {
		newest := s.log.newest()
		taken := min(units, newest.units)
		s.used, units = s.used-taken, units-taken
		if newest.units -= taken; newest.units == 0 {
			s.log.entries = s.log.entries[:len(s.log.entries)-1]
		}
	}
}

// retryLogAt returns when enough of the oldest admissions have ended.
func (s *state) retryLogAt(l *sluice.Limit, cost int64) int64 {
	needed := s.used + cost - l.Capacity()
	at := int64(0)
	for _, a := range s.log.entries[s.at:] {
		if needed <= 0 {
			break
		}
		needed -= a.units
		at = a.at + period(l)
	}
	return at
}
