package main

import (
	"math"
	"math/bits"
	"time"
)

const (
	// histogramBits is how many leading bits of a duration are kept: buckets are at most 1/64 of their value wide.
	histogramBits = 6
	histogramStep = 1 << histogramBits
	// histogramSpan is the number of doublings above the first 64 ns; the last bucket ends after 18 minutes.
	histogramSpan    = 34
	histogramBuckets = (histogramSpan + 1) * histogramStep
)

// histogram counts durations in buckets whose width grows with them. It never allocates, and is for one goroutine.
type histogram struct {
	counts [histogramBuckets]uint32
	total  uint64
}

func (h *histogram) record(d time.Duration) {
	h.counts[bucket(d)]++
	h.total++
}

func (h *histogram) add(other *histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
}

// quantile returns the duration that a share q of the recorded ones, 0 to 1, does not exceed: the middle of its bucket;
// 0 where nothing was recorded.
func (h *histogram) quantile(q float64) time.Duration {
	rank := max(1, uint64(math.Ceil(q*float64(h.total))))
	seen := uint64(0)
	for i, n := range h.counts {
		if seen += uint64(n); seen >= rank {
			return middle(i)
		}
	}
	return 0
}

// bucket returns where a duration is counted: those under 128 ns each have a bucket of their own, and every doubling
// from there on has 64.
func bucket(d time.Duration) int {
	ns := uint64(max(0, d))
	shift := max(0, bits.Len64(ns)-histogramBits-1)
	return min(shift*histogramStep+int(ns>>shift), histogramBuckets-1)
}

func middle(bucket int) time.Duration {
	shift := max(0, bucket/histogramStep-1)
	first := time.Duration(bucket-shift*histogramStep) << shift
	return first + (1<<shift)/2
}
