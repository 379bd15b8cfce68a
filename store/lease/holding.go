package lease

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-project/sluice"
)

// instant is a reading of this process's monotonic clock, as the time since the store was made.
type instant = time.Duration

// holding is what this server holds of one key. Spending needs no lock: left is counted down while terms say that it may
// be. Whatever else is known is guarded by mu.
type holding struct {
	hash   uint64
	policy *sluice.Policy
	key    string
	terms  atomic.Pointer[terms] // nil where nothing may be spent

	// What each check writes has a cache line of its own: of the others every processor keeps a copy.
	_    [cacheLine - 40]byte
	left atomic.Int64
	_    [cacheLine - 8]byte

	missed atomic.Int64 // units that were asked for and not spent from here, since the last ask or within the time of a lease
	asking atomic.Bool  // an ask is queued or under way
	calm   atomic.Int64 // the instant before which no new lease is asked for
	before atomic.Int64 // of the last request that was a reason to ask

	mu       sync.Mutex
	held     Loan    // as the store knows it
	from     instant // when demand began to be counted
	granted  int64   // what left was then
	seen     int64   // what missed was at the last look
	idle     int     // looks since the last demand
	asked    instant // when the last ask was made
	closing  bool    // the next ask gives all back and wants nothing
	replaced bool    // another holding has its place
	retired  bool    // the table has given it up
}

const cacheLine = 64

// terms are by which units of a loan are spent. They are not changed: another loan has others.
type terms struct {
	until instant // no unit is spent from then on
	renew instant // from then on it is time to ask for another loan
	low   int64   // as where no more units are left than this
	// At sent, before the store was asked, its clock read no more than clock.
	sent  instant
	clock sluice.Tick
	reset []time.Duration // of each limit, counted from sent
}

// newHolding returns the holding of a key of which nothing is held.
func newHolding(hash uint64, policy *sluice.Policy, key string) *holding {
	return &holding{hash: hash, policy: policy, key: key}
}

// spend takes units from what is held, at now. It returns the terms by which it did, nil where it did not, and what is
// left then.
func (h *holding) spend(cost int64, before sluice.Tick, now instant) (t *terms, left int64) {
	t = h.terms.Load()
	if t == nil || now >= t.until || before != 0 && t.latest(now) >= before {
		return nil, 0
	}
	for {
		left = h.left.Load()
		if left < cost {
			return nil, 0
		}
		if h.left.CompareAndSwap(left, left-cost) {
			return t, left - cost
		}
	}
}

// latest returns the latest that the store's clock can read at an instant.
func (t *terms) latest(now instant) sluice.Tick {
	return t.clock + sluice.Tick((now-t.sent)/time.Microsecond) + 1
}

// due reports whether it is time to ask for another loan.
func (t *terms) due(left int64, now instant) bool { return left <= t.low || now >= t.renew }

// decision is the answer to a check that was paid for by what is held. What it says is a floor: the key has at least what
// is left here.
func (t *terms) decision(req *sluice.Request, left int64, now instant) sluice.Decision {
	d := sluice.NewDecision(*req)
	d.Source = sluice.SourceLease
	for _, reset := range t.reset {
		d.Add(sluice.Outcome{Allowed: true, Remaining: left, ResetAfter: max(0, reset-(now-t.sent))})
	}
	return d
}

const (
	// firstDemand is how many units must have been asked for within the time of a lease before one is asked for.
	firstDemand = 3
	// mostGrowth is by how much a loan is greater, at most, than what was asked for since the one before.
	mostGrowth = 16
	// drift is the part of a loan's time by which it ends earlier here than at the store, so that two clocks that do not
	// run equally fast cannot make it longer here.
	drift = 512
)

// miss notes a request that was not spent from here.
func (h *holding) miss(req *sluice.Request) {
	h.missed.Add(req.Cost)
	h.before.Store(int64(req.Before))
}

// wants reports whether a demand that could not be met from here is a reason to ask, at now.
func (h *holding) wants(now instant) bool {
	t := h.terms.Load()
	if t != nil && now < t.until && h.left.Load() == 0 {
		return true // all is spent, which the store should know
	}
	return int64(now) >= h.calm.Load() && h.missed.Load() >= firstDemand
}

