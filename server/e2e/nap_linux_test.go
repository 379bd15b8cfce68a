package e2e

import (
	"syscall"
	"time"
)

// nap sleeps on the thread that it is called on. [time.Sleep] ends up to a millisecond late where little else goes on, and at
// thousands of checks a second all that were due meanwhile would come at once.
func nap(d time.Duration) {
	if d > 0 {
		ts := syscall.NsecToTimespec(d.Nanoseconds())
		_ = syscall.Nanosleep(&ts, nil) // where it is interrupted, a check is early by as much
	}
}
