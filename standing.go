package sluice

import (
	"context"
	"fmt"
	"time"
	"unicode/utf8"
)

// Standing is what a store knows of a key of a policy besides its counters: whether it is barred, which limits hold for
// it alone, and how near it is to a penalty. The zero Standing is that of a key of which nothing is known.
type Standing struct {
	// Block bars the key; nil where nothing does.
	Block *Block
	// Override is the limits that hold for this key; nil where those of the policy do.
	Override *Override
	// Refusals is how many refusals count towards the next penalty now.
	Refusals int64
	// Blocks is how many past penalties make the next one longer.
	Blocks int
}

// Block bars a key until an instant.
type Block struct {
	// Until is the instant from which the key is no longer barred, by the store's clock.
	Until Tick
	// Reason says why, for people: at most [MaxReasonBytes] of UTF-8.
	Reason string
	// Penalty says that the policy's penalty began it, and not somebody by hand.
	Penalty bool
}

// Override is other limits for one key: they stand in the place of all limits of the policy.
type Override struct {
	// Limits are 1 to [MaxLimits] limits with different names, none of a calendar. One that has the name of a limit of the
	// policy goes on with what that has counted.
	Limits []Limit
	// Until is the instant from which the policy's own limits hold again, by the store's clock; 0 is for good.
	Until Tick
}

// MaxReasonBytes is the length of the longest reason of a block.
const MaxReasonBytes = 200

// PenaltyReason is the reason of a block that a [Penalty] began.
const PenaltyReason = "penalty"

// Amendment changes the standing of a key. The zero changes leave it as it is.
type Amendment struct {
	// Policy is the name of the policy, Key whose standing it is.
	Policy, Key string
	// Bar begins a block, in the place of one that there is.
	Bar *Bar
	// Unbar ends a block, and forgets the refusals and the past blocks that count towards the next penalty.
	Unbar bool
	// Except gives the key limits of its own, in the place of such that it has.
	Except *Exception
	// Unexcept gives it those of the policy again.
	Unexcept bool
	// At is that of [Request].
	At Tick
}

// Bar says how long a key is to be barred, and why.
type Bar struct {
	// For is how long, 1 ms to [MaxPeriod]; 0 where Until says it.
	For time.Duration
	// Until is the instant at which it ends, 0 where For says how long. One that has passed bars nobody.
	Until Tick
	// Reason is that of [Block].
	Reason string
}

// Exception says which limits a key is to have, and how long.
type Exception struct {
	// Limits are those of [Override].
	Limits []Limit
	// For is how long, 1 ms to [MaxPeriod]; where it and Until are 0, for good.
	For time.Duration
	// Until is the instant at which it ends, 0 where For says how long.
	Until Tick
}

// lastInstant is the beginning of the year 2200, up to which all arithmetic is exact.
const lastInstant Tick = 7_258_118_400 * 1e6

// Validate reports everything that is wrong with the amendment, each fault as an [*InvalidError]; or nil. The name of
// the policy is not looked at.
func (a Amendment) Validate() error {
	var faults []error
	fault := func(field, format string, args ...any) {
		faults = append(faults, &InvalidError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
	if err := ValidateKey(a.Key); err != nil {
		faults = append(faults, err)
	}
	if b := a.Bar; b != nil {
		switch {
		case b.Until != 0 && b.For != 0:
			fault("for", "it cannot be given beside until; leave out one of the two")
		case b.Until < 0 || b.Until > lastInstant:
			fault("until", "it must be an instant from 1970 to the year 2200")
		case b.Until == 0 && (b.For < time.Millisecond || b.For > MaxPeriod):
			fault("for", "it is %s; it must be 1ms to 366d", DurationText(b.For))
		}
		if len(b.Reason) > MaxReasonBytes || !utf8.ValidString(b.Reason) {
			fault("reason", "it must be at most %d bytes of UTF-8", MaxReasonBytes)
		}
	}
	if e := a.Except; e != nil {
		switch {
		case e.Until != 0 && e.For != 0:
			fault("for", "it cannot be given beside until; leave out one of the two")
		case e.Until < 0 || e.Until > lastInstant:
			fault("until", "it must be an instant from 1970 to the year 2200")
		case e.For != 0 && (e.For < time.Millisecond || e.For > MaxPeriod):
			fault("for", "it is %s; it must be 1ms to 366d", DurationText(e.For))
		}
		if err := validateLimits(e.Limits); err != nil {
			faults = append(faults, err)
		}
		for i, l := range e.Limits {
			if _, calendar := l.Calendar(); calendar {
				fault(fmt.Sprintf("limits[%d]", i), "a limit of one key cannot follow a calendar; give it a period, or write the override into the policy's document")
			}
		}
	}
	if a.Bar != nil && a.Unbar {
		fault("unbar", "it cannot be asked for together with a block")
	}
	if a.Except != nil && a.Unexcept {
		fault("unexcept", "it cannot be asked for together with an override")
	}
	return joinFaults(faults)
}

// Block bars a key for a time, 1 ms to [MaxPeriod], whatever its limits say; in the place of a block that there is.
func (l *Limiter) Block(ctx context.Context, key string, d time.Duration, reason string) error {
	return l.amend(ctx, Amendment{Key: key, Bar: &Bar{For: d, Reason: reason}})
}

// Unblock ends a block. It forgets the refusals and past blocks that count towards the next penalty, too.
func (l *Limiter) Unblock(ctx context.Context, key string) error {
	return l.amend(ctx, Amendment{Key: key, Unbar: true})
}

// Override gives a key limits of its own for a time, or for good where it is 0. They stand in the place of all limits of
// the policy; one that has the name of one of these goes on with what it has counted.
func (l *Limiter) Override(ctx context.Context, key string, limits []Limit, d time.Duration) error {
	return l.amend(ctx, Amendment{Key: key, Except: &Exception{Limits: limits, For: d}})
}

// RemoveOverride gives a key the limits of the policy again.
func (l *Limiter) RemoveOverride(ctx context.Context, key string) error {
	return l.amend(ctx, Amendment{Key: key, Unexcept: true})
}

// Standing says what is known of a key besides its counters.
func (l *Limiter) Standing(ctx context.Context, key string) (Standing, error) {
	if err := ValidateKey(key); err != nil {
		return Standing{}, err
	}
	return l.store.Amend(ctx, Amendment{Policy: l.policy.Name, Key: key})
}

func (l *Limiter) amend(ctx context.Context, a Amendment) error {
	a.Policy = l.policy.Name
	if err := a.Validate(); err != nil {
		return err
	}
	_, err := l.store.Amend(ctx, a)
	return err
}

// List asks a store for the keys of a policy that have a block or an override.
type List struct {
	// Policy is the name of the policy.
	Policy string
	// Overrides asks for keys with an override, instead of keys with a block.
	Overrides bool
	// Cursor is where to go on: that of the page before, or "" to begin.
	Cursor string
	// Most is how many entries a page has at most, 1 to 1000.
	Most int
}

// Page is some entries of a list, each as it stands now: a block that has ended is not among them.
type Page struct {
	Entries []Listed
	// Cursor is where the next page begins; "" where there is none. A page may have fewer entries than were asked for,
	// even none, and another may follow all the same.
	Cursor string
}

// Listed is a key and its standing.
type Listed struct {
	// Key is the key; of one that the store keeps as a hash only, the hash.
	Key      string
	Standing Standing
}
