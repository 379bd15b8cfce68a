package model

import (
	"math/big"

	"github.com/sluice-project/sluice"
)

// fixed is the holding of a fixed window: what was taken in the window that begins at start.
type fixed struct {
	l            sluice.Limit
	start, taken int64
}

// windowStart returns where a window starts that now begins. One of a calendar, which may be shorter than its period, is
// taken for one that has started a period before its end.
func windowStart(l sluice.Limit, now int64) int64 {
	if l.Aligned() {
		return alignedStart(l, now)
	}
	if c, ok := l.Calendar(); ok {
		return calendarEnd(c, now) - period(l)
	}
	return now
}

func (f fixed) limit() sluice.Limit { return f.l }

func (f fixed) under(l sluice.Limit) holding {
	f.l = l
	return f
}

func (f fixed) instant() int64 { return f.start }

func (f fixed) used(t int64, _ view) *big.Int {
	if t >= f.start+period(f.l) {
		return new(big.Int)
	}
	return parts(f.l, f.taken)
}

func (f fixed) advanced(now int64) holding {
	if now >= f.start+period(f.l) {
		return nil
	}
	return f
}

func (f fixed) charged(now, cost int64) holding {
	h := f.advanced(now)
	if h == nil {
		return place(f.l, now, cost)
	}
	f = h.(fixed)
	f.taken += cost
	return f
}

func (f fixed) refunded(now, units int64) holding {
	h := f.advanced(now)
	if f.taken -= units; h == nil || f.taken <= 0 {
		return nil
	}
	return f
}
