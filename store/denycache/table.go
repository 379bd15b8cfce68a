package denycache

import (
	"crypto/sha256"
	"math/bits"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-project/sluice"
)

// entry is what is remembered of one key of one policy.
type entry struct {
	hash    uint64
	policy  string
	key     string // or its digest
	long    bool   // it is the digest
	refusal atomic.Pointer[refusal]
	pending atomic.Int64 // refusals that are not reported yet
	waiting atomic.Bool  // it is among those that Run looks at
}

// longKey is the length from which on the digest of a key is kept in its place.
const longKey = 128

func newEntry(hash uint64, policy, key string) *entry {
	e := &entry{hash: hash, policy: policy, long: len(key) > longKey}
	if e.long {
		sum := digest(key)
		e.key = string(sum[:])
	} else {
		e.key = strings.Clone(key) // it may be part of something large
	}
	return e
}

// is reports whether the entry is that of a key. It allocates nothing.
func (e *entry) is(policy, key string) bool {
	if e.policy != policy || e.long != (len(key) > longKey) {
		return false
	}
	if !e.long {
		return e.key == key
	}
	sum := digest(key)
	return e.key == string(sum[:])
}

// digest returns the SHA-256 of a key. It allocates nothing, as a conversion of the key would.
func digest(key string) [sha256.Size]byte {
	var bytes [sluice.MaxKeyBytes]byte
	return sha256.Sum256(bytes[:copy(bytes[:], key)])
}

// ways is how many places a key can have.
const ways = 8

// set is the places of the keys whose hashes fall into it. They are read without a lock, and written under that of its
// guard. The hashes stand together, so that a key which is not known is a look at one line of memory.
type set struct {
	hashes  [ways]atomic.Uint64
	entries [ways]atomic.Pointer[entry]
}

// guard is the lock of some sets.
type guard struct {
	mu      sync.Mutex
	drops   atomic.Uint64 // how often something was dropped; changed under the lock
	waiting []waiting     // entries with refusals that are not reported yet
	_       [64]byte      // keeps two locks off one cache line
}

// waiting is an entry with refusals that are to be reported, its key, and the refusal by which the last of them that is
// known was answered.
type waiting struct {
	*entry
	key string
	by  *refusal
}

// table finds entries. It has a fixed number of places, of which a key can have those of one set: to find one, and to
// make room for one, takes the same time however many keys somebody makes up.
type table struct {
	sets    []set
	guards  [64]guard
	held    atomic.Int64
	evicted atomic.Int64
}

func newTable(entries int) *table { return &table{sets: make([]set, (entries+ways-1)/ways)} }

// mostWaiting is how many entries of one guard may wait: as many as it has places for, and as many that have lost theirs.
func (t *table) mostWaiting() int { return 2 * ways * (len(t.sets)/len(t.guards) + 1) }

func (t *table) place(hash uint64) (*set, *guard) {
	i, _ := bits.Mul64(hash, uint64(len(t.sets)))
	return &t.sets[i], &t.guards[i%uint64(len(t.guards))]
}

// find returns the entry of a key, nil where there is none.
func (t *table) find(hash uint64, policy, key string) *entry {
	set, _ := t.place(hash)
	for i := range set.hashes {
		if set.hashes[i].Load() == hash {
			if e := set.entries[i].Load(); e != nil && e.is(policy, key) {
				return e
			}
		}
	}
	return nil
}

// drops returns how often something was dropped in the neighbourhood of a key.
func (t *table) drops(hash uint64) uint64 {
	_, g := t.place(hash)
	return g.drops.Load()
}

// drop forgets the refusal of a key, and any that the store makes of questions which were sent before. It returns the
// entry, nil where there is none.
func (t *table) drop(hash uint64, policy, key string) *entry {
	_, g := t.place(hash)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.drops.Add(1)
	e := t.find(hash, policy, key)
	if e != nil {
		e.refusal.Store(nil)
	}
	return e
}

// admitted forgets the refusal of a key where the store has admitted as much since.
func (t *table) admitted(q *question, cost int64) {
	_, g := t.place(q.hash)
	g.mu.Lock()
	defer g.mu.Unlock()
	if r := q.entry.refusal.Load(); r != nil && r.decision.Cost <= cost && r.sent < q.sent {
		q.entry.refusal.Store(nil)
	}
}

