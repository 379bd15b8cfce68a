package algorithm

import (
	"slices"
	"strings"
	"time"

	"github.com/sluice-project/sluice"
)

// Standing is what a store keeps of one key of one policy besides its counters: a block, the refusals and past blocks
// that count towards a penalty, and limits of its own. The zero Standing is that of a key of which nothing is known. A
// Standing is not safe for concurrent use, and must not be copied once it was written.
//
// A decision on a key that has one goes through it: Ask before [Record.Decide], Answer after it. That of a key that has
// none and is refused makes one where the refusal [Counts]; one that [Reports] refusals goes through a new one.
type Standing struct {
	block    sluice.Block // none where Until is 0
	refusals state        // of a sliding window
	rule     sluice.Limit // by which the refusals were written
	past     int          // penalties
	fades    int64        // the instant from which past counts no more
	override *sluice.Policy
	until    int64 // of the override; forever where it is for good
}

// mostPast is how many past penalties are counted: by then any block has reached its longest.
const mostPast = 62

// longest is the longest that a block can last, in ticks.
const longest = int64(sluice.MaxPeriod / time.Microsecond)

// Ask returns a request as the limits are to be asked it: those of the key's override where it has one, and without
// taking anything while a block bars the key. The refusals that the request reports are counted before that. It reports
// whether it wrote to the standing, for these or because a block from too far ahead had to be replaced.
func (s *Standing) Ask(req *sluice.Request, now sluice.Tick) (asked sluice.Request, written bool) {
	asked = *req
	if int64(s.block.Until-now) > longest {
		s.settle(int64(now))
		s.readRefusals(s.rule, int64(now))
		written = true
	}
	if barred := s.block.Until > now; Reports(req) && !barred {
		s.settle(int64(now))
		s.count(req.Policy.Penalty, int64(now), req.Refusals)
		written = true
	}
	asked.Peek = req.Peek || s.block.Until > now // which bars no refund
	if s.override != nil && int64(now) < s.until {
		if s.override.ResetAt != req.Policy.ResetAt {
			s.override = &sluice.Policy{Name: req.Policy.Name, Limits: s.override.Limits, ResetAt: req.Policy.ResetAt}
		}
		asked.Policy = s.override
	}
	return asked, written
}

// Answer completes the decision of a request that the limits have answered at an instant: it joins the block that bars
// the key, and counts a refusal, which may begin one. It reports whether it wrote to the standing.
func (s *Standing) Answer(req *sluice.Request, now sluice.Tick, d *sluice.Decision) (written bool) {
	if s.block.Until <= now {
		if !Counts(req, d) {
			return false
		}
		s.settle(int64(now))
		s.count(req.Policy.Penalty, int64(now), 1)
		written = true
	}
	if left := wait(int64(s.block.Until), int64(now)); left > 0 {
		d.Bar(s.block, left)
	}
	return written
}

// Counts reports whether what the limits have answered to a request is a refusal that counts towards a penalty. It must
// not be asked where a block bars the key.
func Counts(req *sluice.Request, d *sluice.Decision) bool {
	return !d.Allowed && req.Policy.Penalty != nil && req.Cost > 0 && !req.Peek && !req.Uncounted
}

// Reports reports whether a request brings refusals that count towards a penalty, unless a block bars the key.
func Reports(req *sluice.Request) bool { return req.Refusals > 0 && req.Policy.Penalty != nil }

// count adds refusals, and begins a block where one of them is the last that the penalty lets pass.
func (s *Standing) count(p *sluice.Penalty, now, refusals int64) {
	if before, _ := s.readRefusals(sluice.Per(p.After, p.Within), now); before+refusals < p.After {
		s.refusals.take(&s.rule, now, refusals)
		return
	}
	until := now + int64(p.Lasts(s.past)/time.Microsecond)
	s.block = sluice.Block{Until: sluice.Tick(until), Reason: sluice.PenaltyReason, Penalty: true}
	s.refusals = state{}
	s.past = min(s.past+1, mostPast)
	s.fades = until + int64(p.Longest()/time.Microsecond)
}

