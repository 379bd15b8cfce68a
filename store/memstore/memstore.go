// Package memstore is the embedded store: it keeps what keys have used in the memory of one process, with the same
// answers as the Redis store. Nothing of it outlives the process.
//
// Memory is bounded: at most [Config].MaxKeys keys are held, each of at most 1.5 KiB plus its own length for every
// sliding window of its policy and about 500 bytes otherwise, or 1 KiB where each caller brings limits of his own. The
// standing of a key takes at most another 1.5 KiB: its refusals are remembered as a sliding window is. A key whose state
// means nothing any more is dropped by itself; where the maximum is reached, such keys go first, and only when there is
// none is the key dropped that would have meant nothing soonest. Such a drop forgets what the key has used, and [Stats]
// counts it. The place of a key that was dropped, 150 bytes, is kept for another one until all keys of its shard are gone.
//
// A key that has a block or an override counts towards the maximum like any other, and is dropped only when there is none
// without: then the one whose block or override would have ended soonest, and an override for good last of all. Let
// MaxKeys be well above the number of overrides.
//
// # Locks and costs
//
// What a decision costs is memory that has to be fetched, then the reading of the clock, and only then arithmetic. So a key
// that is known and has no standing is decided under the lock of its entry alone, and its entry is found without a lock:
// the tables that it is found in are written to only where keys come and go, and each processor keeps its own copy. All
// else goes under the lock of a shard first: keys that are new, that have a standing, or are dropped.
//
// The clock is read before the lock is taken, while the entry is being fetched. A caller who was stopped after that must
// not decide in the past, after others have decided later. Each entry knows the instant of its last decision: where that
// is ahead of what was read, it is as good a reading, being of another caller who came in between, unless it is more than
// a millisecond ahead; then the clock is read again. Where nobody has decided in between, it makes no difference to
// anybody whether the caller was stopped before his decision or after it.
//
// It does no I/O and starts no goroutine. It imports algorithm, internal/giveway, the core and the standard library only.
package memstore

import (
	"context"
	"fmt"
	"hash/maphash"
	"math/bits"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/algorithm"
	"github.com/sluice-project/sluice/internal/giveway"
)

var _ sluice.Store = (*Store)(nil)

// Config says how much a store may hold. The zero Config works.
type Config struct {
	// MaxKeys is the greatest number of keys held, over all policies, with those that are only blocked or have an
	// override; 1,000,000 by default.
	MaxKeys int
}

const defaultMaxKeys = 1_000_000

// Store is an embedded [sluice.Store]. It is safe for concurrent use. A decision on a key that is known allocates
// nothing.
type Store struct {
	maxKeys int64
	clock   clock
	seed    maphash.Seed
	shards  []shard
	keys    atomic.Int64
	evicted atomic.Int64
}

// New returns an empty store. It fails only where MaxKeys is negative.
func New(cfg Config) (*Store, error) {
	if cfg.MaxKeys < 0 {
		return nil, fmt.Errorf("memstore: MaxKeys is %d; it must be positive, or 0 for the default of %d", cfg.MaxKeys, defaultMaxKeys)
	}
	if cfg.MaxKeys == 0 {
		cfg.MaxKeys = defaultMaxKeys
	}
	n := 1
	for n < 16*runtime.GOMAXPROCS(0) {
		n *= 2
	}
	s := &Store{maxKeys: int64(cfg.MaxKeys), seed: maphash.MakeSeed(), shards: make([]shard, n)}
	for i := range s.shards {
		s.shards[i].table.Store(newTable())
		s.shards[i].lists = make(map[list][]*entry)
		s.shards[i].earliest.Store(never)
	}
	return s, nil
}

// Stats is how full a store is.
type Stats struct {
	// Keys is the number of keys held, of which some may mean nothing any more.
	Keys int64
	// Evicted is how many keys were dropped since the store was made although their state still meant something.
	Evicted int64
}

// Stats returns how full the store is.
func (s *Store) Stats() Stats {
	return Stats{Keys: s.keys.Load(), Evicted: s.evicted.Load()}
}

// Check implements [sluice.Store].
func (s *Store) Check(ctx context.Context, req sluice.Request) (d sluice.Decision, err error) {
	if err := s.CheckInto(ctx, &req, &d); err != nil {
		return sluice.Decision{}, err
	}
	return d, nil
}

