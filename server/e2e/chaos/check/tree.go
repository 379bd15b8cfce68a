package check

import (
	"math"
	"slices"
)

// maxima are numbers of which the first ones can be raised together, and the greatest is known.
type maxima struct {
	size    int
	most    []int64 // of a tree whose leaves are the numbers
	pending []int64 // what all leaves below were raised by
}

func newMaxima(n int, at func(i int) int64) *maxima {
	size := 1
	for size < n {
		size *= 2
	}
	m := &maxima{size: size, most: make([]int64, 2*size), pending: make([]int64, 2*size)}
	for i := range size {
		m.most[size+i] = math.MinInt64 / 2
		if i < n {
			m.most[size+i] = at(i)
		}
	}
	for i := size - 1; i > 0; i-- {
		m.most[i] = max(m.most[2*i], m.most[2*i+1])
	}
	return m
}

// raise raises the numbers up to the i-th.
func (m *maxima) raise(i int, by int64) { m.below(1, 0, m.size-1, 0, i, by) }

// raiseOne raises the i-th number.
func (m *maxima) raiseOne(i int, by int64) { m.below(1, 0, m.size-1, i, i, by) }

func (m *maxima) below(node, first, last, from, to int, by int64) {
	if to < first || from > last {
		return
	}
	if from <= first && last <= to {
		m.most[node] += by
		m.pending[node] += by
		return
	}
	middle := (first + last) / 2
	m.below(2*node, first, middle, from, to, by)
	m.below(2*node+1, middle+1, last, from, to, by)
	m.most[node] = max(m.most[2*node], m.most[2*node+1]) + m.pending[node]
}

// greatest returns the greatest number, and which it is.
func (m *maxima) greatest() (most int64, which int) {
	node, wanted := 1, m.most[1]
	for node < m.size {
		wanted -= m.pending[node]
		if node *= 2; m.most[node] != wanted {
			node++
		}
	}
	return m.most[1], node - m.size
}

// sums tells what was added at the instants below one.
type sums struct {
	instants []int64 // at which can be added, in order
	tree     []int64
}

func newSums(instants []int64) *sums { return &sums{instants, make([]int64, len(instants)+1)} }

func (s *sums) add(at, n int64) {
	place, _ := slices.BinarySearch(s.instants, at)
	for i := place + 1; i < len(s.tree); i += i & -i {
		s.tree[i] += n
	}
}

func (s *sums) below(at int64) (n int64) {
	place, _ := slices.BinarySearch(s.instants, at)
	for i := place; i > 0; i -= i & -i {
		n += s.tree[i]
	}
	return n
}
