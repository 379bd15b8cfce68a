package control

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/policy"
	"github.com/sluice-project/sluice/schedule"
	"github.com/sluice-project/sluice/store/ledger"
)

// tick carries out the ticks that are due, of all schedules.
func (c *Control) tick(ctx context.Context) error {
	for _, name := range slices.Sorted(maps.Keys(c.view.Load().schedules)) {
		for more := true; more; {
			var err error
			if more, err = c.tickOf(ctx, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// tickOf carries out the oldest tick of a schedule that is due, where there is one, and reports whether there may be
// more. The commit says that the tick was not done yet: of all servers that try at once, one is let.
func (c *Control) tickOf(ctx context.Context, name string) (more bool, err error) {
	v := c.view.Load()
	s, there := v.schedules[name]
	now, known := c.clock.time()
	if !there || !known || ctx.Err() != nil {
		return false, ctx.Err()
	}
	last, ticked := v.ticks[name]
	if !ticked { // a schedule that something else than this package wrote
		last.done = now
	}
	due, skipped := s.Due(time.UnixMicro(int64(last.done)).UTC(), time.UnixMicro(int64(now)).UTC())
	if len(due) == 0 {
		return false, nil
	}
	change := c.tickChange(v, s.Schedule, due[0], skipped)
	_, err = c.commit(ctx, v.anchored(change))
	var conflict *ledger.ConflictError
	switch {
	case errors.As(err, &conflict):
		// Another server has done it, or somebody has just changed the policy: look again.
		return true, c.lookWithin(ctx)
	case errors.Is(err, ledger.ErrNotDue):
		return false, nil
	}
	return err == nil, err
}

// tickChange is what one tick of a schedule does, in one step with the note that it is done. A job that cannot be done is
// noted with the reason: it is done with.
func (c *Control) tickChange(v *view, s schedule.Schedule, due time.Time, skipped int) ledger.Change {
	done := Done{Schedule: s.Name, Due: due, By: c.server(), Skipped: skipped}
	at := sluice.Tick(due.UnixMicro())
	change, from, to, err := c.effect(v, s, at)
	if err != nil {
		change, done.Error = ledger.Change{}, err.Error()
	}
	done.From, done.To = from, to
	change.Due = at
	change.Expect = append(change.Expect, v.expectSchedule(s.Name), v.expectTick(s.Name))
	change.Put = append(change.Put, tickEntry(s.Name, at))
	change.Append = append(change.Append, line(historyPrefix+s.Name, done, historyKept))
	if err == nil {
		change.Append = append(change.Append, c.auditLine(Audit{
			Who: "schedule:" + s.Name, What: s.Job.Kind(), Policy: s.Job.Policy(), Key: shown(s.Job.Key()), From: from, To: to,
		}))
	}
	return change
}

// effect is what a job does at an instant, and from what to what that is. What it does to a key goes to the outbox.
func (c *Control) effect(v *view, s schedule.Schedule, at sluice.Tick) (change ledger.Change, from, to string, err error) {
	job := s.Job
	if err := v.about(job); err != nil {
		return change, "", "", err
	}
	held := v.policies[job.Policy()]
	switch {
	case job.Reset != nil:
		return c.reset(v, held), "", "", nil
	case job.Set != nil:
		after := held.Policy
		after.Policy = job.Set.Apply(held.Policy.Policy)
		return v.replace(held, after), limitsText(held.Limits), limitsText(after.Limits), nil
	case job.Adjust != nil:
		var (
			after    = held.Policy
			adjusted schedule.Adjusted
		)
		if after.Policy, adjusted, err = job.Adjust.Apply(held.Policy.Policy); err != nil {
			return change, "", "", err
		}
		if from, to = adjusted.Old.String(), adjusted.New.String(); from == to {
			return change, from, to, nil // it is at its bound
		}
		return v.replace(held, after), from, to, nil
	default:
		entry, text, ends := outboxEntry(s, at)
		if now, _ := c.clock.time(); ends != 0 && ends <= now {
			return change, "", "", fmt.Errorf("it was to end at %s, which had passed before it could be carried out", instantText(ends))
		}
		return ledger.Change{Put: []ledger.Entry{entry}}, "", text, nil
	}
}

// replace is the change that writes a policy in the place of one that is held.
func (v *view) replace(held heldPolicy, after policy.Policy) ledger.Change {
	return ledger.Change{Expect: []ledger.Expectation{v.expectPolicy(held.Name)}, Put: []ledger.Entry{policyEntry(&after)}}
}
