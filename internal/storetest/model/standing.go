package model

import (
	"math/big"
	"slices"
	"time"

	"github.com/sluice-project/sluice"
)

// The standing of a key, by these rules:
//
//   - A block, an override and the memory of past blocks hold before the instant at which they end, and not from it on.
//     A refusal counts as an admission of a sliding window of After per Within does, read by the numbers that it was
//     written by; the next refusal that counts reads all of them by the numbers of its own penalty.
//   - A block that would last longer than [sluice.MaxPeriod] from now on reads as one that lasts just that long; refusals
//     from further ahead than their span read as all that the penalty counts, now. Whoever finds a block so writes the
//     record, be it by a peek; so does a look at the standing that finds either.
//   - The record is written by an amendment that asks for a change, by a refusal that counts, and by whoever must replace
//     something. A write reads all of the record at its instant first: what has ended by then is gone for good. Nothing
//     else writes it, and its time to live is counted from the last write.
type standing struct {
	block    *sluice.Block
	override *sluice.Override
	refusals holding // of a sliding window
	past     int
	fades    sluice.Tick // when past counts no more; 0 where it is 0
	life     Life
}

// mostPast is how many past blocks are counted.
const mostPast = 62

// at returns the standing as a write at now finds it, and whether it must be written because something was replaced.
func (s standing) at(now sluice.Tick) (found standing, replaced bool) {
	s, replaced = s.barredAt(now)
	if s.override != nil && s.override.Until != 0 && s.override.Until <= now {
		s.override = nil
	}
	if s.fades <= now {
		s.past, s.fades = 0, 0
	}
	if s.refusals != nil {
		h, ahead := read(s.refusals, s.refusals.limit(), int64(now))
		s.refusals, replaced = h.advanced(int64(now)), replaced || ahead
	}
	return s, replaced
}

// barredAt is the standing with its block as it is at now.
func (s standing) barredAt(now sluice.Tick) (found standing, replaced bool) {
	most := now + sluice.Tick(sluice.MaxPeriod/time.Microsecond)
	switch {
	case s.block == nil:
	case s.block.Until <= now:
		s.block = nil
	case s.block.Until > most:
		b := *s.block
		b.Until = most
		s.block, replaced = &b, true
	}
	return s, replaced
}

// policy returns the policy that a request is decided by: the override in place of the limits where there is one.
func (s standing) policy(req sluice.Request) *sluice.Policy {
	if o := s.override; o != nil && (o.Until == 0 || req.At < o.Until) {
		return &sluice.Policy{Name: req.Policy.Name, Limits: o.Limits}
	}
	return req.Policy
}

// refused returns the standing after a refusal at now that counts.
func (s standing) refused(p sluice.Penalty, now sluice.Tick) standing {
	refusals, rule := s.refusals, sluice.Per(p.After, p.Within)
	s.refusals = nil
	s, _ = s.at(now)
	refusals, _ = read(refusals, rule, int64(now))
	if refusals == nil {
		refusals = place(rule, int64(now), 1)
	} else {
		refusals = refusals.charged(int64(now), 1)
	}
	if counted(refusals, now) < p.After {
		s.refusals = refusals.advanced(int64(now))
		return s
	}
	lasts := p.For
	for range s.past {
		lasts = min(2*lasts, max(p.For, p.Max)) // no overflow: the longest is no more than a year and a day
	}
	s.block = &sluice.Block{Until: now + sluice.Tick(lasts/time.Microsecond), Reason: sluice.PenaltyReason, Penalty: true}
	s.past = min(s.past+1, mostPast)
	s.fades = s.block.Until + sluice.Tick(max(p.For, p.Max)/time.Microsecond)
	return s
}

// counted returns how many refusals count at now.
func counted(refusals holding, now sluice.Tick) int64 {
	if refusals == nil {
		return 0
	}
	parts := used(refusals, int64(now), strict)
	return parts.Div(parts, big.NewInt(period(refusals.limit()))).Int64()
}

