package redisstore_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/redistest"
	"github.com/sluice-project/sluice/store/redisstore"
)

// BenchmarkLone has one caller ask, in turn with a bare GET through the same client; the figures are medians.
func BenchmarkLone(b *testing.B) {
	server := redistest.Start(b, redistest.Options{})
	client := newClient(b, server.URL())
	l := newLimiter(b, client, redisstore.Config{Timeout: patient}, sluice.PerDay(8640).WithBurst(500_000_000))
	ctx := context.Background()
	var sha string
	for _, name := range []string{"a"} {
		sha, _ = do(b, client, "SCRIPT", "LOAD", "return 1").ToString()
		_ = name
	}
	kinds := []struct {
		name string
		ask  func() error
		took []time.Duration
	}{
		{name: "check", ask: func() error { _, err := l.Check(ctx, "user:000000001", 1); return err }},
		{name: "get", ask: func() error {
			return client.Do(ctx, client.B().Get().Key("sluice:{api|user:000000001}").Build()).Error()
		}},
		{name: "eval", ask: func() error {
			return client.Do(ctx, client.B().Evalsha().Sha1(sha).Numkeys(2).Key("sluice:{api|user:000000001}", "sluice:{api|user:000000001}!").Arg("", "000000000000000000", "0000000000000000000000000000000000000000000000").Build()).Error()
		}},
	}
	for b.Loop() {
		for i := range kinds {
			k := &kinds[i]
			for range 20 {
				begun := time.Now()
				if err := k.ask(); err != nil {
					b.Fatal(err)
				}
				k.took = append(k.took, time.Since(begun))
			}
		}
	}
	for _, k := range kinds {
		slices.Sort(k.took)
		b.ReportMetric(float64(k.took[len(k.took)/2].Nanoseconds())/1000, k.name+"-p50-us")
	}
}
