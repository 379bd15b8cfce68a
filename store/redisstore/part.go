package redisstore

import "github.com/redis/rueidis"

// Parts is how many parts a store is divided into: ranges of a Cluster's slots.
const Parts = 64

// Part returns which part of the store keeps a key, 0 to [Parts]-1. Keys of one part are nearly always on one node of a
// Cluster. Where there is no Cluster all keys are in part 0.
func (s *Store) Part(policy, key string) int {
	if s.client.Mode() != rueidis.ClientModeCluster {
		return 0
	}
	return int(s.keys.slot(policy, key)) / (slots / Parts)
}
