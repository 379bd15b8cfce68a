package giveway_test

import (
	"runtime"
	"testing"

	"github.com/sluice-project/sluice/internal/giveway"
)

// TestBefore has a goroutine run that waits for the only processor there is.
func TestBefore(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	ran := make(chan bool, 1)
	go func() { ran <- true }()
	for i := range 256 {
		if len(ran) > 0 {
			t.Fatalf("before decision %d another had the processor", i)
		}
		giveway.Before(i)
	}
	if len(ran) == 0 {
		t.Error("who waits for the processor has not had it")
	}
}

func BenchmarkNow(b *testing.B) {
	for b.Loop() {
		giveway.Now()
	}
}
