// Package breaker keeps callers from waiting for a store that does not answer.
//
// [New] puts it around a store, innermost, so that what stands before it goes on. While the store answers, every call
// passes through. When it has not answered for a few calls it is open: checks are answered at once with [ErrOpen], which
// says that nothing was sent, and nobody waits. Meanwhile [Store.Run] looks, on its own goroutine and at no caller's cost,
// whether the store answers again; when it has answered three times in a row, checks pass as before.
//
//	          3 unanswered in a row, or half of the last second's
//	closed ----------------------------------------------------------> open
//	  ^                                                                  |  a look after 25 ms, 250 ms, then every 500 ms
//	  |              3 answers in a row, 10 ms apart                     |
//	  +------------------------------------------------------------------+
//
// A call is unanswered where its error wraps [sluice.ErrNotSent] or [sluice.ErrUncertain]. Every other error is an answer:
// the key's state is foreign, or the store refuses the call, and does so quickly. A caller who gives up before half of the
// store's timeout has passed has learned nothing of the store, so that callers with short deadlines can not open it for all
// others; but where he has waited a while, Run looks.
//
// A store may have parts that fail apart, as ranges of slots on the nodes of a Cluster do: each part has a state of its own.
// While one is open a single unanswered call opens another, which is likely to be on the same node.
//
// Where very many callers wait and the store has answered none of them for half of its timeout, those who come are
// answered at once with [ErrBusy]: what waiting callers hold in memory is bounded before it is known whether the store has
// failed.
//
// Before Run is called every check passes through. The package does no I/O of its own. It imports the core and the
// standard library only.
package breaker

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/sluice-project/sluice"
)

var _ sluice.Store = (*Store)(nil)

var (
	// ErrOpen is wrapped by the errors of checks that were not sent, because the store has not answered for a while. They
	// wrap [sluice.ErrNotSent] too.
	ErrOpen = errors.New("it is not asked until it answers again")
	// ErrBusy is wrapped by the errors of checks that were not sent, because too many wait already and none is answered.
	// They wrap [sluice.ErrNotSent] too.
	ErrBusy = errors.New("too many checks wait for it, and it answers none")
)

// errBusy is made once: it is for when there are very many.
var errBusy = fmt.Errorf("the store: %w: %w", ErrBusy, sluice.ErrNotSent)

// Config says what a store is made of. The zero Config works.
type Config struct {
	// Timeout is the longest that the store takes for a call; 100 ms by default. Half of it is what a caller must have
	// waited to count.
	Timeout time.Duration
	// Parts is how many parts the store has that may fail apart; 1 by default.
	Parts int
	// Part returns the part that a key is in, 0 to Parts-1. It is needed where Parts is more than 1.
	Part func(policy, key string) int
	// MaxWaiting is how many checks may wait for a part that answers none of them; 256 by default.
	MaxWaiting int
}

// Store is a [sluice.Store] that does not let checks wait for another that does not answer. What administers, Reset, Amend
// and List, is always tried. It is safe for concurrent use.
type Store struct {
	sluice.Store
	config   Config
	begun    time.Time
	parts    []part
	running  atomic.Bool
	open     atomic.Int64 // parts that are
	openings atomic.Int64
	opened   chan *part                    // to be looked at until they answer
	doubted  chan *part                    // to be looked at once
	hurry    atomic.Pointer[chan struct{}] // closed when open parts are to be looked at now
}

// New returns a store around one. It fails only where the Config contradicts itself.
func New(store sluice.Store, cfg Config) (*Store, error) {
	if cfg.Timeout < 0 || cfg.Parts < 0 || cfg.MaxWaiting < 0 {
		return nil, fmt.Errorf("breaker: Timeout is %s, Parts %d, MaxWaiting %d; none may be negative", cfg.Timeout, cfg.Parts, cfg.MaxWaiting)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 100 * time.Millisecond
	}
	if cfg.MaxWaiting == 0 {
		cfg.MaxWaiting = 256
	}
	if cfg.Parts == 0 {
		cfg.Parts = 1
	}
	if cfg.Part == nil {
		if cfg.Parts > 1 {
			return nil, fmt.Errorf("breaker: there are %d Parts and no Part, which says where a key is", cfg.Parts)
		}
		cfg.Part = func(string, string) int { return 0 }
	}
	s := &Store{
		Store: store, config: cfg, begun: time.Now(), parts: make([]part, cfg.Parts),
		opened: make(chan *part, cfg.Parts), doubted: make(chan *part, cfg.Parts),
	}
	for i := range s.parts {
		s.parts[i].number = i
	}
	hurry := make(chan struct{})
	s.hurry.Store(&hurry)
	return s, nil
}

// Stats is what a store has come to.
type Stats struct {
	// Open is how many parts are open now.
	Open int
	// Openings is how often one was opened.
	Openings int64
}

// Stats returns what the store has come to.
func (s *Store) Stats() Stats {
	return Stats{Open: int(s.open.Load()), Openings: s.openings.Load()}
}

// Refusal returns the error that a check of a key would be answered at once, nil where it would be sent. It is for calls
// that do not pass through the store.
func (s *Store) Refusal(policy, key string) error {
	if r := s.part(policy, key).refusal.Load(); r != nil {
		return r.err
	}
	return nil
}

func (s *Store) part(policy, key string) *part {
	if len(s.parts) == 1 {
		return &s.parts[0]
	}
	return &s.parts[s.config.Part(policy, key)]
}

