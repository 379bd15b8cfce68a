package redisstore

import (
	"errors"
	"fmt"
	"math/bits"
	"time"

	"github.com/sluice-project/sluice"
)

// What most keys are answered is what they were before the call, and the instant. What each check was answered follows
// from these, because the arithmetic is exact: it is done here once more, by the rules by which the script has charged
// the key; the package algorithm explains them. So Redis packs no answers, and many checks of one key cost it little
// more than one.

// How the script's first string says what a key was; scripts/quick.lua describes it.
const (
	instantBytes = 7
	stateBytes   = 7 + 5

	noState      = 0
	settledState = 253
	severalState = 254
	otherAnswer  = 255
)

var errCut = errors.New("the script's answer ends within the state of a key")

// held is what a key has used of a limit, at the instant of a call.
type held struct {
	at   int64 // ticks
	used int64 // units taken since; 0 where nothing is used
	now  int64 // units that count as used, rounded up
}

// replay writes the results of a group's checks, by what its key was, which is how the answers begin. It returns the
// others.
func (g *group) replay(now sluice.Tick, answers string) (rest string, err error) {
	var all [sluice.MaxLimits]held
	states := all[:len(g.policy.Limits)]
	if rest, err = unpackStates(states, g.policy.Limits, answers); err != nil {
		return "", err
	}
	for i := range states {
		states[i].advance(&g.policy.Limits[i], int64(now))
	}
	for e := g.first; e != nil; e = e.next {
		decide(&e.result.Decision, &e.req, states, int64(now))
	}
	return rest, nil
}

// unpackStates reads the states of limits from the beginning of answers. It returns the others.
func unpackStates(states []held, limits []sluice.Limit, answers string) (rest string, err error) {
	if answers == "" {
		return "", errCut
	}
	switch answers[0] {
	case noState:
		return answers[1:], nil
	case settledState:
		size := 1 + stateBytes*len(limits)
		if len(answers) < size {
			return "", errCut
		}
		for i := range states {
			states[i] = unpackState(answers[1+stateBytes*i:])
		}
		return answers[size:], nil
	case severalState:
		if len(answers) < 3 || len(answers) < 3+int(bigEndian(answers[1:3])) {
			return "", errCut
		}
		size := 3 + int(bigEndian(answers[1:3]))
		value := answers[3:size]
		for i := range states {
			head := headBytes(limits[i])
			if name := limits[i].Name(); len(value) >= head+stateBytes && int(value[0]) == len(name) && value[1:1+len(name)] == name {
				states[i] = unpackState(value[head:])
				value = value[head+stateBytes:]
			}
		}
		if value != "" {
			return "", fmt.Errorf("the script's answer has %d bytes of a state that are of no limit", len(value))
		}
		return answers[size:], nil
	default:
		head := headBytes(limits[0])
		if len(limits) != 1 || int(answers[0]) != len(limits[0].Name()) || len(answers) < head+stateBytes {
			return "", fmt.Errorf("the script's answer begins with %d, in %d bytes for a key of %d limits", answers[0], len(answers), len(limits))
		}
		states[0] = unpackState(answers[head:])
		return answers[head+stateBytes:], nil
	}
}

// headBytes returns the length of what begins a limit's part of a value: its name with its length, kind, period, count.
func headBytes(l sluice.Limit) int { return 1 + len(l.Name()) + 1 + 5 + 4 }

func unpackState(b string) held {
	at := int64(bigEndian(b[:7]))
	return held{at: at << 8 >> 8, used: int64(bigEndian(b[7:stateBytes]))} // at is signed
}

func ticksOf(l *sluice.Limit) int64 { return int64(l.Period() / time.Microsecond) }

// advance brings a state to an instant.
func (h *held) advance(l *sluice.Limit, now int64) {
	h.now = h.used
	since, period := now-h.at, ticksOf(l)
	switch {
	case h.used == 0:
	case l.Algorithm() != sluice.TokenBucket:
		if since >= period {
			h.used, h.now = 0, 0
		}
	case since > 0:
		earned, _ := mulDiv(since, l.Count(), period)
		h.now = max(0, h.used-earned)
		if h.now == 0 {
			h.used = 0
		}
	}
}

// decide answers a check, and charges it where all limits have room.
func decide(d *sluice.Decision, req *sluice.Request, states []held, now int64) {
	limits := req.Policy.Limits
	fits := true
	for i := range states {
		fits = fits && req.Cost <= limits[i].Capacity()-states[i].now
	}
	charge := fits && !req.Peek && req.Cost > 0
	*d = sluice.NewDecision(*req)
	for i := range states {
		h, l := &states[i], &limits[i]
		if charge {
			h.take(l, now, req.Cost)
		}
		room := l.Capacity() - h.now
		o := sluice.Outcome{Allowed: charge || req.Cost <= room, Remaining: max(0, room), ResetAfter: h.resetAfter(l, now)}
		switch {
		case o.Allowed:
		case req.Cost > l.Capacity():
			o.RetryAfter = sluice.Never
		case l.Algorithm() == sluice.TokenBucket:
			o.RetryAfter = earnedAfter(l, h.used+req.Cost-l.Capacity(), h.at-now)
		default:
			o.RetryAfter = wait(h.at + ticksOf(l) - now)
		}
		d.Add(o)
	}
}

// take charges units to a state that was brought to now.
func (h *held) take(l *sluice.Limit, now, units int64) {
	switch {
	case l.Algorithm() == sluice.SlidingWindow:
		h.at = max(now, h.at)
	case h.used == 0 && l.Aligned():
		h.at = now - now%ticksOf(l)
	case h.used == 0:
		h.at = now
	}
	h.used, h.now = h.used+units, h.now+units
}

// resetAfter returns in how long the state reads like that of a key never seen.
func (h *held) resetAfter(l *sluice.Limit, now int64) time.Duration {
	switch {
	case h.used == 0:
		return 0
	case l.Algorithm() == sluice.TokenBucket:
		return earnedAfter(l, h.used, h.at-now)
	}
	return wait(h.at + ticksOf(l) - now)
}

// earnedAfter returns how long it takes until a bucket that was full to the brim in so many ticks, or has been, has earned
// units since.
func earnedAfter(l *sluice.Limit, units, full int64) time.Duration {
	ticks, rest := mulDiv(units, ticksOf(l), l.Count())
	if rest > 0 {
		ticks++
	}
	return wait(ticks + full)
}

// wait returns a span that is given in ticks, never more than [sluice.MaxWait].
func wait(ticks int64) time.Duration {
	return time.Duration(min(max(0, ticks), int64(sluice.MaxWait/time.Microsecond))) * time.Microsecond
}

// mulDiv returns a*b/c, rounded down, and the remainder. A quotient that is beyond all reckoning is one of 2^62.
func mulDiv(a, b, c int64) (quotient, remainder int64) {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	if hi >= uint64(c) {
		return 1 << 62, 0
	}
	q, r := bits.Div64(hi, lo, uint64(c))
	return int64(min(q, 1<<62)), int64(r)
}
