package storetest

import (
	"time"

	"github.com/sluice-project/sluice"
)

// Promises 2 to 4, shown by what a store itself does next.

// showRetryAfter: the same check is refused one tick before RetryAfter and allowed at it.
func (p *player) showRetryAfter(a ask) {
	a.refund = false
	req := p.request(a)
	req.Peek = false
	if !p.certain(req) {
		return
	}
	refused := p.check(req)
	p.checks++
	if refused.Allowed {
		return
	}
	p.refused++
	req.Uncounted, req.Refusals = true, 0 // no penalty begins
	at := p.now + ticks(refused.RetryAfter)
	switch {
	case refused.RetryAfter == sluice.Never:
		if most := capacityOf(refused); req.Cost <= most {
			p.fatalf("promise 3: a cost of %d that fits into %d can never fit", req.Cost, most)
		}
		return
	case refused.RetryAfter >= sluice.MaxWait || at > lastInstant:
		return
	}
	if o := p.model.Look(p.id(a.key%len(p.keys)), p.now).Override; o != nil && o.Until != 0 && o.Until <= at {
		return // by then other limits hold
	}
	p.moveTo(at-1, false)
	req.At = p.now
	if d := p.check(req); d.Allowed || d.RetryAfter != time.Microsecond {
		p.fatalf("promise 3: one tick before RetryAfter: %s", d)
	}
	p.moveTo(at, false)
	req.At = p.now
	if d := p.check(req); !d.Allowed {
		p.fatalf("promise 3: at RetryAfter: %s", d)
	}
}

// showRemaining: so many more checks of cost 1 are allowed at this instant, and no more.
func (p *player) showRemaining(key int) {
	req := sluice.Request{Policy: p.policy(), Key: p.keys[key], Cost: 1, Peek: true, At: p.now}
	if !p.certain(req) {
		return
	}
	remaining := p.check(req).Remaining
	req.Peek = false
	if remaining <= 8 {
		for range remaining {
			if d := p.check(req); !d.Allowed {
				p.fatalf("promise 4: %d remained: %s", remaining, d)
			}
		}
	} else {
		req.Cost = remaining
		if d := p.check(req); !d.Allowed {
			p.fatalf("promise 4: %d remained: %s", remaining, d)
		}
		req.Cost = 1
	}
	if d := p.check(req); d.Allowed || d.Remaining != 0 {
		p.fatalf("promise 4: %d remained and were taken: %s", remaining, d)
	}
}

// showNothingTaken: after a refusal all reads as before it.
func (p *player) showNothingTaken(key int) {
	look := sluice.Request{Policy: p.policy(), Key: p.keys[key], Cost: 1, Peek: true, Uncounted: true, At: p.now}
	if !p.certain(look) {
		return
	}
	before := p.check(look)
	if before.Remaining == sluice.MaxCount {
		return // nothing would be refused
	}
	req := look
	req.Cost, req.Peek = before.Remaining+1, false
	if d := p.check(req); d.Allowed {
		p.fatalf("promise 4: %d remained: %s", before.Remaining, d)
	}
	if after := p.check(look); !after.Equal(before) {
		p.fatalf("promise 2: before a refusal: %s; after it: %s", before, after)
	}
}

// capacityOf returns the greatest cost that the limits that a decision speaks of can ever allow together.
func capacityOf(d sluice.Decision) int64 {
	least := int64(sluice.MaxCount)
	for _, l := range d.Limits() {
		least = min(least, l.Limit.Capacity())
	}
	return least
}
