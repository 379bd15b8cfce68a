package redisstore

import (
	"time"

	"github.com/sluice-project/sluice"
)

// StateKey returns the key in Redis of what a caller's key has used of a policy.
func (s *Store) StateKey(policy *sluice.Policy, key string) string {
	return s.keys.state(policy, s.keys.spell(key))
}

// StandingKey returns the key in Redis of the record of its standing.
func (s *Store) StandingKey(policy, key string) string {
	return s.keys.standing(policy, s.keys.spell(key))
}

// IndexKeys returns the keys in Redis of the index of blocks or overrides.
func (s *Store) IndexKeys(policy string, overrides bool) []string {
	return s.keys.index(policy, overrides)
}

// SetClock has the store think that this is the time, until Redis tells it better.
func (s *Store) SetClock(now func() time.Time) { s.now = now }

// Slot returns the slot of a Cluster by which checks of a key gather.
func (s *Store) Slot(policy, key string) uint16 { return s.keys.slot(policy, key) }

// Outliving makes connections by another function, as [ClientOption] has it done.
func Outliving(connect connectFunc) connectFunc { return outliving(connect) }

// UnclaimedTime is how long a connection is kept that nobody has wanted.
const UnclaimedTime = unclaimedTime
