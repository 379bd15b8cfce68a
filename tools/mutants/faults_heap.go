package main

var heaps = suite{dir: "store/memstore", run: "^Test(Heap|EntriesOfFewHashes)$"}

// heapFaults are in the order in which the embedded store drops keys, and in the end of the table that it finds them by.
var heapFaults = []fault{
	{
		name: "the last of the four entries below one is not looked at",
		file: "store/memstore/heap.go", by: heaps,
		old: "other < min(first+below, len(h.timed))",
		new: "other < min(first+below-1, len(h.timed))",
	},
	{
		name: "what takes the place of an entry stays there though it ends earlier than the one above",
		file: "store/memstore/heap.go", by: heaps,
		old: "h.up(h.down(place, moved), moved)",
		new: "h.down(place, moved)",
	},
	{
		name: "an entry that was taken out is taken to be in the heap",
		file: "store/memstore/heap.go", by: heaps,
		old: " && h.timed[place].number == e.number",
		new: "",
	},
	{
		name: "a row of slots that goes on at the beginning keeps its gap",
		file: "store/memstore/table.go", by: heaps,
		old: "t.away(i, slot), (i-gap)&mask",
		new: "t.away(i, slot), i-gap",
	},
	{
		name: "a key far behind the end of the table is taken to stand before its home",
		file: "store/memstore/table.go", by: heaps,
		old: "return (i - t.entry(slot).hash.Load()) & t.mask()",
		new: "return i - t.entry(slot).hash.Load()&t.mask()",
	},
}
