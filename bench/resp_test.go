package main

import (
	"testing"
	"time"
)

// TestReadCSV takes the figures of redis-benchmark by the names in its head.
func TestReadCSV(t *testing.T) {
	t.Parallel()
	const head = `"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"` + "\n"
	f, err := readCSV([]byte(head + `"INCR key:__rand_int__","121212.12","0.291","0.001","0.255","0.423","1.543","7.783"` + "\n"))
	if err != nil || f.perSecond != 121212.12 || f.p50 != 255*time.Microsecond || f.p99 != 1543*time.Microsecond {
		t.Errorf("readCSV = %+v, %v", f, err)
	}
	for _, text := range []string{"", head, "\"test\"\n\"INCR\"\n", head + `"INCR","many","1","1","1","1","1","1"` + "\n"} {
		if _, err := readCSV([]byte(text)); err == nil {
			t.Errorf("readCSV(%q) has no error", text)
		}
	}
}
