package lease

import (
	"context"
	"sync"
	"time"
)

const (
	// mostTogether is how many asks share a call.
	mostTogether = 128
	// askers is how many calls may be under way.
	askers = 2
	// lookTime is how long lies between two looks at what is held.
	lookTime = 50 * time.Millisecond
	// patience is how long a call may take: what comes later is of little use.
	patience = time.Second
	// settleTries and settlePause are how long a reset waits for an ask of the key that is under way.
	settleTries, settlePause = 200, time.Millisecond
)

// queue is the holdings for which the store is to be asked, first come first served. Each is in it once.
type queue struct {
	mu      *sync.Mutex
	waiting []*holding
	ready   chan struct{} // has something where waiting has
}

func newQueue() queue { return queue{mu: new(sync.Mutex), ready: make(chan struct{}, 1)} }

// enqueue has the store asked for a holding, soon.
func (s *Store) enqueue(h *holding) {
	if !s.running.Load() || !h.asking.CompareAndSwap(false, true) {
		return
	}
	s.queue.mu.Lock()
	s.queue.waiting = append(s.queue.waiting, h)
	s.queue.mu.Unlock()
	s.queue.wake()
}

func (q *queue) wake() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// next returns those that are asked for together, nil where nothing waits.
func (q *queue) next() []*holding {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.waiting), mostTogether)
	if n == 0 {
		return nil
	}
	batch := append([]*holding(nil), q.waiting[:n]...)
	q.waiting = append(q.waiting[:0], q.waiting[n:]...)
	if len(q.waiting) > 0 {
		q.wake()
	}
	return batch
}

// Run lends: it asks the store for what is in demand, and gives back what is not, until ctx ends. Then it gives back all,
// and returns nil. While it does not run, every check is the store's.
func (s *Store) Run(ctx context.Context) error {
	s.running.Store(true)
	var group sync.WaitGroup
	for range askers {
		group.Go(func() { s.askOften(ctx) })
	}
	ticker := time.NewTicker(lookTime)
	defer ticker.Stop()
	for ctx.Err() == nil {
		select {
		case <-ticker.C:
			s.look()
		case <-ctx.Done():
		}
	}
	s.running.Store(false)
	group.Wait()
	s.giveAllBack()
	return nil
}

// askOften asks for what waits until ctx ends.
func (s *Store) askOften(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.queue.ready:
		}
		for batch := s.queue.next(); batch != nil; batch = s.queue.next() {
			s.ask(context.WithoutCancel(ctx), batch)
		}
	}
}

// ask asks the store for holdings, which are not in the queue any more.
func (s *Store) ask(ctx context.Context, batch []*holding) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	asks := make([]Ask, 0, len(batch))
	asking := batch[:0]
	for _, h := range batch {
		if a, ok := h.ask(s.now()); ok {
			asks, asking = append(asks, a), append(asking, h)
		} else {
			h.asking.Store(false)
		}
	}
	if len(asks) == 0 {
		return
	}
	s.asks.Add(int64(len(asks)))
	sent := s.now()
	answers := s.Lend(ctx, asks)
	now := s.now()
	for i, h := range asking {
		again := h.answer(asks[i], answers[i], sent, now)
		if h.asking.Store(false); again {
			s.enqueue(h)
		}
	}
}

// look gives back what nobody asks for, and drops holdings that have been idle for long.
func (s *Store) look() {
	now := s.now()
	s.table.each(func(h *holding) {
		switch back, idle := h.look(now); {
		case back:
			s.enqueue(h)
		case idle:
			s.table.remove(h)
		}
	})
}

// giveBack ends the spending of a holding, and has the store told.
func (s *Store) giveBack(h *holding) {
	h.end()
	s.enqueue(h)
}

// settle gives back what is held of a key, and waits for it as long as ctx lasts. If that does not succeed, what was held
// is out until its end.
func (s *Store) settle(ctx context.Context, policy, key string) {
	s.table.named(policy, key, func(h *holding) {
		h.end()
		for range settleTries {
			if h.asking.CompareAndSwap(false, true) {
				s.ask(ctx, []*holding{h})
				return
			}
			select { // an ask is under way, whose answer must be given back
			case <-ctx.Done():
				return
			case <-time.After(settlePause):
			}
		}
	})
}

// giveAllBack gives back everything, after the last check that could spend something.
func (s *Store) giveAllBack() {
	var held []*holding
	s.table.each(func(h *holding) {
		h.end()
		h.asking.Store(true)
		held = append(held, h)
	})
	for len(held) > 0 {
		n := min(len(held), mostTogether)
		s.ask(context.Background(), held[:n:n])
		held = held[n:]
	}
}
