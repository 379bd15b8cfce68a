package memstore

import (
	"sync/atomic"
	"time"
)

// clock reads the time in ticks since the Unix epoch. It reads the monotonic clock, at half the price of the wall clock,
// and the wall clock once a second: where that one is set, the store follows within a second. The zero clock works.
type clock struct {
	last atomic.Pointer[reading]
	test func() int64 // takes the place of both clocks where it is not nil
}

// reading is a look at both clocks at one instant.
type reading struct {
	at    time.Time // for its monotonic part
	ticks int64     // of the wall clock
}

func (c *clock) now() int64 {
	if c.test != nil {
		return c.test()
	}
	if r := c.last.Load(); r != nil {
		if passed := time.Since(r.at); passed < time.Second {
			return r.ticks + int64(passed/time.Microsecond)
		}
	}
	// The two parts of a time are read one after the other. Where the thread was stopped between them they are not of
	// one instant, and a second by them would be too short or too long: such a look answers for itself only.
	first, second := time.Now(), time.Now()
	ticks := second.UnixMicro()
	if between := ticks - first.UnixMicro(); between == 0 || between == 1 {
		c.last.Store(&reading{at: first, ticks: first.UnixMicro()})
	}
	return ticks
}
