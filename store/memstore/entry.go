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
// hash, length and start never change. place belongs to the shard's lock. Everything else belongs to the entry's own lock,
// and what is in more also to that of the shard: to change it takes both, to look at it one of them.
type entry struct {
	lock    atomic.Uint32
	hash    uint32
	record  algorithm.Record
	last    int64 // ticks of the store's clock; nothing was decided later
	expires int64 // ticks of the store's clock; the counters mean nothing from then on. 0 where there are none
	more    *more // nil where the key is short and nothing is known but counters
	place   uint32
	length  uint8          // of the key, or tooLong
	start   [shortKey]byte // of the key
}

// more is what few entries have.
type more struct {
	policy, key string
	standing    *standing // nil where nothing is known but counters
}

const (
	// shortKey is the length of the longest key that an entry holds within itself. A UUID is shorter.
	shortKey = 43
	// tooLong is the length of those that are longer, which stand whole in more.
	tooLong = shortKey + 1
)

// The states of an entry's lock. One that is gone is in no shard any more, and nobody else gets hold of it.
const (
	unlocked = iota
	locked
	gone
)

// newEntry returns an entry that its caller holds. It shares no memory with the key, which may be part of something large.
func newEntry(hash uint32, policy, key string) *entry {
	e := &entry{hash: hash, length: uint8(min(len(key), tooLong))}
	e.lock.Store(locked)
	copy(e.start[:], key)
	if e.length == tooLong {
		e.addMore(policy, key)
	}
	return e
}

func (e *entry) addMore(policy, key string) {
	if e.more == nil {
		e.more = &more{policy: strings.Clone(policy), key: strings.Clone(key)}
	}
}

// mayBe reports whether the entry can be that of a key with such a hash. It needs no lock.
func (e *entry) mayBe(hash uint32, key string) bool {
	if e.hash != hash || int(e.length) != min(len(key), tooLong) {
		return false
	}
	n := min(len(key), shortKey)
	return string(e.start[:n]) == key[:n]
}

// is reports whether an entry that may be that of a key is.
func (e *entry) is(policy, key string) bool {
	if e.length == tooLong && e.more.key != key {
		return false
	}
	if wrote := e.record.Policy(); wrote != nil {
		return wrote.Name == policy
	}
	return e.more != nil && e.more.policy == policy
}

// acquire takes the lock and reports whether it got it: it does not where the entry is gone. Whoever waits looks at the
// lock less and less often, so that the one who holds it keeps the entry in his processor's cache, and then lets other
// goroutines run: the holder may be one that was stopped.
func (e *entry) acquire() bool {
	for pause := shortestPause; ; {
		switch e.lock.Load() {
		case gone:
			return false
		case unlocked:
			if e.lock.CompareAndSwap(unlocked, locked) {
				return true
			}
		}
		if pause <= longestPause {
			for range pause {
			}
			pause *= 2
		} else {
			runtime.Gosched()
		}
	}
}

// longestPause is how many steps somebody waits before he lets others run, about as long as a few decisions take.
const (
	shortestPause = 1 << 13
	longestPause  = 1 << 15
)

// release gives back the lock, unless the entry is gone by now.
func (e *entry) release() {
	if e.lock.Load() == locked {
		e.lock.Store(unlocked)
	}
}

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
