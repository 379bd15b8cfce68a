package respapi

import (
	"context"

	"github.com/sluice-project/sluice/engine"
)

// pending is checks of one kind that came one after the other and wait for each other: they are decided together, and
// answered in their order. Its memory goes from one batch of a client to the next.
type pending struct {
	throttles []throttle       // those of CL.THROTTLE
	rules     engine.RuleBatch // theirs, but for those with a fault
	checks    []check          // those of SL.CHECK and SL.PEEK
	policies  []engine.Query   // theirs, but for those with a fault
	keys      []byte           // of all that are to be decided, one behind the other
}

// check is one SL.CHECK or SL.PEEK.
type check struct {
	fault     string // what it is answered without being decided; "" where it is decided
	peek      bool
	keyLength int
}

// throttle takes in a CL.THROTTLE.
func (s *session) throttle(args [][]byte) {
	p := &s.pending
	if len(p.checks) > 0 || s.full(len(p.throttles)) {
		s.decide()
	}
	t, q := s.readThrottle(args)
	p.throttles = append(p.throttles, t)
	if t.fault == "" {
		p.keys = append(p.keys, args[1]...)
		p.rules.Queries = append(p.rules.Queries, q)
	}
}

// check takes in an SL.CHECK, or an SL.PEEK.
func (s *session) check(args [][]byte, peek bool) {
	p := &s.pending
	if len(p.throttles) > 0 || s.full(len(p.checks)) {
		s.decide()
	}
	q, fault := readCheck(args, peek)
	p.checks = append(p.checks, check{fault, peek, len(args[2])})
	if fault == "" {
		p.keys = append(p.keys, args[2]...)
		p.policies = append(p.policies, q)
	}
}

// decide decides and answers whatever is pending.
func (s *session) decide() {
	switch {
	case len(s.pending.throttles) > 0:
		s.decideThrottles()
	case len(s.pending.checks) > 0:
		s.decideChecks()
	}
}

func (s *session) decideThrottles() {
	p := &s.pending
	// The keys outlive what was read, because a store may look at them after it has answered; one string holds all.
	keys, i := string(p.keys), 0
	for _, t := range p.throttles {
		if t.fault == "" {
			p.rules.Queries[i].Key, keys = keys[:t.keyLength], keys[t.keyLength:]
			i++
		}
	}
	s.door.engine.CheckBatch(context.Background(), &p.rules)
	results := p.rules.Results
	for i := range p.throttles {
		t := &p.throttles[i]
		if t.fault != "" {
			s.reply.fail(t.fault)
			continue
		}
		s.reply.answerThrottle(t, &results[0])
		results = results[1:]
		s.spill()
	}
	p.rules.Forget()
	clear(p.throttles)
	p.throttles, p.keys = p.throttles[:0], p.keys[:0]
}

func (s *session) decideChecks() {
	p := &s.pending
	keys, i := string(p.keys), 0
	for _, c := range p.checks {
		if c.fault == "" {
			p.policies[i].Key, keys = keys[:c.keyLength], keys[c.keyLength:]
			i++
		}
	}
	results := s.door.engine.CheckAll(context.Background(), p.policies)
	for _, c := range p.checks {
		if c.fault != "" {
			s.reply.fail(c.fault)
			continue
		}
		s.reply.answerCheck(&results[0], c.peek)
		results = results[1:]
		s.spill()
	}
	clear(p.policies)
	clear(p.checks)
	p.checks, p.policies, p.keys = p.checks[:0], p.policies[:0], p.keys[:0]
}
