// Package lease spends units that a server has taken ahead: a store around a store that lends, such as redisstore. A check
// of a key whose policy has a lease is decided without a round trip while the server holds units of it.
//
// # The bound holds
//
// No more is admitted than the limits allow, in any span, by any algorithm, however many servers there are, because the
// store counts what is out. docs/algorithms.md derives it; these are the rules that it rests on:
//
//   - What is lent is charged to all limits of the policy, or nothing is lent. A decision at the store counts it as used.
//   - A loan has an end, by the store's clock. What was lent counts as taken at that end, whether it was spent or not;
//     unless the server has said before how much it has spent, which then counts as taken at that instant. In a fixed
//     window and a sliding counter the loan ends before the window does.
//   - The server counts the time of a loan from before it has sent the question, by its own monotonic clock, and ends a
//     512th of it early. So it has ended spending when the store reads the loan's end, and no two clocks are compared.
//
// # States of a key on a server
//
//	nothing held --- demand --> asking --- lent --> spending --- low, or 3/4 of its time --> spending and asking
//	     ^                         |                                                              |
//	     +------ nothing lent -----+-- barred, overridden, changed, reset, refunded, idle: back --+
//
// While a server asks for more it goes on spending: what it held unspent is part of the new loan. An ask that fails
// changes nothing but that there is no more; the loan ends by itself.
//
// # What each failure leaves behind
//
//   - A server is killed, or is cut off: its loans end at the store at their end, as taken.
//   - A server is stopped and goes on: its clock has gone on, and its loans have ended. (Not so where the whole machine was
//     suspended and its monotonic clock with it: then it spends what the store has long counted as taken, once.)
//   - An ask is carried out and the answer lost: the server goes on by the loan that it knows, which is part of that of the
//     store and ends no later. The next ask is for a loan that the store does not know any more, and gets another.
//   - The store is lost, or a failover forgets a loan: what was out then may be admitted beyond the bound, once. It is at
//     most the policy's share of each limit.
//   - The store's clock steps forward: what was out then may be spent within a span that has begun after it.
//
// It knows nothing of Redis: it imports the core and the standard library only.
package lease

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/sluice-project/sluice"
)

var _ sluice.Store = (*Store)(nil)

// Config says how much is lent. The zero Config works.
type Config struct {
	// MaxKeys is the greatest number of keys of which units are held at a time; 65,536 by default. Beyond it, keys are
	// decided at the store.
	MaxKeys int
}

const defaultMaxKeys = 1 << 16

// Store is a [sluice.Store] that spends what it holds and asks the store behind it for all else. It is safe for concurrent
// use. A decision by what is held allocates nothing.
type Store struct {
	Lender
	table *table
	start time.Time
	queue queue

	running atomic.Bool
	asks    atomic.Int64
}

// New returns a store around one that lends. Until [Store.Run] it passes everything on. It fails only where MaxKeys is
// negative.
func New(store Lender, cfg Config) (*Store, error) {
	if cfg.MaxKeys < 0 {
		return nil, fmt.Errorf("lease: MaxKeys is %d; it must be positive, or 0 for the default of %d", cfg.MaxKeys, defaultMaxKeys)
	}
	if cfg.MaxKeys == 0 {
		cfg.MaxKeys = defaultMaxKeys
	}
	return &Store{Lender: store, table: newTable(cfg.MaxKeys), start: time.Now(), queue: newQueue()}, nil
}

func (s *Store) now() instant { return time.Since(s.start) }

// Check implements [sluice.Store].
func (s *Store) Check(ctx context.Context, req sluice.Request) (sluice.Decision, error) {
	if s.lends(&req) && ctx.Err() == nil {
		if d, ok := s.spend(&req); ok {
			return d, nil
		}
	} else if req.Refund > 0 {
		s.account(ctx, &req)
	}
	return s.Lender.Check(ctx, req)
}

