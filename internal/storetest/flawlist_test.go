package storetest

import (
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/storetest/model"
)

const inSequences = "sequences, first half"

// flaw is one thing that a store does wrong. The functions that are nil do right.
type flaw struct {
	name    string
	foundBy []string
	decide  func(f *flawed, req sluice.Request) sluice.Decision
	ttl     func(life model.Life) time.Duration
	forget  func(f *flawed, id model.ID)
	batch   func(f *flawed, reqs []sluice.Request) []sluice.Result
	size    int
	gone    func(life model.Life) bool // by the store's own clock

	amend         func(f *flawed, a sluice.Amendment) sluice.Standing
	list          func(f *flawed, l sluice.List) sluice.Page
	standingTTL   func(life model.Life) time.Duration
	ignoresBefore bool
}

var flaws = []flaw{
	{
		name: "charges on refusal", foundBy: []string{inSequences, "all or nothing"},
		decide: func(f *flawed, req sluice.Request) sluice.Decision {
			d := f.model.Decide(req)
			if !d.Allowed && !req.Peek {
				f.charge(req)
			}
			return d
		},
	},
	{
		name: "charges all limits though one refused", foundBy: []string{inSequences, "all or nothing"},
		decide: func(f *flawed, req sluice.Request) sluice.Decision {
			d := f.model.Decide(req)
			if !req.Peek && len(d.DeniedBy()) > 0 && len(d.DeniedBy()) < len(req.Policy.Limits) {
				f.charge(req)
			}
			return d
		},
	},
	{
		name: "charges a peek", foundBy: []string{inSequences},
		decide: func(f *flawed, req sluice.Request) sluice.Decision {
			req.Peek = false
			return f.model.Decide(req)
		},
	},
	{
		name: "allows one unit too many", foundBy: []string{inSequences, "bound", "crowded window", "concurrency"},
		decide: func(f *flawed, req sluice.Request) sluice.Decision {
			d := f.model.Decide(req)
			if !d.Allowed && d.Remaining == req.Cost-1 && !req.Peek {
				f.charge(req)
				d.Allowed, d.RetryAfter = true, 0
			}
			return d
		},
	},
	{
		name: "gives units back one tick early", foundBy: []string{inSequences, "bound", "extreme numbers"},
		decide: func(f *flawed, req sluice.Request) sluice.Decision {
			if d := f.model.Decide(req); d.Allowed {
				return d
			}
			req.At++
			return f.model.Decide(req)
		},
	},
	{
		name: "gives units back one tick late", foundBy: []string{inSequences, "extreme numbers"},
		decide: func(f *flawed, req sluice.Request) sluice.Decision {
			before := req
			before.At = max(req.At-1, 1)
			if d := f.peek(before, req.Cost); !d.Allowed {
				return d
			}
			return f.model.Decide(req)
		},
	},
	{
		name: "reckons in milliseconds", foundBy: []string{inSequences, "extreme numbers"},
		decide: func(f *flawed, req sluice.Request) sluice.Decision {
			req.At = max(req.At-req.At%1000, 1)
			return f.model.Decide(req)
		},
	},
	{
		name: "keeps 14 digits of an instant", foundBy: []string{inSequences, "extreme numbers"},
		decide: func(f *flawed, req sluice.Request) sluice.Decision {
			for unit := sluice.Tick(1); req.At/unit >= 1e14; unit *= 10 {
				req.At -= req.At % (10 * unit)
			}
			return f.model.Decide(req)
		},
	},
	{
		name: "rounds RetryAfter up", foundBy: []string{inSequences, "bound", "extreme numbers"},
		decide: func(f *flawed, req sluice.Request) sluice.Decision {
			d := f.model.Decide(req)
			if d.RetryAfter != sluice.Never {
				d.RetryAfter = (d.RetryAfter + time.Millisecond - 1) / time.Millisecond * time.Millisecond
			}
			return d
		},
	},
	{
		name: "shows one unit less than remains of a fresh key", foundBy: []string{inSequences},
		decide: func(f *flawed, req sluice.Request) sluice.Decision {
			_, seen := f.model.Life(idOf(req))
			d := f.model.Decide(req)
			if !seen && d.Remaining > 0 {
				d.Remaining--
			}
			return d
		},
	},
	{
		name: "rounds the time to live down", foundBy: []string{"time to live"},
		ttl: func(life model.Life) time.Duration { return life.Least / time.Millisecond * time.Millisecond },
	},
	{
		name: "lets state live a millisecond too long", foundBy: []string{inSequences, "time to live"},
		ttl: func(life model.Life) time.Duration { return life.Most + time.Millisecond },
	},
	{
		name: "lets state live for ever", foundBy: []string{inSequences},
		ttl: func(model.Life) time.Duration { return NoExpiry },
	},
	{
		name: "heals a lost time to live only when it writes", foundBy: []string{"healing"},
		decide: func(f *flawed, req sluice.Request) sluice.Decision {
			d := f.model.Decide(req)
			if d.Allowed && !req.Peek {
				delete(f.lost, idOf(req))
			}
			return d
		},
	},
	{
		name: "forgets early", foundBy: []string{inSequences, "bound", "extreme numbers"},
		decide: func(f *flawed, req sluice.Request) sluice.Decision {
			if life, ok := f.model.Life(idOf(req)); ok && req.At >= life.Written+ticks(life.Least)/2 {
				f.model.Forget(idOf(req))
			}
			return f.model.Decide(req)
		},
	},
	{
		name: "never forgets", foundBy: []string{inSequences},
		forget: func(*flawed, model.ID) {},
	},
	{
		name: "gives all back when the clock steps back", foundBy: []string{inSequences, "wrong clock"},
		decide: func(f *flawed, req sluice.Request) sluice.Decision {
			if life, ok := f.model.Life(idOf(req)); ok && req.At < life.Written {
				f.model.Forget(idOf(req))
			}
			return f.model.Decide(req)
		},
	},
	{
		name: "never lets its clock step back", foundBy: []string{inSequences, "wrong clock"},
		decide: func(f *flawed, req sluice.Request) sluice.Decision {
			if life, ok := f.model.Life(idOf(req)); ok {
				req.At = max(req.At, life.Written)
			}
			return f.model.Decide(req)
		},
	},
	{
		name: "forgets when numbers change", foundBy: []string{inSequences},
		decide: func(f *flawed, req sluice.Request) sluice.Decision {
			if f.policies[idOf(req)] != req.Policy {
				f.model.Forget(idOf(req))
			}
			f.policies[idOf(req)] = req.Policy
			return f.model.Decide(req)
		},
	},
	{
		name: "decides a batch backwards", foundBy: []string{inSequences, "batches"},
		batch: func(f *flawed, reqs []sluice.Request) []sluice.Result {
			results := make([]sluice.Result, len(reqs))
			for i := len(reqs) - 1; i >= 0; i-- {
				results[i].Decision = f.decide(reqs[i])
			}
			return results
		},
	},
	{
		name: "lets a refusal stop a batch", foundBy: []string{inSequences, "batches"},
		batch: func(f *flawed, reqs []sluice.Request) []sluice.Result {
			results := make([]sluice.Result, len(reqs))
			refused := false
			for i, req := range reqs {
				req.Peek = req.Peek || refused
				results[i].Decision = f.decide(req)
				refused = refused || !results[i].Decision.Allowed
			}
			return results
		},
	},
	{
		name: "decides on what it read before another wrote", foundBy: []string{"concurrency"},
		decide: func(f *flawed, req sluice.Request) sluice.Decision {
			d := f.peek(req, req.Cost)
			f.mu.Unlock()
			runtime.Gosched()
			f.mu.Lock()
			if d.Allowed && !req.Peek {
				f.charge(req)
			}
			return d
		},
	},
	keyFlaw("cuts keys at NUL", func(policy, key string) string { key, _, _ = strings.Cut(key, "\x00"); return policy + "|" + key }),
	keyFlaw("cuts long keys", func(policy, key string) string { return policy + "|" + key[:min(len(key), 200)] }),
	keyFlaw("ignores case", func(policy, key string) string { return policy + "|" + strings.ToLower(key) }),
	keyFlaw("trims keys", func(policy, key string) string { return policy + "|" + strings.TrimSpace(key) }),
	keyFlaw("keeps valid UTF-8 only", func(policy, key string) string { return policy + "|" + strings.ToValidUTF8(key, "?") }),
	keyFlaw("joins policy and key without a mark", func(policy, key string) string { return policy + key }),
	keyFlaw("shares keys between policies", func(_, key string) string { return key }),
	keyFlaw("takes what is in braces for the key", func(policy, key string) string {
		if _, after, ok := strings.Cut(key, "{"); ok {
			key, _, _ = strings.Cut(after, "}")
		}
		return policy + "|" + key
	}),
	{
		name: "resets nothing", foundBy: []string{inSequences, "reset"},
		forget: func(*flawed, model.ID) {},
	},
	refundFlaw("gives nothing back", []string{inSequences, "refund", "refund of several", "refund of the barred"},
		func(*flawed, sluice.Request) uint32 { return 0 }),
	refundFlaw("gives back one unit too many", []string{inSequences, "refund", "refund of several"},
		func(_ *flawed, req sluice.Request) uint32 { return max(req.Refund, req.Refund+1) }),
	refundFlaw("gives nothing back to one who is barred", []string{inSequences, "refund of the barred"},
		func(f *flawed, req sluice.Request) uint32 {
			if f.model.Look(idOf(req), req.At).Block != nil {
				return 0
			}
			return req.Refund
		}),
	{
		name: "lets a refund end a block", foundBy: []string{inSequences, "refund of the barred"},
		decide: func(f *flawed, req sluice.Request) sluice.Decision {
			if req.Refund > 0 && f.model.Look(idOf(req), req.At).Block != nil {
				f.bar(req, 0, "")
			}
			return f.model.Decide(req)
		},
	},
	{
		name: "refuses a refund that leaves a debt", foundBy: []string{inSequences, "refund of several"},
		decide: func(f *flawed, req sluice.Request) sluice.Decision {
			d := f.model.Decide(req)
			if req.Refund > 0 {
				req.Refund, req.Refusals = 0, 0
				d = f.peek(req, 0)
			}
			return d
		},
	},
	{
		name: "saves up what is given back beyond what was taken", foundBy: []string{inSequences, "refund of nothing", "bound"},
		decide: func(f *flawed, req sluice.Request) sluice.Decision {
			if req.Refund > 0 {
				f.policies[idOf(req)] = req.Policy
			}
			d := f.model.Decide(req)
			if saved := f.policies[idOf(req)] != nil; saved && !d.Allowed && !req.Peek {
				delete(f.policies, idOf(req))
				f.charge(req)
				d.Allowed, d.RetryAfter = true, 0
			}
			return d
		},
	},
	{
		name: "resets the standing with the counters", foundBy: []string{inSequences, "reset leaves the standing"},
		forget: func(f *flawed, id model.ID) {
			f.model.Forget(id)
			f.model.ForgetStanding(id)
		},
	},
	{
		name: "resets all standings", foundBy: []string{inSequences, "reset leaves the standing"},
		decide: func(f *flawed, req sluice.Request) sluice.Decision {
			if _, ok := f.model.Life(idOf(req)); !ok && req.Policy.ResetAt != 0 {
				f.model.ForgetStanding(idOf(req))
			}
			return f.model.Decide(req)
		},
	},
	{
		name: "ignores ResetAt", foundBy: []string{inSequences, "reset at"},
		decide: func(f *flawed, req sluice.Request) sluice.Decision {
			policy := *req.Policy
			policy.ResetAt = 0
			req.Policy = &policy
			return f.model.Decide(req)
		},
	},
	{
		name: "lengthens a block on knocking", foundBy: []string{inSequences, "penalty"},
		decide: func(f *flawed, req sluice.Request) sluice.Decision {
			d := f.model.Decide(req)
			if b, barred := d.Blocked(); barred && b.Penalty && b.Until > req.At && !req.Peek && req.Policy.Penalty != nil {
				f.bar(req, ticks(req.Policy.Penalty.For), sluice.PenaltyReason)
			}
			return d
		},
	},
	countsFlaw("counts peeks", func(req sluice.Request) sluice.Request { req.Peek = false; return req }),
	countsFlaw("counts what is not to be counted", func(req sluice.Request) sluice.Request { req.Uncounted = false; return req }),
	{
		name: "counts a cost of 0", foundBy: []string{"not counted"},
		decide: func(f *flawed, req sluice.Request) sluice.Decision {
			d := f.model.Decide(req)
			if _, barred := d.Blocked(); !barred && !d.Allowed && req.Cost == 0 && !req.Peek {
				req.Cost = sluice.MaxCount
				f.model.Decide(req)
			}
			return d
		},
	},
	elsewhereFlaw("does not count refusals elsewhere", func(refusals int64) int64 { return 0 }),
	elsewhereFlaw("counts refusals elsewhere as one", func(refusals int64) int64 { return min(refusals, 1) }),
	elsewhereFlaw("counts one refusal elsewhere too many", func(refusals int64) int64 { return refusals + min(refusals, 1) }),
	{
		name: "counts refusals elsewhere after the check", foundBy: []string{inSequences, "refusals elsewhere"},
		decide: func(f *flawed, req sluice.Request) sluice.Decision {
			first, then := req, req
			first.Refusals, then.Peek = 0, true
			d := f.model.Decide(first)
			if req.Refusals > 0 {
				f.model.Decide(then)
			}
			return d
		},
	},
	{
		name: "counts refusals elsewhere of checks only", foundBy: []string{inSequences, "refusals elsewhere"},
		decide: func(f *flawed, req sluice.Request) sluice.Decision {
			if req.Peek || req.Uncounted || req.Cost == 0 {
				req.Refusals = 0
			}
			return f.model.Decide(req)
		},
	},
	penaltyFlaw("begins a block one refusal late", []string{inSequences, "penalty", "slow refusals", "penalty, concurrency"},
		func(p *sluice.Penalty) { p.After++ }),
	penaltyFlaw("begins a block one refusal early", []string{inSequences, "penalty", "not counted", "penalty, concurrency"},
		func(p *sluice.Penalty) { p.After = max(1, p.After-1) }),
	penaltyFlaw("counts refusals too long", []string{inSequences, "slow refusals"},
		func(p *sluice.Penalty) { p.Within += time.Millisecond }),
	penaltyFlaw("counts refusals too short", []string{inSequences, "crowded refusals"},
		func(p *sluice.Penalty) { p.Within = max(p.Within*31/32, time.Millisecond) }),
	penaltyFlaw("lets no block grow longer", []string{inSequences, "penalty"}, func(p *sluice.Penalty) { p.Max = p.For }),
	penaltyFlaw("lets blocks grow beyond the greatest", []string{inSequences, "penalty"}, func(p *sluice.Penalty) { p.Max = sluice.MaxPeriod }),
	{
		name: "charges while a block lasts", foundBy: []string{inSequences, "barred"},
		decide: func(f *flawed, req sluice.Request) sluice.Decision {
			d := f.model.Decide(req)
			if b, barred := d.Blocked(); barred && d.DeniedBy() == nil && !req.Peek && !b.Penalty {
				f.bar(req, 0, "")
				f.charge(req)
				f.bar(req, b.Until-req.At, b.Reason)
			}
			return d
		},
	},
	{
		name: "says nothing of the limits while a block lasts", foundBy: []string{inSequences, "barred"},
		decide: func(f *flawed, req sluice.Request) sluice.Decision {
			d := f.model.Decide(req)
			b, barred := d.Blocked()
			if !barred {
				return d
			}
			d = sluice.NewDecision(req)
			d.Bar(b, time.Duration(b.Until-req.At)*time.Microsecond)
			return d
		},
	},
	{
		name: "keeps the time of a block from RetryAfter", foundBy: []string{inSequences, "barred", "penalty"},
		decide: func(f *flawed, req sluice.Request) sluice.Decision {
			d := f.model.Decide(req)
			if b, barred := d.Blocked(); barred {
				d.RetryAfter = 0
				for _, l := range d.Limits() {
					d.RetryAfter = max(d.RetryAfter, l.RetryAfter)
				}
				d.RetryAfter = max(d.RetryAfter, time.Microsecond*min(1, time.Duration(b.Until-req.At)))
			}
			return d
		},
	},
	{
		name: "bars for ever by a wrong clock", foundBy: []string{inSequences},
		amend: func(f *flawed, a sluice.Amendment) sluice.Standing {
			is := f.model.Amend(a)
			if a.Bar != nil && a.Bar.Until > a.At+ticks(sluice.MaxPeriod) {
				is.Block.Until = a.Bar.Until
			}
			return is
		},
	},
	{
		name: "lets a block from far ahead move on with every look", foundBy: []string{"standing, wrong clock"},
		amend: func(f *flawed, a sluice.Amendment) sluice.Standing {
			id := model.ID{Policy: a.Policy, Key: a.Key}
			if a.Bar == nil && !a.Unbar && a.Except == nil && !a.Unexcept {
				return f.model.Look(id, a.At) // nothing is written
			}
			return f.model.Amend(a)
		},
	},
	{
		name: "forgets past blocks with the block", foundBy: []string{inSequences, "penalty"},
		decide: func(f *flawed, req sluice.Request) sluice.Decision {
			id := idOf(req)
			if st := f.model.Look(id, req.At); st.Blocks > 0 && st.Block == nil {
				f.model.Amend(sluice.Amendment{Policy: id.Policy, Key: id.Key, Unbar: true, At: req.At})
			}
			return f.model.Decide(req)
		},
	},
	amendFlaw("keeps past blocks when a block is lifted", []string{inSequences, "unbar"}, func(a *sluice.Amendment) {
		if a.Unbar {
			a.Unbar, a.Bar = false, &sluice.Bar{Until: 1}
		}
	}),
	amendFlaw("loses the reason", []string{inSequences, "barred", "list", "standing, awkward keys"}, func(a *sluice.Amendment) {
		if a.Bar != nil {
			b := *a.Bar
			b.Reason, a.Bar = "", &b
		}
	}),
	amendFlaw("lets an override for good end", []string{inSequences, "standing, time to live"}, func(a *sluice.Amendment) {
		if a.Except != nil && a.Except.Until == 0 && a.Except.For == 0 {
			e := *a.Except
			e.For, a.Except = sluice.MaxPeriod, &e
		}
	}),
	amendFlaw("lets overrides stay", []string{inSequences, "override"}, func(a *sluice.Amendment) { a.Unexcept = false }),
	amendFlaw("ends blocks at whole milliseconds", []string{inSequences}, func(a *sluice.Amendment) {
		if a.Bar != nil && a.Bar.For > 0 {
			b := *a.Bar
			b.For, a.Bar = (b.For + time.Millisecond - 1).Truncate(time.Millisecond), &b
		}
	}),
	{
		name: "asks an override beside the policy", foundBy: []string{inSequences, "override"},
		decide: func(f *flawed, req sluice.Request) sluice.Decision {
			if o := f.model.Look(idOf(req), req.At).Override; o != nil {
				policy := *req.Policy
				policy.Limits = slices.Concat(o.Limits, policy.Limits)[:max(len(o.Limits), min(len(policy.Limits), sluice.MaxLimits-len(o.Limits)))]
				req.Policy = &policy
				f.model.Amend(sluice.Amendment{Policy: policy.Name, Key: req.Key, Unexcept: true, At: req.At})
			}
			return f.model.Decide(req)
		},
	},
	{
		name: "lets no standing expire", foundBy: []string{inSequences, "standing, time to live"},
		standingTTL: func(model.Life) time.Duration { return NoExpiry },
	},
	{
		name: "lets every standing expire", foundBy: []string{inSequences, "standing, time to live"},
		standingTTL: func(life model.Life) time.Duration { return max(life.Most, time.Hour) },
	},
	{
		name: "keeps a standing no longer than its block", foundBy: []string{inSequences, "standing, time to live"},
		standingTTL: func(life model.Life) time.Duration { return life.Least / 2 },
	},
	{
		name: "never heals a standing", foundBy: []string{"standing, healing"},
		decide: func(f *flawed, req sluice.Request) sluice.Decision { return f.model.Decide(req) },
	},
	{name: "ignores Before", foundBy: []string{"stale"}, ignoresBefore: true},
	listFlaw("lists what has ended", func(f *flawed, l sluice.List) sluice.Page {
		page := f.list(l)
		if l.Cursor == "" {
			page.Entries = append(page.Entries, sluice.Listed{Key: "over"})
		}
		return page
	}),
	listFlaw("lists keys of other policies", func(f *flawed, l sluice.List) sluice.Page {
		page := f.list(l)
		for id := range f.known {
			if id.Policy != l.Policy && page.Cursor == "" {
				page.Entries = append(page.Entries[:min(len(page.Entries), l.Most-1)], sluice.Listed{Key: id.Key})
			}
		}
		return page
	}),
	listFlaw("ends a list early", func(f *flawed, l sluice.List) sluice.Page {
		page := f.list(l)
		if len(page.Entries) < l.Most || l.Most > 1 {
			page.Cursor = ""
		}
		return page
	}),
	listFlaw("counts its way through a list", func(f *flawed, l sluice.List) sluice.Page {
		skip, _ := strconv.Atoi(l.Cursor)
		all := l
		all.Cursor, all.Most = "", 1000
		page := f.list(all)
		page.Entries = page.Entries[min(skip, len(page.Entries)):]
		if len(page.Entries) > l.Most {
			page.Entries, page.Cursor = page.Entries[:l.Most], strconv.Itoa(skip+l.Most-1)
		}
		return page
	}),
	listFlaw("mixes blocks and overrides", func(f *flawed, l sluice.List) sluice.Page {
		l.Overrides = !l.Overrides
		return f.list(l)
	}),
	{name: "takes too much memory", foundBy: []string{"size"}, size: 1025},
}

