package breaker

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/sluice-project/sluice"
)

const (
	// firstGap is how long after it was opened a part is looked at; what was no more than a hiccup is over soon.
	firstGap = 25 * time.Millisecond
	// secondGap and laterGap are how long lies between the next looks.
	secondGap = 250 * time.Millisecond
	laterGap  = 500 * time.Millisecond
	// answerGap is how long lies between looks that are answered.
	answerGap = 10 * time.Millisecond
	// enoughAnswers is how many answers in a row let calls pass again.
	enoughAnswers = 3
	// doubtTime is how long a caller must have waited in vain to have a part looked at, and doubtGap how long lies between
	// two looks for that.
	doubtTime = 10 * time.Millisecond
	doubtGap  = 100 * time.Millisecond
)

// Run looks after parts that do not answer until ctx ends, and returns nil. While it does not run, every call passes.
func (s *Store) Run(ctx context.Context) error {
	var group sync.WaitGroup
	s.running.Store(true)
	for ctx.Err() == nil {
		select {
		case p := <-s.opened:
			group.Go(func() { s.watch(ctx, p) })
		case p := <-s.doubted:
			group.Go(func() { s.doubt(ctx, p) })
		case <-ctx.Done():
		}
	}
	s.running.Store(false)
	group.Wait()
	for i := range s.parts {
		s.pass(&s.parts[i])
	}
	return nil
}

// Look has all open parts looked at now, and not only when they are due: it is for who knows that the store has come back.
func (s *Store) Look() {
	next := make(chan struct{})
	close(*s.hurry.Swap(&next))
}

// watch looks at an open part until it answers.
func (s *Store) watch(ctx context.Context, p *part) {
	gap, answers := firstGap, 0
	for hurry := s.hurry.Load(); nap(ctx, gap, *hurry); {
		// What is said while the store is asked is worth another look.
		hurry = s.hurry.Load()
		_, err := s.Store.Check(ctx, s.question(p)) // which keys are whose is known once the store has been reached
		switch {
		case s.judge(context.Background(), 0, err) == answered:
			if answers++; answers == enoughAnswers {
				s.pass(p)
				return
			}
			gap = answerGap
		case gap == firstGap || answers > 0:
			gap, answers = secondGap, 0
		default:
			gap = laterGap
		}
	}
}

// pass has a part asked again.
func (s *Store) pass(p *part) {
	if p.close(s.now()) {
		s.open.Add(-1)
	}
}

// doubt looks whether a part answers of which a caller did not wait long enough to know.
func (s *Store) doubt(ctx context.Context, p *part) {
	defer p.doubted.Store(false)
	for range mostInARow {
		start := s.now()
		_, err := s.Store.Check(ctx, s.question(p))
		if ctx.Err() != nil {
			return
		}
		s.leaveLook(p, start, err)
		if !nap(ctx, max(apart-(s.now()-start), 0), nil) || s.judge(context.Background(), 0, err) == answered {
			break
		}
	}
	nap(ctx, doubtGap, nil)
}

// leaveLook takes note of how a look ended, which was no caller's.
func (s *Store) leaveLook(p *part, start time.Duration, err error) {
	p.waiting.Add(1)
	s.leave(context.Background(), p, start, err)
}

// nap waits until it is over or woken, and reports whether ctx has not ended.
func nap(ctx context.Context, d time.Duration, woken <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-woken:
	}
	return ctx.Err() == nil
}

// question returns what a part is asked to see whether it answers: a look at a key of it that nobody uses.
func (s *Store) question(p *part) sluice.Request {
	policy := sluice.InlinePolicy("breaker", sluice.PerSecond(1))
	key := "look"
	for i := 0; s.part(policy.Name, key) != p && i < mostKeys; i++ { // a few times the number of parts is enough
		key = strconv.Itoa(i)
	}
	return sluice.Request{Policy: &policy, Key: key, Cost: 1, Peek: true}
}

// mostKeys is how many keys are tried to find one of a part; where there is none, the part has been moved.
const mostKeys = 1 << 14
