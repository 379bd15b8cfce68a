// Package memstore is the embedded store: it keeps what keys have used in the memory of one process, with the same
// answers as the Redis store. Nothing of it outlives the process.
//
// Memory is bounded: at most [Config].MaxKeys keys are held, each of at most 1.5 KiB plus its own length for every
// sliding window of its policy and about 500 bytes otherwise, or 1 KiB where each caller brings limits of his own. The
// standing of a key takes at most another 1.5 KiB: its refusals are remembered as a sliding window is. A key whose state
// means nothing any more is dropped by itself; where the maximum is reached, such keys go first, and only when there is
// none is the key dropped that would have meant nothing soonest. Such a drop forgets what the key has used, and [Stats]
// counts it.
//
// A key that has a block or an override counts towards the maximum like any other, and is dropped only when there is none
// without: then the one whose block or override would have ended soonest, and an override for good last of all. Let
// MaxKeys be well above the number of overrides.
//
// It does no I/O and starts no goroutine. It imports algorithm, the core and the standard library only.
package memstore

import (
	"context"
	"fmt"
	"hash/maphash"
	"math/bits"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/algorithm"
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
	now     func() int64 // reads the time in ticks since the Unix epoch
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
	s := &Store{maxKeys: int64(cfg.MaxKeys), now: new(clock).now, seed: maphash.MakeSeed(), shards: make([]shard, n)}
	for i := range s.shards {
		s.shards[i].entries = make(map[uint64]*entry)
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
	if err := ctx.Err(); err != nil {
		return d, fmt.Errorf("memstore: %w: %w", sluice.ErrNotSent, err)
	}
	err = s.decide(&req, &d)
	return d, err
}

// CheckAll implements [sluice.Store].
func (s *Store) CheckAll(ctx context.Context, reqs []sluice.Request) []sluice.Result {
	results := make([]sluice.Result, len(reqs))
	for i, req := range reqs {
		results[i].Decision, results[i].Err = s.Check(ctx, req)
	}
	return results
}

// Reset implements [sluice.Store].
func (s *Store) Reset(_ context.Context, policy *sluice.Policy, key string) error {
	hash := s.hash(policy.Name, key)
	sh := s.shardOf(hash)
	sh.lock()
	defer sh.mu.Unlock()
	if e := sh.find(hash, policy.Name, key); e != nil && e.record.ResetAt() == policy.ResetAt {
		e.forget()
		s.keep(sh, e, true, 0)
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
		now := s.now()
		for i := range s.shards {
			sh := &s.shards[i]
			for sh.earliest.Load() <= now && ctx.Err() == nil {
				sh.lock()
				s.keys.Add(-int64(sh.sweep(now, sweptByRun)))
				sh.mu.Unlock()
			}
		}
	}
}

const (
	// sweptByRun is how many keys Run drops before it lets go of a shard's lock.
	sweptByRun = 256
	// sweptByWrite is how many an admission drops: more than it can add.
	sweptByWrite = 2
)

// hash tells keys apart, all but always: two of one shard with the same hash share a place there.
func (s *Store) hash(policy, key string) uint64 {
	return maphash.String(s.seed, key) ^ bits.RotateLeft64(maphash.String(s.seed, policy), 32)
}

func (s *Store) shardOf(hash uint64) *shard {
	return &s.shards[hash&uint64(len(s.shards)-1)]
}

// instants returns the store's instant, the one to decide at where At is that of a request, and how much longer than it
// means something is kept what is written now. It is called under the lock of the key's shard: a caller who was stopped
// between reading the clock and taking the lock would decide in the past, after others have decided later.
func (s *Store) instants(at sluice.Tick) (now int64, decideAt sluice.Tick, grace time.Duration) {
	now = s.now()
	if at != 0 {
		return now, at, simulatedGrace
	}
	return now, sluice.Tick(now), 0
}

func (s *Store) decide(req *sluice.Request, d *sluice.Decision) error {
	hash := s.hash(req.Policy.Name, req.Key)
	sh := s.shardOf(hash)
	sh.lock()
	defer sh.mu.Unlock()
	now, at, grace := s.instants(req.At)
	if req.Before != 0 && at >= req.Before {
		return fmt.Errorf("memstore: %w", sluice.ErrStale)
	}
	e := sh.find(hash, req.Policy.Name, req.Key)
	known := e != nil
	if !known {
		e = &entry{hash: hash, policy: req.Policy.Name}
	}
	if e.standing != nil && e.standing.expires <= now {
		sh.stand(e, nil, 0)
	}
	if e.standing == nil && algorithm.Reports(req) {
		e.standing = new(standing) // which counts them, and so is written
	}
	written, life := false, time.Duration(0)
	st, amended := e.standing, false
	if st == nil {
		written = e.record.Decide(req, at, d)
		life = d.ResetAfter
		if algorithm.Counts(req, d) {
			st = new(standing)
			amended = st.Answer(req, at, d)
		}
	} else {
		written, amended, life = e.decide(req, at, d)
	}
	if !written && !amended {
		return nil
	}
	if !known {
		e.key = strings.Clone(req.Key) // it may be part of something large
	}
	switch {
	case !written:
	case life == 0:
		e.forget()
	default:
		e.expires = now + int64((life+grace)/time.Microsecond)
	}
	if amended {
		sh.stand(e, st, expiry(st.Ends(), at, now, grace))
	}
	s.keep(sh, e, known, now)
	return nil
}

// expiry turns the instant at which a standing ends, as it is seen at another instant than the store's, into one of the
// store's clock: 0 where there is nothing of it, never where it holds for good.
func expiry(ends, at sluice.Tick, now int64, grace time.Duration) int64 {
	if ends == 0 || ends == never {
		return int64(ends)
	}
	return now + int64(ends-at) + int64(grace/time.Microsecond)
}

// keep puts an entry that was written in its place, which is none where nothing is left of it.
func (s *Store) keep(sh *shard, e *entry, known bool, now int64) {
	switch empty := e.expires == 0 && e.standing == nil; {
	case empty && known:
		sh.remove(e)
		s.keys.Add(-1)
	case empty:
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