// bar begins a block that lasts from now on, or ends one where that is 0.
func (f *flawed) bar(req sluice.Request, lasts sluice.Tick, reason string) {
	f.model.Amend(sluice.Amendment{
		Policy: req.Policy.Name, Key: req.Key, At: req.At, Bar: &sluice.Bar{Until: req.At + lasts, Reason: reason},
	})
}

// countsFlaw returns a flaw by which a refusal counts as if it were another request's.
func countsFlaw(name string, as func(req sluice.Request) sluice.Request) flaw {
	return flaw{
		name: name, foundBy: []string{inSequences, "not counted"},
		decide: func(f *flawed, req sluice.Request) sluice.Decision {
			d := f.model.Decide(req)
			if _, barred := d.Blocked(); !barred && !d.Allowed {
				other := as(req)
				if other.Peek != req.Peek || other.Uncounted != req.Uncounted {
					f.model.Decide(other)
				}
			}
			return d
		},
	}
}

// refundFlaw returns a flaw by which another number of units goes back.
func refundFlaw(name string, foundBy []string, other func(f *flawed, req sluice.Request) uint32) flaw {
	return flaw{
		name: name, foundBy: foundBy,
		decide: func(f *flawed, req sluice.Request) sluice.Decision {
			if req.Refund > 0 {
				req.Refund = other(f, req)
			}
			return f.model.Decide(req)
		},
	}
}

