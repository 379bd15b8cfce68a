package denycache_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/redistest"
	"github.com/sluice-project/sluice/store/denycache"
)

// BenchmarkRefused measures refusals: one key and many, from memory and by the store underneath.
func BenchmarkRefused(b *testing.B) {
	for name, under := range map[string]func(b *testing.B) sluice.Store{
		"memstore": func(b *testing.B) sluice.Store { return newWatched(b).Store },
		"redis": func(b *testing.B) sluice.Store {
			store, _ := newRedis(b, redistest.Start(b, redistest.Options{}))
			return store
		},
	} {
		for _, keys := range []int{1, 10_000} {
			for _, remembered := range []bool{false, true} {
				b.Run(fmt.Sprintf("%s/keys %d/deny_cache %t", name, keys, remembered), func(b *testing.B) {
					cache := newCache(b, under(b), denycache.Config{})
					defer run(b, cache)()
					policy := &sluice.Policy{Name: "api", Limits: []sluice.Limit{sluice.Per(1, 24*time.Hour).WithBurst(1)}, DenyCache: remembered}
					reqs := make([]sluice.Request, keys)
					for i := range reqs {
						reqs[i] = sluice.Request{Policy: policy, Key: fmt.Sprint("user:", i), Cost: 1}
					}
					for range 2 {
						for i, r := range cache.CheckAll(b.Context(), reqs) {
							if r.Err != nil {
								b.Fatalf("key %d: %v", i, r.Err)
							}
						}
					}
					b.ReportAllocs()
					b.ResetTimer()
					b.RunParallel(func(pb *testing.PB) {
						for i := 0; pb.Next(); i++ {
							d, err := cache.Check(b.Context(), reqs[i%keys])
							if err != nil || d.Allowed {
								b.Errorf("%s, %v, want a refusal", d, err)
								return
							}
						}
					})
				})
			}
		}
	}
}
