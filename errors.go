package sluice

import (
	"context"
	"errors"
	"fmt"
)

// A refusal is a [Decision], not an error: an error means that nobody knows. Every error of a [Store] that is not
// [ErrUncertain] means that nothing was charged.
var (
	// ErrNotSent is wrapped by errors of checks that were never sent to the store: nothing was charged. Where a
	// context ended it, the error wraps ctx.Err() too.
	ErrNotSent = errors.New("not sent to the store, nothing charged")
	// ErrUncertain is wrapped by errors of checks that were sent and not answered: they may have been charged, and of
	// refunds: the units may have gone back. Where a context ended it, the error wraps ctx.Err() too. Asking again may do
	// it again.
	ErrUncertain = errors.New("sent to the store and not answered, may have been charged")
	// ErrForeignState is wrapped by errors of checks whose key has a state that this store did not write: another program
	// uses its place, or a later version did. Nothing was charged, and only this key is concerned; [Limiter.Reset]
	// deletes what is there in the place of counters, an [Amendment] with Unbar and Unexcept what is there in the place
	// of a standing.
	ErrForeignState = errors.New("the stored state of this key is not one that Sluice writes")
	// ErrStale is wrapped by errors of checks that came to be decided after the instant that [Request].Before allows.
	// Nothing was charged.
	ErrStale = errors.New("too late to be decided by what is known of the policy, nothing charged")
	// ErrNever is wrapped by the error of [Limiter.Wait] for a cost that can never fit.
	ErrNever = errors.New("the cost can never fit")
)

// InvalidError says that something a caller gave is not legal: what, and what would be right. Nothing was charged.
type InvalidError struct {
	// Field is the name or path of what is at fault, such as "cost" or "limits[1]".
	Field string
	// Problem says what is wrong with it and what would be right.
	Problem string
}

func (e *InvalidError) Error() string { return e.Field + ": " + e.Problem }

// RefusedError is the error of a [Limiter.Wait] that could not be admitted in time. It wraps
// [context.DeadlineExceeded], or [ErrNever] where no time would do.
type RefusedError struct {
	// Decision is the refusal that could not be waited out.
	Decision Decision
}

func (e *RefusedError) Error() string {
	if e.Decision.RetryAfter == Never {
		return fmt.Sprintf("refused: %v", ErrNever)
	}
	return fmt.Sprintf("refused: it would be admitted in %s, after the deadline", e.Decision.RetryAfter)
}

// Unwrap returns [ErrNever] or [context.DeadlineExceeded].
func (e *RefusedError) Unwrap() error {
	if e.Decision.RetryAfter == Never {
		return ErrNever
	}
	return context.DeadlineExceeded
}

// joinFaults is [errors.Join], but one fault alone stays as it is.
func joinFaults(faults []error) error {
	if len(faults) == 1 {
		return faults[0]
	}
	return errors.Join(faults...)
}
