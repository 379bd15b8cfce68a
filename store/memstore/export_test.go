package memstore

import "time"

// Freeze stops the store's clock, so that a test can see exactly how long its records live.
func (s *Store) Freeze() {
	now := s.now()
	s.now = func() int64 { return now }
}

// Life returns how long the record of a policy for a key lives that was written at an instant of the test's choice.
func (s *Store) Life(policy, key string) (life time.Duration, exists bool) {
	hash := s.hash(policy, key)
	sh := s.shardOf(hash)
	sh.lock()
	defer sh.mu.Unlock()
	e := sh.find(hash, policy, key)
	if e == nil {
		return 0, false
	}
	return time.Duration(e.expires-s.now())*time.Microsecond - simulatedGrace, true
}
