package redisstore_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/redistest"
	"github.com/sluice-project/sluice/store/redisstore"
)

// costs reads what has been spent until now: by the server as a whole, in its scripts alone, and by this process.
type costs struct {
	server, scripts, own time.Duration
	calls                int64
}

func spent(b *testing.B, server *redistest.Server) (c costs) {
	b.Helper()
	field := func(section, name, ends string) float64 {
		_, after, found := strings.Cut(server.Do(b, "INFO", section).(string), name)
		if !found {
			return 0
		}
		text, _, _ := strings.Cut(after, ends)
		n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
	c.server = time.Duration((field("cpu", "used_cpu_user:", "\n") + field("cpu", "used_cpu_sys:", "\n")) * float64(time.Second))
	c.calls = int64(field("commandstats", "cmdstat_evalsha:calls=", ","))
	_, after, _ := strings.Cut(server.Do(b, "INFO", "commandstats").(string), "cmdstat_evalsha:calls=")
	if _, after, found := strings.Cut(after, ",usec="); found {
		text, _, _ := strings.Cut(after, ",")
		us, _ := strconv.Atoi(text)
		c.scripts = time.Duration(us) * time.Microsecond
	}
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	c.own = time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	return c
}

// report adds what a check has cost to a benchmark of n of them.
func report(b *testing.B, before, after costs, n int) {
	per := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / float64(n) }
	b.ReportMetric(per(after.server-before.server), "redis-ns/check")
	b.ReportMetric(per(after.scripts-before.scripts), "script-ns/check")
	b.ReportMetric(per(after.own-before.own), "own-ns/check")
	if calls := after.calls - before.calls; calls > 0 {
		b.ReportMetric(float64(n)/float64(calls), "checks/call")
	}
}

var benchPolicies = []struct {
	name   string
	limits []sluice.Limit
}{
	{"bucket", []sluice.Limit{sluice.PerDay(8640).WithBurst(500_000_000)}},
	{"window", []sluice.Limit{sluice.PerDay(500_000_000)}},
	{"three", []sluice.Limit{
		sluice.PerSecond(1_000_000).WithBurst(2_000_000), sluice.PerMinute(100_000_000), sluice.PerDay(500_000_000).WithAlgorithm(sluice.FixedWindow),
	}},
}

// BenchmarkCallers has goroutines ask one after the other, for keys that are known and far from their limits.
func BenchmarkCallers(b *testing.B) {
	for _, policy := range benchPolicies {
		for _, keys := range []int{10_000, 1} {
			for _, goroutines := range []int{1, 16, 256, 1024} {
				b.Run(fmt.Sprintf("%s/keys=%d/goroutines=%d", policy.name, keys, goroutines), func(b *testing.B) {
					server := redistest.Start(b, redistest.Options{})
					l := newLimiter(b, newClient(b, server.URL()), redisstore.Config{Timeout: patient}, policy.limits...)
					names := make([]string, keys)
					for i := range names {
						names[i] = fmt.Sprintf("tenant:%06d:user:%08d", i%97, i)
					}
					asked := func(n int) []time.Duration {
						var next atomic.Int64
						var wg sync.WaitGroup
						took := make([][]time.Duration, goroutines)
						for g := range goroutines {
							wg.Go(func() {
								ctx := context.Background()
								for i := next.Add(1); i <= int64(n); i = next.Add(1) {
									begun := time.Now()
									if _, err := l.Check(ctx, names[rand.IntN(keys)], 1); err != nil {
										b.Error(err)
										return
									}
									if i%8 == 0 {
										took[g] = append(took[g], time.Since(begun))
									}
								}
							})
						}
						wg.Wait()
						return slices.Concat(took...)
					}
					asked(keys + goroutines)
					before := spent(b, server)
					b.ResetTimer()
					took := asked(b.N)
					b.StopTimer()
					report(b, before, spent(b, server), b.N)
					slices.Sort(took)
					if len(took) > 0 {
						b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1000, "p50-us")
						b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds())/1000, "p99-us")
					}
				})
			}
		}
	}
}

// BenchmarkBatches asks for 1 to 1000 keys at a time.
func BenchmarkBatches(b *testing.B) {
	for _, policy := range benchPolicies {
		for _, keys := range []int{1, 10, 64, 100, 256, 1000} {
			b.Run(fmt.Sprintf("%s/keys=%d", policy.name, keys), func(b *testing.B) {
				server := redistest.Start(b, redistest.Options{})
				l := newLimiter(b, newClient(b, server.URL()), redisstore.Config{Timeout: patient}, policy.limits...)
				asks := make([]sluice.Ask, keys)
				next := 0
				ask := func() {
					for i := range asks {
						asks[i] = sluice.Ask{Key: fmt.Sprintf("user:%09d", next%10_000), Cost: 1}
						next += 7919
					}
					for _, r := range l.CheckAll(b.Context(), asks) {
						if r.Err != nil {
							b.Fatal(r.Err)
						}
					}
				}
				for range 10_000/keys + 1 {
					ask()
				}
				before := spent(b, server)
				n := 0
				for b.Loop() {
					ask()
					n += keys
				}
				report(b, before, spent(b, server), n)
			})
		}
	}
}

// BenchmarkLone has one caller ask, in turn with a bare GET through the same client; the figures are medians.
func BenchmarkLone(b *testing.B) {
	server := redistest.Start(b, redistest.Options{})
	client := newClient(b, server.URL())
	l := newLimiter(b, client, redisstore.Config{Timeout: patient}, sluice.PerDay(8640).WithBurst(500_000_000))
	ctx := context.Background()
	kinds := []struct {
		name string
		ask  func() error
		took []time.Duration
	}{
		{name: "check", ask: func() error { _, err := l.Check(ctx, "user:000000001", 1); return err }},
		{name: "get", ask: func() error {
			return client.Do(ctx, client.B().Get().Key("sluice:{api|user:000000001}").Build()).Error()
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
