// Package denycache answers checks that are sure to be refused from memory, so that a client who does not stop asking
// costs the store next to nothing.
//
// [New] puts it around a store. A refusal of that store is remembered for the policies that say so
// ([sluice.Policy].DenyCache), and answers checks of the same key that cost as much or more, with the source
// [sluice.SourceDenyCache]: until its RetryAfter has passed, and for one second at most. Both are counted on this
// process's monotonic clock from when the question was sent, which is before the store decided: a key is never refused
// for longer than the store would, but for what others do to it meanwhile, and never admitted from memory. A refusal is
// forgotten at once where the key is reset, amended or refunded through this store, and where the policy's limits change; what
// another process does to a key is seen when the second is over.
//
// After half a second one of those who ask goes to the store all the same, while the others are answered as before. So a
// key that is asked for at full speed is two calls a second, and its refusals never end for all callers at once.
//
// What is told of a refusal that is remembered is a floor: it may be allowed a moment later than it says, by the time that
// the question was on its way, and of a larger cost by more, see docs/algorithms.md.
//
// Refusals that count towards a policy's penalty are counted here and reported with the next question about the key, or
// by one of [Store.Run], within a second: a penalty begins at most so late. What is not reported when the process ends, or
// when the question that brings it is not answered, does not count.
//
// Nothing is remembered before Run is called: every check passes through. Memory is bounded by [Config].MaxEntries. The
// package does no I/O of its own, and starts no goroutine. It imports the core and the standard library only.
package denycache

import (
	"context"
	"fmt"
	"hash/maphash"
	"math/bits"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sluice-project/sluice"
)

var _ sluice.Store = (*Store)(nil)

// Config says how much is remembered, and when. The zero Config works.
type Config struct {
	// MaxEntries is how many keys are remembered at most, over all policies; 100,000 by default. Each takes about
	// 1 KiB at most. Where there are more, those go first whose refusals end soonest.
	MaxEntries int
	// Holds reports whether what requests say of policies until an instant of the store's clock ([sluice.Request].Before)
	// still holds by the clock of this process. A request that has such an instant is answered from memory only where it
	// does. The default is that none does: such requests go to the store.
	Holds func(before sluice.Tick) bool
}

const (
	defaultMaxEntries = 100_000
	// life is the longest that a refusal is remembered.
	life = time.Second
	// youth is the time after which one of those who ask goes to the store.
	youth = life / 2
)

// Store is a [sluice.Store] that remembers the refusals of another. It is safe for concurrent use. A check that is answered
// from memory takes no lock and allocates nothing, unless its policy has more than three limits.
type Store struct {
	store   sluice.Store
	holds   func(sluice.Tick) bool
	seed    maphash.Seed
	begun   time.Time
	running atomic.Bool
	table   *table
}

// New returns a store that remembers what the given one refuses. It fails only where MaxEntries is negative.
func New(store sluice.Store, cfg Config) (*Store, error) {
	if cfg.MaxEntries < 0 {
		return nil, fmt.Errorf("denycache: MaxEntries is %d; it must be positive, or 0 for the default of %d", cfg.MaxEntries, defaultMaxEntries)
	}
	if cfg.MaxEntries == 0 {
		cfg.MaxEntries = defaultMaxEntries
	}
	if cfg.Holds == nil {
		cfg.Holds = func(sluice.Tick) bool { return false }
	}
	return &Store{store: store, holds: cfg.Holds, seed: maphash.MakeSeed(), begun: time.Now(), table: newTable(cfg.MaxEntries)}, nil
}

// Stats is how full a store is.
type Stats struct {
	// Entries is the number of keys that are remembered, of which some may mean nothing any more.
	Entries int64
	// Evicted is how many refusals were forgotten for lack of room while they still held.
	Evicted int64
}

// Stats returns how full the store is.
func (s *Store) Stats() Stats {
	return Stats{Entries: s.table.held.Load(), Evicted: s.table.evicted.Load()}
}

// Check implements [sluice.Store].
func (s *Store) Check(ctx context.Context, req sluice.Request) (sluice.Decision, error) {
	if !s.running.Load() || !concerned(&req) {
		d, err := s.store.Check(ctx, req)
		s.dropRefunded(&req)
		return d, err
	}
	q := s.question(&req)
	if ctx.Err() == nil {
		if d, ok := s.remembers(&q, &req); ok {
			return d, nil
		}
	}
	s.send(&q, &req)
	d, err := s.store.Check(ctx, req)
	s.answered(&q, &req, sluice.Result{Decision: d, Err: err})
	s.dropRefunded(&req)
	return d, err
}