// amended returns the standing after an amendment that asks for changes.
func (s standing) amended(a sluice.Amendment) standing {
	if b := a.Bar; b != nil {
		s.block = nil
		if until := until(b.Until, b.For, a.At); until > a.At {
			s.block = &sluice.Block{Until: until, Reason: b.Reason}
		}
		s, _ = s.barredAt(a.At)
	}
	if a.Unbar {
		s.block, s.refusals, s.past, s.fades = nil, nil, 0, 0
	}
	if e := a.Except; e != nil {
		s.override = &sluice.Override{Limits: slices.Clone(e.Limits)}
		if e.Until != 0 || e.For != 0 {
			s.override.Until = until(e.Until, e.For, a.At)
			s, _ = s.at(a.At)
		}
	}
	if a.Unexcept {
		s.override = nil
	}
	return s
}

func until(at sluice.Tick, d time.Duration, now sluice.Tick) sluice.Tick {
	if at != 0 {
		return at
	}
	return now + sluice.Tick(d/time.Microsecond)
}

// Amend changes the standing of a key as an amendment says, which must say its instant, and returns what it is then.
func (m *Model) Amend(a sluice.Amendment) sluice.Standing {
	id := ID{Policy: a.Policy, Key: a.Key}
	st, replaced := m.standing(id).at(a.At)
	change := a.Bar != nil || a.Unbar || a.Except != nil || a.Unexcept
	if change {
		st = st.amended(a)
	}
	if change || replaced {
		m.writeStanding(id, st, a.At)
	}
	return st.shown(a.At)
}

// Look returns the standing of a key at an instant, and changes nothing.
func (m *Model) Look(id ID, now sluice.Tick) sluice.Standing {
	st, _ := m.standing(id).at(now)
	return st.shown(now)
}

// shown returns a standing as a store shows it.
func (s standing) shown(now sluice.Tick) sluice.Standing {
	return sluice.Standing{Block: s.block, Override: s.override, Refusals: counted(s.refusals, now), Blocks: s.past}
}

// StandingLife returns how long the standing of a key must be kept, and whether there is any.
func (m *Model) StandingLife(id ID) (Life, bool) {
	st := m.standing(id)
	return st.life, !st.empty()
}

// ForgetStanding drops the standing of a key.
func (m *Model) ForgetStanding(id ID) { delete(m.standings, id.bare()) }

// bare returns the ID by which a standing is known.
func (id ID) bare() ID { return ID{Policy: id.Policy, Key: id.Key} }

// standing returns that of a key, empty where nothing is known.
func (m *Model) standing(id ID) standing {
	if st := m.standings[id.bare()]; st != nil {
		return *st
	}
	return standing{}
}

func (s standing) empty() bool {
	return s.block == nil && s.override == nil && s.refusals == nil && s.past == 0
}

// writeStanding remembers a standing as of an instant.
func (m *Model) writeStanding(id ID, st standing, now sluice.Tick) {
	if st.empty() {
		m.ForgetStanding(id)
		return
	}
	st.life = Life{Written: now, Forever: st.override != nil && st.override.Until == 0}
	if st.block != nil {
		st.life.last(st.block.Until)
	}
	if st.past > 0 {
		st.life.last(st.fades)
	}
	if st.override != nil {
		st.life.last(st.override.Until)
	}
	if st.refusals != nil {
		st.life.Least = max(st.life.Least, resetAfter(st.refusals, int64(now), strict))
		st.life.Most = max(st.life.Most, roundUp(resetAfter(st.refusals, int64(now), late)))
	}
	m.standings[id.bare()] = &st
}

// last lets a life last until an instant, at least.
func (l *Life) last(until sluice.Tick) {
	left := time.Duration(until-l.Written) * time.Microsecond
	l.Least, l.Most = max(l.Least, left), max(l.Most, roundUp(left))
}
