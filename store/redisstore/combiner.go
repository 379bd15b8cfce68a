package redisstore

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
	"github.com/sluice-project/sluice"
)

// Checks that arrive while calls to Redis are under way gather, and leave together in the next: one round trip decides
// many keys. Nobody waits on a timer: who is to send lets all others run first that are ready to, and takes what they
// have brought. Up to two calls are under way at a time, so that Redis works on the one while this process reads and
// writes the other. They have a connection each, on which the client writes and reads without further goroutines.
//
// A caller waits on his own context, and no longer than the store's timeout. If that ends before his check has left, the
// check is withdrawn and was not charged; if it ends afterwards, nobody knows. Neither delays nor cancels the others: a
// call has a deadline of its own, and is made by a goroutine of its own that ends when nothing is left to send, or by a
// caller whom nothing but the timeout can end.
//
// Checks leave in the order in which they came, so that the crowd before one key delays others by no more than its own
// checks that came before. The checks of one caller of [Store.CheckAll] that need several calls are made one after the
// other, because calls on two connections have no order.
//
// On a Cluster a script call may not ask for keys of two slots, and one of the nodes may be slow. There checks gather by
// slots, in a lane for each: those of a busy key share calls, and the client pipelines the calls of all slots for each
// node.

const (
	// mostTogether is how many checks share a call, so that Redis is never held for long.
	mostTogether = 256
	// mostQueued is how many checks may wait for the next calls. It bounds the memory that a slow Redis costs.
	mostQueued = 1 << 16
	// mostOfOne is how many checks of one caller wait at a time, so that nobody takes all that room.
	mostOfOne = mostQueued / 4
	// mostCalls is how many calls of a lane are under way at a time, where it has all keys of a server.
	mostCalls = 2
)

// errQueueFull is why a check is not sent when mostQueued others are waiting already.
var errQueueFull = errors.New("too many checks are waiting for Redis")

// entry is one check on its way.
type entry struct {
	req    sluice.Request
	result sluice.Result
	caller *caller
	next   *entry // of the same key in a call
	lane   *lane
	stage  stage // guarded by the combiner
}

// stage says how far an entry has come.
type stage uint8

const (
	queued stage = iota
	withdrawn
	sent
	decided // the result may be read
)

// caller is who waits for one or more entries.
type caller struct {
	entries []entry
	one     [1]entry // the entries of a caller who has one
	done    chan struct{}

	// Guarded by the combiner.
	left    int           // entries that are not decided yet
	given   bool          // it was given back before all were
	call    *call         // that has entries of it and is under way
	expires time.Duration // by the combiner's clock
	waiting bool          // it is between the other two in the list of those who wait
	sooner  *caller
	later   *caller
}

// callers are those that wait for nothing, to be used again.
var callers = sync.Pool{New: func() any { return &caller{done: make(chan struct{}, 1)} }}

// lane is the checks that may share calls.
type lane struct {
	queue []*entry // those before head have left
	head  int
	gone  int // how many of the others were withdrawn
	calls [mostCalls]bool
	most  int // calls that may be under way
}

// combiner is where checks wait. The zero combiner is idle.
type combiner struct {
	mu     sync.Mutex
	all    lane        // of a single server
	slots  []lane      // of a Cluster
	queued int         // entries in all queues that were not withdrawn
	ends   caller      // the list of those who wait, a ring: ends.later waits for the shortest time yet
	timer  *time.Timer // which ends the waiting
	armed  bool        // the timer runs
	begun  time.Time   // where the combiner's clock begins
	apart  atomic.Bool // Redis has refused to decide keys of different slots together
}

