package control

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sluice-project/sluice"
)

// Start looks at the ledger for the first time, and applies the configuration file to it. Where the ledger cannot be
// reached the file's policies hold on this server until it can, and the error says why; [Control.Run] goes on trying.
func (c *Control) Start(ctx context.Context, f File) error {
	return c.bring(ctx, waiting{f, true})
}

// Apply takes over what the configuration file says now, merged field by field with what is live, by what has changed in
// the file since one was applied last: see [policy.MergeDocuments]. Everything else stays as it is live. Where the ledger
// cannot be reached, the error says why, and [Control.Run] goes on trying. A file that says the same as the last
// one that this process has brought changes nothing, whatever files others have brought meanwhile.
func (c *Control) Apply(ctx context.Context, f File) error {
	if last := c.brought.Load(); last != nil && last.value().Digest == f.value().Digest {
		return nil
	}
	return c.bring(ctx, waiting{f, false})
}

func (c *Control) bring(ctx context.Context, w waiting) error {
	c.brought.Store(&w.File)
	c.waiting.Store(&w)
	if err := c.catchUp(ctx); err != nil {
		return c.alone(w.File, err)
	}
	return nil
}

// Run keeps the view fresh, carries out what schedules say and what waits in the outbox, until ctx ends; it returns nil
// then. Without it nothing of this happens but where somebody calls.
func (c *Control) Run(ctx context.Context) error {
	var group sync.WaitGroup
	defer group.Wait()
	group.Go(func() { c.listen(ctx) })
	timer := time.NewTimer(0)
	defer timer.Stop()
	var failing bool
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.wake:
		case <-timer.C:
		}
		begun, _ := c.clock.time()
		err := c.round(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !failing:
			c.config.Logger.Warn("policies and schedules cannot be looked at in the store; those that are known stay in force", "error", err)
		case err == nil && failing:
			c.config.Logger.Info("policies and schedules can be looked at in the store again")
		}
		failing = err != nil
		timer.Reset(c.nap(begun))
	}
}

// round is one look at all there is to do.
func (c *Control) round(ctx context.Context) error {
	if err := c.catchUp(ctx); err != nil {
		return err
	}
	return errors.Join(c.empty(ctx), c.tick(ctx)) // a key's store may be gone while that of the ledger is there
}

// catchUp looks at the ledger, and applies the file where that waits.
func (c *Control) catchUp(ctx context.Context) error {
	if err := c.lookWithin(ctx); err != nil {
		return err
	}
	w := c.waiting.Load()
	if w == nil {
		return nil
	}
	if !w.start || !c.outdated(w.File) {
		if err := c.apply(ctx, w.File, (*Control).mergeFile); err != nil {
			return err
		}
	}
	c.waiting.CompareAndSwap(w, nil)
	return nil
}

// nap is how long there is nothing to do, as far as is known: until the next tick of a schedule, at most pollTime.
// What was due when the round began, and was not done, is passed over, or cannot be done now: it does not keep anybody
// awake.
func (c *Control) nap(begun sluice.Tick) time.Duration {
	now, ok := c.clock.time()
	if !ok {
		return pollTime
	}
	nap, v := pollTime, c.view.Load()
	for name, s := range v.schedules {
		last := max(v.ticks[name].done, begun)
		if next := s.Next(time.UnixMicro(int64(last)).UTC()); !next.IsZero() {
			nap = min(nap, time.Duration(next.UnixMicro()-int64(now))*time.Microsecond)
		}
	}
	return max(nap, time.Millisecond)
}

// listen wakes Run after each commit that is heard of, and listens anew where the connection breaks.
func (c *Control) listen(ctx context.Context) {
	for ctx.Err() == nil {
		_ = c.ledger.Watch(ctx, c.rouse) // why it broke is the same as why looking fails, which is logged
		select {
		case <-ctx.Done():
		case <-time.After(pollTime):
		}
	}
}

func (c *Control) rouse() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}
