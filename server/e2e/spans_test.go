package e2e

import (
	"fmt"
	"slices"
	"sort"
	"testing"
	"time"

	"github.com/sluice-project/sluice"
)

// record is what a program has noted of one unit that it was let through by: when it asked, and when it had the answer.
// It was admitted at some instant between the two.
type record struct {
	asked, answered int64 // in nanoseconds since the epoch, by the clock that all processes of the machine have
	source          sluice.Source
}

// The following hold records against what a limit promises. Of a span they count what lies in it from question to answer,
// and so nothing that may have been admitted outside of it: what they find is too much, whatever the instants were.

// inEverySpan returns the span in which most more was admitted than a token bucket may: burst, and what it earns in it.
func inEverySpan(all []record, l sluice.Limit) error {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b record) int { return int(a.asked - b.asked) })
	byEnd := make([]int, len(all))
	for i := range byEnd {
		byEnd[i] = i
	}
	sort.Slice(byEnd, func(i, j int) bool { return all[byEnd[i]].answered < all[byEnd[j]].answered })
	// For a span that begins where record i was asked and ends with an answer, the excess is what lies in it less what is
	// earned in it. Answers are gone through in order: each adds one to all spans that begin no later than it was asked. A
	// span is looked at once the record that begins it lies in it.
	const far = 1e9
	perNano := float64(l.Count()) / float64(l.Period())
	base := all[0].asked
	spans := newMaxima(len(all), func(i int) float64 { return perNano*float64(all[i].asked-base) - far })
	for _, i := range byEnd {
		spans.raise(i, 1+far)
		spans.raise(i-1, -far)
		ends := all[i].answered
		excess := spans.greatest() - perNano*float64(ends-base) - float64(l.Burst())
		if excess > 0.001 { // what a float rounds off
			return fmt.Errorf("%s: %.3f more than it may in a span that ends at %d", l, excess, ends)
		}
	}
	return nil
}

// maxima are numbers of which the first ones can be raised together, and the greatest is known.
type maxima struct {
	size          int
	most, pending []float64 // of a tree whose leaves are the numbers
}

func newMaxima(n int, at func(i int) float64) *maxima {
	size := 1
	for size < n {
		size *= 2
	}
	m := &maxima{size: size, most: make([]float64, 2*size), pending: make([]float64, 2*size)}
	for i := range size {
		m.most[size+i] = -1e300
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
func (m *maxima) raise(i int, by float64) {
	if i >= 0 {
		m.below(1, 0, m.size-1, i, by)
	}
}

func (m *maxima) below(node, first, last, upTo int, by float64) {
	if last <= upTo {
		m.most[node] += by
		m.pending[node] += by
		return
	}
	middle := (first + last) / 2
	m.below(2*node, first, middle, upTo, by)
	if upTo > middle {
		m.below(2*node+1, middle+1, last, upTo, by)
	}
	m.most[node] = max(m.most[2*node], m.most[2*node+1]) + m.pending[node]
}

func (m *maxima) greatest() float64 { return m.most[1] }

// inEveryPeriod holds for a sliding window: count in every span of one period.
func inEveryPeriod(all []record, l sluice.Limit, most int64) error {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b record) int { return int(a.asked - b.asked) })
	answered := make([]int64, len(all))
	for i, r := range all {
		answered[i] = r.answered
	}
	slices.Sort(answered)
	// What was asked from i on and answered before i's asked + period is what was answered before that, less what was
	// answered before that and asked before i: counted as the span moves on.
	early := newCounts(answered)
	for i, r := range all {
		ends := r.asked + int64(l.Period())
		within, _ := slices.BinarySearch(answered, ends)
		if n := int64(within - early.below(ends)); n > most {
			return fmt.Errorf("%s: %d in the period from %d, at most %d may be", l, n, r.asked, most)
		}
		early.add(all[i].answered)
	}
	return nil
}

// counts tells how many of the instants that were added are below one.
type counts struct {
	instants []int64 // that can be added, in order
	tree     []int
}

func newCounts(instants []int64) *counts { return &counts{instants, make([]int, len(instants)+1)} }

func (c *counts) add(at int64) {
	place, _ := slices.BinarySearch(c.instants, at)
	for i := place + 1; i < len(c.tree); i += i & -i {
		c.tree[i]++
	}
}

func (c *counts) below(at int64) (n int) {
	place, _ := slices.BinarySearch(c.instants, at)
	for i := place; i > 0; i -= i & -i {
		n += c.tree[i]
	}
	return n
}

// inEveryWindow holds for windows aligned to the epoch: count in each.
func inEveryWindow(all []record, l sluice.Limit) error {
	windows := make(map[int64]int64)
	for _, r := range all {
		if w := r.asked / int64(l.Period()); w == r.answered/int64(l.Period()) {
			if windows[w]++; windows[w] > l.Count() {
				return fmt.Errorf("%s: more than %d in the window that begins at %d", l, l.Count(), w*int64(l.Period()))
			}
		}
	}
	return nil
}

// bounded holds records against a limit, whichever it is.
func bounded(all []record, l sluice.Limit) error {
	switch {
	case l.Algorithm() == sluice.TokenBucket:
		return inEverySpan(all, l)
	case l.Algorithm() == sluice.SlidingWindow:
		return inEveryPeriod(all, l, l.Count())
	case l.Aligned():
		return inEveryWindow(all, l)
	case l.Algorithm() == sluice.SlidingCounter:
		if err := inEveryWindow(all, l); err != nil {
			return err
		}
		return inEveryPeriod(all, l, 2*l.Count()-1)
	}
	return fmt.Errorf("%s: there is nothing to hold it against", l)
}

// TestBoundedSees adds one unit too many, in turn to each kind of limit.
func TestBoundedSees(t *testing.T) {
	t.Parallel()
	const begin, count = 1_800_000_000_000_000_000, 100
	for _, text := range []string{"100/s burst 300", "100/s", "100/s fixed-window aligned", "100/s sliding-counter"} {
		l, err := sluice.ParseLimit(text)
		if err != nil {
			t.Fatal(err)
		}
		var all []record
		at := func(d time.Duration) {
			all = append(all, record{asked: begin + int64(d), answered: begin + int64(d) + int64(time.Millisecond)})
		}
		most := 0
		switch l.Algorithm() {
		case sluice.TokenBucket: // full, and what it earns in ten seconds
			most = 300 + 1000
			for i := range most {
				at(time.Duration(max(0, i-299)) * 10 * time.Millisecond)
			}
		default:
			most = count
			for i := range most {
				at(time.Duration(i) * time.Millisecond)
			}
		}
		if err := bounded(all, l); err != nil {
			t.Errorf("%d units that it may admit: %v", most, err)
		}
		at(500 * time.Millisecond)
		if err := bounded(all, l); err == nil {
			t.Errorf("%s: a unit more than it may admit is not seen", text)
		}
		all[len(all)-1].answered += int64(time.Hour)
		if err := bounded(all, l); err != nil {
			t.Errorf("%s: a unit that may have been admitted later: %v", text, err)
		}
	}
}