// decide has all entries of a caller decided. Their results may be read afterwards. It returns whether nobody holds the
// caller any more. Patient says that nothing but the store's timeout ends the waiting.
func (s *Store) decide(ctx context.Context, c *caller) (free bool) {
	q := &s.combiner
	slots := s.apart()
	q.mu.Lock()
	if q.queued+len(c.entries) > mostQueued {
		q.mu.Unlock()
		for i := range c.entries {
			c.entries[i].result.Err = notSent(errQueueFull)
		}
		return true
	}
	if ctx.Done() == nil && !slots && len(c.entries) == 1 && q.all.idle() {
		q.all.calls[0] = true
		q.mu.Unlock()
		s.alone(c)
		return true
	}
	q.wait(c, s.timeout)
	var lead *lane
	nth := 0
	for i := range c.entries {
		e := &c.entries[i]
		l := &q.all
		if l.most = mostCalls; slots {
			l = q.slot(s.keys.slot(e.req.Policy.Name, e.req.Key))
		}
		e.caller, e.lane, e.stage = c, l, queued
		l.queue = append(l.queue, e)
		q.queued++
		if n := l.begin(); n < 0 {
			continue
		} else if ctx.Done() == nil && !slots && len(c.entries) == 1 {
			lead, nth = l, n
		} else {
			go s.send(l, n)
		}
	}
	q.mu.Unlock()
	if lead != nil {
		s.lead(lead, nth)
	}
	if ctx.Done() == nil {
		<-c.done
	} else {
		select {
		case <-c.done:
		case <-ctx.Done():
			if q.withdraw(c, ctx.Err()) {
				return false
			}
			<-c.done // it was decided, or has expired, at the same time
		}
	}
	return !c.given
}

// apart reports whether keys of different slots must be asked for in calls of their own.
func (s *Store) apart() bool {
	return s.combiner.apart.Load() || s.client.Mode() == rueidis.ClientModeCluster
}

// slot returns the lane of a Cluster's slot.
func (q *combiner) slot(n uint16) *lane {
	if q.slots == nil {
		q.slots = make([]lane, slots)
	}
	l := &q.slots[n]
	l.most = 1
	return l
}

// begin returns the number of a call that may be made now, -1 where enough are under way.
func (l *lane) begin() int {
	for n := range l.most {
		if !l.calls[n] {
			l.calls[n] = true
			return n
		}
	}
	return -1
}

// idle reports whether nothing is under way and nothing waits.
func (l *lane) idle() bool { return l.calls == [mostCalls]bool{} && len(l.queue) == 0 }

// alone makes a call for the only check that there is, on the goroutine of its caller.
func (s *Store) alone(who *caller) {
	c := calls.Get().(*call)
	c.nth, c.entries = 0, append(c.entries[:0], &who.entries[0])
	s.call(c)
	c.entries[0] = nil
	calls.Put(c)
	q := &s.combiner
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.all.head < len(q.all.queue) {
		go s.send(&q.all, 0)
	} else {
		q.all.calls[0] = false
	}
}

// lead makes one call, on the goroutine of a caller who waits for its answer.
func (s *Store) lead(l *lane, nth int) {
	c := calls.Get().(*call)
	runtime.Gosched()
	if s.combiner.take(l, nth, c) {
		s.call(c)
		if s.combiner.deliver(l, nth, c, true) {
			go s.send(l, nth)
		}
	}
	calls.Put(c)
}

// send makes calls for what has gathered until nothing is left.
func (s *Store) send(l *lane, nth int) {
	c := calls.Get().(*call)
	for {
		runtime.Gosched()
		if !s.combiner.take(l, nth, c) {
			break
		}
		s.call(c)
		s.combiner.deliver(l, nth, c, false)
	}
	calls.Put(c)
}

// take gives a call its entries. Where there are none it is not under way any more.
func (q *combiner) take(l *lane, nth int, c *call) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	c.nth, c.entries = nth, c.entries[:0]
	for l.head < len(l.queue) && len(c.entries) < mostTogether {
		e := l.queue[l.head]
		if e.stage == queued {
			if len(c.entries) > 0 && e.req.At != c.entries[0].req.At {
				break // a call has one instant
			}
			if l.most > 1 {
				if e.caller.call != nil && e.caller.call != c {
					break // what it asked before is under way
				}
				e.caller.call = c
			}
			e.stage = sent
			c.entries = append(c.entries, e)
			q.queued--
		} else {
			l.gone--
		}
		l.queue[l.head] = nil
		l.head++
	}
	l.shrink()
	if len(c.entries) == 0 {
		l.calls[nth] = false
		return false
	}
	return true
}

