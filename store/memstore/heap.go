package memstore

// heap orders entries by when they are due to be looked at, the earliest first. An entry that lasts longer than it did
// stays where it is, and is put back with its true instant when it comes to the top.
type heap []*entry

// push adds an entry that is not in a heap.
func (h *heap) push(e *entry) {
	e.due, e.place = e.ends(), len(*h)
	*h = append(*h, e)
	h.up(e.place)
}

// remove takes out an entry that is in the heap.
func (h *heap) remove(e *entry) {
	last := len(*h) - 1
	place := e.place
	h.swap(place, last)
	(*h)[last] = nil
	*h = (*h)[:last]
	if place < last {
		h.down(place)
		h.up(place)
	}
}

// mostPutBack is how many entries a write puts back in their place before it takes the top of the heap as it is.
const mostPutBack = 256

// settle puts entries that last longer than they are due back in their place until the top of the heap is true, and
// returns it, or nil where the heap is empty.
func (h heap) settle() *entry {
	for range mostPutBack {
		if len(h) == 0 || h[0].due == h[0].ends() {
			break
		}
		h[0].due = h[0].ends()
		h.down(0)
	}
	if len(h) == 0 {
		return nil
	}
	return h[0]
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
		parent := (i - 1) / 2
		if h[parent].due <= h[i].due {
			return
		}
		h.swap(i, parent)
		i = parent
	}
}

func (h heap) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(h) {
			return
		}
		if child+1 < len(h) && h[child+1].due < h[child].due {
			child++
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
	h[i].place, h[j].place = i, j
}
