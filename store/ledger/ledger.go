// Package ledger is what a fleet of servers shares besides counters: named entries, such as policies and schedules,
// that change by compare-and-swap; logs of what was done; and work that waits to be done.
//
// It knows nothing of what an entry says: package control writes them. One [Ledger] is in Redis (store/redisstore),
// where a change of it is one script, and one in the memory of a process ([Memory]), where it ends with the process.
// It imports the core and the standard library only.
package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/sluice-project/sluice"
)

// Ledger is the entries and logs of one fleet. It is safe for concurrent use.
type Ledger interface {
	// Load returns all entries, and the version that they are of.
	Load(ctx context.Context) (Contents, error)
	// Version returns the version of the entries and the store's clock. It is cheap: servers ask several times a second.
	Version(ctx context.Context) (Version, sluice.Tick, error)
	// Commit carries out a change, all of it or nothing, and returns the version that it made and the instant at which
	// it did. The error is a [*ConflictError] where an expectation does not hold, else [ErrNotDue] where the store's
	// clock is before the change's Due, and a [*sluice.InvalidError] where [Change.Validate] returns one. One that wraps
	// [sluice.ErrUncertain] means that the change may have been carried out; any other, that nothing was done.
	Commit(ctx context.Context, c Change) (Receipt, error)
	// Watch calls changed when it has begun to listen, and then after commits by anybody that change entries, once for
	// several that come close together, never twice at a time. Some may be missed: Version tells. It returns ctx.Err()
	// when ctx ends, and another error where it cannot listen any more.
	Watch(ctx context.Context, changed func()) error
	// Log returns up to most lines of a log, 1 or more, the newest first, from those before a cursor; the empty cursor
	// begins with the newest. The cursor that is returned is empty where there are no more. A cursor of something else
	// is a [*sluice.InvalidError], or begins anywhere. A log that was never written has no lines.
	Log(ctx context.Context, log string, before string, most int) ([]Line, string, error)
}

// MostRevision is the greatest revision that an expectation can have: all stores count exactly up to it.
const MostRevision Version = 1<<53 - 1

// Version tells states of the entries apart: each commit that changes entries makes another, greater than the one
// before. It is an instant of the store's clock in ticks, or one more than the version before where the clock has not
// gone on, so that one that a failover took back is not given again. 0 is a ledger that was never written, or has been
// lost.
type Version int64

// Contents is all entries at one version.
type Contents struct {
	Version Version
	// Restored is the version of the contents that a commit with Restore brought back, where nothing has been changed
	// since; else 0.
	Restored Version
	// Now is the store's clock.
	Now sluice.Tick
	// Entries are in no order.
	Entries []Entry
}

// Entry is one document of the ledger.
type Entry struct {
	// Kind says what it is, such as "policy", and Name which. A kind is a word of a-z; names are any text without NUL.
	Kind, Name string
	// Revision is the version that wrote it last.
	Revision Version
	// Value is what it says. It must not be changed.
	Value []byte
}

// Change is what a commit does in one step. The zero Change does nothing. No slice has more than [MostItems].
type Change struct {
	// Expect must hold, or nothing is done.
	Expect []Expectation
	// Due is an instant before which nothing is done; 0 is none.
	Due sluice.Tick
	// Delete takes entries away, before others are put; only Kind and Name are looked at. One that is not there is no
	// error.
	Delete []Entry
	// Put writes entries, whose Revision is not looked at; those that are there already are replaced.
	Put []Entry
	// Append adds lines to logs, in their order.
	Append []Append
	// Restore is the version of the contents that this change brings back into a ledger that has lost its own: it is
	// carried out only where the ledger is at version 0, or was restored to an older version than this and not changed
	// since; what was restored then is taken away first. The version that it makes is greater than this one. Else the
	// error is a [*ConflictError]. 0 for every other change.
	Restore Version
}

// Expectation says which revision an entry must have.
type Expectation struct {
	Kind, Name string
	// Revision must be that of the entry; 0 is one that is not there.
	Revision Version
}

// Append is a line for a log.
type Append struct {
	// Log is the name of the log: any text without NUL.
	Log string
	// Value is the line.
	Value []byte
	// Keep is how many of its newest lines the log keeps when this one is in it, 1 to [MostItems].
	Keep int
}

// Line is one line of a log.
type Line struct {
	// At is when it was written, by the store's clock.
	At    sluice.Tick
	Value []byte
}

// Receipt is what a commit has done.
type Receipt struct {
	// Version is that of the entries now: a new one where entries were put, deleted or restored.
	Version Version
	// Now is the store's clock at the commit.
	Now sluice.Tick
}

// ConflictError says which expectation of a change does not hold. Nothing was done.
type ConflictError struct {
	// Kind and Name are those of the entry; empty for [Change].Restore.
	Kind, Name string
	// Current is the revision of the entry now, 0 where there is none; for Restore the version of the ledger.
	Current Version
}

func (e *ConflictError) Error() string {
	if e.Kind == "" {
		return fmt.Sprintf("the ledger holds entries of version %d, which are not replaced", e.Current)
	}
	return fmt.Sprintf("%s %.64q is at revision %d by now", e.Kind, e.Name, e.Current)
}

// ErrNotDue says that a change was asked for before it is due. Nothing was done.
var ErrNotDue = errors.New("the change is not due yet by the store's clock, nothing was done")