// CheckAll implements [sluice.Store]. What is not answered from memory goes to the store together.
func (s *Store) CheckAll(ctx context.Context, reqs []sluice.Request) []sluice.Result {
	some, refunds := false, false
	for i := range reqs {
		some, refunds = some || concerned(&reqs[i]), refunds || reqs[i].Refund > 0
	}
	if refunds {
		defer func() {
			for i := range reqs {
				s.dropRefunded(&reqs[i])
			}
		}()
	}
	if !some || !s.running.Load() {
		return s.store.CheckAll(ctx, reqs)
	}
	var (
		results   = make([]sluice.Result, len(reqs))
		asked     = make([]sluice.Request, 0, len(reqs))
		questions = make([]question, 0, len(reqs))
		places    = make([]int, 0, len(reqs))
	)
	for i, req := range reqs {
		var q question
		if concerned(&req) {
			q = s.question(&req)
			if ctx.Err() == nil && !(refunds && refunded(reqs[:i], &req)) {
				if d, ok := s.remembers(&q, &req); ok {
					results[i].Decision = d
					continue
				}
			}
			s.send(&q, &req)
		}
		asked, questions, places = append(asked, req), append(questions, q), append(places, i)
	}
	if len(asked) == 0 {
		return results
	}
	for i, r := range s.store.CheckAll(ctx, asked) {
		results[places[i]] = r
		if concerned(&asked[i]) {
			s.answered(&questions[i], &asked[i], r)
		}
	}
	return results
}

// refunded reports whether units of a request's key are given back by one of those before it in a call: what is remembered
// may not hold by then.
func refunded(before []sluice.Request, req *sluice.Request) bool {
	return slices.ContainsFunc(before, func(b sluice.Request) bool {
		return b.Refund > 0 && b.Key == req.Key && b.Policy.Name == req.Policy.Name
	})
}

// dropRefunded forgets the refusal of a key of which units may have been given back.
func (s *Store) dropRefunded(req *sluice.Request) {
	if req.Refund > 0 {
		s.drop(req.Policy.Name, req.Key, false)
	}
}

// Reset implements [sluice.Store]. The refusals that are not reported yet stay, as a penalty does.
func (s *Store) Reset(ctx context.Context, policy *sluice.Policy, key string) error {
	defer s.drop(policy.Name, key, false)
	return s.store.Reset(ctx, policy, key)
}

// Amend implements [sluice.Store].
func (s *Store) Amend(ctx context.Context, a sluice.Amendment) (sluice.Standing, error) {
	if a.Bar != nil || a.Unbar || a.Except != nil || a.Unexcept {
		defer s.drop(a.Policy, a.Key, a.Unbar)
	}
	return s.store.Amend(ctx, a)
}

// List implements [sluice.Store].
func (s *Store) List(ctx context.Context, l sluice.List) (sluice.Page, error) {
	return s.store.List(ctx, l)
}

// drop forgets the refusal of a key, and with it those that are not reported yet where they are to be forgotten. What the
// store was asked before is not remembered either.
func (s *Store) drop(policy, key string, pending bool) {
	hash := s.hash(policy, key)
	e := s.table.drop(hash, policy, key)
	if e != nil && pending {
		e.pending.Store(0)
	}
}

// concerned reports whether the policy of a request has its refusals remembered. One that is decided at an instant of its
// own has another clock than this process.
func concerned(req *sluice.Request) bool { return req.Policy.DenyCache && req.At == 0 }

// now is the time since the store was made.
func (s *Store) now() time.Duration { return time.Since(s.begun) }

// hash tells keys apart, all but always: what is found by it is compared.
func (s *Store) hash(policy, key string) uint64 {
	return maphash.String(s.seed, key) ^ bits.RotateLeft64(maphash.String(s.seed, policy), 32) | 1 // 0 is none
}

// question is a request on its way, and what was known when it was sent.
type question struct {
	hash    uint64
	entry   *entry // nil where the key is not known
	sent    time.Duration
	drops   uint64 // how often something was dropped by then
	carried int64  // refusals that it reports
}

// question returns what is known of a request's key now.
func (s *Store) question(req *sluice.Request) question {
	q := question{hash: s.hash(req.Policy.Name, req.Key), sent: s.now()}
	q.entry = s.table.find(q.hash, req.Policy.Name, req.Key)
	return q
}

// remembers answers a request from memory, where it can.
func (s *Store) remembers(q *question, req *sluice.Request) (d sluice.Decision, ok bool) {
	if q.entry == nil {
		return d, false
	}
	r := q.entry.refusal.Load()
	if r == nil || !r.refuses(req, q.sent) || req.Before != 0 && !s.holds(req.Before) || r.leads(req, q.sent) {
		return d, false
	}
	d = r.answer(req.Cost, q.sent)
	if _, barred := d.Blocked(); !barred && req.Policy.Penalty != nil && !req.Uncounted {
		q.entry.pending.Add(1)
		if !q.entry.waiting.Load() {
			s.table.wait(q.entry, req.Key, r)
		}
	}
	return d, true
}

// send has a request report what was refused from memory.
func (s *Store) send(q *question, req *sluice.Request) {
	q.drops = s.table.drops(q.hash)
	if q.entry == nil || req.Policy.Penalty == nil {
		return
	}
	if q.carried = min(q.entry.pending.Swap(0), sluice.MaxCount-req.Refusals); q.carried > 0 {
		req.Refusals += q.carried
	}
}

// answered takes note of what the store has answered.
func (s *Store) answered(q *question, req *sluice.Request, r sluice.Result) {
	switch {
	case r.Err != nil:
		q.takeBack(r.Err)
	case req.Cost == 0 || req.Peek:
	default:
		s.learn(q, req, r.Decision)
	}
}
