package redisstore

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/sluice-project/sluice"
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

// tag begins all keys of a caller's key, as it is spelled, under a policy: PREFIX{POLICY|KEY}. The braces are a Cluster
// hash tag, so that different keys spread over all slots, and all that is kept of one shares a slot. A policy's name has
// no '|', so that no two pairs of policy and key share a tag.
func (k keys) tag(policy, spelled string) string {
	return string(k.appendTag(nil, policy, spelled))
}

func (k keys) appendTag(b []byte, policy, spelled string) []byte {
	b = append(append(append(b, k.prefix...), '{'), policy...)
	return append(append(append(b, '|'), spelled...), '}')
}

// state is the key that holds what a caller's key has used of a policy: the tag alone or, where the counters of all keys
// were forgotten at an instant, with '@' and that instant in base 36. What was counted under another is out of sight.
func (k keys) state(policy *sluice.Policy, spelled string) string {
	return string(k.appendState(nil, policy, spelled))
}

func (k keys) appendState(b []byte, policy *sluice.Policy, spelled string) []byte {
	b = k.appendTag(b, policy.Name, spelled)
	if policy.ResetAt == 0 {
		return b
	}
	return strconv.AppendInt(append(b, '@'), int64(policy.ResetAt), 36)
}

// standingSuffix is what follows the tag in the key of a standing.
const standingSuffix = "!"

// standing is the key that holds the record of the standing of a caller's key, as it is spelled.
func (k keys) standing(policy, spelled string) string {
	return string(k.appendStanding(nil, policy, spelled))
}

func (k keys) appendStanding(b []byte, policy, spelled string) []byte {
	return append(k.appendTag(b, policy, spelled), standingSuffix...)
}

// index is the keys that list which keys of a policy have a block, or an override, and when these end. They are in a slot
// of their own, and what follows the brace tells them from the counters of an inline policy.
func (k keys) index(policy string, overrides bool) []string {
	tag := k.tag("~blocks", policy)
	if overrides {
		tag = k.tag("~overrides", policy)
	}
	return []string{tag + "keys", tag + "ends"}
}

// entry is how an index names a key: as it is or, where it is long, begins with '#' or is to be hashed, as it is spelled.
func (k keys) entry(key string) string {
	if k.hashed || len(key) > longestPlainKey || key[0] == '#' {
		return k.spell(key)
	}
	return key
}

// spellEntry returns the spelling of the key that an entry of an index names.
func (k keys) spellEntry(entry string) string {
	if strings.HasPrefix(entry, "#") {
		return entry
	}
	return k.spell(entry)
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

// What belongs to the fleet and not to a key shares one hash tag: no policy and no namespace is spelled like it, because
// what follows their names is a '|'.

// entries is the key that holds the fleet's entries.
func (k keys) entries() string { return k.prefix + "{~fleet}entries" }

// log is the key that holds one of the fleet's logs.
func (k keys) log(name string) string { return k.prefix + "{~fleet}log:" + name }

// servers is the key that holds which servers of the fleet are alive.
func (k keys) servers() string { return k.prefix + "{~fleet}servers" }

// changes is the channel on which changes of the entries are told.
func (k keys) changes() string { return k.prefix + "{~fleet}changed" }

// slots is how many slots a Cluster has.
const slots = 1 << 14

// slot returns the Cluster slot of all keys of a caller's key under a policy: the CRC-16 (XMODEM) of what is between the
// braces of their tag.
func (k keys) slot(policy, key string) uint16 {
	crc := crc16(crc16(0, policy), "|")
	return crc16(crc, k.spell(key)) % slots
}

func crc16(crc uint16, s string) uint16 {
	for i := range len(s) {
		crc = crc<<8 ^ crcTable[byte(crc>>8)^s[i]]
	}
	return crc
}

// crcTable is the CRC-16 of each byte, by the polynomial 0x1021.
var crcTable = func() (table [256]uint16) {
	for i := range table {
		crc := uint16(i) << 8
		for range 8 {
			if carry := crc&0x8000 != 0; carry {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
		table[i] = crc
	}
	return table
}()
