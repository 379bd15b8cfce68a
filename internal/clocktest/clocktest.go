// Package clocktest makes instants as there are after somebody has set the clock of a machine, for tests of what must not
// care. It imports the standard library only.
package clocktest

import (
	"fmt"
	"time"
	"unsafe"
)

// Step returns an instant that [time.Now] has returned as it would have been on a machine whose wall clock had been put
// forward by some seconds, or back: the monotonic clock stays. It reads what package time does not show, and panics where
// that is not as it was when this was written.
func Step(t time.Time, seconds int64) time.Time {
	stepped := t
	const nanoseconds = 30 // so many bits are below the seconds
	*(*int64)(unsafe.Pointer(&stepped)) += seconds << nanoseconds
	if stepped.Sub(t) != 0 || stepped.Unix() != t.Unix()+seconds {
		panic(fmt.Sprintf("%s cannot be stepped by %d s: package time has changed", t, seconds))
	}
	return stepped
}
