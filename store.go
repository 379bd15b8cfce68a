package sluice

import "context"

// Tick is the unit of time in which all stores reckon, one microsecond: an instant counted from the Unix epoch, or a
// span between two.
type Tick int64

// Request is one question to a [Store].
type Request struct {
	// Policy is the limits to ask. It is valid, and neither the store nor the caller changes it afterwards.
	Policy *Policy
	// Key is who is limited: 1 to [MaxKeyBytes] of any bytes.
	Key string
	// Cost is the units asked for, 0 to [MaxCount].
	Cost int64
	// Peek asks what the answer would be and takes nothing.
	Peek bool
	// Uncounted says that a refusal does not count towards the policy's penalty.
	Uncounted bool
	// Refund is units to give back that were taken before. Where it is more than 0 the request is no check: Cost is 0 and
	// Peek is false. Each limit of the policy then has so many units less used, the newest first and never less than none.
	// It is refused by no limit, and a block that bars the key keeps no unit from going back: it stays, and the answer says
	// so. The decision is that of a check of cost 0 after it, but that a key which still owes more than its limit holds is
	// not refused. Nothing is written for a key of which nothing is used. The type ends at [MaxCount], and is one by which a
	// Request, which is copied on the way of each check, is no larger than a cache line.
	Refund uint32
	// Refusals is how many checks of the key were refused elsewhere and not told to the store yet, 0 to [MaxCount]: those
	// that count towards the policy's penalty, as a cache of refusals keeps them. They count as if the limits had refused
	// as many checks, one after the other, at the instant of this request and before it is decided: where they begin a
	// block, it bars this request, and those left over mean nothing. They mean nothing either where a block bars the key
	// already or the policy has no penalty. They count whatever Cost, Peek and Uncounted say, which are about this request
	// alone. A request that fails with an error which does not wrap [ErrUncertain] has counted none. A store that is put
	// around another and answers in its place does not answer such a request itself, because the refusals would be lost.
	Refusals int64
	// Before is an instant of the store's clock from which on the request must not be decided any more, because what it
	// says of the policy may be out of date by then: it fails with [ErrStale], and nothing is charged. 0 is none.
	Before Tick
	// At is the instant to decide at, where it is not 0, in place of the store's own clock. Tests and simulations set
	// it. A store keeps what was written at such an instant for an hour longer than it means something, because its
	// own clock runs on while that of a simulation stands still.
	At Tick
}

// Result is the answer to one request of several.
type Result struct {
	Decision Decision
	Err      error
}

// Store decides checks and remembers them. store/memstore and store/redisstore are the two in this module; both give
// equal answers to equal questions at equal instants. A store is safe for concurrent use.
//
// The callers of a store, [Limiter] above all, hand in valid requests: a store need not look at them again.
type Store interface {
	// Check decides one request: all limits of the policy are charged, or none. The instant is read once, from the
	// store's clock. It returns when ctx ends, at the latest; a store may have a shorter deadline of its own. An
	// error that wraps [ErrUncertain] means that the check may have been charged; every other error means that it
	// was not.
	Check(ctx context.Context, req Request) (Decision, error)
	// CheckAll decides several requests, one after the other in their order as far as they are for one key, each for
	// itself: one that is refused or that fails stops no other. Results are in the order of the requests.
	CheckAll(ctx context.Context, reqs []Request) []Result
	// Reset forgets what a key has used of all limits of a policy, of which only Name and ResetAt are looked at. Its
	// standing stays. A key that is not known is no error.
	Reset(ctx context.Context, policy *Policy, key string) error
	// Amend changes the standing of a key in one step, and returns what it is then. The amendment is valid; one without
	// changes only looks.
	Amend(ctx context.Context, a Amendment) (Standing, error)
	// List returns a page of the keys of a policy that have a block or an override, in no order that means anything. Its
	// cost does not grow with the number of keys that have neither. A block that a penalty has just begun may be missing
	// for a moment.
	List(ctx context.Context, l List) (Page, error)
}