// CheckInto is [Store.Check] without copies of a question and an answer, for callers who have memory for both. Where there is
// an error, what it has written means nothing.
func (s *Store) CheckInto(ctx context.Context, req *sluice.Request, d *sluice.Decision) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("memstore: %w: %w", sluice.ErrNotSent, err)
	}
	hash := s.hash(req.Policy.Name, req.Key)
	if decided, err := s.decideKnown(hash, req, d); decided {
		return err
	}
	return s.decide(hash, req, d)
}

// CheckAll implements [sluice.Store].
func (s *Store) CheckAll(ctx context.Context, reqs []sluice.Request) []sluice.Result {
	results := make([]sluice.Result, len(reqs))
	var turn giveway.Turn
	for i, req := range reqs {
		turn.Before(i)
		results[i].Decision, results[i].Err = s.Check(ctx, req)
	}
	return results
}

// Reset implements [sluice.Store].
func (s *Store) Reset(_ context.Context, policy *sluice.Policy, key string) error {
	sh, hash := s.place(s.hash(policy.Name, key))
	sh.lock()
	defer sh.mu.Unlock()
	if e := sh.find(hash, policy.Name, key); e != nil {
		defer e.release()
		if e.record.ResetAt() == policy.ResetAt {
			e.forget()
			s.keep(sh, e, true, 0)
		}
	}
	return nil
}

// Run drops keys whose state means nothing any more, once a second, until ctx ends; it returns nil then. Without it
// each admission drops a few, so that only a store that nobody asks stays as it is.
func (s *Store) Run(ctx context.Context) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
		s.sweep(ctx)
	}
}

// sweep drops all keys whose state means nothing any more.
func (s *Store) sweep(ctx context.Context) {
	now := s.clock.now()
	for i := range s.shards {
		sh := &s.shards[i]
		for sh.earliest.Load() <= now && ctx.Err() == nil {
			sh.lock()
			s.keys.Add(-int64(sh.sweep(now, sweptByRun)))
			sh.tidy(0)
			sh.mu.Unlock()
		}
	}
}

const (
	// sweptByRun is how many keys Run drops before it lets go of a shard's lock.
	sweptByRun = 256
	// sweptByWrite is how many an admission drops: more than it can add.
	sweptByWrite = 2
)

func (s *Store) hash(policy, key string) uint64 {
	return maphash.String(s.seed, key) ^ bits.RotateLeft64(maphash.String(s.seed, policy), 32)
}

// place returns where a hash is at home: a shard, and the hash by which that one knows it.
func (s *Store) place(hash uint64) (sh *shard, within uint32) {
	return &s.shards[hash&uint64(len(s.shards)-1)], uint32(hash >> 32)
}

// instants returns the instant to decide at where At is that of a request, and how much longer than it means something is
// kept what is written now, which is an instant of the store's clock.
func instants(at sluice.Tick, now int64) (decideAt sluice.Tick, grace time.Duration) {
	if at != 0 {
		return at, simulatedGrace
	}
	return sluice.Tick(now), 0
}

// stale reports whether an instant is too late for a request that says Before.
func stale(at, before sluice.Tick) bool { return before != 0 && at >= before }

// decideKnown answers a request for a key of which nothing is known but counters, and changes nothing else than these. It
// reports whether it did: everything else is left to [Store.decide].
func (s *Store) decideKnown(hash uint64, req *sluice.Request, d *sluice.Decision) (decided bool, err error) {
	sh, within := s.place(hash)
	now := s.clock.now()
	e := sh.find(within, req.Policy.Name, req.Key)
	if e == nil {
		return false, nil
	}
	if e.standing() != nil || algorithm.Reports(req) {
		e.release()
		return false, nil
	}
	if ahead := e.last - now; ahead > 0 {
		// Others have decided since the clock was read.
		if now = e.last; ahead > sameInstant {
			now = s.clock.now()
		}
	}
	e.last = now
	at, grace := instants(req.At, now)
	if stale(at, req.Before) {
		e.release()
		return true, fmt.Errorf("memstore: %w", sluice.ErrStale)
	}
	was := e.expires
	if e.record.Decide(req, at, d) {
		e.write(now, d.ResetAfter, grace)
	}
	cut := e.expires < was
	e.release()
	if cut {
		s.cut(sh, within, req)
	}
	return !algorithm.Counts(req, d), nil
}

