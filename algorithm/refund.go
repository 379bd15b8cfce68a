package algorithm

import "github.com/sluice-project/sluice"

// refund answers a request that gives units back to states that were advanced to now. It writes the record where one of
// them has something to give back to, or was replaced.
func (r *Record) refund(req *sluice.Request, now int64, looks []look, replaced bool, d *sluice.Decision) (written bool) {
	written = replaced
	*d = sluice.NewDecision(*req)
	for i := range looks {
		l, s := &req.Policy.Limits[i], &looks[i]
		if !s.fresh() {
			s.giveBack(l, int64(req.Refund))
			s.usedNow, _ = s.advance(l, now)
			written = true
		}
		d.Add(s.outcome(l, now, 0, true)) // a debt that is left refuses nobody who gives back
	}
	if written {
		r.write(req.Policy, looks)
	}
	return written
}

// giveBack takes off units that were charged, of a state that was advanced and is not fresh: the newest first, and no more
// than there are. Whoever reads it next finds out whether what a bucket has earned since makes up for the rest.
func (s *state) giveBack(l *sluice.Limit, units int64) {
	if l.Algorithm() == sluice.SlidingWindow {
		s.giveBackLog(units)
		return
	}
	newest := min(units, s.used)
	s.used -= newest
	s.prev = max(0, s.prev-(units-newest)) // of a sliding counter: in all others there is none
}
