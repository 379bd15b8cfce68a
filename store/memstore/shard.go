package memstore

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-project/sluice/algorithm"
)

// entry is a record, whose it is, and its place in the order of expiry. What every decision looks at stands first.
type entry struct {
	key     string
	next    *entry // another with the same hash
	expires int64  // ticks of the store's clock; the record means nothing from then on
	due     int64  // ticks; at or before expires
	record  algorithm.Record
	policy  string
	hash    uint64
	place   int // in the shard's heap
}

// shard is a part of the keys under a lock of its own. Its heap orders the entries by when they are due to be looked
// at: an admission that makes a record last longer leaves the heap alone, and the entry is put back with its true
// instant when it comes to the top.
type shard struct {
	mu       sync.Mutex
	entries  map[uint64]*entry // by hash
	heap     []*entry
	earliest atomic.Int64 // due of the heap's top, readable without the lock
	_        [64]byte     // keeps two locks off one cache line
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

// noExpiry is the earliest of an empty shard.
const noExpiry = math.MaxInt64

// simulatedGrace is how much longer a record is kept that was written at another instant than the clock's; see
// [sluice.Request].
const simulatedGrace = time.Hour

// insert adds an entry that expires.
func (sh *shard) insert(e *entry, expires int64) {
	e.expires, e.due = expires, expires
	e.place = len(sh.heap)
	e.next = sh.entries[e.hash]
	sh.entries[e.hash] = e
	sh.heap = append(sh.heap, e)
	sh.up(e.place)
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
	last := len(sh.heap) - 1
	place := e.place
	sh.swap(place, last)
	sh.heap[last] = nil
	sh.heap = sh.heap[:last]
	if place < last {
		sh.down(place)
		sh.up(place)
	}
	sh.note()
}

// renew notes when an entry expires that was written again. Only one that ends before it is due moves.
func (sh *shard) renew(e *entry, expires int64) {
	e.expires = expires
	if expires < e.due {
		e.due = expires
		sh.up(e.place)
		sh.note()
	}
}

// mostPutBack is how many entries a write puts back in their place before it takes the top of the heap as it is.
const mostPutBack = 256

// settle puts entries that last longer than they are due back in their place until the top of the heap is true, and
// returns it, or nil where the shard is empty.
func (sh *shard) settle() *entry {
	for range mostPutBack {
		if len(sh.heap) == 0 || sh.heap[0].due == sh.heap[0].expires {
			break
		}
		sh.heap[0].due = sh.heap[0].expires
		sh.down(0)
	}
	if len(sh.heap) == 0 {
		return nil
	}
	return sh.heap[0]
}

// sweep drops up to most entries that mean nothing any more and returns how many it dropped.
func (sh *shard) sweep(now int64, most int) (swept int) {
	for swept < most && len(sh.heap) > 0 && sh.heap[0].due <= now {
		top := sh.settle()
		if top.expires > now {
			break
		}
		sh.remove(top)
		swept++
	}
	sh.note()
	return swept
}

// evict drops the entry that would mean nothing soonest, as far as is known, and reports whether there was one.
func (sh *shard) evict() bool {
	top := sh.settle()
	if top == nil {
		return false
	}
	sh.remove(top)
	return true
}

func (sh *shard) note() {
	if len(sh.heap) == 0 {
		sh.earliest.Store(noExpiry)
	} else {
		sh.earliest.Store(sh.heap[0].due)
	}
}

func (sh *shard) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if sh.heap[parent].due <= sh.heap[i].due {
			return
		}
		sh.swap(i, parent)
		i = parent
	}
}

func (sh *shard) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(sh.heap) {
			return
		}
		if child+1 < len(sh.heap) && sh.heap[child+1].due < sh.heap[child].due {
			child++
		}
		if sh.heap[i].due <= sh.heap[child].due {
			return
		}
		sh.swap(i, child)
		i = child
	}
}

func (sh *shard) swap(i, j int) {
	h := sh.heap
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}
