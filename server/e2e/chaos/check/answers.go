package check

import (
	"slices"

	"github.com/sluice-project/sluice/server/e2e/chaos/record"
)

const (
	// grace is how much longer than its deadline a check may take.
	grace = 50e6
	// noise is how much longer than that a check may take on a machine that was seen to stand still meanwhile, for however
	// short a time: what else it did then is not seen. And a check is woken more often on its way than the question by which
	// stalls are measured, so that these count wakings times.
	noise   = 100e6
	wakings = 2
	// warm is how long a server is left alone that has been killed or frozen.
	warm = 1e9
	// settled is how long after the last fault all answers are the store's again.
	settled = 3e9
)

// inTime sees that every check was answered, and within its deadline and the grace. The servers are asked all the time
// whether they are alive, which needs no store: for what that takes longer than usual, the machine has let the server or
// the callers stand still, and for what the callers were woken late, it has let them; a check may be late by so much of
// that as was during it, and by noise where there was any. These are counted.
func inTime(run *record.Run, still []stalls, r *Report) {
	for i := range run.Checks {
		c := &run.Checks[i]
		if hurt(run, c) {
			continue
		}
		r.Looked[InTime]++
		if c.Took > r.Worst.Took {
			r.Worst = *c
		}
		if c.Ending == record.Refused || c.Ending == record.Broken {
			r.violate(InTime, "%s of server %d, which lives, asked at %s: %s after %s", c.Door, c.Server, seconds(c.Asked-run.Begin), c.Ending, seconds(c.Took))
			continue
		}
		if c.Took <= run.Deadline+grace {
			if c.Took > r.Longest.Took {
				r.Longest = *c
			}
			continue
		}
		stalled := still[c.Server].during(c.Asked, c.Answered())
		if stalled == 0 || c.Took > run.Deadline+grace+noise+wakings*stalled {
			r.violate(InTime, "%s of server %d, asked at %s: %s (%s) after %s, and the machine stood still for %s", c.Door, c.Server,
				seconds(c.Asked-run.Begin), c.Ending, c.Source, seconds(c.Took), seconds(stalled))
			continue
		}
		r.Excused++
	}
}

// hurt reports whether the server of a check was killed or frozen meanwhile, or has hardly come back.
func hurt(run *record.Run, c *record.Check) bool {
	for i := range run.Faults {
		f := &run.Faults[i]
		if len(f.Servers) > 0 && slices.Contains(f.Servers, int(c.Server)) && c.Asked < f.To+warm && c.Answered() > f.From {
			return true
		}
	}
	return false
}

// obeyed sees that where the store does not decide, on_error does as it is told, and that no policy's check is answered an
// error.
func obeyed(run *record.Run, r *Report) {
	for i := range run.Checks {
		c := &run.Checks[i]
		policy := &run.Policies[run.Subjects[c.Subject].Policy]
		switch {
		case c.Source == record.Fallback && !policy.Local, c.Source == record.ErrorPolicy && policy.Local:
			r.violate(OnError, "%s: %s of server %d at %s was answered by %s", policy.Name, c.Door, c.Server, seconds(c.Asked-run.Begin), c.Source)
		case c.Source == record.Fallback:
			r.Looked[OnError]++
		case c.Source == record.ErrorPolicy:
			r.Looked[OnError]++
			if c.Allowed == policy.Deny {
				r.violate(OnError, "%s: %s of server %d at %s was answered by on_error, allowed: %v", policy.Name, c.Door, c.Server,
					seconds(c.Asked-run.Begin), c.Allowed)
			}
		case c.Ending == record.Failed && c.Door != record.Throttle: // which has no policy to ask
			r.violate(OnError, "%s: %s of server %d at %s was answered an error", policy.Name, c.Door, c.Server, seconds(c.Asked-run.Begin))
		}
	}
}

// back sees that a while after the last fault all is decided as before the first. A machine that stands still for as long as
// the store has for a check is a fault of its own: what is decided until it must be over again does not count.
func back(run *record.Run, still []stalls, r *Report) {
	for i := range run.Checks {
		c := &run.Checks[i]
		if c.Asked < run.Mended+settled {
			continue
		}
		stood := still[c.Server].longest(c.Asked-settled, c.Answered())
		if stood >= run.Deadline {
			r.Stood++
			continue
		}
		r.Looked[Back]++
		late := c.Took > run.Deadline && stood >= run.Deadline/4 // of the machine, of which another rule takes care
		if c.Source != record.Store && c.Source != record.Lease && c.Source != record.DenyCache && !late {
			r.violate(Back, "%s of server %d was answered by %s (%s), %s after the last fault was mended", c.Door, c.Server, c.Source, c.Ending,
				seconds(c.Asked-run.Mended))
		}
	}
}
