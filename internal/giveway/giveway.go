// Package giveway lets others run in the middle of long work.
//
// The scheduler of Go gives a goroutine ten milliseconds before it looks whether others wait, and that of the system gives a
// thread some three. On a machine with few processors somebody who wants one short answer waits for that long, behind
// somebody who has asked for a thousand.
package giveway

import (
	"runtime"
	"time"
)

const (
	// turn is how long others wait. To let them run takes some 5 microseconds where nobody waits.
	turn = 250 * time.Microsecond
	// few is how many decisions are made before the clock is read: on keys that are known in 6 microseconds, on new ones in 60.
	few = 32
)

// A Turn is the time for which somebody who makes many decisions in a row has had the processor. The zero Turn has yet to begin.
// It is not safe for concurrent use.
type Turn struct {
	began time.Time
}

// Before is called before the i-th decision, from 0 on, and lets others run first where the turn is over: other goroutines, and
// other threads of the machine.
func (t *Turn) Before(i int) {
	if i%few != 0 {
		return
	}
	switch now := time.Now(); {
	case t.began.IsZero():
		t.began = now
	case now.Sub(t.began) >= turn:
		runtime.Gosched()
		thread()
		t.began = time.Now()
	}
}
