package giveway_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/sluice-project/sluice/internal/giveway"
)

// TestTurn has a goroutine run that waits for the only processor there is, when the turn is over and no sooner.
func TestTurn(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	ran := make(chan bool, 1)
	go func() { ran <- true }()

	var turn giveway.Turn
	begin := time.Now()
	for i := 0; time.Since(begin) < 200*time.Microsecond; i++ {
		turn.Before(i)
	}
	early := len(ran) > 0 && time.Since(begin) < 250*time.Microsecond
	for i := 0; len(ran) == 0 && time.Since(begin) < 5*time.Millisecond; i++ {
		turn.Before(i)
	}
	if early {
		t.Error("another had the processor before the turn was over")
	}
	if len(ran) == 0 {
		t.Error("who waits for the processor has not had it")
	}
}

// TestFewDecisions makes too few of them to look at the clock.
func TestFewDecisions(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	ran := make(chan bool, 1)
	go func() { ran <- true }()
	var turn giveway.Turn
	for i := range 32 {
		turn.Before(i)
	}
	if len(ran) > 0 {
		t.Error("another had the processor in the middle of 32 decisions")
	}
}

func BenchmarkBefore(b *testing.B) {
	var turn giveway.Turn
	i := 0
	for b.Loop() {
		turn.Before(i)
		i++
	}
}
