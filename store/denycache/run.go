package denycache

import (
	"context"
	"time"

	"github.com/sluice-project/sluice"
)

const (
	// beat is how often Run looks for refusals that are to be reported.
	beat = 100 * time.Millisecond
	// parts is in how many beats the whole table is swept.
	parts = 64
	// mostTogether is how many keys are reported in one call.
	mostTogether = 256
	// patience is how long such a call may take, where the store has no deadline of its own.
	patience = time.Second
)

// Run lets refusals be remembered, and reports those that count towards penalties, until ctx ends; it returns nil then,
// and every check passes through again. One Run is enough for a store.
func (s *Store) Run(ctx context.Context) error {
	s.running.Store(true)
	defer s.running.Store(false)
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for part := 0; ; part = (part + 1) % parts {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		s.report(ctx)
		s.table.sweep(part, parts, s.now())
	}
}

// report tells the store of the refusals that wait for it.
func (s *Store) report(ctx context.Context) {
	var due []waiting
	for i := range s.table.guards {
		due = append(due, s.table.guards[i].due(s.now())...)
	}
	for len(due) > 0 {
		n := min(len(due), mostTogether)
		s.reportSome(ctx, due[:n])
		due = due[n:]
	}
}

// reportSome asks again what was refused, without taking anything: so the refusal is known anew as well, and whoever asks
// next need not go to the store. Where that does not succeed, the next question takes the refusals along, if it comes soon.
func (s *Store) reportSome(ctx context.Context, due []waiting) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	reqs := make([]sluice.Request, len(due))
	questions := make([]question, len(due))
	for i, w := range due {
		reqs[i] = sluice.Request{Policy: w.by.policy, Key: w.key, Cost: w.by.decision.Cost, Peek: true, Before: w.by.before}
		questions[i] = question{hash: w.hash, entry: w.entry, sent: s.now()}
		w.waiting.Store(false) // and then those are taken that came before
		s.send(&questions[i], &reqs[i])
	}
	for i, r := range s.store.CheckAll(ctx, reqs) {
		q, req := &questions[i], &reqs[i]
		if r.Err != nil {
			q.takeBack(r.Err)
		} else if s.table.find(q.hash, req.Policy.Name, req.Key) == q.entry { // else others have its place
			s.learn(q, req, r.Decision)
		}
	}
}
