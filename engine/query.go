package engine

import (
	"fmt"

	"github.com/sluice-project/sluice"
)

// Query is one check, peek or refund by a configured policy.
type Query struct {
	// Policy is the name of the policy.
	Policy string
	// Key is who is limited: 1 to [sluice.MaxKeyBytes] of any bytes.
	Key string
	// Cost is the units asked for, 0 to [sluice.MaxCount].
	Cost int64
	// Peek asks what the answer would be and takes nothing.
	Peek bool
	// Refund gives units back that were taken before, 0 to [sluice.MaxCount], see [sluice.Request]. Where it is more than
	// 0, Cost is 0 and Peek false. No number that a client sends as a cost ends here: a door that lets clients give back
	// has a word for it.
	Refund int64
}

// Inline is one check, peek or refund by limits that the caller brings along. Their counters are kept apart from those of
// all policies, by the namespace.
type Inline struct {
	// Namespace is spelled as a policy's name is.
	Namespace string
	// Limits are 1 to [sluice.MaxLimits] limits with different names. The caller does not change them afterwards.
	Limits []sluice.Limit
	// Key, Cost, Peek and Refund are those of [Query].
	Key    string
	Cost   int64
	Peek   bool
	Refund int64
}

// Answer is what a query is answered.
type Answer struct {
	// Decision is what the caller is to be told. Where the source is [sluice.SourceErrorPolicy] its numbers are 0 and
	// mean nothing.
	sluice.Decision
	// Policy is the name of the policy; empty where there is none, as for [Engine.CheckInline] and
	// [Engine.CheckRule].
	Policy string
	// Key is the key of the query.
	Key string
	// ShadowDenied says that the policy refuses and lets through all the same, because it runs in the shadow.
	ShadowDenied bool
	// StoreErr is why the source is [sluice.SourceErrorPolicy] or [sluice.SourceFallback]; nil with every other source.
	StoreErr error
}

// Result is the answer to one query of several, or its error.
type Result struct {
	Answer Answer
	Err    error
}

// UnknownPolicyError says that no policy has the name that was asked for. Nothing was charged.
type UnknownPolicyError struct {
	Policy string
}

func (e *UnknownPolicyError) Error() string {
	return fmt.Sprintf("no policy is named %.64q; it must be one of those that are configured", e.Policy)
}
