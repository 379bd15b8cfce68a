package control

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/store/ledger"
)

// Before returns the instant of the store's clock until which the snapshot that was swapped last may be decided by; 0
// where none is known, because the ledger cannot be reached: then what is known must do.
func (c *Control) Before() sluice.Tick { return sluice.Tick(c.before.Load()) }

// Holds reports whether an instant is that of [Control.Before] and has not come yet, by the monotonic clock of this process:
// the view was seen to be right by an answer of the ledger that was asked for less than a second ago. It is for who decides
// without the store.
func (c *Control) Holds(before sluice.Tick) bool {
	h := c.holding.Load()
	return h != nil && h.before == before && time.Now().Before(h.until)
}

// Refresh looks at the ledger now, and swaps the snapshot where it has changed. It is for checks that came too late for
// [Control.Before]: it takes 100 ms at most, and of many at once one looks for all.
func (c *Control) Refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkPatience)
	defer cancel()
	begun, seen := time.Now(), c.before.Load()
	select {
	case c.looking <- struct{}{}:
	case <-ctx.Done():
		if hasWaited(begun, checkPatience) { // and so has whoever looks
			c.before.CompareAndSwap(seen, 0)
		}
		return ctx.Err()
	}
	defer func() { <-c.looking }()
	if held := c.before.Load(); held != seen {
		return nil // somebody has looked meanwhile
	}
	return c.lookUp(ctx, checkPatience)
}

// look makes the view that of the ledger.
func (c *Control) look(ctx context.Context) error {
	select {
	case c.looking <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-c.looking }()
	return c.lookUp(ctx, patience)
}

// lookWithin is look, for a time.
func (c *Control) lookWithin(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return c.look(ctx)
}

// lookUp is look, for who holds looking, with a context that has most of time. Where the ledger cannot be reached,
// what is known must do. Where only the caller gave up, or this process slept, that is not known.
func (c *Control) lookUp(ctx context.Context, most time.Duration) error {
	begun := time.Now()
	err := c.follow(ctx)
	if err != nil && ctx.Err() == nil {
		err = c.follow(ctx) // a connection that broke while this process slept says nothing of the ledger
	}
	if err != nil && (ctx.Err() == nil || hasWaited(begun, most)) {
		c.before.Store(0)
	}
	return err
}

// hasWaited reports whether the ledger had as long for its answer as a check can wait: the caller did not give up
// before that, and this process did not sleep until long after the end of the time that there was.
func hasWaited(begun time.Time, most time.Duration) bool {
	waited := time.Since(begun)
	return waited >= checkPatience && waited <= most+checkPatience
}

func (c *Control) follow(ctx context.Context) error {
	c.asked = time.Now()
	version, now, err := c.ledger.Version(ctx)
	if err != nil {
		return err
	}
	c.clock.set(now)
	held := c.view.Load()
	switch {
	case version == held.version && version != 0:
		return c.renew(held, now)
	case version == 0 && held.version != 0:
		return c.restore(ctx, held)
	}
	return c.take(ctx)
}

// holds notes that a view was right at an instant. It is decided by no longer than until an override of it ends.
func (c *Control) holds(v *view, now sluice.Tick) {
	until := int64(now) + viewLife.Microseconds()
	if end := v.snapshot.NextEnd(); !end.IsZero() {
		until = min(until, end.UnixMicro())
	}
	lasts := time.Duration(until-int64(now)) * time.Microsecond
	c.holding.Store(&holding{before: sluice.Tick(until), until: c.asked.Add(lasts)}) // the ledger's instant is no earlier
	c.before.Store(until)
}

// take makes the view what the ledger contains. The caller holds looking.
func (c *Control) take(ctx context.Context) error {
	c.asked = time.Now()
	contents, err := c.ledger.Load(ctx)
	if err != nil {
		return err
	}
	c.clock.set(contents.Now)
	held := c.view.Load()
	if contents.Restored != 0 && contents.Restored < held.knows() && held.version < contents.Version {
		return c.restore(ctx, held) // somebody who knew less was faster; what a failover has taken back is older
	}
	if contents.Version == 0 {
		return nil // there is nothing yet: whoever has a file writes it
	}
	next, err := newView(contents, held)
	if err != nil {
		c.config.Logger.Error("the ledger holds entries that this version cannot read; what it held before stays in force for them", "error", err)
	}
	if contents.Restored > knowsNothing {
		c.bringAgain(next)
	}
	return c.install(next)
}

// install swaps the view, and the snapshot with it.
func (c *Control) install(v *view) error {
	snapshot, err := v.compile(v.now)
	if err != nil {
		return fmt.Errorf("the ledger's policies: %w", err)
	}
	v.snapshot = snapshot
	c.view.Store(v)
	c.config.Swap(snapshot)
	c.holds(v, v.now)
	return nil
}

// renew notes that the view is right now, and swaps the snapshot where an override of it has ended.
func (c *Control) renew(v *view, now sluice.Tick) error {
	if end := v.snapshot.NextEnd(); end.IsZero() || now < sluice.Tick(end.UnixMicro()) {
		c.holds(v, now)
		return nil
	}
	next := *v
	next.now = now
	return c.install(&next)
}

// restore brings what this server knows back into a ledger that has lost it. The caller holds looking.
func (c *Control) restore(ctx context.Context, held *view) error {
	change := ledger.Change{Restore: held.knows(), Put: held.entries()}
	change.Append = append(change.Append, c.auditLine(Audit{Who: c.server(), What: "restored", To: fmt.Sprintf("%d policies, %d schedules", len(held.policies), len(held.schedules))}))
	_, err := c.ledger.Commit(ctx, change)
	if conflict := (*ledger.ConflictError)(nil); errors.As(err, &conflict) {
		err = nil // another server was faster, and knew as much
	} else if err == nil {
		c.config.Logger.Warn("the store had lost the policies and schedules; they were written again from this server's memory",
			"policies", len(held.policies), "schedules", len(held.schedules))
	}
	if err != nil {
		return err
	}
	c.asked = time.Now()
	contents, err := c.ledger.Load(ctx)
	if err != nil {
		return err
	}
	if contents.Version == 0 {
		return nil // it was lost again: the next look writes it again
	}
	next, err := newView(contents, held)
	if err != nil {
		c.config.Logger.Error("the ledger holds entries that this version cannot read", "error", err)
	}
	return c.install(next)
}
