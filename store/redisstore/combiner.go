package redisstore

import (
	"context"
	"slices"
	"sync"

	"github.com/sluice-project/sluice"
)

// Checks that arrive while a call to Redis is under way gather, and leave together in the next: one round trip decides
// many keys. Nobody waits on a timer. One call is under way at a time, so that the client writes and reads on the
// goroutine that asks, which for a lone caller is his own.
//
// A caller waits on his own context. If it ends before his check has left, the check is withdrawn and was not charged;
// if it ends afterwards, nobody knows. Neither delays nor cancels the others: a call that decides for several has a
// deadline of its own.

// mostTogether is how many checks share a call, so that Redis is never held for long.
const mostTogether = 256

// entry is one check on its way.
type entry struct {
	req    sluice.Request
	result sluice.Result
	caller *caller
	stage  stage // guarded by the combiner
}

// stage says how far an entry has come.
type stage uint8

const (
	queued stage = iota
	sent
	decided // the result may be read
)

// caller is who waits for one or more entries.
type caller struct {
	entries []entry
	one     [1]entry // the entries of a caller who has one
	left    int      // entries that are not decided yet; guarded by the combiner
	done    chan struct{}
}

// combiner is the queue before the call that is under way. The zero combiner is idle.
type combiner struct {
	mu    sync.Mutex
	busy  bool // a call is under way
	queue []*entry
}

// decide has all entries of a caller decided. Their results may be read afterwards.
func (s *Store) decide(ctx context.Context, c *caller) {
	c.left = len(c.entries)
	s.combiner.mu.Lock()
	if !s.combiner.busy && len(c.entries) == 1 {
		s.combiner.busy = true
		s.combiner.mu.Unlock()
		s.call(ctx, []*entry{&c.entries[0]})
		s.combiner.passOn(s.flush)
		return
	}
	c.done = make(chan struct{})
	for i := range c.entries {
		c.entries[i].caller = c
		s.combiner.queue = append(s.combiner.queue, &c.entries[i])
	}
	if !s.combiner.busy {
		s.combiner.busy = true
		go s.flush()
	}
	s.combiner.mu.Unlock()
	select {
	case <-c.done:
	case <-ctx.Done():
		s.combiner.withdraw(c, ctx.Err())
	}
}

// passOn is called when a lone caller's call has ended: others may have gathered behind it.
func (q *combiner) passOn(flush func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.queue) > 0 {
		go flush()
		return
	}
	q.busy = false
}

// flush makes calls for what has gathered until nothing is left.
func (s *Store) flush() {
	for {
		batch := s.combiner.take()
		if batch == nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
		s.call(ctx, batch)
		cancel()
		s.combiner.deliver(batch)
	}
}

// take returns the entries of the next call, nil where there are none: then no call is under way any more.
func (q *combiner) take() []*entry {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.queue) == 0 {
		q.busy = false
		return nil
	}
	n := 1
	for n < len(q.queue) && n < mostTogether && q.queue[n].req.At == q.queue[0].req.At {
		n++
	}
	batch := q.queue[:n:n]
	q.queue = slices.Clone(q.queue[n:])
	for _, e := range batch {
		e.stage = sent
	}
	return batch
}

// deliver wakes the callers whose last entry was in the batch.
func (q *combiner) deliver(batch []*entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range batch {
		e.stage = decided
		if e.caller.left--; e.caller.left == 0 {
			close(e.caller.done)
		}
	}
}

// withdraw is called when a caller gives up. It takes his entries off the queue, and says of each that is not decided
// what became of it.
func (q *combiner) withdraw(c *caller, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	kept := q.queue[:0]
	for _, e := range q.queue {
		if e.caller != c {
			kept = append(kept, e)
		}
	}
	clear(q.queue[len(kept):])
	q.queue = kept
	entries := make([]entry, len(c.entries)) // a call that is under way writes to the old ones
	for i := range c.entries {
		switch c.entries[i].stage {
		case decided:
			entries[i].result = c.entries[i].result
		case sent:
			entries[i].result.Err = uncertain(err)
		case queued:
			entries[i].result.Err = notSent(err)
		}
	}
	c.entries = entries
}
