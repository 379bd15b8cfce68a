package redisstore

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/redis/rueidis"
	"github.com/sluice-project/sluice"
)

// Checks that arrive while a call to Redis is under way gather, and leave together in the next: one round trip decides
// many keys. Nobody waits on a timer. One call is under way at a time, so that the client writes and reads on the
// goroutine that asks; that is the caller's own where he is alone and nothing can end his context.
//
// A caller waits on his own context. If it ends before his check has left, the check is withdrawn and was not charged;
// if it ends afterwards, nobody knows. Neither delays nor cancels the others: a call that decides for several has a
// deadline of its own, and a goroutine of its own that ends when nothing is left to send.
//
// On a Cluster checks do not gather: their keys are on different nodes, one of which may be slow, and a script call may
// not ask for keys of two slots. There each check is a call, and the client pipelines them for each node.

const (
	// mostTogether is how many checks share a call, so that Redis is never held for long.
	mostTogether = 256
	// mostQueued is how many checks may wait for the next calls. It bounds the memory that a slow Redis costs.
	mostQueued = 1 << 16
)

// errQueueFull is why a check is not sent when mostQueued others are waiting already.
var errQueueFull = errors.New("too many checks are waiting for Redis")

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
	withdrawn
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

	apart atomic.Bool // Redis has refused to decide keys of different slots together
}

// decide has all entries of a caller decided. Their results may be read afterwards. Patient says that only the store's
// own deadline ends the context.
func (s *Store) decide(ctx context.Context, c *caller, patient bool) {
	if s.apart() {
		s.decideApart(ctx, c)
		return
	}
	q := &s.combiner
	q.mu.Lock()
	if !q.busy && patient && len(c.entries) == 1 {
		q.busy = true
		q.mu.Unlock()
		defer s.passOn()
		s.call(ctx, []*entry{&c.entries[0]})
		return
	}
	if len(q.queue)+len(c.entries) > mostQueued {
		q.mu.Unlock()
		for i := range c.entries {
			c.entries[i].result.Err = notSent(errQueueFull)
		}
		return
	}
	c.left, c.done = len(c.entries), make(chan struct{})
	for i := range c.entries {
		c.entries[i].caller = c
		q.queue = append(q.queue, &c.entries[i])
	}
	if !q.busy {
		q.busy = true
		go s.flush()
	}
	q.mu.Unlock()
	select {
	case <-c.done:
	case <-ctx.Done():
		q.withdraw(c, ctx.Err())
	}
}

// apart reports whether each key must be asked for in a call of its own.
func (s *Store) apart() bool {
	return s.combiner.apart.Load() || s.client.Mode() == rueidis.ClientModeCluster
}

// decideApart makes a call for each key of one caller, and waits for it no longer than his context lasts: the client may
// be connecting to a node that does not answer.
func (s *Store) decideApart(ctx context.Context, c *caller) {
	c.left, c.done = len(c.entries), make(chan struct{})
	entries := make([]*entry, len(c.entries))
	for i := range c.entries {
		entries[i] = &c.entries[i]
		entries[i].caller, entries[i].stage = c, sent
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
		defer cancel()
		for rest := entries; len(rest) > 0; {
			n := oneInstant(rest)
			s.callApart(ctx, s.groups(rest[:n]))
			rest = rest[n:]
		}
		s.combiner.deliver(entries)
	}()
	select {
	case <-c.done:
	case <-ctx.Done():
		s.combiner.withdraw(c, ctx.Err())
	}
}

// passOn is called when a lone caller's call has ended: others may have gathered behind it.
func (s *Store) passOn() {
	q := &s.combiner
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.queue) > 0 {
		go s.flush()
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
	var batch []*entry
	next := 0
	for next < len(q.queue) && len(batch) < mostTogether {
		e := q.queue[next]
		if e.stage == queued {
			if len(batch) > 0 && e.req.At != batch[0].req.At {
				break // a call has one instant
			}
			e.stage = sent
			batch = append(batch, e)
		}
		q.queue[next] = nil
		next++
	}
	if q.queue = q.queue[next:]; len(q.queue) == 0 {
		q.queue = nil
	}
	q.busy = batch != nil
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

// withdraw is called when a caller gives up. What he has in the queue will not be sent, and of each entry that is not
// decided it says what became of it.
func (q *combiner) withdraw(c *caller, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	entries := make([]entry, len(c.entries)) // a call that is under way writes to the old ones
	for i := range c.entries {
		switch e := &c.entries[i]; e.stage {
		case decided:
			entries[i].result = e.result
		case sent:
			entries[i].result.Err = uncertain(err)
		default:
			e.stage = withdrawn
			entries[i].result.Err = notSent(err)
		}
	}
	c.entries = entries
}

// oneInstant returns how many of the first entries are for one instant.
func oneInstant(entries []*entry) int {
	n := 1
	for n < len(entries) && entries[n].req.At == entries[0].req.At {
		n++
	}
	return n
}
