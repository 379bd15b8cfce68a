package memstore

import (
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/sluice-project/sluice/algorithm"
)

// entry is what is known of a key of a policy. It is two cache lines long, and holds all that a decision looks at where
// the policy has one limit, which keeps no log, and the key is short: to fetch memory is most of what a decision costs
// where there are many keys.
//
// An entry belongs to whoever has acquired it. What is in more belongs to the shard's lock as well: to change it takes
// both, to look at it one of them.
type entry struct {
	lock    atomic.Uint32
	number  uint32           // in the table and in the heap, for good
	last    int64            // ticks of the store's clock; nothing was decided later
	expires int64            // ticks of the store's clock; the counters mean nothing from then on. 0 where there are none
	record  algorithm.Record // its last word, and all below, is in the other line and seldom written to

	hash   atomic.Uint32 // to look at it before the lock is taken fetches both lines at once
	more   *more         // nil where the key is short and nothing is known but counters
	length uint8         // of the key, or tooLong; 0 where the entry is nobody's
	start  [shortKey]byte
}

// more is what few entries have.
type more struct {
	policy, key string
	standing    *standing // nil where nothing is known but counters
}

const (
	// shortKey is the length of the longest key that an entry holds within itself. A UUID is shorter.
	shortKey = 39
	// tooLong is the length of those that are longer, which stand whole in more.
	tooLong = shortKey + 1
)

// begin gives an entry that is nobody's to a key. It keeps no memory of the key's, which may be part of something large.
func (e *entry) begin(hash uint32, policy, key string) {
	e.hash.Store(hash)
	e.length = uint8(min(len(key), tooLong))
	copy(e.start[:], key)
	if e.length == tooLong {
		e.addMore(policy, key)
	}
}

// end makes an entry nobody's.
func (e *entry) end() {
	e.forget()
	e.more, e.length = nil, 0
	e.hash.Store(0)
}

func (e *entry) addMore(policy, key string) {
	if e.more == nil {
		e.more = &more{policy: strings.Clone(policy), key: strings.Clone(key)}
	}
}

// is reports whether an entry whose hash is right is that of a key.
func (e *entry) is(policy, key string) bool {
	if len(key) > shortKey {
		if e.length != tooLong || e.more.key != key {
			return false
		}
	} else if int(e.length) != len(key) || string(e.start[:len(key)]) != key {
		return false
	}
	if wrote := e.record.Policy(); wrote != nil {
		return wrote.Name == policy
	}
	return e.more != nil && e.more.policy == policy
}

// acquire takes the lock. Whoever waits looks at it seldom, and less and less often, so that the one who holds it keeps
// the entry in the cache of his processor and makes many decisions in the meantime; and then lets other goroutines run,
// because the holder may be one that was stopped.
func (e *entry) acquire() {
	for pause := shortestPause; e.lock.Load() != 0 || !e.lock.CompareAndSwap(0, 1); pause *= 2 {
		if pause > longestPause {
			runtime.Gosched()
			pause = longestPause
		}
		for range pause {
		}
	}
}

// The steps that somebody waits: about as long as 30 decisions take, and 100.
const (
	shortestPause = 1 << 13
	longestPause  = 1 << 15
)

func (e *entry) release() { e.lock.Store(0) }

func (e *entry) standing() *standing {
	if e.more == nil {
		return nil
	}
	return e.more.standing
}

// forget drops the counters.
func (e *entry) forget() { e.record, e.expires = algorithm.Record{}, 0 }

// ends returns from when on the entry means nothing, in ticks of the store's clock.
func (e *entry) ends() int64 {
	if st := e.standing(); st != nil {
		return max(e.expires, st.expires)
	}
	return e.expires
}

// held reports whether the entry has a block or an override: such ones go last where there is no room.
func (e *entry) held() bool {
	st := e.standing()
	return st != nil && (st.listed[blocks] || st.listed[overrides])
}
