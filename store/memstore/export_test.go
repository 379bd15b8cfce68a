package memstore

import (
	"context"
	"time"
	"unsafe"

	"github.com/sluice-project/sluice"
)

// Freeze stops the store's clock, so that a test can see exactly how long its records live.
func (s *Store) Freeze() {
	now := s.clock.now()
	s.clock.test = func() int64 { return now }
}

// SetClock has the store read the time, in ticks since the Unix epoch, from a function.
func (s *Store) SetClock(now func() int64) { s.clock.test = now }

// Life returns how long the counters of a policy for a key live that were written at an instant of the test's choice.
func (s *Store) Life(policy *sluice.Policy, key string) (life time.Duration, exists bool) {
	e, unlock := s.look(policy.Name, key)
	defer unlock()
	if e == nil || e.expires == 0 || e.record.ResetAt() != policy.ResetAt || e.standing() != nil && e.expires <= s.clock.now() {
		return 0, false
	}
	return s.lifeUntil(e.expires), true
}

// StandingLife is Life for the standing of a key, [ForGood] where it has no end.
func (s *Store) StandingLife(policy, key string) (life time.Duration, exists bool) {
	e, unlock := s.look(policy, key)
	defer unlock()
	switch {
	case e == nil || e.standing() == nil || e.standing().expires <= s.clock.now():
		return 0, false
	case e.standing().expires == never:
		return ForGood, true
	}
	return s.lifeUntil(e.standing().expires), true
}

// ForGood is the life of what has no end.
const ForGood time.Duration = -1

// ForgetStanding drops the standing of a key, as its expiry does.
func (s *Store) ForgetStanding(policy, key string) {
	e, unlock := s.look(policy, key)
	defer unlock()
	if e != nil && e.standing() != nil {
		sh, _ := s.place(s.hash(policy, key))
		sh.stand(e, nil, 0)
		s.keep(sh, e, true, 0)
	}
}

// look returns the entry of a key, nil where there is none, and holds its lock and that of its shard.
func (s *Store) look(policy, key string) (e *entry, unlock func()) {
	sh, hash := s.place(s.hash(policy, key))
	sh.lock()
	e = sh.find(hash, policy, key)
	return e, func() {
		if e != nil {
			e.release()
		}
		sh.mu.Unlock()
	}
}

func (s *Store) lifeUntil(expires int64) time.Duration {
	return time.Duration(expires-s.clock.now())*time.Microsecond - simulatedGrace
}

// Listed returns how many entries all lists have together, none of which is empty.
func (s *Store) Listed() (n int) {
	for i := range s.shards {
		sh := &s.shards[i]
		sh.lock()
		for _, entries := range sh.lists {
			if len(entries) == 0 {
				panic("an empty list is kept")
			}
			n += len(entries)
		}
		sh.mu.Unlock()
	}
	return n
}

// Sweep drops what means nothing any more, as Run does.
func (s *Store) Sweep() { s.sweep(context.Background()) }

// Capacity returns for how many keys the store has memory.
func (s *Store) Capacity() (n int) {
	for i := range s.shards {
		n += len(s.shards[i].table.Load().chunks) * chunkLength
	}
	return n
}

// EntrySize is how many bytes an entry has.
const EntrySize = unsafe.Sizeof(entry{})

// EntryAddress returns where the entry of a key is in memory.
func (s *Store) EntryAddress(policy, key string) uintptr {
	e, unlock := s.look(policy, key)
	defer unlock()
	return uintptr(unsafe.Pointer(e))
}

// Hold keeps everybody else from the entry of a key, which must be there, until it is released.
func (s *Store) Hold(policy, key string) (release func()) {
	e, unlock := s.look(policy, key)
	if e == nil {
		unlock()
		panic("there is no entry to hold")
	}
	sh, _ := s.place(s.hash(policy, key))
	sh.mu.Unlock()
	return e.release
}