// CheckAll implements [sluice.Store]. What can be paid for by what is held is; all else is asked in one call. Where one
// check of a key is asked at the store, so are those behind it.
func (s *Store) CheckAll(ctx context.Context, reqs []sluice.Request) []sluice.Result {
	if ctx.Err() != nil {
		return s.Lender.CheckAll(ctx, reqs)
	}
	results := make([]sluice.Result, len(reqs))
	var asked []sluice.Request
	var places []int
	var behind map[string]bool // keys of which something is asked already
	for i := range reqs {
		if req := &reqs[i]; s.lends(req) && !behind[req.Key] {
			if d, ok := s.spend(req); ok {
				results[i].Decision = d
				continue
			}
			if behind == nil {
				behind = make(map[string]bool)
			}
			behind[req.Key] = true
		} else if req.Refund > 0 {
			s.account(ctx, req)
		}
		asked, places = append(asked, reqs[i]), append(places, i)
	}
	if len(asked) == 0 {
		return results
	}
	for i, r := range s.Lender.CheckAll(ctx, asked) {
		results[places[i]] = r
	}
	return results
}

// lends reports whether a request may be paid for by what is held: one that takes something, now, and tells nothing.
func (s *Store) lends(req *sluice.Request) bool {
	return req.Policy.Lease != nil && req.Cost > 0 && req.Refusals == 0 && !req.Peek && req.At == 0 && s.running.Load()
}

// account has the store know what was spent of what is held, before units are given back: they may be among it, and the
// store gives back to what it counts.
func (s *Store) account(ctx context.Context, req *sluice.Request) {
	if req.Policy.Lease != nil && req.At == 0 {
		s.settle(ctx, req.Policy.Name, req.Key)
	}
}

// spend decides a request by what is held, where it can, and asks for more where it is time.
func (s *Store) spend(req *sluice.Request) (d sluice.Decision, ok bool) {
	hash := s.table.hash(req.Policy.Name, req.Key)
	h := s.table.find(hash, req.Policy, req.Key)
	now := s.now()
	if h == nil {
		var replaced *holding
		if h, replaced = s.table.take(hash, req.Policy, req.Key); replaced != nil {
			replaced.leave()
			s.enqueue(replaced)
		}
		if h != nil {
			h.miss(req)
		}
		return d, false
	}
	t, left := h.spend(req.Cost, req.Before, now)
	if t == nil {
		h.miss(req)
		if h.wants(now) {
			s.enqueue(h)
		}
		return d, false
	}
	if t.due(left, now) {
		h.before.Store(int64(req.Before))
		s.enqueue(h)
		runtime.Gosched() // callers who never wait would keep who asks from running
	}
	return t.decision(req, left, now), true
}

// Reset implements [sluice.Store]. What is held of the key is given back first.
func (s *Store) Reset(ctx context.Context, policy *sluice.Policy, key string) error {
	s.settle(ctx, policy.Name, key)
	defer s.table.named(policy.Name, key, s.giveBack) // what was lent meanwhile
	return s.Lender.Reset(ctx, policy, key)
}

// Amend implements [sluice.Store]. What is held of the key is given back first.
func (s *Store) Amend(ctx context.Context, a sluice.Amendment) (sluice.Standing, error) {
	if a.Bar != nil || a.Unbar || a.Except != nil || a.Unexcept {
		s.settle(ctx, a.Policy, a.Key)
		defer s.table.named(a.Policy, a.Key, s.giveBack) // what was lent meanwhile
	}
	return s.Lender.Amend(ctx, a)
}

// Stats is what a store has done.
type Stats struct {
	// Asks is how many asks it has sent, of which each is for one key. Many share a call.
	Asks int64
	// Keys is of how many keys it holds units now.
	Keys int64
}

// Stats returns what the store has done. It looks at all places.
func (s *Store) Stats() Stats {
	st := Stats{Asks: s.asks.Load()}
	s.table.each(func(h *holding) {
		if h.terms.Load() != nil {
			st.Keys++
		}
	})
	return st
}
