package algorithm_test

import (
	"testing"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/algorithm"
)

// BenchmarkDecide is the arithmetic alone, a microsecond from one decision to the next.
func BenchmarkDecide(b *testing.B) {
	for _, limit := range []sluice.Limit{
		sluice.PerDay(8640).WithBurst(1 << 31),
		sluice.PerDay(1 << 31),
		sluice.PerDay(1 << 31).WithAlgorithm(sluice.FixedWindow),
		sluice.PerDay(1 << 31).WithAlgorithm(sluice.SlidingCounter),
	} {
		b.Run(limit.Algorithm().String(), func(b *testing.B) {
			req := sluice.Request{Policy: &sluice.Policy{Name: "p", Limits: []sluice.Limit{limit}}, Key: "k", Cost: 1}
			var r algorithm.Record
			var d sluice.Decision
			now := sluice.Tick(time.Now().UnixMicro())
			for b.Loop() {
				now++
				r.Decide(&req, now, &d)
			}
			if !d.Allowed {
				b.Error("it was refused")
			}
		})
	}
}
