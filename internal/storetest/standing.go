package storetest

import (
	"reflect"
	"time"

	"github.com/sluice-project/sluice"
)

// Standings of generated sequences: every one that a store shows is compared with the model's in every field.

// amend changes or looks at the standing of a key, and compares what the store says it is then.
func (p *player) amend(a sluice.Amendment) sluice.Standing {
	p.t.Helper()
	wall := time.Now()
	got, err := p.harness.Store().Amend(p.ctx, a)
	if err != nil {
		p.fatalf("at %d: %s: %v", a.At, change(a), err)
	}
	p.trail.addAmendment(a, got)
	if want := p.model.Amend(a); !sameStanding(got, want) {
		p.fatalf("at %d: %s: %s, want %s", a.At, change(a), describeStanding(got), describeStanding(want))
	}
	key := p.keyNumber(a.Key)
	p.last[key].standing = got
	p.noteStanding(key, wall)
	return got
}

// sameStanding reports whether two standings agree in every field.
func sameStanding(a, b sluice.Standing) bool { return reflect.DeepEqual(a, b) }

// look returns the request for a key's standing as it is now.
func (p *player) look(key int) sluice.Amendment {
	return sluice.Amendment{Policy: p.policy().Name, Key: p.keys[key], At: p.now}
}

// noteStanding takes note of how long the standing of a key lives.
func (p *player) noteStanding(key int, wall time.Time) {
	id := p.id(key)
	id.ResetAt = 0
	life, ok := p.model.StandingLife(id)
	note(p.standing, id, life, ok, wall)
}

// forgetStanding drops the standing of a key as its expiry does.
func (p *player) forgetStanding(key int) {
	if err := p.harness.ForgetStanding(p.ctx, p.policy().Name, p.keys[key]); err != nil {
		p.fatalf("forget the standing of key %d: %v", key, err)
	}
	p.model.ForgetStanding(p.id(key))
	p.noteStanding(key, time.Time{})
}

// showStandingExpired: a standing whose time to live is over reads as none, removed or not.
func (p *player) showStandingExpired(key int) {
	if got := p.amend(p.look(key)); !sameStanding(got, sluice.Standing{}) {
		p.fatalf("promise 5: the standing of key %d has expired and is not removed: %s", key, describeStanding(got))
	}
}

// compareStandingLife compares the time to live of a key's standing with the model's, see compareLife.
func (p *player) compareStandingLife(key int) {
	id := p.id(key)
	id.ResetAt = 0
	life, want := p.model.StandingLife(id)
	ttl, exists, err := p.harness.StandingTTL(p.ctx, id.Policy, id.Key, life.Written)
	passed := time.Since(p.standing[id].wall) + time.Millisecond
	switch {
	case err != nil:
		p.fatalf("time to live of the standing of key %d: %v", key, err)
	case exists != want:
		p.fatalf("promise 5: key %d has a standing: %t, want %t", key, exists, want)
	case want:
		p.compareTTL("the standing of "+p.keys[key], ttl, life, passed)
	}
}

// resetAll forgets the counters of all keys at once. Standings stay.
func (p *player) resetAll() {
	p.scene.resetAll()
	for key := range p.keys {
		p.admitted[key] = nil
	}
}

// showPenalty has a key refused until a block begins, and shows that knocking does not lengthen it, that nothing is
// charged while it lasts, and that it ends by itself.
func (p *player) showPenalty(key int) {
	penalty := p.policy().Penalty
	req := sluice.Request{Policy: p.policy(), Key: p.keys[key], Cost: sluice.MaxCount, At: p.now}
	if penalty == nil || penalty.After > 10 || !p.certain(req) {
		return
	}
	var d sluice.Decision
	barred := false
	for range penalty.After {
		if d = p.check(req); d.Allowed {
			return // there is room for anything
		}
		if _, barred = d.Blocked(); barred {
			break
		}
	}
	b, _ := d.Blocked()
	if !barred {
		p.fatalf("%d refusals at one instant begin no block: %s", penalty.After, d)
	}
	knock := req
	knock.Cost = 1
	for _, at := range []sluice.Tick{p.now, p.now + (b.Until-p.now)/2, b.Until - 1} {
		if at > lastInstant {
			return
		}
		p.moveTo(at, false)
		if knock.At = at; !p.certain(knock) {
			return
		}
		if again, _ := p.check(knock).Blocked(); again != b {
			p.fatalf("barred by %+v; after a knock by %+v", b, again)
		}
	}
	if b.Until > lastInstant {
		return
	}
	p.moveTo(b.Until, false)
	knock.At, knock.Peek = p.now, true
	if again, still := p.check(knock).Blocked(); still {
		p.fatalf("barred by %+v, and at its end by %+v", b, again)
	}
}