// ask returns what to ask the store, at now; ok is false where there is nothing to ask.
func (h *holding) ask(now instant) (a Ask, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.retired {
		return a, false
	}
	h.asked = now
	a = Ask{Policy: h.policy, Key: h.key, Held: h.held, Before: sluice.Tick(h.before.Load())}
	t := h.terms.Load()
	left := h.left.Load()
	if h.held.Units > 0 && (t == nil || now >= t.until || h.closing) {
		left = h.drop()
	} else {
		a.Keep = h.held.Units > 0
	}
	a.Spent = h.held.Units - left
	if !a.Keep {
		left = 0
	}
	if !h.closing && !h.replaced && int64(now) >= h.calm.Load() {
		a.Want = max(0, h.demand(now)-left)
	}
	h.closing = false
	return a, a.Held.Units > 0 || a.Want > 0
}

// drop ends the spending of what is held, and returns what was left of it.
func (h *holding) drop() (left int64) {
	h.terms.Store(nil)
	return h.left.Swap(0)
}

// demand returns how many units are asked for in the time of a lease, by what was asked for lately.
func (h *holding) demand(now instant) int64 {
	asked := h.granted - h.left.Load() + h.missed.Load()
	lasted := max(now-h.from, time.Microsecond)
	demand := float64(asked) * float64(h.policy.Lease.TTL) / float64(lasted)
	return int64(min(demand, float64(mostGrowth*asked), sluice.MaxCount))
}

// answer takes over what the store has answered to an ask that was sent at an instant. It reports whether it must be asked
// again at once, because what it holds was ended meanwhile.
func (h *holding) answer(a Ask, is Answer, sent, now instant) (again bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	ttl := h.policy.Lease.TTL
	switch {
	case is.Err != nil:
		h.calm.Store(int64(now + ttl/4))
		if !a.Keep { // it may have been given back, and then it is not known any more
			h.held = Loan{}
		}
		return false
	case is.Stands:
		h.closing = true
		h.calm.Store(int64(now + ttl))
		return true
	}
	span := time.Duration(is.Loan.End-is.Now) * time.Microsecond
	t := &terms{
		until: sent + span - span/drift, renew: sent + span*3/4, low: is.Loan.Units / 4, sent: sent, clock: is.Now,
		reset: make([]time.Duration, len(is.Limits)),
	}
	for i, l := range is.Limits {
		t.reset[i] = l.ResetAfter
	}
	fresh := is.Loan.Units
	if is.Kept {
		fresh -= a.Held.Units - a.Spent
	}
	if a.Want > 0 && fresh < 2 { // the limit is near: asking for more soon helps nobody
		h.calm.Store(int64(now + ttl/8))
	}
	h.missed.Store(0)
	h.held, h.from = is.Loan, now
	if is.Kept {
		h.granted = h.left.Add(fresh)
	} else {
		h.granted = fresh
		h.left.Store(fresh)
	}
	if is.Loan.Units == 0 || h.closing || h.replaced {
		t = nil
	}
	h.terms.Store(t)
	return is.Loan.Units > 0 && t == nil
}

// end has the next ask give everything back and want nothing, also where nothing is held; nothing is spent from here until
// there is another loan.
func (h *holding) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closing = true
	h.terms.Store(nil)
}

// leave is end for a holding that another has taken the place of: it wants nothing any more.
func (h *holding) leave() {
	h.end()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.replaced = true
}

// look is taken now and then. It reports whether what is held should be given back, because nobody asks for it any more or
// because it was ended, and whether there was no demand for so long that the holding can go.
func (h *holding) look(now instant) (back, idle bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.terms.Load()
	if h.held.Units == 0 {
		h.idle++
		if missed := h.missed.Load(); missed != h.seen {
			h.seen, h.idle = missed, 0
		}
		if now-h.from > h.policy.Lease.TTL {
			h.from, h.seen = now, 0
			h.missed.Store(0)
		}
		return false, h.idle > idleLooks
	}
	if t == nil {
		return true, false // it was ended
	}
	if now >= t.renew+(t.until-t.renew)/4 && h.asked < t.renew { // whoever had spent since would have asked
		h.closing = true
	}
	return h.closing, false
}

// idleLooks is how many looks find no demand before a holding is given up.
const idleLooks = 100

// retire reports whether nothing is held and nothing asked, and if so ends the holding.
func (h *holding) retire() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held.Units > 0 || h.asking.Load() {
		return false
	}
	h.retired = true
	return true
}
