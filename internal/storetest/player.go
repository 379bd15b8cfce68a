package storetest

import (
	"context"
	"fmt"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/storetest/model"
	"pgregory.net/rapid"
)

// player plays a scene on a store and compares every answer with the model's.
type player struct {
	*scene
	t        rapid.TB
	ctx      context.Context
	harness  Harness
	model    *model.Model
	lives    map[model.ID]written // the last write of the counters of each key that the model knows of
	standing map[model.ID]written // the same of its standing, by IDs whose ResetAt is 0
	admitted []admissions         // of each key, since it was last forgotten by hand
	furthest sluice.Tick          // where the clock has been
	trail    trail
	checks   int // generated, without those that only show something
	refused  int
}

// written is a write of a key's state, and no later than when it was made by the clock on the wall.
type written struct {
	life model.Life
	wall time.Time
}

func newPlayer(ctx context.Context, t rapid.TB, h Harness, sc *scene) *player {
	return &player{
		scene: sc, t: t, ctx: ctx, harness: h, model: model.New(),
		lives: make(map[model.ID]written), standing: make(map[model.ID]written), admitted: make([]admissions, len(sc.keys)),
	}
}

// play plays the whole sequence.
func (p *player) play() {
	for _, st := range p.steps {
		p.step(st)
	}
	p.finish()
}

// finish looks at all that was admitted, and leaves nothing behind in the store.
func (p *player) finish() {
	if p.steady {
		for _, a := range p.admitted {
			for _, l := range p.policy().Limits {
				if err := a.within(l); err != nil {
					p.fatalf("promise 1, bound: %v", err)
				}
			}
		}
	}
	for key := range p.keys {
		p.reset(key)
		p.forgetStanding(key)
	}
}

func (p *player) step(st step) {
	key := st.asks[0].key % len(p.keys)
	p.moveTo(p.instant(st.move, key), st.look)
	switch st.kind {
	case stepAsk:
		p.ask(st.asks[0])
	case stepBatch:
		p.batch(st.asks)
	case stepRetry:
		p.showRetryAfter(st.asks[0])
	case stepSpend:
		p.showRemaining(key)
	case stepNothing:
		p.showNothingTaken(key)
	case stepReset:
		p.reset(key)
	case stepChange:
		p.version = st.version % len(p.policies)
		p.ask(st.asks[0])
	case stepResetAll:
		p.resetAll()
		p.ask(st.asks[0])
	case stepBar, stepUnbar, stepExcept, stepUnexcept, stepStanding:
		p.amend(p.amendment(st, key))
	case stepPenalty:
		p.showPenalty(key)
	}
	if st.look {
		p.compareLife(key)
		p.compareStandingLife(key)
	}
}

// ask plays one check, peek or refund of the sequence.
func (p *player) ask(a ask) {
	req := p.request(a)
	if !p.certain(req) {
		return
	}
	d := p.check(req)
	p.checks++
	if !d.Allowed {
		p.refused++
	}
}

// check asks the store one request and compares its answer.
func (p *player) check(req sluice.Request) sluice.Decision {
	wall := time.Now()
	d, err := p.harness.Store().Check(p.ctx, req)
	p.judge(req, wall, sluice.Result{Decision: d, Err: err})
	return d
}

// batch asks several at once.
func (p *player) batch(asks []ask) {
	var reqs []sluice.Request
	for _, a := range asks {
		if req := p.request(a); p.certain(req) {
			reqs = append(reqs, req)
		}
	}
	p.checkAll(reqs)
}

// checkAll asks the store several requests in one call and compares its answers.
func (p *player) checkAll(reqs []sluice.Request) []sluice.Result {
	if len(reqs) == 0 {
		return nil
	}
	wall := time.Now()
	results := p.harness.Store().CheckAll(p.ctx, reqs)
	if len(results) != len(reqs) {
		p.fatalf("CheckAll of %d requests has %d results", len(reqs), len(results))
	}
	for i, r := range results {
		p.judge(reqs[i], wall, r)
		p.checks++
		if !r.Decision.Allowed {
			p.refused++
		}
	}
	return results
}

// judge compares what the store answered to a request, and takes note of it.
func (p *player) judge(req sluice.Request, wall time.Time, r sluice.Result) {
	p.t.Helper()
	if r.Err != nil {
		p.fatalf("at %d: %s: %v", req.At, question(req), r.Err)
	}
	p.trail.add(req, r.Decision)
	if err := p.model.Judge(req, r.Decision); err != nil {
		p.fatalf("%v", err)
	}
	key := p.keyNumber(req.Key)
	p.saw(key, req, r.Decision)
	if r.Decision.Allowed && !req.Peek || req.Refund > 0 {
		p.admitted[key] = append(p.admitted[key], admission{req.At, req.Cost - int64(req.Refund)})
	}
	life, ok := p.model.Life(model.IDOf(req))
	note(p.lives, model.IDOf(req), life, ok, wall)
	p.noteStanding(key, wall)
}

// note takes note of a life, where it is another than the one that is known.
func note(lives map[model.ID]written, id model.ID, life model.Life, exists bool, wall time.Time) {
	switch {
	case !exists:
		delete(lives, id)
	case lives[id].life != life:
		lives[id] = written{life, wall}
	}
}

// moveTo sets the clock and lets expire what has expired: whether it has been removed yet makes no difference to
// answers, which a look at it shows.
func (p *player) moveTo(now sluice.Tick, look bool) {
	p.now, p.furthest = now, max(p.furthest, now)
	for key := range p.keys {
		if life, ok := p.model.StandingLife(p.id(key)); ok && life.End() <= now {
			if look {
				p.showStandingExpired(key)
			}
			p.forgetStanding(key)
		}
		if life, ok := p.model.Life(p.id(key)); ok && life.End() <= now {
			if look {
				p.showExpired(key)
			}
			if err := p.harness.Forget(p.ctx, p.policy(), p.keys[key]); err != nil {
				p.fatalf("forget key %d: %v", key, err)
			}
			p.forget(key)
		}
	}
}

// certain reports whether the model knows what the request does.
func (p *player) certain(req sluice.Request) bool { return p.model.Certain(req, p.furthest) }

// reset has the store forget a key.
func (p *player) reset(key int) {
	if err := p.harness.Store().Reset(p.ctx, p.policy(), p.keys[key]); err != nil {
		p.fatalf("reset key %d: %v", key, err)
	}
	p.forget(key)
	p.admitted[key] = nil
}

func (p *player) forget(key int) {
	p.model.Forget(p.id(key))
	delete(p.lives, p.id(key))
}

func (p *player) id(key int) model.ID {
	return model.ID{Policy: p.policy().Name, Key: p.keys[key], ResetAt: p.policy().ResetAt}
}

// fatalf ends the test and says what was asked before.
func (p *player) fatalf(format string, args ...any) {
	p.t.Helper()
	p.t.Fatalf("%s\n%s", fmt.Sprintf(format, args...), p.trail)
}

func (p *player) keyNumber(key string) int {
	for i, k := range p.keys {
		if k == key {
			return i
		}
	}
	panic("a request for a key that the scene does not have")
}
