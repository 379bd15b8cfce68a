package e2e

import (
	"testing"
	"time"
)

// TestCollectedSeldom has a server that holds next to nothing let its heap grow by some tens of megabytes before it collects:
// with every collection some checks wait.
func TestCollectedSeldom(t *testing.T) {
	t.Parallel()
	const metric, least = "go_memstats_next_gc_bytes", 64 << 20
	f := startFleet(t, 1, "store: memory\npolicies:\n  api: {limits: [1/s]}\n")
	// The first collection, which takes the ballast in, may be under way still.
	for late := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		n := f[0].measured(t, metric)
		if n >= least {
			return
		}
		if time.Now().After(late) {
			t.Fatalf("a server that has just started collects its heap at %d bytes, want %d at least", n, least)
		}
	}
}
