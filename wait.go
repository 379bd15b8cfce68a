package sluice

import (
	"context"
	"sync"
	"time"
)

// Wait asks for cost units and, where it is refused, sleeps until they are there and asks again. Within the process
// those who wait for one key are served first come first served: only the first of them asks the store, so waiting
// costs one round trip each time it has slept. Wait fails with a [*RefusedError], as soon as it is its turn, where the time
// until the units are there passes the deadline of ctx or the cost can never fit; otherwise as [Limiter.Check] does, or with
// ctx.Err() when ctx ends first. A wait that fails has charged nothing, unless its error wraps [ErrUncertain].
func (l *Limiter) Wait(ctx context.Context, key string, cost int64) error {
	if err := validate(key, cost); err != nil {
		return err
	}
	leave, err := l.waiting.enter(ctx, key)
	if err != nil {
		return err
	}
	defer leave()
	for asked := false; ; asked = true {
		d, err := l.ask(ctx, Request{Key: key, Cost: cost, Uncounted: asked})
		if err != nil {
			return err
		}
		if d.Allowed {
			return nil
		}
		if deadline, ok := ctx.Deadline(); d.RetryAfter == Never || ok && time.Until(deadline) < d.RetryAfter {
			return &RefusedError{Decision: d}
		}
		timer := time.NewTimer(d.RetryAfter)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// waitQueues lines up those who wait, a queue for each key that somebody waits for. The zero value is empty.
type waitQueues struct {
	mu     sync.Mutex
	queues map[string][]chan struct{} // the first of each queue has its turn
}

// enter returns when it is the caller's turn for the key, and the function that gives the turn to the next.
func (w *waitQueues) enter(ctx context.Context, key string) (leave func(), err error) {
	turn := make(chan struct{})
	w.mu.Lock()
	if w.queues == nil {
		w.queues = make(map[string][]chan struct{})
	}
	w.queues[key] = append(w.queues[key], turn)
	if len(w.queues[key]) == 1 {
		close(turn)
	}
	w.mu.Unlock()

	leave = func() { w.leave(key, turn) }
	select {
	case <-turn:
		return leave, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}

// leave takes a caller out of the queue, wherever he stands in it, and wakes the first if that has changed.
func (w *waitQueues) leave(key string, turn chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	queue := w.queues[key]
	for i, t := range queue {
		if t != turn {
			continue
		}
		queue = append(queue[:i], queue[i+1:]...)
		if i == 0 && len(queue) > 0 {
			close(queue[0])
		}
		break
	}
	if len(queue) == 0 {
		delete(w.queues, key)
		return
	}
	w.queues[key] = queue
}
