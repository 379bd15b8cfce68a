package model

import (
	"math/big"
	"slices"

	"github.com/sluice-project/sluice"
)

// exactAdmissions is how many admissions a sliding window keeps exactly; the units of more may be late.
const exactAdmissions = 64

// window is the holding of a sliding window: a log of admissions, oldest first.
type window struct {
	l   sluice.Limit
	log []admission
}

// admission is units that were taken together. They are back one period later, or up to slack after that.
type admission struct {
	at, units, slack int64
	// gone says that a write has dropped it as dead by the strict view.
	gone bool
}

func (w window) limit() sluice.Limit { return w.l }

func (w window) under(l sluice.Limit) holding {
	w.l = l
	return w
}

func (w window) instant() int64 { return w.log[len(w.log)-1].at }

func (w window) used(t int64, v view) *big.Int {
	units := int64(0)
	for _, a := range w.log {
		if w.alive(a, t, v) {
			units += a.units
		}
	}
	return parts(w.l, units)
}

func (w window) alive(a admission, t int64, v view) bool {
	if v == strict {
		return !a.gone && a.at+period(w.l) > t
	}
	return a.at+period(w.l)+a.slack > t
}

func (w window) advanced(now int64) holding {
	var log []admission
	for _, a := range w.log {
		if w.alive(a, now, late) {
			a.gone = !w.alive(a, now, strict)
			log = append(log, a)
		}
	}
	if log == nil {
		return nil
	}
	return window{l: w.l, log: log}
}

func (w window) charged(now, cost int64) holding {
	h := w.advanced(now)
	if h == nil {
		return place(w.l, now, cost)
	}
	w = h.(window)
	newest := w.log[len(w.log)-1]
	a := admission{at: now, units: cost}
	if !newest.gone {
		a.at = max(now, newest.at)
	}
	if now < newest.at+newest.slack {
		a.slack = newest.slack // a store that holds the newest for later records this one with it
	}
	w.log = append(slices.Clone(w.log), a)
	if len(w.log) > exactAdmissions {
		for i := range w.log {
			w.log[i].slack = period(w.l) / exactAdmissions
		}
	}
	return w
}

// refunded drops units from the end of the log. Those that a store still holds late are the oldest, so the newest of what
// it holds are the newest here.
func (w window) refunded(now, units int64) holding {
	h := w.advanced(now)
	if h == nil {
		return nil
	}
	log := slices.Clone(h.(window).log)
	for units > 0 && len(log) > 0 {
		newest := &log[len(log)-1]
		if newest.units > units {
			newest.units -= units
			break
		}
		units -= newest.units
		log = log[:len(log)-1]
	}
	if len(log) == 0 {
		return nil
	}
	return window{l: w.l, log: log}
}

// halfway reports whether it is a store's choice at now whether some unit is back or not: then nobody knows how much there
// is to give back to, nor whether anything is written.
func (w window) halfway(now int64) bool {
	return slices.ContainsFunc(w.log, func(a admission) bool {
		if len(w.log) > nearlyCrowded {
			a.slack = period(w.l) / exactAdmissions
		}
		return !w.alive(a, now, strict) && w.alive(a, now, late)
	})
}

// nearlyCrowded is how many admissions a sliding window may hold so that the next few calls leave it exact.
const nearlyCrowded = 48

// uncertain reports whether it is a store's choice what a decision at now under the limit l does to the holding, and
// not only when units come back: the clock has stepped back to where the slack of an admission decides, or units of
// which nobody knows whether they are back are to count under another rule.
func (w window) uncertain(l sluice.Limit, now int64) bool {
	newest := w.log[len(w.log)-1]
	if len(w.log) > nearlyCrowded {
		newest.slack = period(w.l) / exactAdmissions
	}
	horizon := now + period(w.l)
	switch {
	case newest.gone:
	case newest.at > horizon:
		return false // all used now, whatever it holds
	case newest.at+newest.slack > horizon:
		return true
	}
	if !sameRule(w.l, l) && w.used(now, strict).Cmp(w.used(now, late)) != 0 {
		return true
	}
	return slices.ContainsFunc(w.log, func(a admission) bool { return a.gone && now < a.at+a.slack })
}
