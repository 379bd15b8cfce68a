package breaker

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// mostInARow is how many calls in a row may be unanswered.
	mostInARow = 3
	// apart is how far from each other such calls have begun: those that leave together fail together, which is once.
	apart = 20 * time.Millisecond
	// leastCalls is of how many calls in a span it is said that half of them were unanswered.
	leastCalls = 6
	// sliceTime is the part of the span in which calls are counted together, slices the number of them in a span.
	sliceTime = 100 * time.Millisecond
	slices    = 10
)

// part is what may fail for itself.
type part struct {
	number  int
	refusal atomic.Pointer[refusal] // nil while calls pass
	doubted atomic.Bool             // Run is told to look
	waiting atomic.Int64            // calls under way
	heard   atomic.Int64            // when it has answered last, while more than half of MaxWaiting wait
	counts  [2 * slices]count       // a ring; by when calls have begun

	mu     sync.Mutex    // guards what is below, which changes only while calls are unanswered
	row    atomic.Int64  // unanswered calls in a row; it is read without the lock
	latest time.Duration // when the last of them has begun
	closed time.Duration // when calls have begun to pass again: what had begun before says nothing of now
}

// refusal is what calls are answered while a part is open.
type refusal struct{ err error }

// answered counts a call that was answered.
func (p *part) answered(start time.Duration) {
	p.count(start).add(number(start), false)
	if p.row.Load() != 0 {
		p.row.Store(0)
	}
}

// unanswered counts a call that was not, and reports whether that is enough to ask no more. Suspect says that one is.
func (p *part) unanswered(start, now time.Duration, suspect bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if start < p.closed {
		return false
	}
	p.count(start).add(number(start), true)
	if p.row.Load() == 0 || start-p.latest >= apart {
		p.row.Add(1)
		p.latest = start
	}
	return suspect || p.row.Load() >= mostInARow || p.halfFails(now)
}

// halfFails reports whether half of the last second's calls were unanswered, in more than one moment of it.
func (p *part) halfFails(now time.Duration) bool {
	var all, failed, moments uint64
	newest := number(now)
	for i := range p.counts {
		of, good, bad := p.counts[i].load()
		if age := (newest - of) & numberMask; age >= slices {
			continue
		}
		all, failed = all+good+bad, failed+bad
		if bad > 0 {
			moments++
		}
	}
	return all >= leastCalls && 2*failed >= all && moments > 1
}

// close lets calls pass again, and reports whether they did not.
func (p *part) close(now time.Duration) bool {
	p.mu.Lock()
	p.row.Store(0)
	p.closed = now
	for i := range p.counts {
		p.counts[i].packed.Store(0)
	}
	p.mu.Unlock()
	return p.refusal.Swap(nil) != nil
}

func (p *part) count(start time.Duration) *count {
	return &p.counts[int(start/sliceTime)%len(p.counts)]
}

// number is the number of the slice that an instant is in; 0 is none.
func number(at time.Duration) uint64 { return uint64(at/sliceTime+slices) & numberMask }

// count is how many calls that have begun in a slice were answered, and how many not: the number of the slice and the two
// in one word, so that nobody waits to count.
type count struct{ packed atomic.Uint64 }

const (
	countBits  = 22
	countMask  = 1<<countBits - 1
	numberMask = 1<<(64-2*countBits) - 1
)

func (c *count) load() (of, good, bad uint64) {
	packed := c.packed.Load()
	return packed >> (2 * countBits), packed >> countBits & countMask, packed & countMask
}

func (c *count) add(of uint64, failed bool) {
	for {
		old := c.packed.Load()
		next := old
		if old>>(2*countBits) != of {
			next = of << (2 * countBits)
		}
		good, bad := next>>countBits&countMask, next&countMask
		switch {
		case failed && bad < countMask:
			next++
		case !failed && good < countMask:
			next += 1 << countBits
		}
		if c.packed.CompareAndSwap(old, next) {
			return
		}
	}
}
