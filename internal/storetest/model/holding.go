package model

import (
	"fmt"
	"math/big"
	"sort"
	"time"

	"github.com/sluice-project/sluice"
)

// maxWait is [sluice.MaxWait] in ticks.
const maxWait = int(sluice.MaxWait / time.Microsecond)

// view is one of the two ways to read a holding that a store may round.
type view int

const (
	strict view = iota // every unit comes back as early as it may
	late               // every unit comes back as late as it may
)

// A holding is what one limit remembers of one key. It never changes: what a decision does to it is another holding.
// No holding at all, nil, is the memory of a key never seen.
type holding interface {
	// limit returns the numbers that the holding was written by.
	limit() sluice.Limit
	// under returns the holding under other numbers that do not change what it means.
	under(l sluice.Limit) holding
	// instant returns the holding's own instant, by which a clock that was wrong is known.
	instant() int64
	// used returns what counts as used at t, in parts: a unit has as many parts as the period has ticks. It never
	// grows with t, and a holding of which nothing is used reads as none.
	used(t int64, v view) *big.Int
	// advanced returns what a write at now keeps of the holding, nil where it keeps nothing.
	advanced(now int64) holding
	// charged returns the holding as a write at now leaves it that takes cost units, at least 1.
	charged(now, cost int64) holding
	// refunded returns the holding as a write at now leaves it that gives so many units back, at least 1; nil where nothing
	// is used then.
	refunded(now, units int64) holding
}

// place returns a holding of which so many units are used as of now.
func place(l sluice.Limit, now, units int64) holding {
	if units == 0 {
		return nil
	}
	switch l.Algorithm() {
	case sluice.TokenBucket:
		return bucket{l: l, anchor: now, taken: units}
	case sluice.SlidingWindow:
		return window{l: l, log: []admission{{at: now, units: units}}}
	case sluice.FixedWindow:
		return fixed{l: l, start: windowStart(l, now), taken: units}
	case sluice.SlidingCounter:
		return counter{l: l, start: alignedStart(l, now), current: units}
	}
	panic(fmt.Sprintf("limit %s: no such algorithm", l))
}

// read returns a holding as a decision at now under the limit l finds it, and whether that is another than the one that
// is stored: then it is written whatever the answer is.
func read(h holding, l sluice.Limit, now int64) (found holding, rewritten bool) {
	switch {
	case h == nil:
		return nil, false
	case h.instant() > now+period(h.limit()):
		return place(l, now, l.Capacity()), true
	case sameRule(h.limit(), l):
		return h.under(l), false
	}
	return converted(h, l, now), true
}

// sameRule reports whether a holding written by the limit old means the same under the limit l: capacities do not
// matter to what was taken, and a count matters only where it is the speed at which units come back.
func sameRule(old, l sluice.Limit) bool {
	_, had := old.Calendar()
	_, has := l.Calendar()
	return old.Algorithm() == l.Algorithm() && old.Aligned() == l.Aligned() && had == has && old.Period() == l.Period() &&
		(old.Algorithm() != sluice.TokenBucket || old.Count() == l.Count())
}

// converted returns a holding under a limit of another rule.
func converted(h holding, l sluice.Limit, now int64) holding {
	if b, ok := h.(bucket); ok && l.Algorithm() == sluice.TokenBucket && b.l.Period() == l.Period() {
		return b.atOtherSpeed(l, now)
	}
	units, rest := new(big.Int).DivMod(h.used(now, strict), big.NewInt(period(h.limit())), new(big.Int))
	if rest.Sign() > 0 {
		units.Add(units, big.NewInt(1))
	}
	return place(l, now, units.Int64())
}

// verdict returns whether a limit has room for a cost, and when it will have.
func verdict(h holding, l sluice.Limit, now, cost int64, v view) (allowed bool, retryAfter time.Duration) {
	most := parts(l, l.Capacity()-cost)
	switch {
	case used(h, now, v).Cmp(most) <= 0:
		return true, 0
	case cost > l.Capacity():
		return false, sluice.Never
	}
	return false, wait(h, now, most, v)
}

// remaining returns how many units a limit has room for.
func remaining(h holding, l sluice.Limit, now int64, v view) int64 {
	room := parts(l, l.Capacity())
	room.Sub(room, used(h, now, v))
	if room.Sign() < 0 {
		return 0
	}
	return room.Div(room, big.NewInt(period(l))).Int64()
}

// resetAfter returns the time until nothing is used.
func resetAfter(h holding, now int64, v view) time.Duration { return wait(h, now, new(big.Int), v) }

// wait returns the least time from now after which no more than most parts are used, at most [sluice.MaxWait].
func wait(h holding, now int64, most *big.Int, v view) time.Duration {
	if h == nil {
		return 0
	}
	fits := func(ticks int) bool { return h.used(now+int64(ticks), v).Cmp(most) <= 0 }
	far := int(period(h.limit()))
	for far < maxWait && !fits(far) {
		far = min(2*far, maxWait)
	}
	return time.Duration(sort.Search(far, fits)) * time.Microsecond
}

// used returns what counts as used at t, in parts.
func used(h holding, t int64, v view) *big.Int {
	if h == nil {
		return new(big.Int)
	}
	return h.used(t, v)
}

// period returns a limit's period in ticks.
func period(l sluice.Limit) int64 { return int64(l.Period() / time.Microsecond) }

// parts returns units in parts of a unit under the limit l.
func parts(l sluice.Limit, units int64) *big.Int {
	return new(big.Int).Mul(big.NewInt(units), big.NewInt(period(l)))
}

// alignedStart returns where the window of the clock that now is in starts.
func alignedStart(l sluice.Limit, now int64) int64 { return now - now%period(l) }
