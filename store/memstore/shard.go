package memstore

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-project/sluice/algorithm"
)

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

// shard is a part of the keys. Its lock belongs to whoever adds an entry or takes one out, or changes what shard keeps
// of them besides; each entry is in one of its heaps, by whether it is held. Whoever has the lock may wait for that of an
// entry, and never the other way round.
type shard struct {
	table    atomic.Pointer[table] // read without the lock
	_        [56]byte              // keeps what is read by all off the cache lines of what is written
	mu       sync.Mutex
	counters heap
	held     heap
	lists    map[list][]*entry // by key
	earliest atomic.Int64      // when the first of both heaps is due, readable without the lock
	_        [56]byte
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

// find returns the entry of a key, acquired, or nil. Without the shard's lock, nil means only that it has not been seen.
func (sh *shard) find(hash uint32, policy, key string) *entry {
	t := sh.table.Load()
	for away, mask := uint32(0), t.mask(); ; away++ {
		slot := t.slots[(hash+away)&mask].Load()
		if slot == 0 {
			return nil
		}
		if slot&^mask != slotOf(hash, mask, away) {
			continue
		}
		if int(slot&mask)/chunkLength >= len(t.chunks) {
			return nil // it stands in a chunk that was added since the table was loaded
		}
		if e := t.entry(slot); e.hash.Load() == hash {
			e.acquire()
			if e.is(policy, key) {
				return e
			}
			e.release()
		}
	}
}

// never is when that ends which does not end, and the earliest of an empty shard.
const never = math.MaxInt64

// simulatedGrace is how much longer a record is kept that was written at another instant than the clock's; see
// [sluice.Request].
const simulatedGrace = time.Hour

// blank returns an entry for a key that has none, acquired, which is not in the shard yet. It must be inserted or dropped.
func (sh *shard) blank(hash uint32, policy, key string) *entry {
	sh.tidy(1)
	e, t := sh.table.Load().take()
	sh.table.Store(t)
	e.begin(hash, policy, key)
	return e
}

// tidy gives back the memory of a shard that is empty and has more than so many chunks. No blank entry must be about.
func (sh *shard) tidy(chunks int) {
	if len(sh.counters.timed)+len(sh.held.timed) == 0 && len(sh.table.Load().chunks) > chunks {
		sh.table.Store(newTable())
		sh.counters, sh.held = heap{}, heap{}
	}
}

// insert adds a blank entry in which something has been written.
func (sh *shard) insert(e *entry) {
	sh.table.Load().add(e)
	sh.heapOf(e.held()).push(e)
	sh.note()
}

// remove takes out an entry.
func (sh *shard) remove(e *entry) {
	sh.table.Load().remove(e)
	sh.heapOf(e.held()).remove(e)
	sh.list(e, [2]bool{})
	sh.note()
	sh.drop(e)
}

// drop makes an entry nobody's.
func (sh *shard) drop(e *entry) {
	e.end()
	t := sh.table.Load()
	t.unused = append(t.unused, e)
}

// renew notes that an entry was written again. Only one that ends before it is due moves.
func (sh *shard) renew(e *entry) {
	sh.heapOf(e.held()).earlier(e)
	sh.note()
}

// stand gives an entry that has more a standing that was written and ends at an instant of the store's clock, or takes
// the one that it has where that is 0. The entry need not be in the shard yet.
func (sh *shard) stand(e *entry, st *standing, expires int64) {
	was := e.held()
	inside := sh.heapOf(was).has(e)
	if expires == 0 {
		sh.list(e, [2]bool{})
		e.more.standing = nil
	} else {
		e.more.standing, st.expires = st, expires
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
			top := h.settle(sh.table.Load())
			if top.ends() > now {
				top.release()
				break
			}
			sh.remove(top)
			top.release()
			swept++
		}
	}
	sh.note()
	return swept
}

// evict drops the entry that would mean nothing soonest, as far as is known, of those that are held or of the others,
// and reports whether there was one.
func (sh *shard) evict(held bool) bool {
	top := sh.heapOf(held).settle(sh.table.Load())
	if top == nil {
		return false
	}
	sh.remove(top)
	top.release()
	return true
}

func (sh *shard) note() { sh.earliest.Store(min(sh.counters.earliest(), sh.held.earliest())) }
