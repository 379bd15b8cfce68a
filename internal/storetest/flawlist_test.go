package storetest

import (
	"runtime"
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
	{name: "takes too much memory", foundBy: []string{"size"}, size: 1025},
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