// elsewhereFlaw returns a flaw by which a request reports another number of refusals.
func elsewhereFlaw(name string, other func(refusals int64) int64) flaw {
	return flaw{
		name: name, foundBy: []string{inSequences, "refusals elsewhere"},
		decide: func(f *flawed, req sluice.Request) sluice.Decision {
			req.Refusals = other(req.Refusals)
			return f.model.Decide(req)
		},
	}
}

// penaltyFlaw returns a flaw by which penalties are others than the policy says.
func penaltyFlaw(name string, foundBy []string, change func(p *sluice.Penalty)) flaw {
	return flaw{
		name: name, foundBy: foundBy,
		decide: func(f *flawed, req sluice.Request) sluice.Decision {
			if req.Policy.Penalty != nil {
				policy, penalty := *req.Policy, *req.Policy.Penalty
				change(&penalty)
				policy.Penalty, req.Policy = &penalty, &policy
			}
			return f.model.Decide(req)
		},
	}
}

// amendFlaw returns a flaw by which standings are changed in another way than was asked for.
func amendFlaw(name string, foundBy []string, other func(a *sluice.Amendment)) flaw {
	return flaw{
		name: name, foundBy: foundBy,
		amend: func(f *flawed, a sluice.Amendment) sluice.Standing {
			other(&a)
			return f.model.Amend(a)
		},
	}
}

func listFlaw(name string, list func(f *flawed, l sluice.List) sluice.Page) flaw {
	return flaw{name: name, foundBy: []string{"list"}, list: list}
}

// keyFlaw returns a flaw by which different keys of the suite become one.
func keyFlaw(name string, key func(policy, key string) string) flaw {
	return flaw{
		name: name, foundBy: []string{"awkward keys"},
		decide: func(f *flawed, req sluice.Request) sluice.Decision {
			policy := *req.Policy
			policy.Name, req.Key = "", key(policy.Name, req.Key)
			req.Policy = &policy
			return f.model.Decide(req)
		},
	}
}
