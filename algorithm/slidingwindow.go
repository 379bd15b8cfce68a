package algorithm

// The sliding window is strict: it remembers admissions and admits at most count units in every span of one period.
//
// State: the log of admissions, oldest first, and used, the sum of their units. While at most 64 are alive each stands
// for itself. Beyond that those within one sub-window of period/64 (aligned to its own multiples) share an entry that
// lives until the last of them ends: a unit may come back that much late, never early.

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

// admissions is a log of which the first ones may be dead already: they are cut off without moving the others.
type admissions struct {
	entries []admission
	dead    int
}

func (a *admissions) alive() []admission { return a.entries[a.dead:] }

// newest returns the last admission; the log must not be empty.
func (a *admissions) newest() *admission { return &a.entries[len(a.entries)-1] }

// emptied returns an empty log that keeps the memory of this one.
func (a *admissions) emptied() admissions { return admissions{entries: a.entries[:0]} }

// add appends an admission, in the place of dead ones where there is no room behind.
func (a *admissions) add(e admission) {
	if len(a.entries) == cap(a.entries) {
		alive := a.alive()
		room := a.entries[:0]
		if a.dead == 0 {
			room = make([]admission, 0, min(mostAdmissions, 4*len(alive)+1))
		}
		a.entries, a.dead = append(room, alive...), 0
	}
	a.entries = append(a.entries, e)
}

// coalesce joins admissions of one sub-window.
func (a *admissions) coalesce(width int64) {
	joined := a.entries[:0]
	for i, e := range a.alive() {
		if i > 0 && joined[len(joined)-1].at/width == e.at/width {
			last := &joined[len(joined)-1]
			last.at, last.units = e.at, last.units+e.units
			continue
		}
		joined = append(joined, e)
	}
	a.entries, a.dead = joined, 0
}

func (s *State) advanceLog(n numbers, now int64) {
	for s.used > 0 && s.log.alive()[0].at+n.period <= now {
		s.used -= s.log.alive()[0].units
		s.log.dead++
	}
}

func (s *State) takeLog(n numbers, now, units int64) {
	if s.used == 0 {
		s.used = units
		s.log = s.log.emptied()
		s.log.add(admission{at: now, units: units})
		return
	}
	s.used += units
	width := n.period / exactAdmissions
	newest := s.log.newest()
	at := max(now, newest.at) // where the clock stepped back, no unit comes back early
	if at == newest.at || len(s.log.alive()) >= exactAdmissions && at/width == newest.at/width {
		newest.at, newest.units = at, newest.units+units
		return
	}
	if len(s.log.alive()) == mostAdmissions {
		s.log.coalesce(width)
	}
	s.log.add(admission{at: at, units: units})
}

// retryLogAt returns when enough of the oldest admissions have ended.
func (s *State) retryLogAt(n numbers, cost int64) int64 {
	needed := s.used + cost - n.capacity
	at := int64(0)
	for _, e := range s.log.alive() {
		if needed <= 0 {
			break
		}
		needed -= e.units
		at = e.at + n.period
	}
	return at
}
