package model

import (
	"math/big"

	"github.com/sluice-project/sluice"
)

// bucket is the holding of a token bucket: at the anchor taken units were missing, and count units come back every
// period, evenly.
type bucket struct {
	l             sluice.Limit
	anchor, taken int64
}

func (b bucket) limit() sluice.Limit { return b.l }

func (b bucket) under(l sluice.Limit) holding {
	b.l = l
	return b
}

func (b bucket) instant() int64 { return b.anchor }

func (b bucket) used(t int64, _ view) *big.Int {
	used := parts(b.l, b.taken)
	used.Sub(used, b.earned(t))
	if used.Sign() < 0 {
		return new(big.Int)
	}
	return used
}

// earned returns the parts that have come back since the anchor: count parts every tick.
func (b bucket) earned(t int64) *big.Int {
	return new(big.Int).Mul(big.NewInt(max(0, t-b.anchor)), big.NewInt(b.l.Count()))
}

func (b bucket) advanced(now int64) holding {
	if b.used(now, strict).Sign() == 0 {
		return nil
	}
	if periods := (now - b.anchor) / period(b.l); periods > 0 {
		b.anchor += periods * period(b.l)
		b.taken -= periods * b.l.Count() // exact: less has been earned than was taken
	}
	return b
}

func (b bucket) charged(now, cost int64) holding {
	h := b.advanced(now)
	if h == nil {
		return place(b.l, now, cost)
	}
	b = h.(bucket)
	b.taken += cost
	return b
}

func (b bucket) refunded(now, units int64) holding {
	h := b.advanced(now)
	if h == nil {
		return nil
	}
	b = h.(bucket)
	b.taken -= units
	return b.advanced(now) // nothing where as much has come back meanwhile
}

// atOtherSpeed returns the bucket under a limit of the same period and another count: the whole units that are missing
// stay missing, and the parts of the next unit that have come back stay so, as far as whole ticks can say it.
func (b bucket) atOtherSpeed(l sluice.Limit, now int64) holding {
	if now < b.anchor {
		return b.under(l)
	}
	back, rest := new(big.Int).DivMod(b.earned(now), big.NewInt(period(b.l)), new(big.Int))
	missing := new(big.Int).Sub(big.NewInt(b.taken), back)
	if missing.Sign() <= 0 {
		return nil
	}
	return bucket{l: l, anchor: now - rest.Int64()/l.Count(), taken: missing.Int64()}
}
