package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// asked is whom a benchmark asks.
type asked interface {
	// caller returns one that asks it: each goroutine has its own.
	caller() asks
	// name says to people who it is, and by what it decides.
	name() string
}

// asks puts the checks of some keys in one call, and notes what each was answered.
type asks func(keys []string, t *tally)

// benchRun is a benchmark that is under way. Its callers ask until its time is over or its context ends; calls that have
// begun by then end as ever.
type benchRun struct {
	*benchmark
	asked   asked
	tallies []*tally
	begun   time.Time
	elapsed time.Duration // until the last call had ended
	asking  time.Duration // until the last call could begin

	// Where calls are due at instants:
	next atomic.Int64 // the number of the next one
	free atomic.Int64 // how long after the beginning a caller was last seen that waited for one
}

// tally is what one caller has seen. The counts may be read while it asks.
type tally struct {
	allowed, refused, failed atomic.Int64

	calls     int64
	latencies histogram
	failures  map[string]*failures
}

// failures are checks that were not decided, for one reason.
type failures struct {
	count int64
	first string // how the first was told
}

// decided notes what the limits said to one check.
func (t *tally) decided(allowed bool) {
	if allowed {
		t.allowed.Add(1)
	} else {
		t.refused.Add(1)
	}
}

// fail notes that so many checks were not decided: why in a word or two, and how it was told.
func (t *tally) fail(checks int, why, told string) {
	t.failed.Add(int64(checks))
	if t.failures[why] == nil {
		t.failures[why] = &failures{first: told}
	}
	t.failures[why].count += int64(checks)
}

func newRun(b *benchmark, asked asked) *benchRun {
	r := &benchRun{benchmark: b, asked: asked, tallies: make([]*tally, b.concurrency)}
	for i := range r.tallies {
		r.tallies[i] = &tally{failures: make(map[string]*failures)}
	}
	return r
}

// do runs the benchmark, and returns when all its callers have ended. It tells a terminal how it goes, where there is
// one.
func (r *benchRun) do(ctx context.Context, terminal io.Writer) {
	r.begun = time.Now()
	if terminal != nil {
		defer r.tell(terminal)()
	}
	ctx, cancel := context.WithDeadline(ctx, r.begun.Add(r.duration))
	defer cancel()
	var group sync.WaitGroup
	for _, t := range r.tallies {
		group.Go(func() { r.call(ctx, t) })
	}
	<-ctx.Done()
	r.asking = min(time.Since(r.begun), r.duration)
	group.Wait()
	r.elapsed = time.Since(r.begun)
}

// call is one caller.
func (r *benchRun) call(ctx context.Context, t *tally) {
	ask := r.asked.caller()
	random := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	keys := make([]string, r.batch)
	for {
		for i := range keys {
			keys[i] = benchKey + strconv.Itoa(random.IntN(r.keys))
		}
		start, going := time.Now(), true
		if r.rate > 0 {
			start, going = r.wait(ctx)
		}
		if !going || ctx.Err() != nil {
			return
		}
		t.calls++
		ask(keys, t)
		t.latencies.add(time.Since(start))
	}
}

// wait waits until the next call is due, and returns from when on it counts; going is false where none is due any more.
// It counts from when it was due, though all callers were busy then. But a timer that wakes late, which can be a millisecond, is no fault of whom it is asked: while one
// caller waited for it, no call was held up by another one.
func (r *benchRun) wait(ctx context.Context) (start time.Time, going bool) {
	due := r.due(r.next.Add(1) - 1)
	early := due - time.Since(r.begun)
	switch {
	case due >= r.duration:
		return start, false
	case early <= 0:
		return r.begun.Add(max(due, time.Duration(r.free.Load()))), true
	}
	timer := time.NewTimer(early)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	now := time.Since(r.begun)
	r.free.Store(int64(now))
	return r.begun.Add(now), true
}

// due returns how long after the beginning a call is due.
func (r *benchRun) due(call int64) time.Duration {
	return time.Duration(float64(call*int64(r.batch)) / float64(r.rate) * float64(time.Second))
}

// missed returns how many checks were due while the callers could begin calls, and were not asked for because all of
// them were busy.
func (r *benchRun) missed() int64 {
	if r.rate == 0 {
		return 0
	}
	due, begun := int64(math.Ceil(r.asking.Seconds()*float64(r.rate)/float64(r.batch))), int64(0)
	for _, t := range r.tallies {
		begun += t.calls
	}
	return max(0, due-begun) * int64(r.batch)
}

// counts are checks by what became of them.
type counts struct{ allowed, refused, failed int64 }

func (r *benchRun) counts() (c counts) {
	for _, t := range r.tallies {
		c.allowed += t.allowed.Load()
		c.refused += t.refused.Load()
		c.failed += t.failed.Load()
	}
	return c
}

// tell writes to a terminal how it goes, in one line that is written over once a second, until stop is called.
func (r *benchRun) tell(w io.Writer) (stop func()) {
	ended := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for last := (counts{}); ; {
			select {
			case <-ended:
				_, _ = io.WriteString(w, "\r\x1b[K") // the result takes its place
				return
			case <-ticker.C:
				now := r.counts()
				_, _ = io.WriteString(w, "\r"+progressLine(time.Since(r.begun), r.duration, last, now)+"\x1b[K")
				last = now
			}
		}
	})
	return func() {
		close(ended)
		group.Wait()
	}
}

// progressLine says what was decided in the last second, and how many checks failed since the beginning.
func progressLine(passed, of time.Duration, last, now counts) string {
	decided, refused := now.allowed+now.refused-last.allowed-last.refused, now.refused-last.refused
	return fmt.Sprintf("%s of %s: %d decisions/s, %s refused, %d errors",
		passed.Round(time.Second), of, decided, share(refused, decided), now.failed)
}

// share returns a part of a whole in percent.
func share(part, whole int64) string {
	return fmt.Sprintf("%.1f%%", 100*float64(part)/float64(max(1, whole)))
}
