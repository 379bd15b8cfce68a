package memstore

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var c clock
		for range 5 {
			for _, step := range []time.Duration{0, time.Microsecond, time.Second - time.Microsecond, time.Second, time.Hour} {
				time.Sleep(step)
				if got, want := c.now(), time.Now().UnixMicro(); got != want {
					t.Fatalf("the clock reads %d, want %d", got, want)
				}
			}
		}
	})
}

// TestClockKeepsPace compares the clock with the monotonic one over more than a second, which holds a look at the wall
// clock. A machine that runs a test suite stops threads at any point.
func TestClockKeepsPace(t *testing.T) {
	t.Parallel()
	var c clock
	start, first := time.Now(), c.now()
	for time.Since(start) < 2500*time.Millisecond {
		before := time.Since(start)
		passed := time.Duration(c.now()-first) * time.Microsecond
		after := time.Since(start)
		if slack := 2 * time.Millisecond; passed < before-slack || passed > after+slack {
			t.Fatalf("between %v and %v after the start the clock says that %v have passed", before, after, passed)
		}
	}
}
