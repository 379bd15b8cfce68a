package storetest

import (
	"context"
	"time"

	"github.com/sluice-project/sluice"
	"pgregory.net/rapid"
)

// Sliding windows of which more than 64 admissions are alive. A store may keep their units up to period/64 late, and
// must be exact in what it says of itself all the same.

// wave is checks at a steady beat, and something shown after them.
type wave struct {
	checks int
	units  int64 // the cost of each
	beat   int   // parts of a period between two; 0 for none, -1 for one tick
	then   stepKind
	refund int64 // units given back where then is to ask; 0 for none
	back   int   // parts of a period that the clock then steps back; 0 for none
}

func (s *suite) testCrowdedWindow(t rapid.TB) {
	for range max(1, s.rounds/50) {
		rapid.Check(t, func(t *rapid.T) {
			ctx, cancel := call()
			defer cancel()
			script := rapid.Custom(drawCrowded).Draw(t, "scene")
			waves := rapid.SliceOfN(rapid.Custom(drawWave), 3, 6).Draw(t, "waves")
			p := newPlayer(ctx, t, s.harness, newScene(script, s.policyName()))
			for _, w := range waves {
				p.wave(w)
			}
			p.finish()
		})
	}
}

// drawCrowded returns a scene whose first limit is a sliding window that admits more than 64 times.
func drawCrowded(t *rapid.T) sequence {
	d := rapidDice{t}
	count := pick[int64](d, 65, 66, 100, 128, 129, 200, 1000, sluice.MaxCount)
	period := pick(d, time.Second, time.Millisecond, 100*time.Millisecond, 7*time.Second, time.Minute, sluice.MaxPeriod)
	limits := []sluice.Limit{sluice.Per(count, period)}
	if d.roll(3) == 2 {
		limits = append(limits, drawLimit(d, "other"))
	}
	return sequence{versions: []version{{limits: limits}}, keys: []string{"key"}, start: drawDate(d), steady: d.roll(2) == 0}
}

func drawWave(t *rapid.T) wave {
	d := rapidDice{t}
	return wave{
		checks: 20 + d.roll(41),
		units:  pick[int64](d, 1, 1, 2, 3),
		beat:   pick(d, 1000, 200, 128, 65, 64, 63, 50, 20, 0, -1),
		then:   pick(d, stepRest, stepAsk, stepRetry, stepRetry, stepSpend, stepNothing),
		refund: pick[int64](d, 0, 1, 2, 5, 40, 70, 200),
		back:   pick(d, 0, 0, 3, 10, 64, 1000),
	}
}

// wave plays the checks in one call, then the rest.
func (p *player) wave(w wave) {
	period := ticks(p.policy().Limits[0].Period())
	beat := sluice.Tick(0)
	switch {
	case w.beat < 0:
		beat = 1
	case w.beat > 0:
		beat = period / sluice.Tick(w.beat)
	}
	var reqs []sluice.Request
	for i := range w.checks {
		at := min(p.now+sluice.Tick(i)*beat, lastInstant)
		reqs = append(reqs, sluice.Request{Policy: p.policy(), Key: p.keys[0], Cost: w.units, At: at})
	}
	if !p.certain(reqs[0]) {
		return
	}
	p.checkAll(reqs)
	p.moveTo(reqs[len(reqs)-1].At, false)
	p.compareLife(0)
	a := ask{cost: cost{kind: costUnits, n: w.units}}
	if w.then == stepAsk && w.refund > 0 {
		a = ask{cost: cost{kind: costUnits, n: w.refund}, refund: true}
	}
	p.step(step{kind: w.then, asks: []ask{a}, look: true})
	if w.back > 0 && !p.steady {
		p.moveTo(max(p.now-period/sluice.Tick(w.back), 1), false)
	}
}

// testSize shows that a sliding window takes no more than 1 KiB a key, whatever comes.
func (s *suite) testSize(t rapid.TB, z Sizer) {
	const most = 1024
	const at = 1_700_000_000_000_000
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	for _, beat := range []sluice.Tick{0, 1, 1000, 20_000, 999_999} {
		policy := &sluice.Policy{Name: s.policyName(), Limits: []sluice.Limit{sluice.PerMinute(sluice.MaxCount)}}
		var reqs []sluice.Request
		for i := range 500 {
			req := sluice.Request{Policy: policy, Key: "key", Cost: 1 + int64(i%3)*1_000_000, At: at + sluice.Tick(i)*beat}
			reqs = append(reqs, req)
		}
		for _, r := range s.harness.Store().CheckAll(ctx, reqs) {
			if r.Err != nil || !r.Decision.Allowed {
				t.Fatalf("a beat of %d ticks: %s, error %v", beat, r.Decision, r.Err)
			}
		}
		bytes, err := z.Size(ctx, policy.Name, "key")
		if err != nil || bytes == 0 || bytes > most {
			t.Errorf("500 admissions %d ticks apart take %d bytes (error %v), want 1 to %d", beat, bytes, err, most)
		}
	}
}
