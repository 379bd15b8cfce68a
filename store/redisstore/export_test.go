package redisstore

// StateKey returns the key in Redis of what a caller's key has used of a policy.
func (s *Store) StateKey(policy, key string) string { return s.keys.state(policy, key) }