// cut takes note of an entry that ends earlier than it did.
func (s *Store) cut(sh *shard, hash uint32, req *sluice.Request) {
	sh.lock()
	defer sh.mu.Unlock()
	if e := sh.find(hash, req.Policy.Name, req.Key); e != nil {
		s.keep(sh, e, true, 0)
		e.release()
	}
}

// sameInstant is how long ago the clock may have been read, in ticks, for the instant of the decision that was made last
// to be taken for the present.
const sameInstant = 1000

// decide answers a request for any key.
func (s *Store) decide(hash uint64, req *sluice.Request, d *sluice.Decision) error {
	sh, within := s.place(hash)
	sh.lock()
	defer sh.mu.Unlock()
	e := sh.find(within, req.Policy.Name, req.Key)
	known := e != nil
	if !known {
		e = sh.blank(within, req.Policy.Name, req.Key)
	}
	defer e.release()
	now := s.clock.now()
	e.last = now
	at, grace := instants(req.At, now)
	if stale(at, req.Before) {
		s.leave(sh, e, known)
		return fmt.Errorf("memstore: %w", sluice.ErrStale)
	}
	if st := e.standing(); st != nil && st.expires <= now {
		sh.stand(e, nil, 0)
	}
	written, life := false, time.Duration(0)
	st, amended := e.standing(), false
	if st == nil && algorithm.Reports(req) {
		st = new(standing) // which counts them, and so is written
		e.addMore(req.Policy.Name, req.Key)
	}
	if st == nil {
		written = e.record.Decide(req, at, d)
		life = d.ResetAfter
		if algorithm.Counts(req, d) {
			st = new(standing)
			amended = st.Answer(req, at, d)
			e.addMore(req.Policy.Name, req.Key)
		}
	} else {
		written, amended, life = st.decide(&e.record, req, at, d)
	}
	if !written && !amended {
		s.leave(sh, e, known)
		return nil
	}
	if written {
		e.write(now, life, grace)
	}
	if amended {
		sh.stand(e, st, expiry(st.Ends(), at, now, grace))
	}
	s.keep(sh, e, known, now)
	return nil
}

// write notes how long the counters mean something that were written at an instant of the store's clock.
func (e *entry) write(now int64, life, grace time.Duration) {
	e.expires = 0
	if life > 0 {
		e.expires = now + int64((life+grace)/time.Microsecond)
	}
}

// expiry turns the instant at which a standing ends, as it is seen at another instant than the store's, into one of the
// store's clock: 0 where there is nothing of it, never where it holds for good.
func expiry(ends, at sluice.Tick, now int64, grace time.Duration) int64 {
	if ends == 0 || ends == never {
		return int64(ends)
	}
	return now + int64(ends-at) + int64(grace/time.Microsecond)
}

// leave leaves an entry as it was, to which nothing was written: there is none still where there was none.
func (s *Store) leave(sh *shard, e *entry, known bool) {
	if !known {
		sh.drop(e)
	}
}

// keep puts an entry that was written in its place, which is none where nothing is left of it.
func (s *Store) keep(sh *shard, e *entry, known bool, now int64) {
	if e.expires == 0 {
		e.forget()
	}
	switch empty := e.expires == 0 && e.standing() == nil; {
	case empty && known:
		sh.remove(e)
		s.keys.Add(-1)
	case empty:
		sh.drop(e)
	case known:
		sh.renew(e)
	default:
		s.makeRoom(sh, now)
		sh.insert(e)
	}
}

// makeRoom is called under the lock of a shard that is about to take one more key, and counts that key.
func (s *Store) makeRoom(sh *shard, now int64) {
	held := s.keys.Add(1 - int64(sh.sweep(now, sweptByWrite)))
	for i := 0; held > s.maxKeys && i < len(s.shards); i++ {
		if other := &s.shards[i]; other != sh && other.earliest.Load() <= now && other.mu.TryLock() {
			held = s.keys.Add(-int64(other.sweep(now, sweptByWrite)))
			other.mu.Unlock()
		}
	}
	if held <= s.maxKeys {
		return
	}
	// Every key still means something. The other shards are asked only where this one has none of a kind.
	evicted := false
	for _, held := range [...]bool{false, true} {
		evicted = evicted || sh.evict(held)
		for i := 0; !evicted && i < len(s.shards); i++ {
			if other := &s.shards[i]; other != sh && other.mu.TryLock() {
				evicted = other.evict(held)
				other.mu.Unlock()
			}
		}
	}
	if evicted {
		s.keys.Add(-1)
		s.evicted.Add(1)
	}
}
