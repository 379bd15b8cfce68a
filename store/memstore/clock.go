package memstore

import (
	"sync/atomic"
	"time"
)

// clock reads the time in ticks since the Unix epoch. It reads the monotonic clock, at half the price of the wall clock,
// and the wall clock once a second: where that one is set, the store follows within a second. The zero clock works.
type clock struct {
	last atomic.Pointer[reading]
}

// reading is a look at the wall clock.
type reading struct {
	at    time.Time
	ticks int64
}

func (c *clock) now() int64 {
	if r := c.last.Load(); r != nil {
		if passed := time.Since(r.at); passed < time.Second {
			return r.ticks + int64(passed/time.Microsecond)
		}
	}
	at := time.Now()
	r := &reading{at: at, ticks: at.UnixMicro()}
	c.last.Store(r)
	return r.ticks
}
