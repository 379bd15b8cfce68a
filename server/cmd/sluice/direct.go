package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sluice-project/sluice"
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
	configured bool // by a configuration file, so that the policies are known
	closeStore func()
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
	snapshot, err := policy.NewSnapshot(file.Policies)
	if err != nil {
		return nil, err
	}
	d := &direct{configured: config != ""}
	timeout := max(file.StoreTimeout, leastTimeout)
	d.store, d.closeStore, err = server.Connect(store, redisstore.Config{Timeout: timeout, Prefix: file.KeyPrefix, HashKeys: file.HashKeys})
	if err != nil {
		return nil, err
	}
	d.engine = engine.New(d.store, engine.Config{})
	d.engine.Swap(snapshot)
	return d, nil
}

func (d *direct) close() { d.closeStore() }

func (d *direct) check(ctx context.Context, q question) (httpapi.Decision, error) {
	return d.ask(ctx, q, false)
}

func (d *direct) peek(ctx context.Context, q question) (httpapi.Decision, error) {
	return d.ask(ctx, q, true)
}

func (d *direct) ask(ctx context.Context, q question, peek bool) (httpapi.Decision, error) {
	if q.policy != "" {
		answer, err := d.engine.Check(ctx, engine.Query{Policy: q.policy, Key: q.key, Cost: q.cost, Peek: peek})
		return httpapi.NewDecision(answer, ""), d.explain(err)
	}
	limits := make([]sluice.Limit, len(q.limits))
	for i, text := range q.limits {
		l, err := sluice.ParseLimit(text)
		if err != nil {
			return httpapi.Decision{}, fmt.Errorf("--limit: %w", err)
		}
		if err := httpapi.OwnPeriod(l, limits[:i]); err != nil {
			return httpapi.Decision{}, fmt.Errorf("--limit: %w", err)
		}
		limits[i] = l
	}
	answer, err := d.engine.CheckInline(ctx, engine.Inline{
		Namespace: q.inlineNamespace(), Limits: limits, Key: q.key, Cost: q.cost, Peek: peek,
	})
	return httpapi.NewDecision(answer, q.inlineNamespace()), err
}

// reset forgets a key of any policy, known or not: for that its limits need not be known.
func (d *direct) reset(ctx context.Context, q question) error {
	if d.configured && q.policy != "" {
		return d.explain(d.engine.Reset(ctx, q.policy, q.key))
	}
	p := sluice.Policy{Name: q.policy}
	if q.policy == "" {
		p = sluice.InlinePolicy(q.inlineNamespace())
	}
	p.Limits = []sluice.Limit{sluice.PerSecond(1)} // for Validate, which is asked about the name
	if err := p.Validate(); err != nil {
		return err
	}
	if err := sluice.ValidateKey(q.key); err != nil {
		return err
	}
	return d.store.Reset(ctx, p.Name, q.key)
}

// explain adds to an error what would be right, where that is a flag.
func (d *direct) explain(err error) error {
	if unknown := (*engine.UnknownPolicyError)(nil); errors.As(err, &unknown) && !d.configured {
		return fmt.Errorf("the limits of the policy %.64q are not known here: give --config FILE, which has them, or --limit", unknown.Policy)
	}
	return err
}

func (q question) inlineNamespace() string {
	if q.namespace == "" {
		return httpapi.DefaultNamespace
	}
	return q.namespace
}
