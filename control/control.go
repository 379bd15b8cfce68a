// Package control is where every change passes, whoever makes it: a person over a door, the configuration file, or a
// schedule. A change is validated, written to the ledger by compare-and-swap with a line in the audit log, and taken up
// by every server as one immutable snapshot.
//
// The ledger is the truth. Each server holds a view of it: what it contained at one version. [Control.Run] keeps the view
// fresh: it listens for commits, and asks for the version several times a second in case one was not heard. A view that
// was seen to be right at an instant of the store's clock holds for a second from then on; a check that says so by
// [Control.Before] is not decided by an older one, even where the server slept in between. A ledger that is at another
// version than the view is followed, whether that is newer or, after a failover, older. One that has lost everything is
// filled again from the newest view that a server has.
//
// A schedule's tick is carried out by whichever server comes first: one commit says that the tick was not done yet, does
// it, and says that it is done. What it does to single keys waits in the ledger's outbox and is done from there, by any
// server, as often as it takes: it says how the key shall be, not how to change it.
//
// The package answers no check: that is package engine, which it does not know. It imports the core, packages policy and
// schedule, and the ledger's interface.
package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/policy"
	"github.com/sluice-project/sluice/store/ledger"
)

// Keys is what control does to single keys; every [sluice.Store] is one.
type Keys interface {
	Amend(ctx context.Context, a sluice.Amendment) (sluice.Standing, error)
	List(ctx context.Context, l sluice.List) (sluice.Page, error)
	Reset(ctx context.Context, policy *sluice.Policy, key string) error
}

// Config is what a [Control] can be told. The zero Config works.
type Config struct {
	// Swap is handed every new snapshot, in order. The default does nothing.
	Swap func(*policy.Snapshot)
	// Server is the name of this server in the history of schedules. The default is "".
	Server string
	// Logger is told of what other servers changed and of what cannot be done. The default discards.
	Logger *slog.Logger
}

const (
	// pollTime is how long lies between two looks at the ledger's version.
	pollTime = 200 * time.Millisecond
	// viewLife is how long a view may be decided by after it was seen to be right.
	viewLife = time.Second
	// patience is how long a change may take.
	patience = 5 * time.Second
	// checkPatience is how long a check may have to wait for a view that is fresh.
	checkPatience = 100 * time.Millisecond
	// attempts is how often a change is tried whose expectations others break, where nobody has said which revision he
	// means.
	attempts = 20
)

// Control changes what a fleet limits. It is safe for concurrent use.
type Control struct {
	ledger ledger.Ledger
	keys   Keys
	config Config

	looking chan struct{} // holds an item of whoever takes up a view
	view    atomic.Pointer[view]
	before  atomic.Int64 // the instant of the store's clock until which the view holds; 0 where none is known
	clock   clock
	wake    chan struct{}           // has an item where something may have changed
	waiting atomic.Pointer[waiting] // a file that is yet to be applied; nil where none is
	brought atomic.Pointer[File]    // the last one of this process; nil before there was any
}

// waiting is a file that is to be applied once the ledger can be reached.
type waiting struct {
	File
	start bool // it is the one that this process started with
}

// New returns a control over a ledger and its keys. Until [Control.Start] it has no policies.
func New(l ledger.Ledger, keys Keys, config Config) *Control {
	if config.Swap == nil {
		config.Swap = func(*policy.Snapshot) {}
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Control{ledger: l, keys: keys, config: config, looking: make(chan struct{}, 1), wake: make(chan struct{}, 1)}
	c.view.Store(emptyView())
	return c
}

// Before returns the instant of the store's clock until which the snapshot that was swapped last may be decided by; 0
// where none is known, because the ledger cannot be reached: then what is known must do.
func (c *Control) Before() sluice.Tick { return sluice.Tick(c.before.Load()) }

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
	c.before.Store(until)
}

// take makes the view what the ledger contains. The caller holds looking.
func (c *Control) take(ctx context.Context) error {
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

// commit carries out a change and takes up what it made.
func (c *Control) commit(ctx context.Context, change ledger.Change) (ledger.Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	receipt, err := c.ledger.Commit(ctx, change)
	if err != nil {
		return receipt, err
	}
	if err := c.look(ctx); err != nil {
		c.config.Logger.Warn("a change was made and could not be read back yet", "error", err)
	}
	return receipt, nil
}

// server is how this server is called in the audit log.
func (c *Control) server() string { return "server:" + c.config.Server }

// clock follows that of the store between two looks at it.
type clock struct {
	mu   sync.Mutex
	now  sluice.Tick
	read time.Time
}

func (c *clock) set(now sluice.Tick) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now, c.read = now, time.Now()
}

// time returns about what the store's clock reads now; ok is false before it was ever read.
func (c *clock) time() (now sluice.Tick, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.read.IsZero() {
		return 0, false
	}
	return c.now + sluice.Tick(time.Since(c.read).Microseconds()), true
}
