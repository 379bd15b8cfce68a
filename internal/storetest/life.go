package storetest

import (
	"fmt"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/storetest/model"
	"pgregory.net/rapid"
)

// Promise 5: no state is immortal, and none is forgotten early.

// compareLife compares the time to live of a key with the model's. What a store says may lack the real time that has
// passed since the write, and the part of a millisecond that its clock does not show.
func (p *player) compareLife(key int) {
	id := p.id(key)
	life, want := p.model.Life(id)
	ttl, exists, err := p.harness.TTL(p.ctx, p.policy(), id.Key, life.Written)
	passed := time.Since(p.lives[id].wall) + time.Millisecond
	switch {
	case err != nil:
		p.fatalf("time to live of key %d: %v", key, err)
	case exists != want:
		p.fatalf("promise 5: key %d has counters: %t, want %t", key, exists, want)
	case want:
		p.compareTTL(fmt.Sprintf("key %d", key), ttl, life, passed)
	}
}

// compareTTL compares the time to live of what is there, since some time, with the model's.
func (p *player) compareTTL(what string, ttl time.Duration, life model.Life, passed time.Duration) {
	switch {
	case life.Forever && ttl == NoExpiry:
	case life.Forever:
		p.fatalf("promise 5: %s will live for %d ns, want it to stay", what, ttl)
	case ttl == NoExpiry:
		p.fatalf("promise 5: %s will live for ever, want %s", what, life.Most)
	case ttl > life.Most:
		p.fatalf("promise 5: %s will live for %d ns, want %d ns at most", what, ttl, life.Most)
	case ttl < life.Least-passed:
		p.fatalf("promise 5: %s will live for %d ns, want %d ns less the %s since it was written", what, ttl, life.Least, passed)
	}
}

// showExpired: a key whose time to live is over reads as one never seen, removed or not.
func (p *player) showExpired(key int) {
	req := sluice.Request{Policy: p.policy(), Key: p.keys[key], Cost: 1, Peek: true, At: p.now}
	d := p.check(req)
	if _, barred := d.Blocked(); barred {
		return
	}
	if !d.Allowed || d.Remaining != capacityOf(d) || d.ResetAfter != 0 {
		p.fatalf("promise 5: expired and not removed: %s, remaining %d, want %d", d, d.Remaining, capacityOf(d))
	}
}

// lifeLimits are limits of every algorithm.
func lifeLimits() []sluice.Limit {
	return []sluice.Limit{
		sluice.Per(7, time.Minute).WithBurst(3),
		sluice.Per(7, 1001*time.Millisecond),
		sluice.Per(7, time.Hour).WithAlgorithm(sluice.FixedWindow),
		sluice.Per(7, time.Minute).WithAligned(),
		sluice.Per(7, time.Minute).WithAlgorithm(sluice.SlidingCounter),
	}
}

// testTimeToLive shows that a time to live is rounded up to whole milliseconds, not down. A store's own clock may tick
// between the write and the look, so one look proves nothing; of many, one must see the whole.
func (s *suite) testTimeToLive(t rapid.TB) {
	const looks = 500
	for _, l := range lifeLimits() {
		seen := false
		for i := 0; i < looks && !seen; i++ {
			resetAfter, ttl := s.lifeOf(t, l)
			if ttl >= resetAfter+time.Millisecond {
				t.Fatalf("%s: it lives for %d ns, want %d ns rounded up to milliseconds", l, ttl, resetAfter)
			}
			seen = ttl >= resetAfter
		}
		if !seen {
			t.Errorf("%s: in %d looks it never lives until it means nothing", l, looks)
		}
	}
}

// lifeOf writes a key so that it reads as never seen after no whole number of milliseconds: the second of its two
// checks is one tick before the first. It returns how long that is, and the time to live.
func (s *suite) lifeOf(t rapid.TB, l sluice.Limit) (resetAfter, ttl time.Duration) {
	ctx, cancel := call()
	defer cancel()
	const at = 1_700_000_000_000_123
	policy := &sluice.Policy{Name: s.policyName(), Limits: []sluice.Limit{l}}
	for _, at := range []sluice.Tick{at + 1, at} {
		d, err := s.harness.Store().Check(ctx, sluice.Request{Policy: policy, Key: "key", Cost: 1, At: at})
		if err != nil {
			t.Fatalf("%s: %v", l, err)
		}
		resetAfter = d.ResetAfter
	}
	if resetAfter%time.Millisecond == 0 {
		t.Fatalf("%s: it resets after %d ns, want no whole number of milliseconds", l, resetAfter)
	}
	ttl, exists, err := s.harness.TTL(ctx, policy, "key", at)
	if err != nil || !exists {
		t.Fatalf("%s: time to live: exists %t, error %v", l, exists, err)
	}
	return resetAfter, ttl
}

// testHealing shows that a key that has lost its time to live gets another by the next look at it, whatever is asked.
func (s *suite) testHealing(t rapid.TB, h Persister) {
	for _, l := range lifeLimits() {
		for _, req := range []sluice.Request{
			{Cost: 1},
			{Cost: 0},
			{Cost: 1, Peek: true},
			{Cost: l.Capacity()},             // refused for now
			{Cost: l.Capacity() + 1},         // refused for ever
			{Cost: l.Capacity(), Peek: true}, // a refused peek
		} {
			s.heals(t, h, l, req)
		}
	}
}

// heals takes a key's time to live away and looks for another after one request.
func (s *suite) heals(t rapid.TB, h Persister, l sluice.Limit, req sluice.Request) {
	ctx, cancel := call()
	defer cancel()
	req.Policy = &sluice.Policy{Name: s.policyName(), Limits: []sluice.Limit{l}}
	req.Key, req.At = "key", 1_700_000_000_000_000
	first := req
	first.Cost, first.Peek = 1, false
	if _, err := s.harness.Store().Check(ctx, first); err != nil {
		t.Fatalf("%s: %v", l, err)
	}
	if err := h.Persist(ctx, req.Policy.Name, req.Key); err != nil {
		t.Fatalf("%s: persist: %v", l, err)
	}
	wall := time.Now()
	d, err := s.harness.Store().Check(ctx, req)
	if err != nil {
		t.Fatalf("%s: %v", l, err)
	}
	ttl, exists, err := s.harness.TTL(ctx, req.Policy, req.Key, req.At)
	passed := time.Since(wall) + time.Millisecond
	if err != nil || !exists {
		t.Fatalf("%s: time to live: exists %t, error %v", l, exists, err)
	}
	if ttl == NoExpiry || ttl < d.ResetAfter-passed || ttl >= d.ResetAfter+time.Millisecond {
		t.Errorf("%s: after it lost its time to live and %s, it lives for %d ns, want %d ns rounded up to milliseconds",
			l, question(req), ttl, d.ResetAfter)
	}
}
