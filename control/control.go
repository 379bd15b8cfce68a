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
	"log/slog"
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
	holding atomic.Pointer[holding]
	asked   time.Time // when the ledger was last asked; for who holds looking
	clock   clock
	wake    chan struct{}           // has an item where something may have changed
	waiting atomic.Pointer[waiting] // a file that is yet to be applied; nil where none is
	brought atomic.Pointer[File]    // the last one of this process; nil before there was any
}

// holding is until when a view holds, by the store's clock and by that of this process.
type holding struct {
	before sluice.Tick
	until  time.Time
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
