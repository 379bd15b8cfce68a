package memstore

// heap orders the entries of a shard by when they are due to be looked at, the earliest first. An entry that lasts longer
// than it did stays where it is, and is put back with its true instant when it comes to the top.
//
// To fetch memory is most of what it costs to put an entry in its place, where there are many. So the heap holds what it
// needs to know of the entries and looks at none; it has four of them below each, whose instants are side by side; and where
// each stands is noted in a list, which is a thirtieth of the size of the entries.
type heap struct {
	timed  []timed
	places []uint32 // where those stand that are in the heap, by their number
}

// below is how many entries stand below one.
const below = 4

type timed struct {
	due    int64  // ticks of the store's clock; no later than the entry ends, but for a moment after it was cut short
	number uint32 // of the entry
}

// has reports whether an entry is in the heap.
func (h *heap) has(e *entry) bool {
	if int(e.number) >= len(h.places) {
		return false
	}
	place := int(h.places[e.number])
	return place < len(h.timed) && h.timed[place].number == e.number
}

// push adds an entry that is not in the heap and that the caller has acquired, as he has for all that follows.
func (h *heap) push(e *entry) {
	for int(e.number) >= len(h.places) {
		h.places = append(h.places, 0)
	}
	h.timed = append(h.timed, timed{})
	h.up(len(h.timed)-1, timed{e.ends(), e.number})
}

// remove takes out an entry that is in the heap.
func (h *heap) remove(e *entry) {
	place, last := int(h.places[e.number]), len(h.timed)-1
	moved := h.timed[last]
	h.timed = h.timed[:last]
	if place < last {
		h.up(h.down(place, moved), moved)
	}
}

// earlier notes that an entry may end before it is due.
func (h *heap) earlier(e *entry) {
	place := int(h.places[e.number])
	if ends := e.ends(); ends < h.timed[place].due {
		h.up(place, timed{ends, e.number})
	}
}

// mostPutBack is how many entries a write puts back in their place before it takes the top of the heap as it is.
const mostPutBack = 256

// settle puts entries of a table that last longer than they are due back in their place until the top of the heap is true,
// and returns it, acquired, or nil where the heap is empty.
func (h *heap) settle(t *table) *entry {
	for putBack := 0; len(h.timed) > 0; putBack++ {
		first := h.timed[0]
		top := t.entry(first.number)
		top.acquire()
		ends := top.ends()
		if first.due == ends || putBack == mostPutBack {
			return top
		}
		top.release()
		h.down(0, timed{ends, first.number})
	}
	return nil
}

// earliest returns when the first entry is due.
func (h *heap) earliest() int64 {
	if len(h.timed) == 0 {
		return never
	}
	return h.timed[0].due
}

// up puts an entry in a place, or in that of those above it which are due later, and these below it.
func (h *heap) up(place int, t timed) {
	for place > 0 {
		above := (place - 1) / below
		if h.timed[above].due <= t.due {
			break
		}
		h.put(place, h.timed[above])
		place = above
	}
	h.put(place, t)
}

// down puts an entry in a place, or in that of those below it which are due sooner, and these above it. It returns where the
// entry is.
func (h *heap) down(place int, t timed) int {
	for first := below*place + 1; first < len(h.timed); first = below*place + 1 {
		soonest := first
		for other := first + 1; other < min(first+below, len(h.timed)); other++ {
			if h.timed[other].due < h.timed[soonest].due {
				soonest = other
			}
		}
		if t.due <= h.timed[soonest].due {
			break
		}
		h.put(place, h.timed[soonest])
		place = soonest
	}
	h.put(place, t)
	return place
}

func (h *heap) put(place int, t timed) {
	h.timed[place] = t
	h.places[t.number] = uint32(place)
}
