package main

import "runtime"

// ballast is memory that is never touched, so that the system never gives it, and that the collector takes to be in use.
//
// The collector starts when the heap has doubled. A server that decides in Redis, or for few keys, has about ten megabytes in
// use, and thousands of checks a second double them more than once a second; while it marks, a check waits for some
// milliseconds, and these are enough checks to be seen in the p99. With the ballast it starts no more than a third as often. A greater
// GOGC would do as much there, but would cost a server whose memory is full of keys several times the memory; the ballast costs
// every server the same. Decision 36 says more.
type ballast []byte

// ballastSize is what the heap may grow by more than it would before the collector starts.
const ballastSize = 32 << 20

// newBallast returns the ballast of a process with an environment: none where it says how often to collect, or how much
// memory there may be, of which the collector would take the ballast to be a part.
func newBallast(env func(name string) string) ballast {
	if env("GOGC") != "" || env("GOMEMLIMIT") != "" {
		return nil
	}
	return make(ballast, ballastSize)
}

// keep is called when the ballast has served.
func (b ballast) keep() { runtime.KeepAlive(b) }
