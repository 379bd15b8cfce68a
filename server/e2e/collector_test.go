package e2e

import "testing"

// TestCollectedSeldom has a server that holds next to nothing let its heap grow by some tens of megabytes before it collects:
// with every collection some checks wait.
func TestCollectedSeldom(t *testing.T) {
	t.Parallel()
	const metric, least = "go_memstats_next_gc_bytes", 64 << 20
	f := startFleet(t, 1, "store: memory\npolicies:\n  api: {limits: [1/s]}\n")
	if n := f[0].measured(t, metric); n < least {
		t.Errorf("a server that has just started collects its heap at %d bytes, want %d at least", n, least)
	}
}
