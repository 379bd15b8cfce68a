package memstore

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-project/sluice/algorithm"
)

// entry is what is known of a key of a policy, and its place in the order of expiry. What every decision looks at stands
// first.
type entry struct {
	key      string
	next     *entry    // another with the same hash
	standing *standing // nil where nothing is known but counters
	expires  int64     // ticks of the store's clock; the counters mean nothing from then on
	due      int64     // ticks; at or before ends()
	record   algorithm.Record
	policy   string
	hash     uint64
	place    int // in the shard's heap
}

// standing is a record of a standing, and which lists it is in.
type standing struct {
	algorithm.Standing
	expires int64 // ticks of the store's clock; the record means nothing from then on
	listed  [2]bool
}

// The lists that a shard keeps for each policy, by what [sluice.List] asks for.
const (
	blocks = iota
	overrides
)

// ends returns from when on the entry means nothing, in ticks of the store's clock.
func (e *entry) ends() int64 {
	if e.standing == nil {
		return e.expires
	}
	return max(e.expires, e.standing.expires)
}

// held reports whether the entry has a block or an override: such ones go last where there is no room.
func (e *entry) held() bool {
	return e.standing != nil && (e.standing.listed[blocks] || e.standing.listed[overrides])
}

// shard is a part of the keys under a lock of its own. Each entry is in one of its heaps, by whether it is held.
type shard struct {
	mu       sync.Mutex
	entries  map[uint64]*entry // by hash
	counters heap
	held     heap
	lists    map[list][]*entry // by key
	earliest atomic.Int64      // when the first of both heaps is due, readable without the lock
	_        [64]byte          // keeps two locks off one cache line
}

// lock tries for about as long as a decision takes before it lets the scheduler have the goroutine: where there are
// many more goroutines than processors, it may be long before that one runs again.
func (sh *shard) lock() {
	for range 100 {
		if sh.mu.TryLock() {
			return
		}
	}
	sh.mu.Lock()
}

func (sh *shard) find(hash uint64, policy, key string) *entry {
	e := sh.entries[hash]
	for e != nil && (e.key != key || e.policy != policy) {
		e = e.next
	}
	return e
}

// never is when that ends which does not end, and the earliest of an empty shard.
const never = math.MaxInt64

// simulatedGrace is how much longer a record is kept that was written at another instant than the clock's; see
// [sluice.Request].
const simulatedGrace = time.Hour

// insert adds an entry.
func (sh *shard) insert(e *entry) {
	e.next = sh.entries[e.hash]
	sh.entries[e.hash] = e
	sh.heapOf(e.held()).push(e)
	sh.note()
}

func (sh *shard) remove(e *entry) {
	switch first := sh.entries[e.hash]; {
	case first == e && e.next == nil:
		delete(sh.entries, e.hash)
	case first == e:
		sh.entries[e.hash] = e.next
	default:
		for first.next != e {
			first = first.next
		}
		first.next = e.next
	}
	sh.heapOf(e.held()).remove(e)
	if e.standing != nil {
		sh.list(e, [2]bool{})
	}
	sh.note()
}

// renew notes that an entry was written again. Only one that ends before it is due moves.
func (sh *shard) renew(e *entry) {
	if ends := e.ends(); ends < e.due {
		e.due = ends
		sh.heapOf(e.held()).up(e.place)
		sh.note()
	}
}

// stand gives an entry a standing that was written and ends at an instant of the store's clock, or takes the one that it
// has where that is 0. The entry need not be in the shard yet.
func (sh *shard) stand(e *entry, st *standing, expires int64) {
	was, inside := e.held(), sh.find(e.hash, e.policy, e.key) == e
	if expires == 0 {
		sh.list(e, [2]bool{})
		e.standing = nil
	} else {
		e.standing, st.expires = st, expires
		var held [2]bool
		held[blocks], held[overrides] = st.Holds()
		sh.list(e, held)
	}
	if inside && e.held() != was {
		sh.heapOf(was).remove(e)
		sh.heapOf(!was).push(e)
		sh.note()
	}
}

func (sh *shard) heapOf(held bool) *heap {
	if held {
		return &sh.held
	}
	return &sh.counters
}

// sweep drops up to most entries that mean nothing any more and returns how many it dropped.
func (sh *shard) sweep(now int64, most int) (swept int) {
	for _, h := range [...]*heap{&sh.counters, &sh.held} {
		for swept < most && h.earliest() <= now {
			top := h.settle()
			if top.ends() > now {
				break
			}
			sh.remove(top)
			swept++
		}
	}
	sh.note()
	return swept
}

// evict drops the entry that would mean nothing soonest, as far as is known, of those that are held or of the others,
// and reports whether there was one.
func (sh *shard) evict(held bool) bool {
	top := sh.heapOf(held).settle()
	if top == nil {
		return false
	}
	sh.remove(top)
	return true
}

func (sh *shard) note() { sh.earliest.Store(min(sh.counters.earliest(), sh.held.earliest())) }