// shrink gives room back.
func (l *lane) shrink() {
	const small = 4 * mostTogether
	switch {
	case l.head == len(l.queue):
		l.queue, l.head = l.queue[:0], 0
		if cap(l.queue) > small {
			l.queue = nil
		}
	case l.head > small && l.head > len(l.queue)/2:
		n := copy(l.queue, l.queue[l.head:])
		clear(l.queue[n:])
		l.queue, l.head = l.queue[:n], 0
	}
}

// sweep drops what was withdrawn, where it is most of the queue.
func (l *lane) sweep() {
	if l.gone < mostTogether || l.gone < (len(l.queue)-l.head)/2 {
		return
	}
	left := l.queue[:0]
	for _, e := range l.queue[l.head:] {
		if e.stage == queued {
			left = append(left, e)
		}
	}
	clear(l.queue[len(left):])
	l.queue, l.head, l.gone = left, 0, 0
	l.shrink()
}

// deliver wakes the callers whose last entry was in the call. Where the call is the last one to be made by whom it was
// made, it reports whether another must go on.
func (q *combiner) deliver(l *lane, nth int, c *call, last bool) (goOn bool) {
	q.mu.Lock()
	c.ready = c.ready[:0]
	for _, e := range c.entries {
		e.stage = decided
		who := e.caller
		who.call = nil
		if who.left--; who.left == 0 && who.waiting {
			who.leave()
			c.ready = append(c.ready, who)
		}
	}
	if last {
		goOn = l.head < len(l.queue)
		l.calls[nth] = goOn
	}
	q.mu.Unlock()
	for i, who := range c.ready {
		c.ready[i] = nil
		who.done <- struct{}{}
	}
	clear(c.entries)
	return goOn
}

// wait puts a caller into the list of those who wait, at its end: all have the same timeout.
func (q *combiner) wait(c *caller, timeout time.Duration) {
	if q.begun.IsZero() {
		q.begun = time.Now()
		q.ends.sooner, q.ends.later = &q.ends, &q.ends
	}
	c.left, c.given, c.call, c.expires, c.waiting = len(c.entries), false, nil, time.Since(q.begun)+timeout, true
	c.sooner, c.later = q.ends.sooner, &q.ends
	c.sooner.later, c.later.sooner = c, c
	if !q.armed {
		q.armed = true
		if q.timer == nil {
			q.timer = time.AfterFunc(timeout, q.expire)
		} else {
			q.timer.Reset(timeout)
		}
	}
}

// leave takes a caller out of the list.
func (c *caller) leave() {
	c.sooner.later, c.later.sooner = c.later, c.sooner
	c.sooner, c.later, c.waiting = nil, nil, false
}

// expire wakes those whose time has ended, and sets the timer for the next.
func (q *combiner) expire() {
	var ready []*caller
	q.mu.Lock()
	now := time.Since(q.begun)
	c := q.ends.later
	for ; c != &q.ends && c.expires <= now; c = q.ends.later {
		q.give(c, context.DeadlineExceeded)
		ready = append(ready, c)
	}
	if q.armed = c != &q.ends; q.armed {
		q.timer.Reset(c.expires - now)
	}
	q.mu.Unlock()
	for _, c := range ready {
		c.done <- struct{}{}
	}
}

// withdraw is called when a caller gives up. It reports false where he need not, because he is being woken.
func (q *combiner) withdraw(c *caller, err error) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !c.waiting {
		return false
	}
	q.give(c, err)
	return true
}

// give gives a caller back what is known: what he has in the queue will not be sent, and of each entry that is not
// decided it is said what became of it.
func (q *combiner) give(c *caller, err error) {
	c.leave()
	c.given = true
	entries := make([]entry, len(c.entries)) // a call that is under way writes to the old ones
	unsure, unsent := uncertain(err), notSent(err)
	for i := range c.entries {
		switch e := &c.entries[i]; e.stage {
		case decided:
			entries[i].result = e.result
		case sent:
			entries[i].result.Err = unsure
		default:
			e.stage = withdrawn
			entries[i].result.Err = unsent
			q.queued--
			e.lane.gone++
			e.lane.sweep()
		}
	}
	c.entries = entries
}
