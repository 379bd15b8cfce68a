package redisstore_test

import (
	"flag"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/redistest"
	"github.com/sluice-project/sluice/store/redisstore"
)

var overrides = flag.Int("overrides", 1000, "how many keys have limits of their own in BenchmarkOverrides")

// BenchmarkOverrides measures what a check costs in a policy without overrides, and in one of which many keys have limits
// of their own: for keys that have none, and for those. The three take turns, so that what else the machine does
// concerns them alike; the figures are the medians of what a check takes.
func BenchmarkOverrides(b *testing.B) {
	client := newClient(b, redistest.Start(b, redistest.Options{}).URL())
	limiter := func(policy string) *sluice.Limiter {
		store, err := redisstore.New(client, redisstore.Config{Timeout: patient})
		if err != nil {
			b.Fatal(err)
		}
		l, err := sluice.New(store, sluice.Policy{Name: policy, Limits: []sluice.Limit{sluice.PerDay(1 << 30).WithBurst(1 << 30)}})
		if err != nil {
			b.Fatal(err)
		}
		return l
	}
	none, many := limiter("none"), limiter("many")
	var wg sync.WaitGroup
	const fillers = 128
	for first := range fillers {
		wg.Go(func() {
			for i := first; i < *overrides; i += fillers {
				if err := many.Override(b.Context(), "own"+strconv.Itoa(i), []sluice.Limit{sluice.PerDay(1 << 20).WithBurst(1 << 20)}, 0); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	kinds := []struct {
		name, key string
		limiter   *sluice.Limiter
		took      []time.Duration
	}{{name: "none", key: "k", limiter: none}, {name: "others", key: "k", limiter: many}, {name: "own", key: "own", limiter: many}}
	for i := 0; b.Loop(); i++ {
		for k := range kinds {
			begun := time.Now()
			if _, err := kinds[k].limiter.Check(b.Context(), kinds[k].key+strconv.Itoa(i%min(1000, *overrides)), 1); err != nil {
				b.Fatal(err)
			}
			kinds[k].took = append(kinds[k].took, time.Since(begun))
		}
	}
	for _, k := range kinds {
		slices.Sort(k.took)
		b.ReportMetric(float64(k.took[len(k.took)/2].Nanoseconds()), k.name+"-ns/check")
	}
}
