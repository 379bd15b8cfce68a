package main

import (
	"math/bits"
	"time"
)

const (
	// keptBits is how many bits of a time are kept after its first one: a bucket is at most 1/64 of its times wide.
	keptBits = 6
	// mostBuckets ends the histogram at 39 hours, from where on all times are one bucket.
	mostBuckets = (48 - keptBits) << keptBits
)

// histogram counts times in buckets that are as wide as their times are long, so that its size does not grow and its
// quantiles are right to 1/64. It is for one goroutine.
type histogram struct {
	counts   [mostBuckets]int64
	total    int64
	min, max time.Duration // these are exact
}

func (h *histogram) add(d time.Duration) {
	d = max(d, 0)
	h.counts[bucketOf(d)]++
	if h.total == 0 || d < h.min {
		h.min = d
	}
	h.max = max(h.max, d)
	h.total++
}

// join adds what another histogram has counted.
func (h *histogram) join(other *histogram) {
	if other.total == 0 {
		return
	}
	for i, n := range other.counts {
		h.counts[i] += n
	}
	if h.total == 0 || other.min < h.min {
		h.min = other.min
	}
	h.max = max(h.max, other.max)
	h.total += other.total
}

// quantile returns the time that so much of a thousand of the times do not exceed; 0 where there are none.
func (h *histogram) quantile(perMille int64) time.Duration {
	rank := max(1, (perMille*h.total+999)/1000)
	seen := int64(0)
	for i, n := range h.counts {
		if seen += n; seen >= rank {
			return min(max(middleOf(i), h.min), h.max)
		}
	}
	return 0
}

// bucketOf returns where a time is counted: those under 128 ns each by itself, and 64 buckets for every doubling from
// there on.
func bucketOf(d time.Duration) int {
	shift := max(0, bits.Len64(uint64(d))-keptBits-1)
	return min(shift<<keptBits+int(d>>shift), mostBuckets-1)
}

// middleOf returns the time in the middle of a bucket.
func middleOf(bucket int) time.Duration {
	shift := max(0, bucket>>keptBits-1)
	return time.Duration(bucket-shift<<keptBits)<<shift + (1<<shift)/2
}

// row is the times of a histogram between two round ones.
type row struct {
	upTo  time.Duration // and more than that of the row before
	count int64
}

// rows returns the histogram in rows whose ends are 1, 2 and 5 of each power of ten, from the row of the shortest time
// to that of the longest. A time that is within 1/64 of such an end may stand in the row beside its own.
func (h *histogram) rows() (all []row) {
	if h.total == 0 {
		return nil
	}
	end, steps := time.Duration(100), 0
	next := func() {
		end = end * []time.Duration{20, 25, 20}[steps%3] / 10
		steps++
	}
	for end < min(max(middleOf(bucketOf(h.min)), h.min), h.max) {
		next()
	}
	all = append(all, row{upTo: end})
	for i, n := range h.counts {
		if n == 0 {
			continue
		}
		for end < min(max(middleOf(i), h.min), h.max) {
			next()
			all = append(all, row{upTo: end})
		}
		all[len(all)-1].count += n
	}
	return all
}
