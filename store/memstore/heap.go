package memstore

// heap orders the entries of a shard by when they are due to be looked at, the earliest first. An entry that lasts longer
// than it did stays where it is, and is put back with its true instant when it comes to the top. The instants stand in the
// heap, so that to put one entry in its place looks at no other; but each that moves is told where it stands, which is
// memory that has to be fetched. So an entry of the heap has four below it, whose instants are in two cache lines side by
// side, and there are half as many levels as with two.
type heap []timed

// below is how many entries stand below one.
const below = 4

type timed struct {
	due   int64 // ticks of the store's clock; no later than the entry ends, but for a moment after it was cut short
	entry *entry
}

// has reports whether an entry is in the heap.
func (h heap) has(e *entry) bool { return int(e.place) < len(h) && h[e.place].entry == e }

// push adds an entry that is not in a heap and that the caller has acquired, as he has for all that follows.
func (h *heap) push(e *entry) {
	*h = append(*h, timed{e.ends(), e})
	e.place = uint32(len(*h) - 1)
	h.up(len(*h) - 1)
}

// remove takes out an entry that is in the heap.
func (h *heap) remove(e *entry) {
	place, last := int(e.place), len(*h)-1
	h.swap(place, last)
	(*h)[last] = timed{}
	*h = (*h)[:last]
	if place < last {
		h.down(place)
		h.up(place)
	}
}

// earlier notes that an entry may end before it is due.
func (h heap) earlier(e *entry) {
	if ends := e.ends(); ends < h[e.place].due {
		h[e.place].due = ends
		h.up(int(e.place))
	}
}

// mostPutBack is how many entries a write puts back in their place before it takes the top of the heap as it is.
const mostPutBack = 256

// settle puts entries that last longer than they are due back in their place until the top of the heap is true, and
// returns it, acquired, or nil where the heap is empty.
func (h heap) settle() *entry {
	for putBack := 0; len(h) > 0; putBack++ {
		top := h[0].entry
		top.acquire()
		ends := top.ends()
		if h[0].due == ends || putBack == mostPutBack {
			return top
		}
		h[0].due = ends
		top.release()
		h.down(0)
	}
	return nil
}

// earliest returns when the first entry is due.
func (h heap) earliest() int64 {
	if len(h) == 0 {
		return never
	}
	return h[0].due
}

func (h heap) up(i int) {
	for i > 0 {
		parent := (i - 1) / below
		if h[parent].due <= h[i].due {
			return
		}
		h.swap(i, parent)
		i = parent
	}
}

func (h heap) down(i int) {
	for {
		first := below*i + 1
		if first >= len(h) {
			return
		}
		child := first
		for other := first + 1; other < min(first+below, len(h)); other++ {
			if h[other].due < h[child].due {
				child = other
			}
		}
		if h[i].due <= h[child].due {
			return
		}
		h.swap(i, child)
		i = child
	}
}

func (h heap) swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].entry.place, h[j].entry.place = uint32(i), uint32(j)
}
