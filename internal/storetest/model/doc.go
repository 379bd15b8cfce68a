// Package model is the rule book of stores: it says what every one of them must answer, so slowly and simply that one
// can see that it is right. Stores are compared with it, and it shares no code with any of them.
//
// A limit's memory of a key is a holding. All that a holding has to know is how much counts as used at an instant, in
// integers of any size; what a decision says is then looked up by its definition: RetryAfter is found by trying, as the
// first instant from now at which the cost fits, and ResetAfter as the first at which nothing is used.
//
// Where a store may choose, as a sliding window may that remembers more than 64 admissions, a holding has two views: by
// the strict one every unit comes back when it must not come back earlier, by the late one when it must be back.
//
// The package has no clock and does no I/O. It imports the core package and the standard library only.
package model
