package main

import (
	"testing"
	"time"
)

func TestBucketsAreNarrowAndInOrder(t *testing.T) {
	previous := -1
	for d := time.Duration(0); d < 15*time.Minute; d += max(1, d/1000) {
		b := bucket(d)
		if b != previous && b != previous+1 {
			t.Fatalf("bucket(%d) = %d after %d, want that or the next", d, b, previous)
		}
		previous = b
		if off := (middle(b) - d).Abs(); off > d/128 {
			t.Fatalf("middle(bucket(%d)) = %d, want it at most 1/128 off", d, middle(b))
		}
	}
}

func TestBucketTakesAnyDuration(t *testing.T) {
	for d, want := range map[time.Duration]int{-1: 0, time.Hour: histogramBuckets - 1, 1<<63 - 1: histogramBuckets - 1} {
		if got := bucket(d); got != want {
			t.Errorf("bucket(%d) = %d, want %d", d, got, want)
		}
	}
}

func TestQuantile(t *testing.T) {
	var h, half histogram
	if got := h.quantile(0.5); got != 0 {
		t.Errorf("quantile of nothing = %v, want 0", got)
	}
	for i := 1; i <= 100; i++ { // under 128 ns each has a bucket of its own
		if i%2 == 0 {
			h.record(time.Duration(i))
		} else {
			half.record(time.Duration(i))
		}
	}
	h.add(&half)
	for q, want := range map[float64]time.Duration{0: 1, 0.01: 1, 0.5: 50, 0.501: 51, 0.99: 99, 1: 100} {
		if got := h.quantile(q); got != want {
			t.Errorf("quantile(%v) of 1 to 100 = %d, want %d", q, got, want)
		}
	}
}
