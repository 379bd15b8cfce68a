package memstore

import "sync/atomic"

// table finds entries by the hash of their key: each stands in the first place that was free from the one on that its
// hash says. It is read without a lock while others change it, so a search can miss an entry that is just being moved,
// and never finds one that is not there; see [shard.find].
type table struct {
	slots []atomic.Pointer[entry] // a power of two, at most half of them in use
	used  int
}

const fewestSlots = 8

func newTable(slots int) *table {
	return &table{slots: make([]atomic.Pointer[entry], slots)}
}

// grown returns a table that has room for one more entry: this one, or one twice as large.
func (t *table) grown() *table {
	if 2*(t.used+1) <= len(t.slots) {
		return t
	}
	return t.resized(2 * len(t.slots))
}

// shrunk returns a table that is not much larger than it needs to be: this one, or one half as large.
func (t *table) shrunk() *table {
	if 8*t.used > len(t.slots) || len(t.slots) == fewestSlots {
		return t
	}
	return t.resized(len(t.slots) / 2)
}

func (t *table) resized(slots int) *table {
	n := newTable(slots)
	for i := range t.slots {
		if e := t.slots[i].Load(); e != nil {
			n.add(e)
		}
	}
	return n
}

// add puts an entry in, for which there must be room.
func (t *table) add(e *entry) {
	i := t.home(e.hash)
	for t.slots[i].Load() != nil {
		i = t.next(i)
	}
	t.slots[i].Store(e)
	t.used++
}

// remove takes an entry out that is in the table, and closes the gap: what stands behind it and is not at home moves up.
func (t *table) remove(e *entry) {
	gap := t.home(e.hash)
	for t.slots[gap].Load() != e {
		gap = t.next(gap)
	}
	for i := t.next(gap); ; i = t.next(i) {
		moved := t.slots[i].Load()
		if moved == nil {
			break
		}
		if t.distance(t.home(moved.hash), i) >= t.distance(gap, i) {
			t.slots[gap].Store(moved)
			gap = i
		}
	}
	t.slots[gap].Store(nil)
	t.used--
}

func (t *table) home(hash uint32) int          { return int(hash) & (len(t.slots) - 1) }
func (t *table) next(i int) int                { return (i + 1) & (len(t.slots) - 1) }
func (t *table) distance(from, to int) (n int) { return (to - from) & (len(t.slots) - 1) }