// put remembers a refusal, unless the key was dropped since the question was sent.
func (t *table) put(q *question, req *sluice.Request, r *refusal, now time.Duration) {
	set, g := t.place(q.hash)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.drops.Load() != q.drops {
		return
	}
	e := t.find(q.hash, req.Policy.Name, req.Key)
	if e == nil {
		e = newEntry(q.hash, req.Policy.Name, req.Key)
		e.refusal.Store(r)
		t.insert(set, e, now)
		return
	}
	if old := e.refusal.Load(); old == nil || !old.coversYoung(r, now) {
		e.refusal.Store(r)
	}
}

// coversYoung reports whether a refusal holds, is about as young as another and refuses all that the other does: of many
// that were asked at once, the first stays.
func (r *refusal) coversYoung(other *refusal, now time.Duration) bool {
	return now < r.until && other.sent < r.sent+youth && r.decision.Cost <= other.decision.Cost && sameRules(r.policy, other.policy)
}

// insert gives an entry a place, if need be that of the one whose refusal ends soonest.
func (t *table) insert(set *set, e *entry, now time.Duration) {
	place, soonest := 0, time.Duration(-1)
	for i := range set.entries {
		until := set.entries[i].Load().end()
		if soonest < 0 || until < soonest {
			place, soonest = i, until
		}
	}
	switch {
	case set.entries[place].Load() == nil:
		t.held.Add(1)
	case soonest > now:
		t.evicted.Add(1)
	}
	set.entries[place].Store(e)
	set.hashes[place].Store(e.hash)
}

// end returns when the refusal of an entry is over, 0 where there is none.
func (e *entry) end() time.Duration {
	if e == nil {
		return 0
	}
	if r := e.refusal.Load(); r != nil {
		return r.until
	}
	return 0
}

// wait has Run look at the entry of a key, because a refusal was answered by r.
func (t *table) wait(e *entry, key string, r *refusal) {
	_, g := t.place(e.hash)
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) < t.mostWaiting() && !e.waiting.Swap(true) {
		g.waiting = append(g.waiting, waiting{e, strings.Clone(key), r})
	}
}

// due takes those entries out of the waiting ones whose refusals are to be reported now. Where a refusal still holds, that
// is when it is no longer young and nobody is about to ask for it, who would report them.
func (g *guard) due(now time.Duration) (due []waiting) {
	g.mu.Lock()
	defer g.mu.Unlock()
	stay := g.waiting[:0]
	for _, w := range g.waiting {
		r := w.refusal.Load()
		if r != nil {
			w.by = r
		}
		holds := r != nil && now < r.until
		switch pending := w.pending.Load() > 0; {
		case holds && (!pending || now < r.sent+youth || !r.lead()):
			stay = append(stay, w)
		case pending || w.leave():
			due = append(due, w)
		}
	}
	clear(g.waiting[len(stay):])
	g.waiting = stay
	return due
}

// leave notes that an entry does not wait any more. It reports whether there are refusals all the same, by somebody who
// took it to be waiting: then it waits on.
func (e *entry) leave() bool {
	e.waiting.Store(false)
	return e.pending.Load() > 0 && !e.waiting.Swap(true)
}

// over reports whether the refusal of an entry is, and Run does not look at it. What could not be reported is forgotten.
func (e *entry) over(now time.Duration) bool { return e != nil && e.end() <= now && !e.waiting.Load() }

// sweep takes entries out of a part of the table whose refusals are over.
func (t *table) sweep(part, parts int, now time.Duration) {
	for i := part; i < len(t.sets); i += parts {
		set, g := &t.sets[i], &t.guards[i%len(t.guards)]
		for j := range set.entries {
			e := set.entries[j].Load()
			if !e.over(now) {
				continue
			}
			g.mu.Lock()
			if set.entries[j].Load() == e && e.over(now) {
				set.hashes[j].Store(0)
				set.entries[j].Store(nil)
				t.held.Add(-1)
			}
			g.mu.Unlock()
		}
	}
}
