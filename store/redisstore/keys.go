package redisstore

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// keys spells every key that Sluice has in Redis; docs/redis-keys.md describes them.
type keys struct {
	prefix string
	hashed bool
}

func newKeys(prefix string, hashed bool) (keys, error) {
	if strings.ContainsAny(prefix, "{}") {
		return keys{}, fmt.Errorf("redisstore: the prefix %q has a brace, which would move all keys to one Cluster slot; leave braces out", prefix)
	}
	return keys{prefix: prefix, hashed: hashed}, nil
}

// longestPlainKey is how many bytes of a caller's key are stored as they are.
const longestPlainKey = 200

// state is the key that holds what a caller's key has used of a policy: PREFIX{POLICY|KEY}. The braces are a Cluster
// hash tag, so that different keys spread over all slots, and all that is kept of one shares a slot. A policy's name has
// no '|', so that no two pairs of policy and key share a state.
func (k keys) state(policy, key string) string {
	return k.prefix + "{" + policy + "|" + k.spell(key) + "}"
}

// spell returns the key as it is or, where it could end the hash tag, is long or could be taken for a hash, "#" and 128
// bits of its SHA-256 in hexadecimal.
func (k keys) spell(key string) string {
	if !k.hashed && len(key) <= longestPlainKey && key[0] != '#' && !strings.ContainsAny(key, "{}") {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return "#" + hex.EncodeToString(sum[:16])
}
