// Package check goes over the record of a run and says what in it must not be. It imports no code of the product, and has
// arithmetic of its own: what it knows of the product is what the documentation promises.
//
// A check was decided at some instant between its question and its answer. Each rule takes the instants that are best
// for the product, so what is found is a violation whatever they were.
package check

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/sluice-project/sluice/server/e2e/chaos/record"
)

// Violation is something that must not be.
type Violation struct {
	Rule string
	Text string // the evidence
}

func (v Violation) String() string { return v.Rule + ": " + v.Text }

// Report is what was found, and of how much.
type Report struct {
	Violations []Violation
	Found      map[string]int // how many violations by rule; only the first few are kept
	Looked     map[string]int // how much each rule has looked at, so that none passes by looking at nothing
	Excused    int            // answers that came late while the machine stood still
	Stood      int            // answers after the end that are not looked at because the machine stood still before them
	Longest    record.Check   // of those that count: the one that took longest
	Worst      record.Check   // the one that took longest of all
}

// kept is how many violations of a rule are kept.
const kept = 3

func (r *Report) violate(rule, format string, args ...any) {
	if r.Found[rule]++; r.Found[rule] <= kept {
		r.Violations = append(r.Violations, Violation{rule, fmt.Sprintf(format, args...)})
	}
}

// The rules.
const (
	Bound    = "bound"
	Shares   = "shares add up"
	Alone    = "no share is more than the limit"
	Refusal  = "a refusal takes nothing"
	InTime   = "in time"
	OnError  = "on_error"
	Back     = "back to normal"
	Ticks    = "each tick once"
	Expiry   = "no key is immortal"
	Resource = "memory and goroutines"
	Rotated  = "what is rotated counts"
)

// Rules are all rules in the order in which they are told.
var Rules = []string{Bound, Shares, Alone, Refusal, InTime, OnError, Back, Ticks, Expiry, Resource, Rotated}

// Run looks at a run.
func Run(run *record.Run) *Report {
	r := &Report{Found: map[string]int{}, Looked: map[string]int{}}
	bySubject := make([][]record.Check, len(run.Subjects))
	for _, c := range run.Checks {
		if c.Ending != record.Refused { // nothing was asked
			bySubject[c.Subject] = append(bySubject[c.Subject], c)
		}
	}
	apart := apartnessOf(run)
	for i, checks := range bySubject {
		slices.SortStableFunc(checks, func(a, b record.Check) int { return cmp.Compare(a.Asked, b.Asked) })
		policy := &run.Policies[run.Subjects[i].Policy]
		s := subject{run: run, policy: policy, name: policy.Name + " " + run.Subjects[i].Key, checks: checks}
		s.shard = shardOf(run.Subjects[i].Tag, run.Shards)
		s.bounds(r)
		s.shares(r, apart)
		s.refusals(r)
	}
	still := stallsOf(run)
	inTime(run, still, r)
	obeyed(run, r)
	back(run, still, r)
	ticks(run, r)
	expiry(run, r)
	resources(run, r)
	rotated(run, still, r)
	return r
}

// subject is one key under one policy, and the checks of it in the order in which they were asked.
type subject struct {
	run    *record.Run
	policy *record.Policy
	name   string
	shard  int
	checks []record.Check
}

// forgets reports whether a fault may have made Redis forget what it knew of the key.
func (s *subject) forgets(f *record.Fault) bool {
	return f.Forgets && (f.Shard < 0 || s.shard < 0 || f.Shard == s.shard)
}

// admitted reports whether a check was let through by what Redis counts.
func admitted(c *record.Check) bool {
	return c.Ending == record.Answered && c.Allowed && c.Cost > 0 && (c.Source == record.Store || c.Source == record.Lease)
}

// shardOf returns which third of the slots of a Cluster a key is in, or -1 where that is not known.
func shardOf(tag string, shards int) int {
	if tag == "" || shards < 2 {
		return -1
	}
	const slots = 1 << 14
	slot := int(crc16(tag)) % slots
	for shard := range shards {
		if slot < (shard+1)*slots/shards {
			return shard
		}
	}
	return -1
}

// crc16 is the CRC-16 of XMODEM, bit by bit.
func crc16(s string) (crc uint16) {
	for i := range len(s) {
		crc ^= uint16(s[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}

func seconds(ns int64) string { return fmt.Sprintf("%.6f s", float64(ns)/1e9) }

// at tells an instant by how long the run had been going on.
func (s *subject) at(instant int64) string { return seconds(instant - s.run.Begin) }
