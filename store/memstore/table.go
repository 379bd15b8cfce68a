package memstore

import "sync/atomic"

// table holds the entries of a shard and finds them by the hash of their key. It is read without a lock while the one who
// has the shard's changes it: a search can miss an entry that is just being moved to another slot, and can come to one
// that has just been given to another key. The entry itself says whose it is, under its own lock; see [shard.find].
//
// A slot is 0 or a number that has in its lower bits, as many as it takes to number all slots, which entry it is; in its
// uppermost five how far it stands from home, which is the slot that the lower bits of the hash say; and between them what
// the hash has there. Each stands in the first slot that was empty from home on. So slots are small, next to no search
// looks at the entry of another key, and to close the gap that one leaves behind takes a look at slots only.
//
// Entries never move, and are used again; their memory is given back when the shard is empty.
type table struct {
	slots  []atomic.Uint32 // a power of two, at most three quarters of them in use
	chunks [][]entry       // not of pointers to chunks: those would be looked at before the entry is
	unused []*entry
}

const (
	fewestSlots = 8
	chunkLength = 64 // in numbers, of which the last is nobody's

	// farShift is where a slot says how far from home it stands, and far is what those say that stand farther. A store of 16
	// shards or more whose tables had so many slots that their numbers reach up to there would take 200 GB or more.
	farShift = 27
	far      = 1<<(32-farShift) - 1
)

// slotOf returns what stands in the slot of an entry, but for its number, which is as far from home.
func slotOf(hash, mask, away uint32) uint32 {
	return min(away, far)<<farShift | hash&(1<<farShift-1)&^mask
}

// chunk is entries that are allocated at once. The runtime puts a word in front of it, and what is allocated begins at a
// multiple of a large power of two: so each entry is in two cache lines, and not in three.
type chunk struct {
	_       [120]byte
	entries [chunkLength - 1]entry
}

func newTable() *table {
	return &table{slots: make([]atomic.Uint32, fewestSlots)}
}

// entry returns the entry of a slot.
func (t *table) entry(slot uint32) *entry {
	number := slot & t.mask()
	return &t.chunks[number/chunkLength][number%chunkLength]
}

func (t *table) mask() uint32 { return uint32(len(t.slots) - 1) }

// take returns an entry that is nobody's, acquired, and the table that holds it from now on, which is another one where
// there was none left.
func (t *table) take() (*entry, *table) {
	if len(t.unused) == 0 {
		t = t.grown()
	}
	last := len(t.unused) - 1
	e := t.unused[last]
	t.unused = t.unused[:last]
	e.acquire()
	return e, t
}

// grown returns a table with the same entries and another chunk of them. Number 0 is that of none, so that no slot in use
// is 0.
func (t *table) grown() *table {
	entries, first := new(chunk).entries[:], len(t.chunks)*chunkLength
	n := &table{slots: t.slots, chunks: append(t.chunks, entries)}
	for i := len(entries) - 1; i >= 0; i-- {
		if entries[i].number = uint32(first + i); entries[i].number > 0 {
			n.unused = append(n.unused, &entries[i])
		}
	}
	for 4*len(n.chunks)*chunkLength > 3*len(n.slots) {
		n.slots = make([]atomic.Uint32, 2*len(n.slots))
	}
	if len(n.slots) > len(t.slots) {
		for i := range t.slots {
			if slot := t.slots[i].Load(); slot != 0 {
				n.add(t.entry(slot))
			}
		}
	}
	return n
}

// add has an entry found that was taken and has its hash.
func (t *table) add(e *entry) {
	hash, mask, away := e.hash.Load(), t.mask(), uint32(0)
	for t.slots[(hash+away)&mask].Load() != 0 {
		away++
	}
	t.slots[(hash+away)&mask].Store(slotOf(hash, mask, away) | e.number)
}

// remove has an entry found no more, and closes the gap: what stands behind it and not at home moves up.
func (t *table) remove(e *entry) {
	mask := t.mask()
	gap := e.hash.Load() & mask
	for t.slots[gap].Load()&mask != e.number {
		gap = (gap + 1) & mask
	}
	for i := (gap + 1) & mask; ; i = (i + 1) & mask {
		slot := t.slots[i].Load()
		if slot == 0 {
			break
		}
		away, by := t.away(i, slot), (i-gap)&mask
		if away >= by {
			t.slots[gap].Store(slot&(1<<farShift-1) | min(away-by, far)<<farShift)
			gap = i
		}
	}
	t.slots[gap].Store(0)
}

// away returns how far from home what stands in the i-th slot is.
func (t *table) away(i, slot uint32) uint32 {
	if away := slot >> farShift; away < far {
		return away
	}
	return (i - t.entry(slot).hash.Load()) & t.mask()
}
