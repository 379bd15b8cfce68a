package lease_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/sluice-project/sluice"
)

// BenchmarkCheck is checks of keys far from their limits, by so many callers that some never wait.
func BenchmarkCheck(b *testing.B) {
	for _, keys := range []int{1, 10_000} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			l, s, stop := running(b, newPool(1<<50))
			defer stop()
			names := make([]string, keys)
			for i := range names {
				names[i] = fmt.Sprint("user:", i)
			}
			var leased, all atomic.Int64
			b.ReportAllocs()
			b.SetParallelism(128)
			b.RunParallel(func(pb *testing.PB) {
				i, byLease, checks := 0, int64(0), int64(0)
				for pb.Next() {
					d, err := l.Check(context.Background(), names[i%keys], 1)
					if err != nil {
						b.Error(err)
					}
					if d.Source == sluice.SourceLease {
						byLease++
					}
					i += 7919
					checks++
				}
				leased.Add(byLease)
				all.Add(checks)
			})
			b.ReportMetric(float64(leased.Load())/float64(all.Load()), "by-lease")
			b.ReportMetric(float64(s.Stats().Asks)/float64(all.Load()), "asks/op")
		})
	}
}
