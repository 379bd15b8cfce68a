package lease_test

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/store/lease"
)

// pool is a lender of so many units, which never come back: what is taken is taken. It lends what it has.
type pool struct {
	sluice.Store // none: what is not asked here must not be asked

	mu     sync.Mutex
	all    int64
	left   int64
	out    map[sluice.Tick]int64 // by their ends
	checks int
	sent   []lease.Ask
	asks   []lease.Ask // of these, those that have been carried out
	resets int
	stale  int // asks that came at or after their Before
	stands bool
	fails  error // of the next asks
	loses  bool  // carries the next asks out, and says nothing
	takes  time.Duration
	more   int64 // lends so many more than are wanted
	broken bool  // fails each ask
	// amending is called before an amendment holds.
	amending func()
	granted  []span
}

// span is when a loan may be spent.
type span struct{ from, until time.Time }

func newPool(units int64) *pool {
	return &pool{all: units, left: units, out: make(map[sluice.Tick]int64)}
}

func (p *pool) Check(_ context.Context, req sluice.Request) (sluice.Decision, error) {
	runtime.Gosched() // as whoever waits for an answer
	p.mu.Lock()
	defer p.mu.Unlock()
	p.checks++
	if req.Refund > 0 {
		out := int64(0)
		for _, units := range p.out {
			out += units
		}
		p.left = min(p.left+int64(req.Refund), p.all-out)
	}
	d := sluice.NewDecision(req)
	o := sluice.Outcome{Allowed: req.Cost <= p.left, Remaining: p.left}
	if o.Allowed && !req.Peek {
		p.left -= req.Cost
	} else if !o.Allowed {
		o.RetryAfter = time.Second
	}
	d.Add(o)
	return d, nil
}

func (p *pool) CheckAll(ctx context.Context, reqs []sluice.Request) []sluice.Result {
	results := make([]sluice.Result, len(reqs))
	for i, req := range reqs {
		results[i].Decision, results[i].Err = p.Check(ctx, req)
	}
	return results
}

func (p *pool) Reset(context.Context, *sluice.Policy, string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.resets++
	return nil
}

func (p *pool) Amend(context.Context, sluice.Amendment) (sluice.Standing, error) {
	if p.amending != nil {
		p.amending()
	}
	return sluice.Standing{}, p.Reset(context.Background(), nil, "")
}

func (p *pool) Lend(_ context.Context, asks []lease.Ask) []lease.Answer {
	sent := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = append(p.sent, asks...)
	if p.takes > 0 {
		p.mu.Unlock()
		time.Sleep(p.takes)
		p.mu.Lock()
	}
	answers := make([]lease.Answer, len(asks))
	for i, a := range asks {
		p.asks = append(p.asks, a)
		if a.Before != 0 && a.Before <= sluice.Tick(time.Now().UnixMicro()) {
			p.stale++
		}
		if answers[i].Err = p.fails; p.fails == nil && !p.broken {
			answers[i] = p.lend(a, sent)
		}
		if p.broken {
			answers[i] = lease.Answer{Err: sluice.ErrNotSent}
		}
		if p.loses {
			answers[i] = lease.Answer{Err: sluice.ErrUncertain}
		}
	}
	p.fails = nil
	return answers
}

func (p *pool) lend(a lease.Ask, sent time.Time) (is lease.Answer) {
	now := time.Now()
	is.Now, is.Limits = sluice.Tick(now.UnixMicro()), []lease.State{{ResetAfter: time.Hour, Remaining: p.left}}
	kept := int64(0)
	if units, known := p.out[a.Held.End]; known && units == a.Held.Units && a.Held.End > is.Now {
		if is.Stands = a.Keep && p.stands; is.Stands {
			is.Loan = a.Held
			return is
		}
		delete(p.out, a.Held.End)
		if is.Kept = a.Keep; a.Keep {
			kept = units - a.Spent
		} else {
			p.left += units - a.Spent
		}
	}
	more := min(a.Want, p.left)
	if more > 0 {
		more = min(a.Want+p.more, p.left)
	}
	if p.stands {
		more = 0
	}
	p.left -= more
	if kept+more > 0 {
		is.Loan = lease.Loan{End: is.Now + sluice.Tick(a.Policy.Lease.TTL.Microseconds()), Units: kept + more}
		for p.out[is.Loan.End] > 0 {
			is.Loan.End++
		}
		p.out[is.Loan.End] = is.Loan.Units
		p.granted = append(p.granted, span{now, sent.Add(a.Policy.Lease.TTL)})
	}
	return is
}

// seen returns how many units are left, and how often the pool was asked.
func (p *pool) seen() (left int64, checks int, asks []lease.Ask) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.left, p.checks, slices.Clone(p.asks)
}

// askedFor returns the asks that have been sent.
func (p *pool) askedFor() []lease.Ask {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent
}

// lent returns how many units are out now.
func (p *pool) lent() (n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for end, units := range p.out {
		if end > sluice.Tick(time.Now().UnixMicro()) {
			n += units
		}
	}
	return n
}
