package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/storetest/model"
)

// TestCoarseWindows runs the suite on stores that round the instants of a sliding window's admissions once more than 64
// are alive: it accepts what the promise allows, and nothing beyond.
func TestCoarseWindows(t *testing.T) {
	setFlag(t, "rapid.shrinktime", "0s")
	setFlag(t, "rapid.nofailfile", "true")
	for _, test := range []struct {
		name   string
		round  func(at, period sluice.Tick) sluice.Tick
		passes bool
	}{
		{"exact", func(at, _ sluice.Tick) sluice.Tick { return at }, true},
		{"late by less than period/64", func(at, period sluice.Tick) sluice.Tick { return roundUp(at, period/64) }, true},
		{"late by less than period/48", func(at, period sluice.Tick) sluice.Tick { return roundUp(at, period/48) }, false},
		{"early by less than period/64", func(at, period sluice.Tick) sluice.Tick { return at - at%(period/64) }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			windows := make(map[model.ID]*coarse)
			s := newSuite(newFlawed(flaw{decide: func(f *flawed, req sluice.Request) sluice.Decision {
				if len(req.Policy.Limits) > 1 {
					return f.model.Decide(req)
				}
				id := idOf(req)
				if _, ok := f.model.Life(id); !ok {
					delete(windows, id)
				}
				if windows[id] == nil {
					windows[id] = &coarse{round: test.round}
				}
				d := windows[id].decide(req)
				_ = f.model.Judge(req, d) // only so that it knows how long the state lives
				return d
			}}), 50)
			r := &recorder{TB: t}
			r.run(func(t testing.TB) { s.testCrowdedWindow(t) })
			if r.failed == test.passes {
				t.Errorf("the suite passes it: %t, want %t\n%.2000s", !r.failed, test.passes, r.text)
			}
		})
	}
}

// coarse is a sliding window of one key.
type coarse struct {
	round func(at, period sluice.Tick) sluice.Tick
	log   []admission
}

func (c *coarse) decide(req sluice.Request) sluice.Decision {
	limit := req.Policy.Limits[0]
	period := ticks(limit.Period())
	if n := len(c.log); n > 0 && c.log[n-1].at > req.At+period {
		c.log = []admission{{req.At, limit.Count()}}
	}
	c.giveBack(int64(req.Refund), req.At-period)
	o := sluice.Outcome{Allowed: true}
	if room := limit.Count() - c.used(req.At-period); req.Cost > room {
		o.Allowed, o.RetryAfter = false, sluice.Never
		for _, a := range c.log {
			if at := a.at + period; at > req.At && o.RetryAfter == sluice.Never && c.used(at-period) <= limit.Count()-req.Cost {
				o.RetryAfter = time.Duration(at-req.At) * time.Microsecond
			}
		}
	}
	if o.Allowed && req.Cost > 0 && !req.Peek {
		c.add(req.At, req.Cost, period)
	}
	o.Remaining = max(0, limit.Count()-c.used(req.At-period))
	if n := len(c.log); n > 0 {
		o.ResetAfter = time.Duration(max(0, c.log[n-1].at+period-req.At)) * time.Microsecond
	}
	d := sluice.NewDecision(req)
	d.Add(o)
	return d
}

// used returns the units that were admitted after an instant.
func (c *coarse) used(after sluice.Tick) int64 {
	units := int64(0)
	for _, a := range c.log {
		if a.at > after {
			units += a.units
		}
	}
	return units
}

// giveBack takes units off the newest of those that were admitted after an instant. What was admitted before it is gone
// then, as it is with every write, also for a clock that steps back later.
func (c *coarse) giveBack(units int64, after sluice.Tick) {
	if units == 0 {
		return
	}
	for i := len(c.log) - 1; i >= 0 && units > 0 && c.log[i].at > after; i-- {
		taken := min(units, c.log[i].units)
		c.log[i].units, units = c.log[i].units-taken, units-taken
	}
	c.log = slices.DeleteFunc(c.log, func(a admission) bool { return a.units == 0 || a.at <= after })
}

func (c *coarse) add(now sluice.Tick, units int64, period sluice.Tick) {
	c.log = slices.DeleteFunc(c.log, func(a admission) bool { return a.at+period <= now })
	at := now
	if n := len(c.log); n > 0 {
		at = max(now, c.log[n-1].at)
	}
	c.log = append(c.log, admission{at, units})
	if len(c.log) > 64 {
		for i := range c.log {
			c.log[i].at = c.round(c.log[i].at, period)
		}
	}
}

func roundUp(at, unit sluice.Tick) sluice.Tick { return (at + unit - 1) / unit * unit }
