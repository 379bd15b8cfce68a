package engine

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-project/sluice"
)

// calm is how long after its latest error a store must answer to count as answering again. A store that fails one check
// in ten is failing all the while, not a thousand times a second.
const calm = time.Second

// health follows whether the store answers, and logs when that changes. While all is well, which is nearly always, a
// check pays for it with one atomic read.
type health struct {
	logger  *slog.Logger
	short   time.Duration // a caller who has waited for less has learned nothing; 0 where it is not known what is short
	failing atomic.Bool

	mu     sync.Mutex // guards what is below, and each change of failing
	err    error      // the latest
	since  time.Time  // when it began to fail
	latest time.Time  // when err came
	// unwritten says that it has not done what it had to write for. A Redis that has no memory left, or may not write, answers
	// all that looks: so only what it has written says that it is well again.
	unwritten bool
}

// note takes what the store said to one call for which somebody has waited, and whether it is one that writes: an admission,
// or what would have been one. It returns whether that is an error which says nothing of the store, because its caller did
// not wait: a stranger chooses how long that is.
func (h *health) note(ctx context.Context, err error, waited time.Duration, writes bool) (abandoned bool) {
	switch {
	case err == nil && !h.failing.Load():
	case err == nil:
		h.answered(writes)
	case errors.Is(err, sluice.ErrForeignState):
		// One key is concerned, and the store answers.
	case errors.Is(ctx.Err(), context.Canceled):
		return true // the caller went away
	case ctx.Err() != nil && !errors.Is(err, sluice.ErrUncertain):
		return true // the caller's time was over before the store was asked
	case ctx.Err() != nil && waited < h.short:
		return true // the caller's time was over before the store was late
	default:
		h.failed(err, writes)
	}
	return false
}

func (h *health) failed(err error, writes bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err, h.latest, h.unwritten = err, time.Now(), h.unwritten || writes
	if h.failing.Load() {
		return
	}
	h.since = h.latest
	h.failing.Store(true)
	h.logger.Error("the store fails; until it answers again each policy's on_error decides", "error", err)
}

func (h *health) answered(writes bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	if !h.failing.Load() || now.Sub(h.latest) < calm || h.unwritten && !writes {
		return
	}
	h.failing.Store(false)
	h.err, h.unwritten = nil, false
	h.logger.Info("the store answers again", "after", now.Sub(h.since))
}

func (h *health) failure() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

// writes reports whether a call is one that writes, as far as is known before and after it: a refusal does not.
func writes(peek, refund bool, err error, allowed bool) bool {
	return !peek && !refund && (err != nil || allowed)
}