// Amend changes the standing at an instant and returns what it is then. It reports whether it wrote to it: a look does so
// only where something had to be replaced.
func (s *Standing) Amend(a *sluice.Amendment, now sluice.Tick) (is sluice.Standing, written bool) {
	found := *s // a look leaves s as it is
	replaced := found.settle(int64(now))
	refusals, ahead := found.readRefusals(found.rule, int64(now))
	change := a.Bar != nil || a.Unbar || a.Except != nil || a.Unexcept
	if b := a.Bar; b != nil {
		until := ends(b.Until, b.For, now)
		found.block = sluice.Block{}
		if until > now {
			found.block = sluice.Block{Until: min(until, now+sluice.Tick(longest)), Reason: strings.Clone(b.Reason)}
		}
	}
	if a.Unbar {
		found.block, found.refusals, found.past, found.fades = sluice.Block{}, state{}, 0, 0
		refusals = 0
	}
	if e := a.Except; e != nil {
		found.except(a.Policy, e, now)
	}
	if a.Unexcept {
		found.override, found.until = nil, 0
	}
	if written = change || replaced || ahead; written {
		*s = found
	}
	return found.view(refusals), written
}

// except gives the key limits of its own, unless the time for them has passed.
func (s *Standing) except(policy string, e *sluice.Exception, now sluice.Tick) {
	until := int64(ends(e.Until, e.For, now))
	if e.Until == 0 && e.For == 0 {
		until = forever
	}
	s.override, s.until = nil, 0
	if until > int64(now) {
		s.override, s.until = &sluice.Policy{Name: strings.Clone(policy), Limits: slices.Clone(e.Limits)}, until
	}
}

// ends returns when something ends that is said to last until an instant or, where that is 0, for a time from now on.
func ends(until sluice.Tick, d time.Duration, now sluice.Tick) sluice.Tick {
	if until != 0 {
		return until
	}
	return now + sluice.Tick(d/time.Microsecond)
}

// view returns a standing that was read, for those who ask.
func (s *Standing) view(refusals int64) sluice.Standing {
	is := sluice.Standing{Refusals: refusals, Blocks: s.past}
	if s.block.Until != 0 {
		b := s.block
		is.Block = &b
	}
	if s.override != nil {
		is.Override = &sluice.Override{Limits: slices.Clone(s.override.Limits)}
		if s.until != forever {
			is.Override.Until = sluice.Tick(s.until)
		}
	}
	return is
}

// Ends returns the instant from which nothing of the standing means anything any more: 0 where nothing does now, and
// [math.MaxInt64] where it holds an override for good.
func (s *Standing) Ends() sluice.Tick {
	return max(s.block.Until, sluice.Tick(max(s.fades, s.until, s.refusals.resetAt(&s.rule))))
}

// Holds reports whether the standing holds a block and whether it holds an override, ended or not.
func (s *Standing) Holds() (block, override bool) { return s.block.Until != 0, s.override != nil }

// settle drops what has ended at now but for the refusals, and reports whether the block had to be replaced: one from so
// far ahead that a clock must have been wrong lasts no longer than a block can.
func (s *Standing) settle(now int64) (replaced bool) {
	switch left := int64(s.block.Until) - now; {
	case left <= 0:
		s.block = sluice.Block{}
	case left > longest:
		s.block.Until, replaced = sluice.Tick(now+longest), true
	}
	if s.fades <= now {
		s.past, s.fades = 0, 0
	}
	if s.until <= now {
		s.override, s.until = nil, 0
	}
	return replaced
}

// readRefusals brings the refusals to now, under a rule that may be another than the one that they were written by. It
// returns how many there are, and reports whether they came from so far ahead that they were replaced.
func (s *Standing) readRefusals(rule sluice.Limit, now int64) (refusals int64, replaced bool) {
	if !s.refusals.fresh() && !sameRule(&s.rule, &rule) {
		s.refusals.carry(&s.rule, &rule, now)
	}
	s.rule = rule
	return s.refusals.advance(&s.rule, now)
}
