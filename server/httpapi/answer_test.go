package httpapi

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/engine"
)

func TestMilliseconds(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]int64{
		0:                               0,
		time.Microsecond:                1,
		time.Millisecond:                1,
		time.Millisecond + 1:            2,
		24 * time.Hour:                  86_400_000,
		24*time.Hour + time.Microsecond: 86_400_001,
		sluice.MaxWait:                  9_007_199_254_741, // 2^53-1 microseconds
	} {
		if got := milliseconds(d); got != want {
			t.Errorf("milliseconds(%s) = %d, want %d", d, got, want)
		}
	}
}

// The answer to a check is the JSON of its Decision, byte for byte, which the command line and the other calls go by.
func TestWrittenAnswerIsTheDecision(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	all := []sluice.Limit{
		sluice.PerSecond(10).WithBurst(20), sluice.PerDay(10_000), sluice.Per(5, 90*time.Minute), sluice.PerHour(7).WithAlgorithm(sluice.FixedWindow).WithAligned(),
		sluice.PerMinute(sluice.MaxCount).WithAlgorithm(sluice.SlidingCounter), sluice.PerCalendar(9, sluice.Calendar{Unit: sluice.Week, Zone: "Europe/Berlin", From: 7}),
		sluice.Per(1, 366*24*time.Hour).WithName("long"), sluice.Per(3, time.Millisecond),
	}
	span := func() time.Duration {
		return []time.Duration{0, 1, time.Microsecond, time.Millisecond, 1001 * time.Microsecond, 24 * time.Hour, sluice.MaxWait}[r.IntN(7)]
	}
	s := newScratch()
	var denied, barred, shadowed, bytes int
	for range 2000 {
		p := sluice.Policy{Name: pick("api", "a.b-c_d"), Limits: all[:r.IntN(len(all)+1)]}
		d := sluice.NewDecision(sluice.Request{Policy: &p, Cost: r.Int64N(sluice.MaxCount + 1)})
		for range p.Limits {
			o := sluice.Outcome{Allowed: true, Remaining: r.Int64N(1 << r.IntN(33)), ResetAfter: span()}
			if r.IntN(4) == 0 {
				o.Allowed, o.RetryAfter = false, []time.Duration{1, time.Second, sluice.Never}[r.IntN(3)]
				denied++
			}
			d.Add(o)
		}
		if r.IntN(4) == 0 {
			until := []sluice.Tick{1, 1_800_000_000_000_000, 1_800_000_000_123_456, 1_800_000_000_100_000, 1 << 62}[r.IntN(5)]
			d.Bar(sluice.Block{Until: until, Reason: pick("", "penalty", "\"<&>\u2028\x00\n", "\xff\xc0", "\U0001f600 \u00e9")}, time.Second)
			barred++
		}
		d.Source = sluice.Source(r.IntN(5))
		a := engine.Answer{Decision: d, Policy: p.Name, Key: pick("alice", "a b", "\x00\x1f\x7f\"\\/", "<&>\u2028\u2029", "\U0001f600\u00e9", "\ufffd", "\xff", "a\xed\xa0\x80")}
		if !a.Allowed && r.IntN(2) == 0 {
			a.Allowed, a.ShadowDenied = true, true
			shadowed++
		}
		want := string(jsonOf(NewDecision(a, "")))
		s.out = s.out[:0]
		if s.write(&a); string(s.out) != want {
			t.Fatalf("the answer is  %s\nthe decision is %s", s.out, want)
		}
		bytes += len(want)
	}
	if denied == 0 || barred == 0 || shadowed == 0 || bytes < 2000*100 {
		t.Errorf("%d limits refused, %d keys were barred, %d let pass in the shadow; want some of each", denied, barred, shadowed)
	}
}
