package memstore

import (
	"time"
)

// Freeze stops the store's clock, so that a test can see exactly how long its records live.
func (s *Store) Freeze() {
	now := s.now()
	s.now = func() int64 { return now }
}

// Life returns how long the record of a policy for a key lives that was written at an instant that the test chose.
func (s *Store) Life(policy, key string) (life time.Duration, exists bool) {
	sh := s.shardOf(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e := sh.entries[identity{policy, key}]
	if e == nil {
		return 0, false
	}
	return time.Duration(e.expires-s.now())*time.Microsecond - simulatedGrace, true
}
