package lease

import (
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/sluice-project/sluice"
)

// table finds the holdings of keys, without a lock. It has a fixed number of places, a few for each bucket of hashes, and
// never grows: a key that finds none is asked for at the store, each time. A key is taken in when it is seen a second
// time: of the first only the hash is remembered.
type table struct {
	seed    maphash.Seed
	buckets []bucket
	count   atomic.Int64 // of holdings
}

// ways is how many places a bucket has.
const ways = 8

type bucket struct {
	hashes [ways]atomic.Uint64 // 0 where the place is free
	keys   [ways]atomic.Pointer[holding]
	mu     sync.Mutex // held by who writes
	next   uint8      // the place to be looked at first for one that can be given up
}

// newTable returns a table of at least so many places.
func newTable(places int) *table {
	n := 1
	for n*ways < places {
		n *= 2
	}
	return &table{seed: maphash.MakeSeed(), buckets: make([]bucket, n)}
}

// hash tells keys of policies apart, all but always. It is never 0.
func (t *table) hash(policy, key string) uint64 {
	const odd = 0x9e3779b97f4a7c15
	return (maphash.String(t.seed, key) + odd*maphash.String(t.seed, policy)) | 1
}

func (t *table) bucket(hash uint64) *bucket { return &t.buckets[hash>>1&uint64(len(t.buckets)-1)] }

// find returns the holding of a key under a policy, nil where there is none.
func (t *table) find(hash uint64, policy *sluice.Policy, key string) *holding {
	b := t.bucket(hash)
	for i := range b.hashes {
		if b.hashes[i].Load() != hash {
			continue
		}
		if h := b.keys[i].Load(); h != nil && h.key == key && h.policy == policy {
			return h
		}
	}
	return nil
}

// take returns the holding of a key, a new one where there is none; nil where the key is seen for the first time, or where
// all places are in use. Replaced is what stood there for the same key under another policy, or an older one of its name.
func (t *table) take(hash uint64, policy *sluice.Policy, key string) (h, replaced *holding) {
	b := t.bucket(hash)
	b.mu.Lock()
	defer b.mu.Unlock()
	seen := -1
	for i := range b.hashes {
		if b.hashes[i].Load() != hash {
			continue
		}
		seen = i
		if h = b.keys[i].Load(); h == nil {
			continue
		} else if h.key == key && h.policy == policy {
			return h, nil
		}
		replaced = h
		break
	}
	if seen < 0 {
		if seen = b.spare(); seen >= 0 {
			if b.keys[seen].Swap(nil) != nil {
				t.count.Add(-1)
			}
			b.hashes[seen].Store(hash)
		}
		return nil, nil
	}
	h = newHolding(hash, policy, key)
	if b.keys[seen].Swap(h) == nil {
		t.count.Add(1)
	}
	return h, replaced
}

// spare returns a place that can be given up, -1 where there is none.
func (b *bucket) spare() int {
	for range ways {
		i := int(b.next % ways)
		b.next++
		if h := b.keys[i].Load(); h == nil || h.retire() {
			return i
		}
	}
	return -1
}

// remove gives up the place of a holding, if that is idle.
func (t *table) remove(h *holding) {
	b := t.bucket(h.hash)
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.keys {
		if b.keys[i].Load() == h && h.retire() {
			t.count.Add(-1)
			b.keys[i].Store(nil)
			b.hashes[i].Store(0)
		}
	}
}

// named calls do for every holding of a key under a policy of that name.
func (t *table) named(policy, key string, do func(h *holding)) {
	b := t.bucket(t.hash(policy, key))
	for i := range b.keys {
		if h := b.keys[i].Load(); h != nil && h.key == key && h.policy.Name == policy {
			do(h)
		}
	}
}

// each calls do for every holding. Where there are none it costs nothing.
func (t *table) each(do func(h *holding)) {
	if t.count.Load() == 0 {
		return
	}
	for i := range t.buckets {
		for j := range t.buckets[i].keys {
			if h := t.buckets[i].keys[j].Load(); h != nil {
				do(h)
			}
		}
	}
}