func (s *Store) now() time.Duration { return time.Since(s.begun) }

// Check implements [sluice.Store].
func (s *Store) Check(ctx context.Context, req sluice.Request) (sluice.Decision, error) {
	if !s.running.Load() {
		return s.Store.Check(ctx, req)
	}
	p := s.part(req.Policy.Name, req.Key)
	start, err := s.enter(p)
	if err != nil {
		return sluice.Decision{}, err
	}
	d, err := s.Store.Check(ctx, req)
	s.leave(ctx, p, start, err)
	return d, err
}

// CheckAll implements [sluice.Store]. It is one call for each part that has a key in it.
func (s *Store) CheckAll(ctx context.Context, reqs []sluice.Request) []sluice.Result {
	if len(reqs) == 0 || !s.running.Load() {
		return s.Store.CheckAll(ctx, reqs)
	}
	first := s.part(reqs[0].Policy.Name, reqs[0].Key)
	for i := range reqs[1:] {
		if s.part(reqs[1+i].Policy.Name, reqs[1+i].Key) != first {
			return s.checkApart(ctx, reqs)
		}
	}
	start, err := s.enter(first)
	if err != nil {
		results := make([]sluice.Result, len(reqs))
		for i := range results {
			results[i].Err = err
		}
		return results
	}
	results := s.Store.CheckAll(ctx, reqs)
	for _, r := range results {
		if err == nil || s.judge(ctx, start, r.Err) != answered {
			err = r.Err
		}
	}
	s.leave(ctx, first, start, err)
	return results
}

// checkApart is CheckAll for keys of several parts.
func (s *Store) checkApart(ctx context.Context, reqs []sluice.Request) []sluice.Result {
	type share struct {
		entered bool
		start   time.Duration
		refusal error // why nothing of it was sent
		err     error // of a check that was
	}
	var (
		results = make([]sluice.Result, len(reqs))
		shares  = make([]share, len(s.parts))
		asked   = make([]sluice.Request, 0, len(reqs))
		places  = make([]int, 0, len(reqs))
	)
	for i := range reqs {
		p := s.part(reqs[i].Policy.Name, reqs[i].Key)
		sh := &shares[p.number]
		if !sh.entered && sh.refusal == nil {
			sh.start, sh.refusal = s.enter(p)
			sh.entered = sh.refusal == nil
		}
		if sh.refusal != nil {
			results[i].Err = sh.refusal
			continue
		}
		asked, places = append(asked, reqs[i]), append(places, i)
	}
	if len(asked) == 0 {
		return results
	}
	for i, r := range s.Store.CheckAll(ctx, asked) {
		results[places[i]] = r
		sh := &shares[s.part(asked[i].Policy.Name, asked[i].Key).number]
		if sh.err == nil || s.judge(ctx, sh.start, r.Err) != answered {
			sh.err = r.Err
		}
	}
	for i := range shares {
		if shares[i].entered {
			s.leave(ctx, &s.parts[i], shares[i].start, shares[i].err)
		}
	}
	return results
}

// enter lets a call through to a part, or says why not.
func (s *Store) enter(p *part) (start time.Duration, err error) {
	if r := p.refusal.Load(); r != nil {
		return 0, r.err
	}
	start = s.now()
	most := int64(s.config.MaxWaiting)
	switch n := p.waiting.Add(1); {
	case n == most/2+1: // from here on it is known when it answers
		p.heard.Store(int64(start))
	case n > most && start-time.Duration(p.heard.Load()) > s.config.Timeout/2:
		p.waiting.Add(-1)
		return 0, errBusy
	}
	return start, nil
}

// leave takes note of how a call ended.
func (s *Store) leave(ctx context.Context, p *part, start time.Duration, err error) {
	n := p.waiting.Add(-1)
	switch s.judge(ctx, start, err) {
	case answered:
		if n >= int64(s.config.MaxWaiting)/2 {
			p.heard.Store(int64(s.now()))
		}
		p.answered(start)
	case unanswered:
		if p.unanswered(start, s.now(), s.open.Load() > 0) {
			s.refuse(p, err)
		}
	case unknown:
		if s.now()-start >= doubtTime && p.refusal.Load() == nil && p.doubted.CompareAndSwap(false, true) {
			s.doubted <- p // which has room for all
		}
	}
}

// verdict is what a call says of the store.
type verdict int

const (
	answered verdict = iota
	unanswered
	unknown
)

// judge says what the end of a call says of the store.
func (s *Store) judge(ctx context.Context, start time.Duration, err error) verdict {
	switch {
	case err == nil, errors.Is(err, sluice.ErrForeignState), !errors.Is(err, sluice.ErrNotSent) && !errors.Is(err, sluice.ErrUncertain):
		return answered
	case ctx.Err() != nil && s.now()-start < s.config.Timeout/2:
		return unknown
	}
	return unanswered
}

// refuse has a part not asked any more, unless it is so already.
func (s *Store) refuse(p *part, cause error) {
	r := &refusal{fmt.Errorf("the store: %w: %w (it failed with: %v)", ErrOpen, sluice.ErrNotSent, cause)}
	if s.running.Load() && p.refusal.CompareAndSwap(nil, r) {
		s.open.Add(1)
		s.openings.Add(1)
		s.opened <- p // which has room for all
	}
}
