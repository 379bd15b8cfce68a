package redisstore

import (
	"regexp"
	"strconv"
	"strings"
)

// Kind is what a key in Redis is, by how it is spelled.
type Kind int

// The kinds of keys, as docs/redis-keys.md has them.
const (
	Foreign  Kind = iota // none of Sluice's
	State                // what a caller's key has used
	Standing             // block, penalty and override of a caller's key
	Index                // which keys of a policy have a block or an override
	Entries              // the ledger's entries
	Log                  // a log of the ledger
	Servers              // which servers are alive
	Scratch              // what is tried out, see [ScratchTag]
)

// Type returns which type of Redis a key of the kind has, as TYPE says it; "" where that is not said.
func (k Kind) Type() string {
	return [...]string{State: "string", Standing: "string", Index: "zset", Entries: "hash", Log: "stream", Servers: "hash", Scratch: ""}[k]
}

var (
	policyKey = regexp.MustCompile(`^\{~?[a-z0-9][a-z0-9._-]{0,62}\|[^{}]{1,200}\}(!|@[0-9a-z]{1,13})?$`)
	indexKey  = regexp.MustCompile(`^\{~(blocks|overrides)\|[a-z0-9][a-z0-9._-]{0,62}\}(keys|ends)$`)
)

const (
	fleetTag   = "{~fleet}"
	scratchTag = "{~doctor"
)

// KindOf returns what a key is that has the prefix. It goes by the spelling alone: the value may be another's.
func KindOf(prefix, key string) Kind {
	rest, ok := strings.CutPrefix(key, prefix)
	if !ok {
		return Foreign
	}
	log, isLog := strings.CutPrefix(rest, fleetTag+"log:")
	switch {
	case rest == fleetTag+"entries":
		return Entries
	case isLog && !strings.Contains(log, "\x00"):
		return Log
	case rest == fleetTag+"servers":
		return Servers
	case strings.HasPrefix(rest, scratchTag+"}"), strings.HasPrefix(rest, scratchTag+":"):
		return Scratch
	case indexKey.MatchString(rest):
		return Index
	case !policyKey.MatchString(rest):
		return Foreign
	case strings.HasSuffix(rest, "}"+standingSuffix):
		return Standing
	}
	return State
}

// ScratchTag begins the keys that are written to see whether they can be, on a Cluster in a slot that is owned. They are
// in nobody's way: no policy and no namespace is spelled like it.
func ScratchTag(prefix string, owned func(slot int) bool) string {
	tag := scratchTag + "}"
	for n := 0; !owned(int(crc16(0, tag[1:len(tag)-1])%slots)) && n < 1<<20; n++ {
		tag = scratchTag + ":" + strconv.Itoa(n) + "}"
	}
	return prefix + tag
}

// MeantToStay reports whether the value of a standing has an override for good, so that its key has no time to live.
func MeantToStay(standing string) bool {
	const instant = 7
	skip := func(size int) bool {
		if len(standing) < size {
			return false
		}
		standing = standing[size:]
		return true
	}
	for len(standing) > 0 {
		part := standing[0]
		switch standing = standing[1:]; part {
		case 240:
			const head = instant + 2
			if len(standing) < head || !skip(head+int(standing[head-1])) {
				return false
			}
		case 241:
			if !skip(1 + instant) {
				return false
			}
		case 242:
			const head, admission = 5 + 4 + 5 + 1, 7 + 5
			if len(standing) < head || !skip(head+admission*int(standing[head-1])) {
				return false
			}
		case 243:
			return len(standing) >= instant && bigEndian(standing[:instant]) == 0
		default:
			return false
		}
	}
	return false
}
