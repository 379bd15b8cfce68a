// Package giveway lets others run before a long piece of work goes on.
//
// The scheduler of Go gives a goroutine ten milliseconds before it looks whether others wait, and that of the system gives a
// thread about as long. On a machine with few processors somebody who wants one short answer waits for that long, behind
// somebody who has asked for a thousand.
package giveway

import "runtime"

// many is how many decisions are made in a row: on keys that are known in 50 microseconds, on new ones in 500.
const many = 256

// Before is called before the i-th of many decisions, and lets others run first now and then.
func Before(i int) {
	if i%many == many-1 {
		Now()
	}
}

// Now lets those run first who wait for the processor: other goroutines, and other threads of the machine. It takes less than
// a microsecond where nobody waits.
func Now() {
	runtime.Gosched()
	thread()
}
