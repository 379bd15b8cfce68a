package control

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/schedule"
	"github.com/sluice-project/sluice/store/ledger"
)

// LiveSchedule is a schedule with its revision and its ticks.
type LiveSchedule struct {
	schedule.Schedule
	Revision Revision
	// Last is up to when nothing needs to be done any more: the last tick that was carried out or passed over, or the
	// instant since which there is the schedule.
	Last time.Time
	// Next is the next tick after Last; the zero time where there is none.
	Next time.Time
}

// Schedules returns the live schedules by name, as this server sees them.
func (c *Control) Schedules() []LiveSchedule {
	v := c.view.Load()
	all := make([]LiveSchedule, 0, len(v.schedules))
	for _, name := range slices.Sorted(maps.Keys(v.schedules)) {
		all = append(all, v.live(name))
	}
	return all
}

// Schedule returns a live schedule, as this server sees it.
func (c *Control) Schedule(name string) (LiveSchedule, error) {
	v := c.view.Load()
	if _, ok := v.schedules[name]; !ok {
		return LiveSchedule{}, &UnknownError{"schedule", name}
	}
	return v.live(name), nil
}

func (v *view) live(name string) LiveSchedule {
	s := v.schedules[name]
	last := time.UnixMicro(int64(v.ticks[name].done)).UTC()
	return LiveSchedule{Schedule: s.Schedule, Revision: Revision(s.revision), Last: last, Next: s.Next(last)}
}

// PutSchedule makes a schedule what is given, where it is at the revision that is meant, as [Control.PutPolicy] does. One
// that is new, or that is to tick at other times, has no tick before now. A policy or limit that it is about must be
// there. The errors are [*RevisionError], [*sluice.InvalidError] joined where there are several, and those of the ledger.
func (c *Control) PutSchedule(ctx context.Context, who string, s schedule.Schedule, meant Revision) (LiveSchedule, error) {
	compiled, err := s.Compile()
	if err != nil {
		return LiveSchedule{}, err
	}
	receipt, err := c.change(ctx, func(v *view) (ledger.Change, error) {
		held, there := v.schedules[s.Name]
		if err := meant.check("schedule", s.Name, held.revision); err != nil {
			return ledger.Change{}, err
		}
		if err := v.about(s.Job); err != nil {
			return ledger.Change{}, err
		}
		entry := Audit{Who: who, What: "put", Schedule: s.Name, To: string(s.Document())}
		if there {
			entry.From = string(held.Document())
		}
		change := c.putSchedule(v, s)
		change.Expect = append(change.Expect, v.expectPolicy(s.Job.Policy()))
		change.Append = []ledger.Append{c.auditLine(entry)}
		return change, nil
	})
	if err != nil {
		return LiveSchedule{}, err
	}
	live, err := c.Schedule(s.Name)
	if err != nil || live.Revision != Revision(receipt.Version) { // it is not read back yet, or changed again since
		now := time.UnixMicro(int64(receipt.Now)).UTC()
		live = LiveSchedule{Schedule: s, Revision: Revision(receipt.Version), Last: now, Next: compiled.Next(now)}
	}
	return live, nil
}

// putSchedule is the change that writes a schedule, and since when it ticks.
func (c *Control) putSchedule(v *view, s schedule.Schedule) ledger.Change {
	change := ledger.Change{
		Expect: []ledger.Expectation{v.expectSchedule(s.Name)},
		Put:    []ledger.Entry{scheduleEntry(s)},
	}
	held, there := v.schedules[s.Name]
	if _, ticked := v.ticks[s.Name]; !there || !ticked || held.Cron != s.Cron || held.Timezone != s.Timezone {
		now, _ := c.clock.time()
		change.Expect = append(change.Expect, v.expectTick(s.Name))
		change.Put = append(change.Put, tickEntry(s.Name, now))
	}
	return change
}

// about reports whether there is what a job is about.
func (v *view) about(job schedule.Job) error {
	held, ok := v.policies[job.Policy()]
	if !ok {
		return &sluice.InvalidError{Field: job.Kind() + ".policy", Problem: (&UnknownError{"policy", job.Policy()}).Error() + "; it must be one of those that are live"}
	}
	return job.Fits(held.Policy.Policy)
}

// DeleteSchedule takes a schedule away. Its history stays. The errors are [*UnknownError], [*RevisionError] and those of
// the ledger.
func (c *Control) DeleteSchedule(ctx context.Context, who, name string, meant Revision) error {
	_, err := c.change(ctx, func(v *view) (ledger.Change, error) {
		held, there := v.schedules[name]
		if !there {
			return ledger.Change{}, &UnknownError{"schedule", name}
		}
		if err := meant.check("schedule", name, held.revision); err != nil {
			return ledger.Change{}, err
		}
		return ledger.Change{
			Expect: []ledger.Expectation{v.expectSchedule(name)},
			Delete: []ledger.Entry{{Kind: scheduleKind, Name: name}, {Kind: tickKind, Name: name}},
			Append: []ledger.Append{c.auditLine(Audit{Who: who, What: "delete", Schedule: name, From: string(held.Document())})},
		}, nil
	})
	return err
}

// historyKept is how many ticks the history of a schedule keeps, about.
const historyKept = 1000

// Done is one tick of a schedule that was carried out, or was to be.
type Done struct {
	// Schedule is the name of the schedule.
	Schedule string `json:"schedule"`
	// Due is the tick; of a run by hand, the zero time.
	Due time.Time `json:"due,omitzero"`
	// At is when it was carried out, by the store's clock.
	At time.Time `json:"at,omitzero"`
	// By is who did it: the server, or "operator" for a run by hand.
	By string `json:"by"`
	// From and To are what was changed from what to what; empty where nothing was.
	From string `json:"from,omitzero"`
	To   string `json:"to,omitzero"`
	// Skipped is how many ticks before this one were passed over, because no server was running or the
	// ledger took no change.
	Skipped int `json:"skipped,omitzero"`
	// Error is why nothing was done; empty where it was.
	Error string `json:"error,omitzero"`
}

// History returns up to most ticks of a schedule, the newest first, from those before a cursor; "" begins with the
// newest. The cursor that is returned is "" where there are no more.
func (c *Control) History(ctx context.Context, name, before string, most int) ([]Done, string, error) {
	return readLog(ctx, c.ledger, historyPrefix+name, before, most, func(d *Done, at time.Time) { d.At = at })
}

// RunSchedule carries out the job of a schedule now, and leaves its ticks as they are. The errors are [*UnknownError] and
// those of the ledger; a job that cannot be done is an [*sluice.InvalidError].
func (c *Control) RunSchedule(ctx context.Context, who, name string) (Done, error) {
	var done Done
	receipt, err := c.change(ctx, func(v *view) (ledger.Change, error) {
		s, there := v.schedules[name]
		if !there {
			return ledger.Change{}, &UnknownError{"schedule", name}
		}
		now, _ := c.clock.time()
		var (
			change ledger.Change
			err    error
		)
		done = Done{Schedule: name, By: who}
		if change, done.From, done.To, err = c.effect(v, s.Schedule, now); err != nil {
			return change, err
		}
		change.Append = append(change.Append, line(historyPrefix+name, done, historyKept), c.auditLine(Audit{
			Who: who, What: "run", Schedule: name, Policy: s.Job.Policy(), From: done.From, To: done.To,
		}))
		return change, nil
	})
	if err == nil {
		done.At = time.UnixMicro(int64(receipt.Now)).UTC()
	}
	return done, err
}
