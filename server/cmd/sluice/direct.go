package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/control"
	"github.com/sluice-project/sluice/engine"
	"github.com/sluice-project/sluice/policy"
	"github.com/sluice-project/sluice/policy/filesource"
	"github.com/sluice-project/sluice/server"
	"github.com/sluice-project/sluice/server/httpapi"
	"github.com/sluice-project/sluice/store/redisstore"
)

// direct asks a store in Redis, without a server.
type direct struct {
	engine     *engine.Engine
	store      sluice.Store
	connection server.Connection
	configured bool // by a configuration file, so that the policies are known
	live       bool // the policies are those of the servers that share the store
}

// leastTimeout is how long a command waits for Redis at the least. Nobody stands behind it in a queue, and its call is the
// first of its connection.
const leastTimeout = 2 * time.Second

// openDirect connects to a store: the one given, else that of the configuration file.
func openDirect(store, config string) (*direct, error) {
	file := new(filesource.File) // the zero settings are the defaults of the Redis store
	if config != "" {
		var err error
		if file, err = filesource.Load(config); err != nil {
			return nil, err
		}
	}
	if store == "" {
		store = file.Store
	}
	if store == "memory" {
		return nil, errors.New("the store is memory, which only the server that holds it can ask: give --store URL, or --server URL")
	}
	snapshot, err := policy.NewSnapshot(file.Policies, time.Now())
	if err != nil {
		return nil, err
	}
	d := &direct{configured: config != ""}
	timeout := max(file.StoreTimeout, leastTimeout)
	d.connection, err = server.Connect(store, redisstore.Config{Timeout: timeout, Prefix: file.KeyPrefix, HashKeys: file.HashKeys})
	if err != nil {
		return nil, err
	}
	d.store = d.connection.Store
	d.engine = engine.New(d.store, engine.Config{})
	d.engine.Swap(snapshot)
	return d, nil
}

func (d *direct) close() { d.connection.Close() }

func (d *direct) check(ctx context.Context, q question) (httpapi.Decision, error) {
	return d.ask(ctx, q, false)
}

func (d *direct) peek(ctx context.Context, q question) (httpapi.KeyState, error) {
	decision, err := d.ask(ctx, q, true)
	s := httpapi.KeyState{Decision: decision}
	if err != nil {
		return s, err
	}
	standing, err := d.store.Amend(ctx, sluice.Amendment{Policy: q.inStore(), Key: q.key})
	if err != nil {
		return s, err
	}
	s.Refusals, s.PastBlocks = standing.Refusals, standing.Blocks
	if o := standing.Override; o != nil {
		s.Override = &httpapi.Override{Limits: o.Limits}
		if o.Until != 0 {
			s.Override.Until = timeOf(o.Until)
		}
	}
	return s, nil
}

// timeOf returns an instant of the store's clock.
func timeOf(at sluice.Tick) time.Time { return time.UnixMicro(int64(at)).UTC() }

func (d *direct) ask(ctx context.Context, q question, peek bool) (httpapi.Decision, error) {
	if q.policy != "" {
		if err := d.follow(ctx); err != nil {
			return httpapi.Decision{}, err
		}
		answer, err := d.engine.Check(ctx, engine.Query{Policy: q.policy, Key: q.key, Cost: q.cost, Peek: peek})
		return httpapi.NewDecision(answer, ""), d.explain(err)
	}
	limits, err := q.ownLimits()
	if err != nil {
		return httpapi.Decision{}, err
	}
	answer, err := d.engine.CheckInline(ctx, engine.Inline{
		Namespace: q.inlineNamespace(), Limits: limits, Key: q.key, Cost: q.cost, Peek: peek,
	})
	return httpapi.NewDecision(answer, q.inlineNamespace()), err
}

// ownLimits returns the limits of the caller's own.
func (q question) ownLimits() ([]sluice.Limit, error) {
	limits := make([]sluice.Limit, len(q.limits))
	for i, text := range q.limits {
		l, err := sluice.ParseLimit(text)
		if err != nil {
			return nil, fmt.Errorf("--limit: %w", err)
		}
		if err := httpapi.OwnPeriod(l, limits[:i]); err != nil {
			return nil, fmt.Errorf("--limit: %w", err)
		}
		limits[i] = l
	}
	return limits, nil
}

// reset forgets a key of any policy, known or not: for that its limits need not be known.
func (d *direct) reset(ctx context.Context, q question) error {
	p := sluice.Policy{Name: q.inStore()}
	if err := wantNamed(p.Name, q.key); err != nil {
		return err
	}
	if q.policy != "" {
		if err := d.follow(ctx); err != nil {
			return err
		}
		live, known := d.engine.Snapshot().Get(q.policy)
		switch {
		case known:
			p = live.Policy // whose counters may have been forgotten at an instant
		case d.configured:
			return &engine.UnknownPolicyError{Policy: q.policy}
		}
	}
	return d.store.Reset(ctx, &p, q.key)
}

// block bars a key of any policy, known or not.
func (d *direct) block(ctx context.Context, q question, b sluice.Bar) (set blocked, err error) {
	standing, err := d.store.Amend(ctx, sluice.Amendment{Policy: q.policy, Key: q.key, Bar: &b})
	if err != nil {
		return set, err
	}
	if standing.Block != nil { // one that ends within a millisecond may have ended
		set.Blocked = httpapi.Blocked{Until: timeOf(standing.Block.Until), Reason: standing.Block.Reason}
	}
	return set, nil
}

func (d *direct) unblock(ctx context.Context, q question) error {
	if err := wantNamed(q.policy, q.key); err != nil {
		return err
	}
	_, err := d.store.Amend(ctx, sluice.Amendment{Policy: q.policy, Key: q.key, Unbar: true})
	return err
}

func (d *direct) ends() bool { return false }

// wantNamed reports what is wrong with the name of a policy that need not be known, and with a key.
func wantNamed(policyName, key string) error {
	p := sluice.Policy{Name: policyName, Limits: []sluice.Limit{sluice.PerSecond(1)}} // Validate is asked about the name
	if err := p.Validate(); err != nil {
		return err
	}
	return sluice.ValidateKey(key)
}

// follow takes over the policies that the servers of the store have live, where there are some: they may have been
// changed since the file was written, and what was counted before a policy was reset is under other keys.
func (d *direct) follow(ctx context.Context) error {
	view := control.New(d.connection.Ledger, d.store, control.Config{Swap: func(s *policy.Snapshot) {
		d.engine.Swap(s)
		d.live = true
	}})
	for begun := time.Now(); ; {
		err := view.Refresh(ctx)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) > leastTimeout || ctx.Err() != nil:
			return fmt.Errorf("read the live policies from the store: %w", err)
		}
	}
}

// explain adds to an error what would be right, where that is a flag.
func (d *direct) explain(err error) error {
	if unknown := (*engine.UnknownPolicyError)(nil); errors.As(err, &unknown) && !d.configured && !d.live {
		return fmt.Errorf("the limits of the policy %.64q are not known here: give --config FILE, which has them, or --limit", unknown.Policy)
	}
	return err
}

// inStore is the name of the policy as the store knows it.
func (q question) inStore() string {
	if q.policy == "" {
		return sluice.InlinePolicy(q.inlineNamespace()).Name
	}
	return q.policy
}

func (q question) inlineNamespace() string {
	if q.namespace == "" {
		return httpapi.DefaultNamespace
	}
	return q.namespace
}
