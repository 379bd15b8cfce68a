package memstore

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestHeap has entries come to the top in the order in which they end, though others are taken out meanwhile, end earlier
// than they did or last longer; and each knows where it stands.
func TestHeap(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	var h heap
	var all []*entry
	table := newTable()
	for n := range 20_000 {
		if len(all) == 0 || random.IntN(8) < 4 {
			var e *entry
			e, table = table.take()
			e.release()
			e.expires = random.Int64N(1_000_000)
			h.push(e)
			all = append(all, e)
			continue
		}
		i := random.IntN(len(all))
		switch e := all[i]; random.IntN(4) {
		case 0:
			h.remove(e)
			table.unused = append(table.unused, e)
			all = slices.Delete(all, i, i+1)
		case 1:
			e.expires = random.Int64N(1 + e.expires)
			h.earlier(e)
		case 2:
			e.expires += random.Int64N(1000)
		case 3:
			top, least := h.settle(table), slices.MinFunc(all, func(a, b *entry) int { return int(a.expires - b.expires) })
			if top.expires != least.expires {
				t.Fatalf("step %d: of %d entries one that ends at %d is at the top, want %d", n, len(all), top.expires, least.expires)
			}
			h.remove(top)
			top.release()
			all = slices.DeleteFunc(all, func(e *entry) bool { return e == top })
			if h.has(top) {
				t.Fatalf("step %d: an entry that was taken out is there", n)
			}
			table.unused = append(table.unused, top)
		}
	}
	for _, e := range all {
		if !h.has(e) {
			t.Fatalf("an entry that ends at %d does not know where it stands", e.expires)
		}
	}
	if len(h.timed) != len(all) {
		t.Errorf("there are %d entries, want %d", len(h.timed), len(all))
	}
}
