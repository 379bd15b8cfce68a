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
	earliest := time.Now()
	first := c.now()
	latest := time.Now()
	for time.Since(latest) < 2500*time.Millisecond {
		least := time.Since(latest)
		passed := time.Duration(c.now()-first) * time.Microsecond
		most := time.Since(earliest)
		if slack := 5 * time.Millisecond; passed < least-slack || passed > most+slack {
			t.Fatalf("%v to %v have passed, and the clock says %v", least, most, passed)
		}
	}
}
